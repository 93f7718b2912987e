//! A host and a guest over a simulated link, with a clock of their own.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use p2pshare_protocol::code::Code;
use p2pshare_protocol::device_identity::DeviceKey;
use p2pshare_protocol::host_identity::HostIdentity;
use p2pshare_protocol::keys::SessionKeys;
use p2pshare_protocol::link::Link;
use p2pshare_protocol::pairing::{
    Entropy, GuestOptions, GuestPairing, GuestSecret, HostOptions, HostPairing, HostSecret, Input, Output, PairingError,
};
use p2pshare_protocol::room::RoomId;
use p2pshare_protocol::sdp::{Candidate, SdpKind};
use p2pshare_protocol::short_number::ShortNumber;
use rand_core::{TryCryptoRng, TryRng};
use zeroize::Zeroizing;

/// Seeded randomness (SplitMix64): good enough for tests, and the same every time.
pub(crate) struct SeededRng(pub(crate) u64);

impl SeededRng {
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) const fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

impl TryRng for SeededRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.next() as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for SeededRng {}

/// What both machines have in common, so that a test can treat them alike.
pub(crate) trait Machine {
    fn handle_input(&mut self, input: Input, now: Instant) -> Result<(), PairingError>;
    fn poll_output(&mut self) -> Output;
}

impl Machine for HostPairing {
    fn handle_input(&mut self, input: Input, now: Instant) -> Result<(), PairingError> {
        Self::handle_input(self, input, now)
    }

    fn poll_output(&mut self) -> Output {
        Self::poll_output(self)
    }
}

impl Machine for GuestPairing {
    fn handle_input(&mut self, input: Input, now: Instant) -> Result<(), PairingError> {
        Self::handle_input(self, input, now)
    }

    fn poll_output(&mut self) -> Output {
        Self::poll_output(self)
    }
}

/// One side: a machine, and everything that came out of it.
pub(crate) struct Side<M> {
    pub(crate) machine: M,
    pub(crate) sent: VecDeque<Vec<u8>>,
    pub(crate) remote_description: Option<String>,
    pub(crate) remote_candidates: Vec<String>,
    pub(crate) short_number: Option<ShortNumber>,
    pub(crate) met: Option<DeviceKey>,
    pub(crate) passwords_asked: Vec<u8>,
    pub(crate) wrong_passwords: Vec<u8>,
    pub(crate) keys: Option<SessionKeys>,
    pub(crate) error: Option<PairingError>,
    pub(crate) deadline: Option<Instant>,
    is_host: bool,
}

impl<M: Machine> Side<M> {
    pub(crate) fn new(machine: M, is_host: bool) -> Self {
        let mut side = Self {
            machine,
            sent: VecDeque::new(),
            remote_description: None,
            remote_candidates: Vec::new(),
            short_number: None,
            met: None,
            passwords_asked: Vec::new(),
            wrong_passwords: Vec::new(),
            keys: None,
            error: None,
            deadline: None,
            is_host,
        };
        side.drain();
        side
    }

    /// Feeds an input, and answers a description as a WebRTC stack would.
    pub(crate) fn feed(&mut self, input: Input, now: Instant) {
        if let Err(error) = self.machine.handle_input(input, now) {
            assert!(self.error.is_none(), "a machine failed twice");
            self.error = Some(error);
        }
        let had_description = self.remote_description.is_some();
        self.drain();
        if self.is_host && !had_description && self.remote_description.is_some() {
            self.feed(Input::LocalDescription(sdp(SdpKind::Answer)), now);
        }
    }

    pub(crate) fn give_password(&mut self, password: &str, now: Instant) {
        self.feed(Input::Password(Zeroizing::new(password.to_owned())), now);
    }

    pub(crate) const fn is_paired(&self) -> bool {
        self.keys.is_some()
    }

