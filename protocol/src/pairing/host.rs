//! The host's machine: says hello, checks the guest's proof, and hands over to [`ProvenGuest`].

use std::time::Instant;

use super::associated_data;
use super::channel::Channel;
use super::entropy::Entropy;
use super::error::{PairingError, Violation};
use super::secret::HostSecret;
use super::{Failure, Input, Outbox, Output};
use crate::cpace::Exchange;
use crate::device_identity::{DeviceIdentity, DeviceKey};
use crate::host_identity::HostIdentity;
use crate::keys::{KeySchedule, Mode, Transcript};
use crate::limits::HANDSHAKE_MAX;
use crate::password::StretchedPassword;
use crate::peer_message::{FailCode, GuestProof, HostHello, PeerMessage};
use crate::role::Role;
use crate::room::RoomId;
use crate::sdp::{Sdp, SdpKind};
use crate::sealed_frame::SealedFrame;

use self::proven_guest::{Opening, ProvenGuest};

mod proven_guest;

/// What a host asks of a guest beyond the code or link.
#[derive(Debug, Clone, Default)]
pub struct HostOptions {
    /// The share's password, if it has one.
    pub password: Option<PasswordGate>,
    /// Whether both people compare the short number: by their wish, or because a wrong proof came before.
    pub short_number: bool,
    /// The key by which guests may know this side, and which of them.
    pub device: Option<HostDevice>,
}

/// The key of a host, and who may see it.
#[derive(Debug, Clone)]
pub struct HostDevice {
    /// The key.
    pub identity: DeviceIdentity,
    /// The devices that see it; everybody who says which one it is, if absent.
    pub seen_by: Option<Vec<DeviceKey>>,
}

/// A share's password, and how often one guest may try it.
#[derive(Debug, Clone)]
pub struct PasswordGate {
    /// The password; stretch it once a share.
    pub password: StretchedPassword,
    /// The attempts of this guest: three, or what the share has left. With none the guest is told that the
    /// share is locked.
    pub attempts: u8,
}

/// One handshake of a host with one guest.
///
/// Feed it [`Input`]s, drain [`Output`]s; see [`crate::pairing`] for the loop.
pub struct HostPairing {
    phase: Phase,
    short_number: bool,
    outbox: Outbox,
}

enum Phase {
    Hello(Box<Hello>),
    Guest(Box<ProvenGuest>),
    Over,
}

/// What the host keeps until the guest's proof is there.
struct Hello {
    exchange: Exchange,
    sid: [u8; 16],
    ad: Vec<u8>,
    mode: Mode,
    room: RoomId,
    identity: Option<HostIdentity>,
    password: Option<PasswordGate>,
    device: Option<HostDevice>,
    entropy: Entropy,
}

impl HostPairing {
    /// Starts a handshake with the guest that came into `room`; the hello is the first output.
    #[must_use]
    pub fn new(secret: &HostSecret, room: &RoomId, options: HostOptions, entropy: Entropy, now: Instant) -> Self {
        let (mode, sid, ad) = (secret.mode(), entropy.sid, associated_data::of_host());
        let exchange = Exchange::new(Role::Host, &secret.prs(), &mode.ci(room), &sid, &entropy.scalar);
        let mut outbox = Outbox { deadline: Some(now + HANDSHAKE_MAX), ..Outbox::default() };
        outbox.send(&PeerMessage::HostHello(HostHello { sid, element: *exchange.element(), ad: ad.clone() }));
        let HostOptions { password, short_number, device } = options;
        let (room, identity) = (room.clone(), secret.identity());
        let hello = Hello { exchange, sid, ad, mode, room, identity, password, device, entropy };
        Self { phase: Phase::Hello(Box::new(hello)), short_number, outbox }
    }

    /// Begins with a guest that has got the hello already, which waited for it: what this guest is asked for, and the clock, count
    /// from now.
    pub fn meet(&mut self, options: HostOptions, now: Instant) {
        let HostOptions { password, short_number, device } = options;
        self.short_number = short_number;
        self.outbox.deadline = Some(now + HANDSHAKE_MAX);
        if let Phase::Hello(hello) = &mut self.phase {
            hello.password = password;
            hello.device = device;
        }
    }

    /// Takes in what happened; drain [`Self::poll_output`] afterwards. Once the pairing has failed or was
    /// canceled, inputs have no effect.
    ///
    /// # Errors
    /// When the pairing has failed. [`PairingError::WrongCode`] is to be counted before anything is sent on.
    pub fn handle_input(&mut self, input: Input, now: Instant) -> Result<(), PairingError> {
        if matches!(self.phase, Phase::Over) {
            return Ok(());
        }
        if self.outbox.is_late(now) {
            return self.fail(PairingError::TimedOut);
        }
        let result = match input {
            Input::Received(bytes) => return self.receive(&bytes, now),
            Input::Canceled => {
                self.part(PairingError::Canceled);
                return Ok(());
            }
            Input::TimedOut => Ok(()),
            Input::LocalDescription(_) | Input::LocalCandidate(_) | Input::Confirmed(_) | Input::Password(_) => {
                match &mut self.phase {
                    Phase::Guest(guest) => guest.handle_local(input, &mut self.outbox),
                    // Nothing was asked of this side yet.
                    Phase::Hello(_) | Phase::Over => Ok(()),
                }
            }
        };
        result.or_else(|error| self.fail(error))
    }

