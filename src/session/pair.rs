//! Drives one pairing: the machine, the server's mail and the connection that is being set up.

mod outputs;

use std::time::{Duration, Instant};

use p2pshare_protocol::keys::SessionKeys;
use p2pshare_protocol::pairing::{GuestPairing, HostPairing, Input};
use p2pshare_protocol::sdp;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

pub(super) use self::outputs::into_transport;
use super::bind::{Own, bound, bound_unless_taken};
use super::context::Context;
use super::detour::{Detour, DetourUse};
use super::event::Stage;
use super::host::Guard;
use super::mailbox::{Letter, Mailbox};
use crate::error::Error;
use crate::signaling::ServerUrl;
use crate::transport::{Candidate, Channel, DialEvent, Dialing, IceServer, Lost, TransportError};

/// The machine of either side; a host's guests share the guard of their code.
pub(super) enum Machine {
    Host(HostPairing, Option<Guard>),
    Guest(Box<GuestPairing>),
}

/// A pairing under way.
pub(super) struct Pairing<'a> {
    machine: Machine,
    dialing: Dialing,
    mailbox: &'a mut Mailbox,
    context: &'a mut Context,
    /// Set once both sides are proven.
    keys: Option<SessionKeys>,
    /// Whether this side's proof that the connection belongs to the pairing is on its way.
    own: Own,
    /// Host: whether the server was told that the guest is proven, and gives it more time.
    is_reported: bool,
    /// Whether the connection opened; it may do so before this side knows that the peer is proven.
    is_open: bool,
    /// Why it never will.
    failure: Option<TransportError>,
    /// When there has to be a path at last.
    give_up: Option<Instant>,
    server: &'a ServerUrl,
    /// The way through the server, in case that no other opens.
    detour: Detour,
    detour_use: DetourUse,
    /// Set once that way is taken.
    taken: Option<Channel>,
    /// Whether the server still carries mail.
    has_mail: bool,
    /// How far this side is with the relay's address.
    relay: Relay,
    /// That access, while both sides are not proven.
    granted: Option<IceServer>,
    /// The peer's description, until this side may act on it.
    described: Option<String>,
    /// Set while a person types the password.
    password: Option<oneshot::Receiver<Zeroizing<String>>>,
    /// Set while a person compares the short number.
    confirmation: Option<oneshot::Receiver<bool>>,
}

/// How far a side is with access to the server's relay. It comes only after the guest's proof, and the search for addresses
/// waits for it, and for what people are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relay {
    /// It is asked for.
    Wanted,
    /// Both sides are proven, and it may come until then.
    WaitedFor(Instant),
    /// It came, or never will.
    Settled,
}

impl Relay {
    const fn deadline(self) -> Option<Instant> {
        match self {
            Self::WaitedFor(until) => Some(until),
            Self::Wanted | Self::Settled => None,
        }
    }
}

impl<'a> Pairing<'a> {
    pub(super) fn new(
        machine: Machine,
        dialing: Dialing,
        server: &'a ServerUrl,
        mailbox: &'a mut Mailbox,
        context: &'a mut Context,
    ) -> Self {
        Self {
            machine,
            mailbox,
            context,
            keys: None,
            own: Own::Due,
            is_reported: false,
            is_open: false,
            failure: None,
            give_up: None,
            server,
            detour: Detour::None,
            detour_use: DetourUse::Late,
            taken: None,
            has_mail: true,
            relay: if dialing.servers_follow() { Relay::Wanted } else { Relay::Settled },
            granted: None,
            described: None,
            dialing,
            password: None,
            confirmation: None,
        }
    }

    /// Says when the way through the server's WebSocket may be taken, if not late.
    pub(super) const fn take_detour(&mut self, when: DetourUse) {
        self.detour_use = when;
    }

    /// Goes on until both sides are proven.
    pub(super) async fn until_paired(&mut self) -> Result<(), Error> {
        self.context.stage(Stage::Pairing);
        if self.relay == Relay::Wanted {
            self.mailbox.ask_for_relay().await?;
        }
        while self.keys.is_none() {
            self.step().await?;
        }
        if let Some(relay) = self.granted.take() {
            self.begin(Some(relay)).await?;
        } else if self.relay == Relay::Wanted {
            self.relay = Relay::WaitedFor(Instant::now() + RELAY_MAX);
        }
        self.give_up = Some(Instant::now() + PATH_MAX);
        self.context.stage(Stage::Connecting);
        Ok(())
    }

    /// Whether the other side could test a guess at the code and has not proven itself.
    pub(super) const fn is_exposed(&self) -> bool {
        matches!(&self.machine, Machine::Guest(machine) if machine.is_exposed())
    }

    /// Goes on until the connection is open and bound to the pairing, if `paired` is no error.
    pub(super) async fn finish(mut self, paired: Result<(), Error>) -> Result<(Channel, SessionKeys), Error> {
        let result = match paired {
            Ok(()) => self.until_open().await,
            Err(error) => Err(error),
        };
        let Self { dialing, keys, own, taken, detour, .. } = self;
        let found = dialing.found();
        match (result, keys, taken) {
            (Ok(()), Some(keys), Some(channel)) => {
                dialing.close().await;
                bound(channel.found(found), keys, Own::Due).await
            }
            (Ok(()), Some(keys), None) => {
                bound_unless_taken(dialing.into_channel()?.found(found), keys, own, (detour, found)).await
            }
            (Ok(()), None, _) => Err(Error::BindMissing),
            (Err(error), keys, _) => {
                dialing.close().await;
                // Whoever is proven is there: what fails from here on is the path between the two.
                Err(if keys.is_some() && error.is_without_path() { Error::NoPath(found) } else { error })
            }
        }
    }

