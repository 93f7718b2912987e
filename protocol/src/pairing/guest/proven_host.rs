//! The guest's side of a handshake whose host has proven that it knows the code or link.

use std::time::Instant;

use super::Guest;
use crate::device_identity::DeviceProof;
use crate::keys::KeySchedule;
use crate::limits::{HANDSHAKE_MAX, PASSWORD_ATTEMPTS_MAX, PERSON_MAX};
use crate::pairing::candidates::RemoteCandidates;
use crate::pairing::channel::Channel;
use crate::pairing::error::{PairingError, Unverified, Violation};
use crate::pairing::password_exchange::PasswordExchange;
use crate::pairing::{Failure, Input, Outbox, Output};
use crate::password::{PasswordCost, StretchedPassword};
use crate::peer_message::PeerMessage;
use crate::role::Role;
use crate::sdp::{Sdp, SdpKind};
use crate::sealed_frame::SealedFrame;

/// What the host's proof opened.
pub(super) struct Opening {
    pub(super) keys: KeySchedule,
    pub(super) channel: Channel,
    pub(super) sid: [u8; 16],
    pub(super) host_nonce: [u8; 16],
}

pub(super) struct ProvenHost {
    keys: KeySchedule,
    channel: Channel,
    sid: [u8; 16],
    host_nonce: [u8; 16],
    stage: Stage,
    remote: RemoteCandidates,
}

/// What the guest waits for.
enum Stage {
    /// The answer, or what has to happen before it.
    Next,
    /// The host's element for the first attempt at the password.
    Attempt(Gate),
    /// The person's password.
    Password(Attempt),
    /// The host's word on the password; these keys follow if it was right.
    PasswordProof(Attempt, Box<KeySchedule>),
    /// The person's word on the short number. The answer may be here already.
    Confirmation(Option<Sdp>),
    /// The answer, and nothing else.
    Answer,
    /// Nothing but candidates.
    Paired,
}

/// How the password of the share is stretched.
#[derive(Clone, Copy)]
struct Gate {
    salt: [u8; 16],
    cost: PasswordCost,
}

/// An attempt at the password, opened by the host.
#[derive(Clone, Copy)]
struct Attempt {
    gate: Gate,
    /// Counted from 0.
    number: u8,
    /// The host's element.
    element: [u8; 32],
    /// How many are left, this one included.
    left: u8,
}

impl ProvenHost {
    pub(super) fn new(opening: Opening) -> Self {
        let Opening { keys, channel, sid, host_nonce } = opening;
        Self { keys, channel, sid, host_nonce, stage: Stage::Next, remote: RemoteCandidates::default() }
    }

    pub(super) fn receive(&mut self, message: PeerMessage, now: Instant, guest: &mut Guest) -> Result<(), Failure> {
        let PeerMessage::Sealed(sealed) = message else { return Err(Violation::Unexpected.into()) };
        let frame = self.channel.open(&sealed)?;
        self.take(frame, now, guest)
    }

