//! The guest's side of a handshake whose host has proven that it knows the code or link.

use std::time::Instant;

use super::Secret;
use crate::keys::KeySchedule;
use crate::limits::{HANDSHAKE_MAX, PERSON_MAX};
use crate::pairing::candidates::{LocalCandidates, RemoteCandidates};
use crate::pairing::channel::Channel;
use crate::pairing::error::{PairingError, Violation};
use crate::pairing::{Failure, Input, Outbox, Output};
use crate::peer_message::PeerMessage;
use crate::role::Role;
use crate::sdp::{Sdp, SdpKind};
use crate::sealed_frame::SealedFrame;

/// What the host's proof opened.
pub(super) struct Opening {
    pub(super) keys: KeySchedule,
    pub(super) channel: Channel,
    pub(super) host_nonce: [u8; 16],
}

pub(super) struct ProvenHost {
    keys: KeySchedule,
    channel: Channel,
    host_nonce: [u8; 16],
    guest_nonce: [u8; 16],
    short_number: bool,
    /// The host's description, while this side's person is still asked.
    answer: Option<Sdp>,
    stage: Stage,
    remote: RemoteCandidates,
}

/// What the guest waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What comes with the host's proof.
    First,
    /// The person's word on the short number.
    Confirmation,
    /// The host's answer.
    Answer,
    /// Nothing but candidates.
    Paired,
}

impl ProvenHost {
    pub(super) fn new(opening: Opening, secret: &Secret) -> Self {
        let Opening { keys, channel, host_nonce } = opening;
        Self {
            keys,
            channel,
            host_nonce,
            guest_nonce: secret.entropy.nonce,
            short_number: secret.short_number,
            answer: None,
            stage: Stage::First,
            remote: RemoteCandidates::default(),
        }
    }

    pub(super) fn receive(
        &mut self,
        message: PeerMessage,
        now: Instant,
        local: &mut LocalCandidates,
        outbox: &mut Outbox,
    ) -> Result<(), Failure> {
        let PeerMessage::Sealed(sealed) = message else { return Err(Violation::Unexpected.into()) };
        let frame = self.channel.open(&sealed)?;
        self.take(frame, now, local, outbox)
    }

    /// Takes a frame of the host in.
    pub(super) fn take(
        &mut self,
        frame: SealedFrame,
        now: Instant,
        local: &mut LocalCandidates,
        outbox: &mut Outbox,
    ) -> Result<(), Failure> {
        match frame {
            SealedFrame::Abort { code } => Err(Failure::Peers(code.into())),
            SealedFrame::Answer { sdp } => Ok(self.take_answer(&sdp, local, outbox)?),
            SealedFrame::Verify {} => Ok(self.verify(now, outbox)?),
            SealedFrame::Cand(candidate) if self.stage != Stage::First => Ok(self.remote.take(candidate, outbox)?),
            SealedFrame::Cand(_)
            | SealedFrame::Offer { .. }
            | SealedFrame::Auth { .. }
            | SealedFrame::PwA { .. }
            | SealedFrame::PwB { .. }
            | SealedFrame::PwC { .. }
            | SealedFrame::Sas { .. }
            | SealedFrame::IceRestart {} => Err(Violation::Unexpected.into()),
        }
    }

    pub(super) fn handle_local(
        &mut self,
        input: Input,
        now: Instant,
        local: &mut LocalCandidates,
        outbox: &mut Outbox,
    ) -> Result<(), PairingError> {
        match input {
            Input::LocalCandidate(candidate) => match local.take(candidate) {
                Some(candidate) => self.send(&SealedFrame::Cand(candidate), outbox),
                None => Ok(()),
            },
            Input::Confirmed(true) if self.stage == Stage::Confirmation => self.confirm(now, local, outbox),
            Input::Confirmed(false) if self.stage == Stage::Confirmation => Err(PairingError::ShortNumberRejected),
            // Nobody asked, or the question is answered.
            Input::Confirmed(_)
            | Input::Password(_)
            | Input::LocalDescription(_)
            | Input::Received(_)
            | Input::TimedOut
            | Input::Canceled => Ok(()),
        }
    }

    /// Tells the host why this side ends the pairing.
    pub(super) fn part(&mut self, error: PairingError, outbox: &mut Outbox) {
        match self.channel.seal(&SealedFrame::Abort { code: error.abort_code() }) {
            Ok(sealed) => outbox.send(&PeerMessage::Sealed(sealed)),
            Err(_) => outbox.fail(error.fail_code()),
        }
    }

    fn take_answer(&mut self, sdp: &str, local: &mut LocalCandidates, outbox: &mut Outbox) -> Result<(), PairingError> {
        let answer = Sdp::parse(sdp, SdpKind::Answer).map_err(Violation::Sdp)?;
        match self.stage {
            Stage::First if self.short_number => Err(Violation::SkippedShortNumber.into()),
            Stage::First => {
                self.open_nonce(outbox)?;
                self.pair(answer, local, outbox)
            }
            Stage::Confirmation if self.answer.is_none() => {
                self.answer = Some(answer);
                Ok(())
            }
            Stage::Answer => self.pair(answer, local, outbox),
            Stage::Confirmation | Stage::Paired => Err(Violation::Unexpected.into()),
        }
    }

    fn verify(&mut self, now: Instant, outbox: &mut Outbox) -> Result<(), PairingError> {
        if self.stage != Stage::First {
            return Err(Violation::Unexpected.into());
        }
        self.open_nonce(outbox)?;
        self.stage = Stage::Confirmation;
        outbox.deadline = Some(now + PERSON_MAX);
        outbox.push(Output::ShowShortNumber(self.keys.short_number(&self.host_nonce, &self.guest_nonce)));
        Ok(())
    }

    fn confirm(&mut self, now: Instant, local: &mut LocalCandidates, outbox: &mut Outbox) -> Result<(), PairingError> {
        self.stage = Stage::Answer;
        // The host's person may still be reading.
        outbox.deadline = Some(now + PERSON_MAX + HANDSHAKE_MAX);
        match self.answer.take() {
            Some(answer) => self.pair(answer, local, outbox),
            None => Ok(()),
        }
    }

    fn pair(&mut self, answer: Sdp, local: &mut LocalCandidates, outbox: &mut Outbox) -> Result<(), PairingError> {
        self.stage = Stage::Paired;
        outbox.deadline = None;
        outbox.push(Output::RemoteDescription(answer));
        self.remote.open(outbox);
        for candidate in local.open() {
            self.send(&SealedFrame::Cand(candidate), outbox)?;
        }
        outbox.push(Output::Paired(self.keys.session_keys(Role::Guest)));
        Ok(())
    }

    /// Opens the nonce that the guest committed to: never before the host has said its own.
    fn open_nonce(&mut self, outbox: &mut Outbox) -> Result<(), PairingError> {
        self.send(&SealedFrame::Sas { n_g: self.guest_nonce }, outbox)
    }

    fn send(&mut self, frame: &SealedFrame, outbox: &mut Outbox) -> Result<(), PairingError> {
        let sealed = self.channel.seal(frame)?;
        outbox.send(&PeerMessage::Sealed(sealed));
        Ok(())
    }
}
