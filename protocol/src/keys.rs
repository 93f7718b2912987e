//! The key schedule: transcript, proofs, and every key that follows from a pairing.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroizing;

use crate::cpace::Isk;
use crate::lv::lv_cat;
use crate::role::Role;
use crate::room::RoomId;
use crate::short_number::ShortNumber;

/// The mode of a key exchange: what its secret is. Part of the context, so that secrets of one kind never
/// work as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The secret digits of a code.
    Code,
    /// The secret of a link.
    Link,
    /// The key that an earlier pairing left for this purpose.
    Resume,
    /// A password, inside the channel of a first exchange.
    Password,
}

impl Mode {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Link => "link",
            Self::Resume => "resume",
            Self::Password => "pass",
        }
    }

    /// The secret as the key exchange takes it (PRS of the draft).
    #[must_use]
    pub fn prs(self, secret: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(lv_cat(&[self.as_str().as_bytes(), secret]))
    }

    /// The context of the key exchange (CI of the draft).
    #[must_use]
    pub fn ci(self, room: &RoomId) -> Vec<u8> {
        lv_cat(&[
            b"p2pshare/1",
            Role::Host.as_str().as_bytes(),
            Role::Guest.as_str().as_bytes(),
            self.as_str().as_bytes(),
            room.as_str().as_bytes(),
        ])
    }
}

/// Everything that both sides said in the clear.
#[derive(Debug, Clone, Copy)]
pub struct Transcript<'a> {
    /// The session identifier, from the host.
    pub sid: &'a [u8; 16],
    /// The context.
    pub ci: &'a [u8],
    /// The host's element and associated data.
    pub host: (&'a [u8; 32], &'a [u8]),
    /// The guest's element and associated data.
    pub guest: (&'a [u8; 32], &'a [u8]),
}

impl Transcript<'_> {
    /// The transcript hash, `th`.
    #[must_use]
    pub fn hash(&self) -> [u8; 64] {
        let ((ya, ad_a), (yb, ad_b)) = (self.host, self.guest);
        Sha512::digest(lv_cat(&[b"p2pshare/1 transcript", self.sid, self.ci, ya, ad_a, yb, ad_b])).into()
    }
}

/// The keys of one exchange.
pub struct KeySchedule {
    th: [u8; 64],
    prk: Hkdf<Sha256>,
}

impl KeySchedule {
    /// The schedule of a first exchange.
    #[must_use]
    pub fn new(transcript: &Transcript<'_>, isk: &Isk) -> Self {
        let th = transcript.hash();
        Self { prk: Hkdf::new(Some(&th), isk.as_bytes()), th }
    }

    /// The schedule of the password's exchange, which depends on the first as well.
    #[must_use]
    pub fn with_password(&self, transcript: &Transcript<'_>, isk: &Isk) -> Self {
        let th = transcript.hash();
        let ikm = Zeroizing::new([isk.as_bytes().as_slice(), &*self.key("pw")].concat());
        Self { prk: Hkdf::new(Some(&th), &ikm), th }
    }

    /// The transcript hash, which a link's host signs.
    #[must_use]
    pub const fn th(&self) -> &[u8; 64] {
        &self.th
    }

    /// The session identifier of password attempt `attempt`, counted from 0.
    #[must_use]
    pub fn password_sid(&self, attempt: u8) -> [u8; 16] {
        let mut sid = [0; 16];
        sid.copy_from_slice(&self.key("pw")[..16]);
        sid[15] ^= attempt;
        sid
    }

    /// The guest's proof, `Tg`.
    #[must_use]
    pub fn guest_proof(&self) -> [u8; 32] {
        self.guest_mac().finalize().into_bytes().into()
    }

    /// Compares the guest's proof in constant time.
    #[must_use]
    pub fn is_guest_proof(&self, proof: &[u8; 32]) -> bool {
        self.guest_mac().verify_slice(proof).is_ok()
    }

    /// The host's proof, `Th`.
    #[must_use]
    pub fn host_proof(&self, host_nonce: &[u8; 16]) -> [u8; 32] {
        self.host_mac(host_nonce).finalize().into_bytes().into()
    }

