//! The handshake that turns a code or link into keys: one machine for the host, one for the guest.
//!
//! ```text
//!  host                                                       guest
//!   HostHello  {sid, Ya, ADa}            ------------------->
//!                                        <-------------------  GuestProof {Yb, ADb, Tg} + sealed offer
//!   HostProof  {Th, n_h, signature}      ------------------->
//!     + sealed answer                                          sealed sas {n_g}
//!   sealed candidates                    <==================>  sealed candidates
//! ```
//!
//! The guest proves first: before its proof the host has said nothing that a guess could be tested with, so
//! an abandoned handshake costs nothing and only a wrong proof counts. When the share has a password, `auth` rides
//! with the host's proof instead of the answer and a second exchange follows; when the short number is to be
//! compared, `verify` does, and the answer waits for the host's person. The guest says its nonce only after
//! the host's proof, because whoever knew it before could choose the host's nonce to fit.
//!
//! # The loop
//! 1. Feed one [`Input`] with the time.
//! 2. Drain `poll_output` until it says [`Output::Wait`].
//! 3. Wait for the next input, or until the time it names, and then feed [`Input::TimedOut`].
//!
//! `handle_input` returns an error when the pairing has failed. Drain once more then: a last message for the
//! peer may be there. After [`Output::Paired`] the machine goes on carrying candidates until it is dropped.

use std::collections::VecDeque;
use std::time::Instant;

use zeroize::Zeroizing;

use crate::device_identity::DeviceKey;
use crate::keys::SessionKeys;
use crate::nearby::DeviceName;
use crate::peer_message::{FailCode, PeerMessage};
use crate::sdp::{Candidate, Sdp};
use crate::short_number::ShortNumber;

pub use self::entropy::Entropy;
pub use self::error::{PairingError, Unverified, Violation};
pub use self::guest::{GuestOptions, GuestPairing};
pub use self::host::{HostDevice, HostOptions, HostPairing, PasswordGate};
pub use self::secret::{GuestSecret, HostSecret};

mod associated_data;
mod candidates;
mod channel;
mod entropy;
mod error;
mod guest;
mod host;
mod password_exchange;
mod secret;

/// What a pairing can be told.
pub enum Input {
    /// A message of the peer, decoded from base64url.
    Received(Vec<u8>),
    /// The own WebRTC stack's description: the guest's offer, the host's answer.
    LocalDescription(String),
    /// An address of the own WebRTC stack.
    LocalCandidate(Candidate),
    /// What the person says to the short number: whether the other side shows the same.
    Confirmed(bool),
    /// The password that the person gives.
    Password(Zeroizing<String>),
    /// The time that `Output::Wait` named has come.
    TimedOut,
    /// The person or program stops here; the peer is told.
    Canceled,
}

/// What a pairing asks for.
#[derive(Debug)]
pub enum Output {
    /// A message for the peer.
    Send(Vec<u8>),
    /// The peer's description, for the own WebRTC stack. The host creates its answer from it.
    RemoteDescription(Sdp),
    /// An address of the peer, never before its description.
    RemoteCandidate(Candidate),
    /// Guest: the share has a password. Ask for it and feed `Input::Password`.
    AskPassword {
        /// How many attempts are left, this one included.
        attempts_left: u8,
    },
    /// Host: a wrong password came; count it for the share.
    WrongPassword {
        /// How many attempts this guest has left.
        attempts_left: u8,
    },
    /// The other side holds the key of this device, and proved it: the number need not be compared with one that is known.
    Met(DeviceKey),
    /// Host: what the guest calls itself, before the number that tells who it is.
    Named(DeviceName),
    /// Show this number, ask whether the other side shows the same, and feed `Input::Confirmed`.
    ShowShortNumber(ShortNumber),
    /// Both sides are proven, and every question is answered on this side.
    Paired(SessionKeys),
    /// Nothing more until the next input, or until this time.
    Wait(Option<Instant>),
}

/// What both machines have towards their driver.
#[derive(Default)]
struct Outbox {
    outputs: VecDeque<Output>,
    deadline: Option<Instant>,
}

impl Outbox {
    fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    fn send(&mut self, message: &PeerMessage) {
        self.push(Output::Send(message.encode()));
    }

    fn fail(&mut self, code: FailCode) {
        self.send(&PeerMessage::Fail(code));
    }

    fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
    }

    fn poll(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Wait(self.deadline))
    }
}

/// Who ends a pairing: this side, which then tells the peer, or the peer itself.
enum Failure {
    Own(PairingError),
    Peers(PairingError),
}

impl<E: Into<PairingError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Own(error.into())
    }
}