    /// The next thing to do, ending in [`Output::Wait`].
    pub fn poll_output(&mut self) -> Output {
        self.outbox.poll()
    }

    /// Whether the guest knows the code or link, so that the server need not end its handshake: people may take their time from
    /// here on.
    #[must_use]
    pub const fn is_guest_proven(&self) -> bool {
        matches!(self.phase, Phase::Guest(_))
    }

    /// Asks for the short number although the options did not: a wrong proof came to the same share meanwhile.
    /// Without effect once the guest is proven.
    pub const fn demand_short_number(&mut self) {
        self.short_number = true;
    }

    /// Ends the handshake if it is over a code and the guest is not proven yet: the code is retired. A handshake in
    /// flight would otherwise be one guess more than the limit.
    pub fn retire(&mut self) {
        if matches!(&self.phase, Phase::Hello(hello) if hello.mode == Mode::Code) {
            self.part(PairingError::NotActive);
        }
    }

    /// Takes no further attempt at the password: the share is locked.
    pub const fn lock_password(&mut self) {
        match &mut self.phase {
            Phase::Hello(hello) => hello.lock_password(),
            Phase::Guest(guest) => guest.lock_password(),
            Phase::Over => {}
        }
    }

    fn receive(&mut self, bytes: &[u8], now: Instant) -> Result<(), PairingError> {
        let message = match PeerMessage::parse(bytes) {
            Ok(message) => message,
            Err(_) => return self.fail(Violation::Malformed.into()),
        };
        if let PeerMessage::Fail(code) = message {
            self.over();
            return Err(match code {
                // Only a host judges a code.
                FailCode::WrongCode | FailCode::NotActive => Violation::Unexpected.into(),
                FailCode::Version | FailCode::Violation | FailCode::Canceled => code.into(),
            });
        }
        let result = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Hello(hello) => self.receive_proof(*hello, message, now),
            Phase::Guest(mut guest) => {
                let result = guest.receive(message, now, &mut self.outbox);
                self.phase = Phase::Guest(guest);
                result
            }
            Phase::Over => Ok(()),
        };
        match result {
            Err(Failure::Own(error)) => self.fail(error),
            Err(Failure::Peers(error)) => {
                self.over();
                Err(error)
            }
            Ok(()) => Ok(()),
        }
    }

    fn receive_proof(&mut self, hello: Hello, message: PeerMessage, now: Instant) -> Result<(), Failure> {
        let PeerMessage::GuestProof(proof) = message else { return Err(Violation::Unexpected.into()) };
        let opening = hello.check(&proof)?;
        let mut guest = ProvenGuest::new(opening, self.short_number);
        let result = guest.begin(now, &mut self.outbox);
        self.phase = Phase::Guest(Box::new(guest));
        Ok(result?)
    }

    /// Ends the pairing by this side's decision.
    fn fail(&mut self, error: PairingError) -> Result<(), PairingError> {
        self.part(error);
        Err(error)
    }

    /// Tells the peer and ends.
    fn part(&mut self, error: PairingError) {
        match &mut self.phase {
            Phase::Guest(guest) => guest.part(error, &mut self.outbox),
            Phase::Hello(_) | Phase::Over => self.outbox.fail(error.fail_code()),
        }
        self.over();
    }

    fn over(&mut self) {
        self.phase = Phase::Over;
        self.outbox.deadline = None;
    }
}

impl Hello {
    const fn lock_password(&mut self) {
        if let Some(gate) = &mut self.password {
            gate.attempts = 0;
        }
    }

    /// Checks the guest's proof and opens its offer.
    fn check(self, message: &GuestProof) -> Result<Opening, PairingError> {
        let Self { exchange, sid, ad, mode, room, identity, password, device: own, entropy } = self;
        let commitment = associated_data::parse_guest(&message.ad)?;
        let element = *exchange.element();
        if message.element == element {
            return Err(Violation::Reflected.into());
        }
        let isk = exchange.finish(&ad, &message.element, &message.ad).map_err(|_| Violation::InvalidElement)?;
        let ci = mode.ci(&room);
        let (host, guest) = ((&element, ad.as_slice()), (&message.element, message.ad.as_slice()));
        let keys = KeySchedule::new(&Transcript { sid: &sid, ci: &ci, host, guest }, &isk);
        if !keys.is_guest_proof(&message.proof) {
            return Err(PairingError::WrongCode);
        }
        let mut channel = Channel::new(&keys, Role::Host, &sid);
        let SealedFrame::Offer { sdp, verify, from, device } = channel.open(&message.sealed)? else {
            return Err(Violation::Frame.into());
        };
        let offer = Sdp::parse(&sdp, SdpKind::Offer).map_err(Violation::Sdp)?;
        if device.as_ref().is_some_and(|device| !device.is_valid(Role::Guest, keys.th())) {
            // Passed on from another handshake by somebody in between.
            return Err(PairingError::SecurityMismatch);
        }
        let met = device.map(|device| device.key);
        let is_seen =
            |own: &HostDevice| met.is_some_and(|met| own.seen_by.as_ref().is_none_or(|seen_by| seen_by.contains(&met)));
        let device = own.filter(is_seen).map(|own| own.identity);
        let auth = identity.map(|identity| identity.prove(keys.th(), &entropy.nonce));
        Ok(Opening { keys, channel, sid, room, password, commitment, offer, verify, from, met, device, auth, entropy })
    }
}