    /// Compares the host's proof in constant time.
    #[must_use]
    pub fn is_host_proof(&self, proof: &[u8; 32], host_nonce: &[u8; 16]) -> bool {
        self.host_mac(host_nonce).verify_slice(proof).is_ok()
    }

    /// The key with which `role` seals.
    #[must_use]
    pub fn sealing_key(&self, role: Role) -> Zeroizing<[u8; 32]> {
        self.key(match role {
            Role::Host => "sig h2g",
            Role::Guest => "sig g2h",
        })
    }

    /// The number that two people compare.
    #[must_use]
    pub fn short_number(&self, host_nonce: &[u8; 16], guest_nonce: &[u8; 16]) -> ShortNumber {
        let sas = Hkdf::<Sha256>::from_prk(&*self.key("sas")).expect("a key has the length of a hash");
        let mut bytes = [0; 8];
        let info = [b"p2pshare/1 sas ".as_slice(), host_nonce, guest_nonce].concat();
        sas.expand(&info, &mut bytes).expect("8 bytes are within the reach of HKDF");
        ShortNumber::from_uniform(u64::from_be_bytes(bytes))
    }

    /// What a session needs after the pairing.
    #[must_use]
    pub fn session_keys(&self, role: Role) -> SessionKeys {
        let mut resume_id = [0; 16];
        self.expand("resume id", &mut resume_id);
        SessionKeys {
            role,
            bind: self.key("bind"),
            tunnel: [self.key("tunnel h2g"), self.key("tunnel g2h")],
            resume_key: self.key("resume"),
            resume_id,
        }
    }

    fn guest_mac(&self) -> Hmac<Sha256> {
        mac(&self.key("confirm guest"), &[b"guest", &self.th])
    }

    fn host_mac(&self, host_nonce: &[u8; 16]) -> Hmac<Sha256> {
        mac(&self.key("confirm host"), &[b"host", &self.th, host_nonce])
    }

    fn key(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        self.expand(label, &mut *key);
        key
    }

    fn expand(&self, label: &str, out: &mut [u8]) {
        self.prk
            .expand_multi_info(&[b"p2pshare/1 ", label.as_bytes()], out)
            .expect("at most 32 bytes are within the reach of HKDF");
    }
}

/// The keys that outlive the pairing: for the bind step on the control channel and for a reconnect.
pub struct SessionKeys {
    role: Role,
    bind: Zeroizing<[u8; 32]>,
    /// What the host and what the guest seals with.
    tunnel: [Zeroizing<[u8; 32]>; 2],
    resume_key: Zeroizing<[u8; 32]>,
    resume_id: [u8; 16],
}

impl SessionKeys {
    /// The first message of this side on the control channel: it proves which certificates and which ICE
    /// session this side takes for those of the connection.
    #[must_use]
    pub fn bind_mac(&self, connection: &Connection<'_>) -> [u8; 32] {
        self.mac_of(self.role, connection.local, connection.remote).finalize().into_bytes().into()
    }

    /// Checks the first message of the peer on the control channel, in constant time.
    ///
    /// # Errors
    /// When the peer sees other certificates or another ICE session: somebody stands between. Close, do not retry.
    pub fn verify_bind_mac(&self, connection: &Connection<'_>, mac: &[u8]) -> Result<(), BindMismatch> {
        let expected = self.mac_of(self.role.peer(), connection.remote, connection.local);
        expected.verify_slice(mac).map_err(|_| BindMismatch)
    }

    /// The side that holds these keys.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The key with which `role` seals in a tunnel.
    pub(crate) fn tunnel_key(&self, role: Role) -> &[u8; 32] {
        let [host, guest] = &self.tunnel;
        match role {
            Role::Host => host,
            Role::Guest => guest,
        }
    }

    /// The secret of the next handshake between these two sides.
    #[must_use]
    pub const fn resume_key(&self) -> &Zeroizing<[u8; 32]> {
        &self.resume_key
    }

    /// The public handle of that handshake.
    #[must_use]
    pub const fn resume_id(&self) -> &[u8; 16] {
        &self.resume_id
    }

