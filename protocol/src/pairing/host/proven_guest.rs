//! The host's side of a handshake whose guest has proven that it knows the code or link.

use std::time::Instant;

use super::PasswordGate;
use crate::device_identity::{DeviceIdentity, DeviceKey};
use crate::host_identity::HostAuth;
use crate::keys::KeySchedule;
use crate::limits::{HANDSHAKE_MAX, PASSWORD_ATTEMPTS_MAX, PERSON_MAX};
use crate::nearby::DeviceName;
use crate::pairing::associated_data::Commitment;
use crate::pairing::candidates::{LocalCandidates, RemoteCandidates};
use crate::pairing::channel::Channel;
use crate::pairing::entropy::Entropy;
use crate::pairing::error::{PairingError, Violation};
use crate::pairing::password_exchange::PasswordExchange;
use crate::pairing::{Failure, Input, Outbox, Output};
use crate::peer_message::{HostProof, PeerMessage};
use crate::role::Role;
use crate::room::RoomId;
use crate::sdp::{Sdp, SdpKind};
use crate::sealed_frame::SealedFrame;

/// What the guest's proof opened.
pub(super) struct Opening {
    pub(super) keys: KeySchedule,
    pub(super) channel: Channel,
    pub(super) sid: [u8; 16],
    pub(super) room: RoomId,
    pub(super) password: Option<PasswordGate>,
    pub(super) commitment: Commitment,
    pub(super) offer: Sdp,
    pub(super) verify: bool,
    pub(super) from: Option<DeviceName>,
    pub(super) met: Option<DeviceKey>,
    pub(super) device: Option<DeviceIdentity>,
    pub(super) auth: Option<HostAuth>,
    pub(super) entropy: Entropy,
}

pub(super) struct ProvenGuest {
    keys: KeySchedule,
    channel: Channel,
    sid: [u8; 16],
    room: RoomId,
    password: Option<PasswordGate>,
    /// The attempt at the password that the guest may answer, and its number.
    attempt: Option<(u8, PasswordExchange)>,
    commitment: Commitment,
    /// The guest's description, until the own WebRTC stack may have it.
    offer: Option<Sdp>,
    short_number: bool,
    /// What the guest calls itself, until that is told with the short number.
    from: Option<DeviceName>,
    /// Which device the guest is, until that is told as well.
    met: Option<DeviceKey>,
    /// The key that the guest is shown.
    device: Option<DeviceIdentity>,
    entropy: Entropy,
    /// The host's proof, until it leaves with the first sealed frame.
    proof: Option<Proof>,
    guest_nonce: Option<[u8; 16]>,
    stage: Stage,
    local: LocalCandidates,
    remote: RemoteCandidates,
}

/// What the host waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The guest's proof that it knows the password.
    Password,
    /// The guest's nonce, of which the short number is made.
    Nonce,
    /// The person's word on the short number.
    Confirmation,
    /// The own WebRTC stack's answer.
    Answer,
    /// Nothing but candidates.
    Paired,
}

struct Proof {
    proof: [u8; 32],
    auth: Option<HostAuth>,
}

impl ProvenGuest {
    pub(super) fn new(opening: Opening, short_number: bool) -> Self {
        let Opening { keys, channel, sid, room, password, commitment, offer, verify, from, met, device, auth, entropy } =
            opening;
        let proof = Proof { proof: keys.host_proof(&entropy.nonce), auth };
        Self {
            keys,
            channel,
            sid,
            room,
            password,
            attempt: None,
            commitment,
            offer: Some(offer),
            short_number: short_number || verify,
            from,
            met,
            device,
            entropy,
            proof: Some(proof),
            guest_nonce: None,
            stage: Stage::Nonce,
            local: LocalCandidates::default(),
            remote: RemoteCandidates::default(),
        }
    }

