//! The guest's machine: answers the hello with its proof, checks the host's, and hands over to [`ProvenHost`].

use std::time::Instant;

use zeroize::Zeroizing;

use super::associated_data::{self, Commitment};
use super::candidates::LocalCandidates;
use super::channel::Channel;
use super::entropy::Entropy;
use super::error::{PairingError, Unverified, Violation};
use super::secret::{ExpectedHostKey, GuestSecret};
use super::{Failure, Input, Outbox, Output};
use crate::cpace::Exchange;
use crate::device_identity::DeviceIdentity;
use crate::keys::{KeySchedule, Mode, Transcript};
use crate::limits::HANDSHAKE_MAX;
use crate::nearby::DeviceName;
use crate::peer_message::{GuestProof, HostHello, HostProof, PeerMessage};
use crate::role::Role;
use crate::room::RoomId;
use crate::sdp::{Sdp, SdpKind};
use crate::sealed_frame::SealedFrame;

use self::proven_host::{Opening, ProvenHost};

mod proven_host;

/// What a guest asks of a host beyond the code or link.
#[derive(Debug, Clone, Default)]
pub struct GuestOptions {
    /// Whether both people compare the short number.
    pub short_number: bool,
    /// What this side calls itself, where the host does not expect anybody.
    pub name: Option<DeviceName>,
    /// The key by which the host may know this side, if it is to.
    pub device: Option<DeviceIdentity>,
}

/// One handshake of a guest with a host.
///
/// Feed it [`Input`]s, drain [`Output`]s; see [`crate::pairing`] for the loop. The offer may be fed before or
/// after the host's hello: the proof leaves as soon as both are there.
pub struct GuestPairing {
    phase: Phase,
    offer: Option<Sdp>,
    proof_sent: bool,
    guest: Guest,
}

/// What the guest has in every phase.
struct Guest {
    secret: Secret,
    local: LocalCandidates,
    outbox: Outbox,
}

enum Phase {
    /// Waits for the host's hello.
    Hello,
    /// Waits for the own offer.
    Offer(Box<HostHello>),
    /// Waits for the host's proof.
    Proof(Box<Proven>),
    /// Goes on with a proven host.
    Host(Box<ProvenHost>),
    Over,
}

/// What the guest brings.
struct Secret {
    mode: Mode,
    prs: Zeroizing<Vec<u8>>,
    room: RoomId,
    host_key: ExpectedHostKey,
    short_number: bool,
    name: Option<DeviceName>,
    device: Option<DeviceIdentity>,
    entropy: Entropy,
}

/// The keys that follow from the hello, if the host knows the secret.
struct Proven {
    keys: KeySchedule,
    channel: Channel,
    sid: [u8; 16],
}

impl GuestPairing {
    /// Starts a handshake with the host of `room`. It speaks first.
    #[must_use]
    pub fn new(secret: &GuestSecret, room: &RoomId, options: GuestOptions, entropy: Entropy, now: Instant) -> Self {
        let GuestOptions { short_number, name, device } = options;
        let (mode, prs, host_key) = (secret.mode(), secret.prs(), secret.host_key());
        let secret = Secret { mode, prs, room: room.clone(), host_key, short_number, name, device, entropy };
        let outbox = Outbox { deadline: Some(now + HANDSHAKE_MAX), ..Outbox::default() };
        let guest = Guest { secret, local: LocalCandidates::default(), outbox };
        Self { phase: Phase::Hello, offer: None, proof_sent: false, guest }
    }

    /// Takes in what happened; drain [`Self::poll_output`] afterwards. Once the pairing has failed or was
    /// canceled, inputs have no effect.
    ///
    /// # Errors
    /// When the pairing has failed.
    pub fn handle_input(&mut self, input: Input, now: Instant) -> Result<(), PairingError> {
        if matches!(self.phase, Phase::Over) {
            return Ok(());
        }
        let result = match input {
            _ if self.guest.outbox.is_late(now) => Err(Failure::Own(self.lateness())),
            Input::Received(bytes) => self.receive(&bytes, now),
            Input::LocalDescription(sdp) => self.take_offer(&sdp).map_err(Failure::Own),
            Input::Canceled => {
                self.part(PairingError::Canceled);
                Ok(())
            }
            Input::TimedOut => Ok(()),
            Input::LocalCandidate(_) | Input::Confirmed(_) | Input::Password(_) => {
                self.handle_local(input, now).map_err(Failure::Own)
            }
        };
        result.map_err(|failure| match failure {
            Failure::Own(error) => {
                self.part(error);
                error
            }
            Failure::Peers(error) => {
                self.over();
                error
            }
        })
    }

    /// The next thing to do, ending in [`Output::Wait`].
    pub fn poll_output(&mut self) -> Output {
        self.guest.outbox.poll()
    }

    /// Whether the host could test a guess: the proof is out and the host has not proven itself. A handshake that
    /// ends so counts against the code.
    #[must_use]
    pub const fn is_exposed(&self) -> bool {
        self.proof_sent
    }