    /// Takes a frame of the host in. Each has its place; anywhere else it is a violation.
    pub(super) fn take(&mut self, frame: SealedFrame, now: Instant, guest: &mut Guest) -> Result<(), Failure> {
        let stage = std::mem::replace(&mut self.stage, Stage::Next);
        self.stage = match (stage, frame) {
            (_, SealedFrame::Abort { code }) => return Err(Failure::Peers(code.into())),
            (Stage::Next, SealedFrame::Auth { salt, cost }) if cost.is_bearable() => {
                Stage::Attempt(Gate { salt, cost })
            }
            (Stage::Next, SealedFrame::Auth { .. }) => return Err(Violation::PasswordCost.into()),
            (Stage::Attempt(gate), SealedFrame::PwA { y, left }) => {
                Self::ask_password(Attempt { gate, number: 0, element: y, left }, now, &mut guest.outbox)?
            }
            (Stage::PasswordProof(last, _), SealedFrame::PwA { y, left }) => {
                let next = Attempt { number: last.number + 1, element: y, left, ..last };
                Self::ask_password(next, now, &mut guest.outbox)?
            }
            (Stage::PasswordProof(_, keys), SealedFrame::PwC { tag }) => {
                self.take_password_proof(*keys, &tag, now, guest)?
            }
            (Stage::Next, SealedFrame::Verify { device }) => {
                self.meet(device, &mut guest.outbox)?;
                self.show_short_number(now, guest)?
            }
            (Stage::Next, SealedFrame::Answer { .. }) if guest.secret.short_number => {
                return Err(Violation::SkippedShortNumber.into());
            }
            (Stage::Next, SealedFrame::Answer { sdp }) => {
                self.open_nonce(guest)?;
                self.pair(parse_answer(&sdp)?, guest)?
            }
            (Stage::Confirmation(None), SealedFrame::Answer { sdp }) => Stage::Confirmation(Some(parse_answer(&sdp)?)),
            (Stage::Answer, SealedFrame::Answer { sdp }) => self.pair(parse_answer(&sdp)?, guest)?,
            (stage @ (Stage::Confirmation(Some(_)) | Stage::Paired), SealedFrame::Cand(candidate)) => {
                self.remote.take(candidate, &mut guest.outbox)?;
                stage
            }
            (
                _,
                SealedFrame::Offer { .. }
                | SealedFrame::Answer { .. }
                | SealedFrame::Cand(_)
                | SealedFrame::Auth { .. }
                | SealedFrame::PwA { .. }
                | SealedFrame::PwB { .. }
                | SealedFrame::PwC { .. }
                | SealedFrame::Verify { .. }
                | SealedFrame::Sas { .. }
                | SealedFrame::IceRestart {},
            ) => return Err(Violation::Unexpected.into()),
        };
        Ok(())
    }

    pub(super) fn handle_local(&mut self, input: Input, now: Instant, guest: &mut Guest) -> Result<(), PairingError> {
        match input {
            Input::LocalCandidate(candidate) => match guest.local.take(candidate) {
                Some(candidate) => self.send(&SealedFrame::Cand(candidate), &mut guest.outbox),
                None => Ok(()),
            },
            Input::Confirmed(word) => self.take_word(word, now, guest),
            Input::Password(password) => self.try_password(&password, now, guest),
            Input::LocalDescription(_) | Input::Received(_) | Input::TimedOut | Input::Canceled => Ok(()),
        }
    }

    /// Tells the host why this side ends the pairing.
    pub(super) fn part(&mut self, error: PairingError, guest: &mut Guest) {
        // While the password is on its way the host may have gone over to the next keys.
        let is_between_keys = matches!(self.stage, Stage::PasswordProof(..));
        let abort = SealedFrame::Abort { code: error.abort_code() };
        if is_between_keys || self.send(&abort, &mut guest.outbox).is_err() {
            guest.outbox.fail(error.fail_code());
        }
    }

    fn ask_password(attempt: Attempt, now: Instant, outbox: &mut Outbox) -> Result<Stage, Violation> {
        // Each attempt lets the host test one guess at the person's password.
        if attempt.number == PASSWORD_ATTEMPTS_MAX {
            return Err(Violation::Unexpected);
        }
        let attempt = Attempt { left: attempt.left.min(PASSWORD_ATTEMPTS_MAX - attempt.number), ..attempt };
        outbox.deadline = Some(now + PERSON_MAX);
        outbox.push(Output::AskPassword { attempts_left: attempt.left });
        Ok(Stage::Password(attempt))
    }