    pub(super) fn begin(&mut self, now: Instant, outbox: &mut Outbox) -> Result<(), PairingError> {
        let Some(gate) = &self.password else { return self.go_on(now, outbox) };
        if gate.attempts == 0 {
            return Err(PairingError::PasswordLocked);
        }
        self.stage = Stage::Password;
        let auth = SealedFrame::Auth { salt: *gate.password.salt(), cost: gate.password.cost() };
        self.send(&auth, outbox)?;
        self.open_attempt(0, now, outbox)
    }

    pub(super) const fn lock_password(&mut self) {
        if let Some(gate) = &mut self.password {
            gate.attempts = 0;
        }
    }

    pub(super) fn receive(&mut self, message: PeerMessage, now: Instant, outbox: &mut Outbox) -> Result<(), Failure> {
        let PeerMessage::Sealed(sealed) = message else { return Err(Violation::Unexpected.into()) };
        if self.proof.is_some() {
            // The guest cannot know that its own proof was right.
            return Err(Violation::Unexpected.into());
        }
        match self.channel.open(&sealed)? {
            SealedFrame::Abort { code } => Err(Failure::Peers(code.into())),
            SealedFrame::Cand(candidate) => Ok(self.remote.take(candidate, outbox)?),
            SealedFrame::Sas { n_g } => Ok(self.take_nonce(n_g, now, outbox)?),
            SealedFrame::PwB { y, tag } => Ok(self.check_password(&y, &tag, now, outbox)?),
            SealedFrame::Offer { .. }
            | SealedFrame::Answer { .. }
            | SealedFrame::Auth { .. }
            | SealedFrame::PwA { .. }
            | SealedFrame::PwC { .. }
            | SealedFrame::Verify { .. }
            | SealedFrame::IceRestart {} => Err(Violation::Unexpected.into()),
        }
    }

    pub(super) fn handle_local(&mut self, input: Input, outbox: &mut Outbox) -> Result<(), PairingError> {
        match input {
            Input::LocalDescription(sdp) if self.stage == Stage::Answer => self.send_answer(&sdp, outbox),
            Input::LocalCandidate(candidate) => match self.local.take(candidate) {
                Some(candidate) => self.send(&SealedFrame::Cand(candidate), outbox),
                None => Ok(()),
            },
            Input::Confirmed(true) if self.stage == Stage::Confirmation => {
                self.ask_for_answer(outbox);
                Ok(())
            }
            Input::Confirmed(false) if self.stage == Stage::Confirmation => Err(PairingError::ShortNumberRejected),
            // Nobody asked, or the question is answered.
            Input::LocalDescription(_)
            | Input::Confirmed(_)
            | Input::Password(_)
            | Input::Received(_)
            | Input::TimedOut
            | Input::Canceled => Ok(()),
        }
    }

    /// Tells the guest why this side ends the pairing.
    pub(super) fn part(&mut self, error: PairingError, outbox: &mut Outbox) {
        // The abort may be the first frame: the host's proof goes with it, so that the guest can trust it.
        if self.send(&SealedFrame::Abort { code: error.abort_code() }, outbox).is_err() {
            outbox.fail(error.fail_code());
        }
    }

    /// Opens attempt `attempt` at the password, counted from 0.
    fn open_attempt(&mut self, attempt: u8, now: Instant, outbox: &mut Outbox) -> Result<(), PairingError> {
        let Some(gate) = &self.password else { return Ok(()) };
        let left = gate.attempts.min(PASSWORD_ATTEMPTS_MAX).saturating_sub(attempt);
        let Some(scalar) = self.entropy.password_scalars.get(usize::from(attempt)).filter(|_| left > 0) else {
            return Err(PairingError::PasswordWrong);
        };
        let exchange = PasswordExchange::new(Role::Host, &self.keys, &gate.password, &self.room, (attempt, scalar));
        let y = *exchange.element();
        self.attempt = Some((attempt, exchange));
        outbox.deadline = Some(now + PERSON_MAX);
        self.send(&SealedFrame::PwA { y, left }, outbox)
    }