    /// The room in which the two sides meet again.
    #[must_use]
    pub fn resume_room(&self) -> RoomId {
        RoomId::of_resume_id(&self.resume_id)
    }

    fn mac_of(&self, role: Role, local: Endpoint<'_>, remote: Endpoint<'_>) -> Hmac<Sha256> {
        let ends =
            lv_cat(&[local.fingerprint, remote.fingerprint, local.ice_ufrag.as_bytes(), remote.ice_ufrag.as_bytes()]);
        mac(&self.bind, &[role.as_str().as_bytes(), &ends])
    }
}

impl std::fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SessionKeys({}, secret)", self.role.as_str())
    }
}

/// One end of a peer connection, as it is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// SHA-256 of the DTLS certificate that was actually presented.
    pub fingerprint: &'a [u8; 32],
    /// The ICE user name fragment.
    pub ice_ufrag: &'a str,
}

/// The two ends of a peer connection, as one side sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection<'a> {
    /// This side.
    pub local: Endpoint<'a>,
    /// The peer.
    pub remote: Endpoint<'a>,
}

/// The peer did not prove that it sees the same connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection does not end at the device that was paired with")]
pub struct BindMismatch;

fn mac(key: &[u8; 32], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac
}

/// The keys of one side of a pairing that never was.
#[cfg(test)]
pub(crate) fn test_keys(role: Role) -> SessionKeys {
    tests::schedule().session_keys(role)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpace::Exchange;

    #[test]
    fn the_bind_step_accepts_exactly_the_same_connection_seen_from_the_other_end() {
        let (host, guest) = (schedule().session_keys(Role::Host), schedule().session_keys(Role::Guest));
        let (a, b) = (end(&[1; 32], "aaaa"), end(&[2; 32], "bbbb"));
        let (seen_by_host, seen_by_guest) = (Connection { local: a, remote: b }, Connection { local: b, remote: a });
        let mac = host.bind_mac(&seen_by_host);
        assert!(guest.verify_bind_mac(&seen_by_guest, &mac).is_ok());
        assert!(host.verify_bind_mac(&seen_by_host, &mac).is_err(), "reflected");
        assert!(host.verify_bind_mac(&seen_by_guest, &mac).is_err(), "reflected with the ends swapped");
        for other in [end(&[9; 32], "aaaa"), end(&[1; 32], "cccc")] {
            let swapped = Connection { local: b, remote: other };
            assert!(guest.verify_bind_mac(&swapped, &mac).is_err(), "{other:?}");
        }
        let (fingerprint, mac_of_other) = ([9; 32], guest.bind_mac(&seen_by_guest));
        assert!(guest.verify_bind_mac(&Connection { local: end(&fingerprint, "bbbb"), remote: a }, &mac).is_err());
        assert!(guest.verify_bind_mac(&seen_by_guest, &mac_of_other).is_err());
        assert!(guest.verify_bind_mac(&seen_by_guest, &mac[..31]).is_err());
        assert!(guest.verify_bind_mac(&seen_by_guest, &[]).is_err());
    }

    #[test]
    fn the_keys_are_not_in_the_debug_output() {
        assert_eq!(format!("{:?}", schedule().session_keys(Role::Host)), "SessionKeys(host, secret)");
    }

    fn end<'a>(fingerprint: &'a [u8; 32], ice_ufrag: &'a str) -> Endpoint<'a> {
        Endpoint { fingerprint, ice_ufrag }
    }

    pub(super) fn schedule() -> KeySchedule {
        let sid = [0; 16];
        let host = Exchange::new(Role::Host, b"prs", b"ci", &sid, &[1; 64]);
        let guest = Exchange::new(Role::Guest, b"prs", b"ci", &sid, &[2; 64]);
        let (ya, yb) = (*host.element(), *guest.element());
        let isk = host.finish(b"", &yb, b"").unwrap();
        KeySchedule::new(&Transcript { sid: &sid, ci: b"ci", host: (&ya, b""), guest: (&yb, b"") }, &isk)
    }
}