    async fn until_open(&mut self) -> Result<(), Error> {
        while !self.is_open && self.taken.is_none() {
            if self.detour.is_none()
                && let Some(failure) = self.failure.take()
            {
                return Err(failure.into());
            }
            if let Some(keys) = self.keys.as_ref().filter(|_| self.own == Own::Due) {
                self.own = Own::say_early(&self.dialing, keys);
            }
            self.step().await?;
        }
        Ok(())
    }

    /// Does what the machine asks for, then waits for one thing to happen.
    async fn step(&mut self) -> Result<(), Error> {
        let was_paired = self.keys.is_some();
        let deadline = self.carry_out().await?;
        let is_paired = self.keys.is_some();
        if is_paired && !was_paired {
            // Whatever goes wrong from here on goes wrong with a peer that is proven.
            return Ok(());
        }
        let input = tokio::select! {
            biased;
            () = self.context.stop.requested() => {
                self.cancel().await;
                return Err(Error::Stopped);
            }
            mail = self.mailbox.next(), if self.has_mail => match mail {
                Ok(Letter::Body(body)) => Input::Received(body),
                Ok(Letter::Relay(relay)) => return self.begin(relay).await,
                // Two sides that are proven need the server only for candidates that come late.
                Err(_) if is_paired => {
                    self.has_mail = false;
                    return Ok(());
                }
                Err(error) => return Err(error),
            },
            event = self.dialing.next_event(), if self.failure.is_none() => match event {
                DialEvent::LocalCandidate(candidate) => match into_protocol(candidate) {
                    Some(candidate) => Input::LocalCandidate(candidate),
                    None => return Ok(()),
                },
                DialEvent::Open => {
                    self.is_open = true;
                    return Ok(());
                }
                DialEvent::GatheringDone => return Ok(()),
                DialEvent::Failed(error) => {
                    self.fail(error);
                    return Ok(());
                }
            },
            () = sleep_until(self.detour.planned_at()) => {
                self.context.stage(Stage::Detour);
                self.detour.open();
                return Ok(());
            }
            channel = self.detour.taken() => {
                self.taken = Some(channel);
                return Ok(());
            }
            () = sleep_until(self.give_up) => return Err(TransportError::Lost(Lost::Unreachable).into()),
            password = typed(&mut self.password) => match password {
                Some(password) => Input::Password(password),
                None => {
                    self.cancel().await;
                    return Err(self.context.without_password());
                }
            },
            is_same = confirmed(&mut self.confirmation) => Input::Confirmed(is_same),
            () = sleep_until(self.relay.deadline()) => return self.begin(None).await,
            () = sleep_until(deadline) => Input::TimedOut,
        };
        self.feed(input).await
    }

    /// Tells the peer that this side gives up, if it can still be told.
    async fn cancel(&mut self) {
        self.feed(Input::Canceled).await.ok();
        self.carry_out().await.ok();
    }

    /// Looks for addresses, with the relay's help if that was granted, and acts on what the peer said meanwhile.
    async fn begin(&mut self, relay: Option<IceServer>) -> Result<(), Error> {
        if relay.is_some() && self.keys.is_none() {
            // People may still be asked, and no address leaves before they have answered.
            self.granted = relay;
            return Ok(());
        }
        self.relay = Relay::Settled;
        if let Some((relay, keys)) = relay.as_ref().zip(self.keys.as_ref()) {
            self.detour = Detour::planned(self.server, relay, keys, self.dialing.policy(), self.detour_use);
        }
        let described = self.described.take();
        let begun = async {
            self.dialing.begin(relay.as_slice()).await?;
            match described {
                Some(answer) => self.dialing.accept_answer(&answer).await,
                None => Ok(()),
            }
        };
        match begun.await {
            Err(TransportError::NoRelay) if !self.detour.is_none() => self.fail(TransportError::NoRelay),
            begun => begun?,
        }
        Ok(())
    }

    /// Takes note that the connection does not open. The way through the server may be left.
    fn fail(&mut self, error: TransportError) {
        self.failure = Some(error);
        self.detour.hurry();
    }
}

/// The password that was typed, if one was.
async fn typed(password: &mut Option<oneshot::Receiver<Zeroizing<String>>>) -> Option<Zeroizing<String>> {
    let Some(waiting) = password else { return std::future::pending().await };
    let typed = waiting.await.ok();
    *password = None;
    typed
}

/// The person's answer; one that never comes is a no.
async fn confirmed(confirmation: &mut Option<oneshot::Receiver<bool>>) -> bool {
    let Some(waiting) = confirmation else { return std::future::pending().await };
    let is_same = waiting.await.unwrap_or(false);
    *confirmation = None;
    is_same
}

/// Waits for a moment; for ever where there is none.
pub(super) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// How long the server may take to give access to its relay: it has all that it needs by then.
const RELAY_MAX: Duration = Duration::from_secs(3);

/// How long a path may be looked for.
const PATH_MAX: Duration = Duration::from_secs(25);

/// A candidate of the own stack in the protocol's words; `None` for one that no peer could use.
pub(super) fn into_protocol(candidate: Candidate) -> Option<sdp::Candidate> {
    sdp::Candidate::new(candidate.candidate, candidate.sdp_mid, candidate.sdp_m_line_index).ok()
}
