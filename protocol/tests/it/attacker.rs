//! A peer that knows the code and breaks the rules: it speaks the protocol by hand.

use std::time::Instant;

use p2pshare_protocol::cpace::Exchange;
use p2pshare_protocol::keys::{KeySchedule, Mode, Transcript};
use p2pshare_protocol::lv::lv_cat;
use p2pshare_protocol::pairing::Input;
use p2pshare_protocol::peer_message::{GuestProof, HostHello, HostProof, PeerMessage};
use p2pshare_protocol::role::Role;
use p2pshare_protocol::room::RoomId;
use p2pshare_protocol::seal::{Opener, Sealer};
use p2pshare_protocol::sealed_frame::SealedFrame;
use sha2::{Digest, Sha256};

use crate::pair::{Machine, Side};

/// What an attacker holds after a handshake with the right secret.
pub(crate) struct Attacker {
    pub(crate) keys: KeySchedule,
    pub(crate) sealer: Sealer,
    pub(crate) opener: Opener,
}

/// Where an attack takes place.
pub(crate) struct Scene<'a> {
    pub(crate) mode: Mode,
    pub(crate) secret: &'a [u8],
    pub(crate) room: &'a RoomId,
}

pub(crate) const NONCE: [u8; 16] = [0x5a; 16];

impl Attacker {
    /// Plays guest: answers the host's hello with a right proof and this first frame.
    pub(crate) fn as_guest(scene: &Scene<'_>, hello: &[u8], first: &[u8]) -> (Self, Vec<u8>) {
        let PeerMessage::HostHello(hello) = PeerMessage::parse(hello).unwrap() else { panic!("no hello") };
        let (prs, ci) = (scene.mode.prs(scene.secret), scene.mode.ci(scene.room));
        let exchange = Exchange::new(Role::Guest, &prs, &ci, &hello.sid, &[7; 64]);
        let element = *exchange.element();
        let ad = guest_ad();
        let isk = exchange.finish(&ad, &hello.element, &hello.ad).unwrap();
        let (host, guest) = ((&hello.element, hello.ad.as_slice()), (&element, ad.as_slice()));
        let mut attacker = Self::new(Role::Guest, &hello.sid, &ci, host, guest, &isk);
        let (proof, sealed) = (attacker.keys.guest_proof(), attacker.sealer.seal(first).unwrap());
        (attacker, PeerMessage::GuestProof(GuestProof { element, ad, proof, sealed }).encode())
    }

    /// Plays host: `respond` makes the host's proof from the guest's.
    pub(crate) fn as_host(
        scene: &Scene<'_>,
        answer_to: impl FnOnce(Vec<u8>) -> Vec<u8>,
        first: &[u8],
    ) -> (Self, Vec<u8>) {
        let (prs, ci) = (scene.mode.prs(scene.secret), scene.mode.ci(scene.room));
        let (sid, ad) = ([1; 16], host_ad());
        let exchange = Exchange::new(Role::Host, &prs, &ci, &sid, &[7; 64]);
        let element = *exchange.element();
        let hello = PeerMessage::HostHello(HostHello { sid, element, ad: ad.clone() }).encode();
        let PeerMessage::GuestProof(proof) = PeerMessage::parse(&answer_to(hello)).unwrap() else { panic!("no proof") };
        let isk = exchange.finish(&ad, &proof.element, &proof.ad).unwrap();
        let (host, guest) = ((&element, ad.as_slice()), (&proof.element, proof.ad.as_slice()));
        let mut attacker = Self::new(Role::Host, &sid, &ci, host, guest, &isk);
        attacker.opener.open(&proof.sealed).unwrap();
        let sealed = attacker.sealer.seal(first).unwrap();
        let proof = attacker.keys.host_proof(&NONCE);
        (attacker, PeerMessage::HostProof(HostProof { proof, nonce: NONCE, auth: None, sealed }).encode())
    }

    fn new(
        role: Role,
        sid: &[u8; 16],
        ci: &[u8],
        host: (&[u8; 32], &[u8]),
        guest: (&[u8; 32], &[u8]),
        isk: &p2pshare_protocol::cpace::Isk,
    ) -> Self {
        let keys = KeySchedule::new(&Transcript { sid, ci, host, guest }, isk);
        let (sealer, opener) = (Sealer::new(&keys, role, sid), Opener::new(&keys, role.peer(), sid));
        Self { keys, sealer, opener }
    }

    /// Sends a frame, well sealed.
    pub(crate) fn say<M: Machine>(&mut self, to: &mut Side<M>, frame: &SealedFrame, now: Instant) {
        self.say_json(to, &frame.to_json(), now);
    }

    /// Sends any bytes, well sealed.
    pub(crate) fn say_json<M: Machine>(&mut self, to: &mut Side<M>, json: &[u8], now: Instant) {
        let sealed = self.sealer.seal(json).unwrap();
        to.feed(Input::Received(PeerMessage::Sealed(sealed).encode()), now);
    }
}

fn host_ad() -> Vec<u8> {
    lv_cat(&[b"1", b"1", &[0]])
}

fn guest_ad() -> Vec<u8> {
    let commitment: [u8; 32] = Sha256::digest([b"p2pshare/1 sas-commit".as_slice(), &NONCE].concat()).into();
    lv_cat(&[b"1", &commitment])
}