    fn receive(&mut self, bytes: &[u8], now: Instant) -> Result<(), Failure> {
        let message = PeerMessage::parse(bytes).map_err(|_| Violation::Malformed)?;
        if let PeerMessage::Fail(code) = message {
            return Err(Failure::Peers(code.into()));
        }
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Hello => {
                let PeerMessage::HostHello(hello) = message else { return Err(Violation::Unexpected.into()) };
                Ok(self.take_hello(hello)?)
            }
            Phase::Proof(proven) => {
                let PeerMessage::HostProof(proof) = message else { return Err(Violation::Unexpected.into()) };
                self.check_proof(*proven, &proof, now)
            }
            Phase::Host(mut host) => {
                let result = host.receive(message, now, &mut self.guest);
                self.phase = Phase::Host(host);
                result
            }
            Phase::Offer(_) | Phase::Over => Err(Violation::Unexpected.into()),
        }
    }

    fn handle_local(&mut self, input: Input, now: Instant) -> Result<(), PairingError> {
        match (&mut self.phase, input) {
            (Phase::Host(host), input) => host.handle_local(input, now, &mut self.guest),
            (_, Input::LocalCandidate(candidate)) => {
                self.guest.local.take(candidate);
                Ok(())
            }
            // Nobody asked yet.
            (Phase::Hello | Phase::Offer(_) | Phase::Proof(_) | Phase::Over, _) => Ok(()),
        }
    }

    /// Keeps the addresses out of the offer: they follow when the host is proven.
    fn take_offer(&mut self, sdp: &str) -> Result<(), PairingError> {
        if !matches!(self.phase, Phase::Hello | Phase::Offer(_)) {
            return Ok(());
        }
        let offer = Sdp::parse(sdp, SdpKind::Offer).map_err(PairingError::LocalDescription)?;
        let (offer, candidates) = offer.split_addresses();
        for candidate in candidates {
            self.guest.local.take(candidate);
        }
        self.offer = Some(offer);
        match std::mem::replace(&mut self.phase, Phase::Hello) {
            Phase::Offer(hello) => self.send_proof(&hello),
            Phase::Hello | Phase::Proof(_) | Phase::Host(_) | Phase::Over => Ok(()),
        }
    }

    fn take_hello(&mut self, hello: HostHello) -> Result<(), PairingError> {
        associated_data::check_host(&hello.ad)?;
        if self.offer.is_some() {
            return self.send_proof(&hello);
        }
        self.phase = Phase::Offer(Box::new(hello));
        Ok(())
    }

    /// Proves that this side knows the secret. Whoever sent the hello can test one guess with it.
    fn send_proof(&mut self, hello: &HostHello) -> Result<(), PairingError> {
        let Some(offer) = self.offer.take() else { return Ok(()) };
        let secret = &self.guest.secret;
        let ci = secret.mode.ci(&secret.room);
        let exchange = Exchange::new(Role::Guest, &secret.prs, &ci, &hello.sid, &secret.entropy.scalar);
        let element = *exchange.element();
        let ad = associated_data::of_guest(&Commitment::to(&secret.entropy.nonce));
        let isk = exchange.finish(&ad, &hello.element, &hello.ad).map_err(|_| Violation::InvalidElement)?;
        let (host, guest) = ((&hello.element, hello.ad.as_slice()), (&element, ad.as_slice()));
        let keys = KeySchedule::new(&Transcript { sid: &hello.sid, ci: &ci, host, guest }, &isk);
        let mut channel = Channel::new(&keys, Role::Guest, &hello.sid);
        let (from, sdp) = (secret.name.clone(), offer.as_str().to_owned());
        let device = secret.device.as_ref().map(|device| device.prove(Role::Guest, keys.th()));
        let frame = SealedFrame::Offer { sdp, verify: secret.short_number, from, device };
        let sealed = channel.seal(&frame)?;
        let proof = keys.guest_proof();
        self.guest.outbox.send(&PeerMessage::GuestProof(GuestProof { element, ad, proof, sealed }));
        self.proof_sent = true;
        self.phase = Phase::Proof(Box::new(Proven { keys, channel, sid: hello.sid }));
        Ok(())
    }

    fn check_proof(&mut self, proven: Proven, message: &HostProof, now: Instant) -> Result<(), Failure> {
        let Proven { keys, mut channel, sid } = proven;
        if !keys.is_host_proof(&message.proof, &message.nonce) {
            return Err(PairingError::PeerNotVerified(Unverified::WrongProof).into());
        }
        self.guest.secret.host_key.check(message.auth.as_ref(), keys.th(), &message.nonce)?;
        let frame = channel.open(&message.sealed)?;
        self.proof_sent = false;
        let opening = Opening { keys, channel, sid, host_nonce: message.nonce };
        let mut host = ProvenHost::new(opening);
        let result = host.take(frame, now, &mut self.guest);
        self.phase = Phase::Host(Box::new(host));
        result
    }

    const fn lateness(&self) -> PairingError {
        match self.phase {
            Phase::Hello | Phase::Offer(_) | Phase::Proof(_) => PairingError::PeerNotVerified(Unverified::Silence),
            Phase::Host(_) | Phase::Over => PairingError::TimedOut,
        }
    }

    /// Tells the peer and ends.
    fn part(&mut self, error: PairingError) {
        match &mut self.phase {
            Phase::Host(host) => host.part(error, &mut self.guest),
            Phase::Hello | Phase::Offer(_) | Phase::Proof(_) | Phase::Over => self.guest.outbox.fail(error.fail_code()),
        }
        self.over();
    }

    fn over(&mut self) {
        self.phase = Phase::Over;
        self.guest.outbox.deadline = None;
    }
}