    fn try_password(&mut self, password: &str, now: Instant, guest: &mut Guest) -> Result<(), PairingError> {
        let Stage::Password(attempt) = self.stage else { return Ok(()) };
        let Attempt { gate, number, element, left } = attempt;
        let Ok(password) = StretchedPassword::stretch(password, gate.salt, gate.cost) else {
            // Not sent, and so not counted.
            guest.outbox.push(Output::AskPassword { attempts_left: left });
            return Ok(());
        };
        let secret = &guest.secret;
        let scalar = &secret.entropy.password_scalars[usize::from(number)];
        let exchange = PasswordExchange::new(Role::Guest, &self.keys, &password, &secret.room, (number, scalar));
        let y = *exchange.element();
        let keys = exchange.finish(&self.keys, &element)?;
        self.send(&SealedFrame::PwB { y, tag: keys.guest_proof() }, &mut guest.outbox)?;
        guest.outbox.deadline = Some(now + HANDSHAKE_MAX);
        self.stage = Stage::PasswordProof(attempt, Box::new(keys));
        Ok(())
    }

    /// Goes over to the keys that depend on the password as well.
    fn take_password_proof(
        &mut self,
        keys: KeySchedule,
        proof: &[u8; 32],
        now: Instant,
        guest: &mut Guest,
    ) -> Result<Stage, PairingError> {
        if !keys.is_host_proof(proof, &self.host_nonce) {
            return Err(PairingError::PeerNotVerified(Unverified::WrongProof));
        }
        self.channel = Channel::new(&keys, Role::Guest, &self.sid);
        self.keys = keys;
        guest.outbox.deadline = Some(now + HANDSHAKE_MAX);
        Ok(Stage::Next)
    }

    /// Takes note of which device the host is, if it says so. A proof for another handshake was passed on by somebody in between.
    fn meet(&self, device: Option<DeviceProof>, outbox: &mut Outbox) -> Result<(), PairingError> {
        let Some(device) = device else { return Ok(()) };
        if !device.is_valid(Role::Host, self.keys.th()) {
            return Err(PairingError::SecurityMismatch);
        }
        outbox.push(Output::Met(device.key));
        Ok(())
    }

    fn show_short_number(&mut self, now: Instant, guest: &mut Guest) -> Result<Stage, PairingError> {
        self.open_nonce(guest)?;
        guest.outbox.deadline = Some(now + PERSON_MAX);
        let number = self.keys.short_number(&self.host_nonce, &guest.secret.entropy.nonce);
        guest.outbox.push(Output::ShowShortNumber(number));
        Ok(Stage::Confirmation(None))
    }

    fn take_word(&mut self, word: bool, now: Instant, guest: &mut Guest) -> Result<(), PairingError> {
        let Stage::Confirmation(answer) = &mut self.stage else { return Ok(()) };
        if !word {
            return Err(PairingError::ShortNumberRejected);
        }
        self.stage = match answer.take() {
            Some(answer) => self.pair(answer, guest)?,
            None => {
                // The host's person may still be reading.
                guest.outbox.deadline = Some(now + PERSON_MAX + HANDSHAKE_MAX);
                Stage::Answer
            }
        };
        Ok(())
    }

    fn pair(&mut self, answer: Sdp, guest: &mut Guest) -> Result<Stage, PairingError> {
        guest.outbox.deadline = None;
        guest.outbox.push(Output::RemoteDescription(answer));
        self.remote.open(&mut guest.outbox);
        for candidate in guest.local.open() {
            self.send(&SealedFrame::Cand(candidate), &mut guest.outbox)?;
        }
        guest.outbox.push(Output::Paired(self.keys.session_keys(Role::Guest)));
        Ok(Stage::Paired)
    }

    /// Opens the nonce that the guest committed to: never before the host has said its own.
    fn open_nonce(&mut self, guest: &mut Guest) -> Result<(), PairingError> {
        self.send(&SealedFrame::Sas { n_g: guest.secret.entropy.nonce }, &mut guest.outbox)
    }

    fn send(&mut self, frame: &SealedFrame, outbox: &mut Outbox) -> Result<(), PairingError> {
        let sealed = self.channel.seal(frame)?;
        outbox.send(&PeerMessage::Sealed(sealed));
        Ok(())
    }
}

fn parse_answer(sdp: &str) -> Result<Sdp, Violation> {
    Sdp::parse(sdp, SdpKind::Answer).map_err(Violation::Sdp)
}