    fn drain(&mut self) {
        loop {
            match self.machine.poll_output() {
                Output::Send(bytes) => self.sent.push_back(bytes),
                Output::RemoteDescription(sdp) => {
                    assert!(self.remote_description.replace(sdp.as_str().to_owned()).is_none());
                }
                Output::RemoteCandidate(candidate) => {
                    assert!(self.remote_description.is_some(), "a candidate came before the description");
                    self.remote_candidates.push(candidate.as_str().to_owned());
                }
                Output::AskPassword { attempts_left } => self.passwords_asked.push(attempts_left),
                Output::WrongPassword { attempts_left } => self.wrong_passwords.push(attempts_left),
                Output::Named(_) => {}
                Output::Met(key) => assert!(self.met.replace(key).is_none()),
                Output::ShowShortNumber(number) => assert!(self.short_number.replace(number).is_none()),
                Output::Paired(keys) => assert!(self.keys.replace(keys).is_none()),
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }
}

/// Both sides of a handshake.
pub(crate) struct Pair {
    pub(crate) host: Side<HostPairing>,
    pub(crate) guest: Side<GuestPairing>,
    pub(crate) now: Instant,
}

/// What a pair is made of; change what a test is about.
pub(crate) struct Setup {
    pub(crate) host_secret: HostSecret,
    pub(crate) guest_secret: GuestSecret,
    pub(crate) room: RoomId,
    pub(crate) host: HostOptions,
    pub(crate) guest: GuestOptions,
    pub(crate) seed: u64,
}

impl Setup {
    pub(crate) fn with_codes(host: &str, guest: &str) -> Self {
        let (host, guest): (Code, Code) = (host.parse().unwrap(), guest.parse().unwrap());
        Self {
            room: host.room(),
            host_secret: HostSecret::Code(host),
            guest_secret: GuestSecret::Code(guest),
            host: HostOptions::default(),
            guest: GuestOptions::default(),
            seed: 1,
        }
    }

    pub(crate) fn with_link(seed: u64) -> Self {
        let mut rng = SeededRng(seed ^ 0xabc);
        let identity = HostIdentity::generate(&mut rng);
        let link = Link::generate("https://share.example.org".parse().unwrap(), &identity, &mut rng);
        Self {
            room: link.room(),
            host_secret: HostSecret::Link { link: link.clone(), identity },
            guest_secret: GuestSecret::Link(link),
            host: HostOptions::default(),
            guest: GuestOptions::default(),
            seed,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test has to begin at some time")]
    pub(crate) fn start(self) -> Pair {
        let (now, mut rng) = (Instant::now(), SeededRng(self.seed));
        let entropy = Entropy::generate(&mut rng);
        let host = HostPairing::new(&self.host_secret, &self.room, self.host, entropy, now);
        let entropy = Entropy::generate(&mut rng);
        let guest = GuestPairing::new(&self.guest_secret, &self.room, self.guest, entropy, now);
        Pair { host: Side::new(host, true), guest: Side::new(guest, false), now }
    }
}

/// A guest that begins at this time.
pub(crate) fn guest_of(secret: &GuestSecret, room: &RoomId, now: Instant) -> Side<GuestPairing> {
    let entropy = Entropy::generate(&mut SeededRng(2));
    Side::new(GuestPairing::new(secret, room, GuestOptions::default(), entropy, now), false)
}

impl Pair {
    /// Hands one message over in each direction. Returns whether there was any.
    pub(crate) fn step(&mut self) -> bool {
        let (to_guest, to_host) = (self.host.sent.pop_front(), self.guest.sent.pop_front());
        let any = to_guest.is_some() || to_host.is_some();
        if let Some(bytes) = to_guest {
            self.guest.feed(Input::Received(bytes), self.now);
        }
        if let Some(bytes) = to_host {
            self.host.feed(Input::Received(bytes), self.now);
        }
        any
    }

    /// Hands messages over until nobody says anything.
    pub(crate) fn settle(&mut self) {
        while self.step() {
            self.now += Duration::from_millis(10);
        }
    }

    pub(crate) fn offer(&mut self) {
        self.guest.feed(Input::LocalDescription(sdp(SdpKind::Offer)), self.now);
    }

    pub(crate) fn give_password(&mut self, password: &str) {
        self.guest.give_password(password, self.now);
        self.settle();
    }

    pub(crate) fn assert_paired(&self) {
        assert_eq!((self.host.error, self.guest.error), (None, None));
        let (host, guest) = (self.host.keys.as_ref().unwrap(), self.guest.keys.as_ref().unwrap());
        assert_eq!(host.resume_key(), guest.resume_key());
        assert_eq!(host.resume_id(), guest.resume_id());
        assert!(self.host.remote_description.as_ref().unwrap().contains("actpass"));
        assert!(self.guest.remote_description.as_ref().unwrap().contains("active"));
    }
}

/// A description as a WebRTC stack writes it.
pub(crate) fn sdp(kind: SdpKind) -> String {
    let (setup, ufrag, byte) = match kind {
        SdpKind::Offer => ("actpass", "oFFr", "AB"),
        SdpKind::Answer => ("active", "aNSw", "CD"),
    };
    let fingerprint = vec![byte; 32].join(":");
    format!(
        "v=0\r\no=- 4611 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         a=fingerprint:sha-256 {fingerprint}\r\n\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=setup:{setup}\r\na=mid:0\r\n\
         a=ice-ufrag:{ufrag}\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=sctp-port:5000\r\n"
    )
}

pub(crate) fn candidate(n: u16) -> Candidate {
    let text = format!("candidate:1 1 udp 2130706431 192.0.2.1 {n} typ host");
    Candidate::new(text, Some("0".to_owned()), Some(0)).unwrap()
}