    fn check_password(
        &mut self,
        element: &[u8; 32],
        proof: &[u8; 32],
        now: Instant,
        outbox: &mut Outbox,
    ) -> Result<(), PairingError> {
        let Some((attempt, exchange)) = self.attempt.take() else { return Err(Violation::Unexpected.into()) };
        let attempts = self.password.as_ref().map_or(0, |gate| gate.attempts.min(PASSWORD_ATTEMPTS_MAX));
        if attempts == 0 {
            return Err(PairingError::PasswordLocked);
        }
        let keys = exchange.finish(&self.keys, element)?;
        if !keys.is_guest_proof(proof) {
            outbox.push(Output::WrongPassword { attempts_left: attempts.saturating_sub(attempt + 1) });
            return self.open_attempt(attempt + 1, now, outbox);
        }
        self.send(&SealedFrame::PwC { tag: keys.host_proof(&self.entropy.nonce) }, outbox)?;
        self.channel = Channel::new(&keys, Role::Host, &self.sid);
        self.keys = keys;
        self.stage = Stage::Nonce;
        self.go_on(now, outbox)
    }

    /// After the proof, and after the password if there is one.
    fn go_on(&mut self, now: Instant, outbox: &mut Outbox) -> Result<(), PairingError> {
        if self.short_number {
            // The guest's program opens its nonce by itself; people have their time once both can see the number.
            outbox.deadline = Some(now + HANDSHAKE_MAX);
            let device = self.device.as_ref().map(|device| device.prove(Role::Host, self.keys.th()));
            return self.send(&SealedFrame::Verify { device }, outbox);
        }
        self.ask_for_answer(outbox);
        Ok(())
    }

    fn take_nonce(&mut self, nonce: [u8; 16], now: Instant, outbox: &mut Outbox) -> Result<(), PairingError> {
        if self.stage == Stage::Password || self.guest_nonce.replace(nonce).is_some() {
            return Err(Violation::Unexpected.into());
        }
        if Commitment::to(&nonce) != self.commitment {
            return Err(PairingError::SecurityMismatch);
        }
        if self.stage == Stage::Nonce {
            self.stage = Stage::Confirmation;
            outbox.deadline = Some(now + PERSON_MAX);
            if let Some(key) = self.met.take() {
                outbox.push(Output::Met(key));
            }
            if let Some(name) = self.from.take() {
                outbox.push(Output::Named(name));
            }
            outbox.push(Output::ShowShortNumber(self.keys.short_number(&self.entropy.nonce, &nonce)));
        }
        Ok(())
    }

    /// Gives the offer to the own WebRTC stack, whose answer and addresses the guest may have from here on.
    fn ask_for_answer(&mut self, outbox: &mut Outbox) {
        self.stage = Stage::Answer;
        outbox.deadline = None;
        if let Some(offer) = self.offer.take() {
            outbox.push(Output::RemoteDescription(offer));
        }
        self.remote.open(outbox);
    }

    fn send_answer(&mut self, sdp: &str, outbox: &mut Outbox) -> Result<(), PairingError> {
        let answer = Sdp::parse(sdp, SdpKind::Answer).map_err(PairingError::LocalDescription)?;
        self.send(&SealedFrame::Answer { sdp: answer.as_str().to_owned() }, outbox)?;
        self.stage = Stage::Paired;
        for candidate in self.local.open() {
            self.send(&SealedFrame::Cand(candidate), outbox)?;
        }
        outbox.push(Output::Paired(self.keys.session_keys(Role::Host)));
        Ok(())
    }

    /// Seals a frame and sends it, the first one together with the host's proof.
    fn send(&mut self, frame: &SealedFrame, outbox: &mut Outbox) -> Result<(), PairingError> {
        let sealed = self.channel.seal(frame)?;
        outbox.send(&match self.proof.take() {
            Some(Proof { proof, auth }) => {
                PeerMessage::HostProof(HostProof { proof, nonce: self.entropy.nonce, auth, sealed })
            }
            None => PeerMessage::Sealed(sealed),
        });
        Ok(())
    }
}
