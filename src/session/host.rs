//! The side that opens a share: it holds the rooms at the server and serves every guest in a task of its own.

mod greetings;
mod guard;
mod guests;
mod opening;
mod rooms;

pub(super) use guard::Guard;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use p2pshare_protocol::code::Code;
use p2pshare_protocol::envelope::{Cid, ClientMessage, ErrorCode, Outcome, ServerMessage, Why};
use p2pshare_protocol::knocks::Knocks;
use p2pshare_protocol::nearby::DeviceName;
use p2pshare_protocol::pairing::PairingError;
use p2pshare_protocol::password::StretchedPassword;
use tokio::time::{Instant, sleep_until};
use zeroize::Zeroizing;

use super::context::Context;
use super::event::{Event, Stage, Summary};
use super::line::Way;
use super::local::Place;
use super::random::rng;
use super::work::Work;
use crate::error::Error;
use crate::lan::Announcer;
use crate::signaling::{ServerUrl, Signaling, SignalingError};
use crate::transport::TransportConfig;
use greetings::Greetings;
use guests::{Arrival, GuestEnd, Guests};
use rooms::Rooms;

/// How a share is opened.
#[derive(Debug, Clone)]
pub struct ShareOptions {
    /// How many guests may fetch it; any number if absent.
    pub max: Option<NonZeroU32>,
    /// How long it can be joined.
    pub expire: Duration,
    /// How many secret digits its code has, 4 to 12.
    pub secret_digits: usize,
    /// The password that guests have to give, if any.
    pub password: Option<Zeroizing<String>>,
    /// A code that was agreed on beforehand.
    pub code: Option<Code>,
    /// Whether both sides compare the short number.
    pub verify: bool,
    /// How long a lost guest is waited for.
    pub retry: Duration,
    /// The name under which others on the network see it, if they shall. Then there is no code, and people compare the short
    /// number with each guest.
    pub nearby: Option<DeviceName>,
}

impl Default for ShareOptions {
    fn default() -> Self {
        Self {
            max: Some(NonZeroU32::MIN),
            expire: Duration::from_secs(3600),
            secret_digits: 4,
            password: None,
            code: None,
            verify: false,
            retry: RETRY,
            nearby: None,
        }
    }
}

/// Opens a share at `place` and does `work` with every guest.
///
/// Returns when the last guest is served, the share expires or it is stopped.
pub(super) async fn host(
    place: Place,
    options: &ShareOptions,
    config: &TransportConfig,
    work: Work,
    context: Context,
) -> Result<Summary, Error> {
    context.stage(Stage::Server);
    let server = &place.server;
    let signaling = Signaling::connect(server).await?;
    let config = super::ice::with_ice_servers(server, config).await;
    let rooms = Rooms::new(&place.origin, options);
    let way = Way { server: server.clone(), config: Arc::new(config), retry: options.retry };
    let password = stretch(options.password.clone()).await?;
    let verify = options.verify || options.nearby.is_some();
    let guests = Guests::new(way, work, context.clone(), password, verify);
    let announcer = place.announcer;
    let (greetings, knocks, total) = (Greetings::default(), Knocks::default(), Summary::default());
    let mut host = Host { server, options, rooms, announcer, greetings, guests, knocks, context, served: 0, total };
    let result = host.run(signaling).await;
    host.guests.end().await;
    result
}

/// Stretches the password of a share, which takes a moment.
async fn stretch(password: Option<Zeroizing<String>>) -> Result<Option<StretchedPassword>, Error> {
    let Some(password) = password else { return Ok(None) };
    let stretch = move || StretchedPassword::generate(&password, &mut rng());
    let stretched = tokio::task::spawn_blocking(stretch).await;
    Ok(Some(stretched.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?))
}

struct Host<'a> {
    server: &'a ServerUrl,
    options: &'a ShareOptions,
    rooms: Rooms,
    announcer: Option<Announcer>,
    greetings: Greetings,
    guests: Guests,
    /// The guests that nobody expected.
    knocks: Knocks,
    context: Context,
    /// Guests that were served to the end.
    served: u32,
    /// What was moved to all of them.
    total: Summary,
}

impl Host<'_> {
    async fn run(&mut self, mut signaling: Signaling) -> Result<Summary, Error> {
        let expiry = Instant::now() + self.options.expire;
        self.open(&mut signaling).await?;
        loop {
            let is_waiting = self.guests.is_empty();
            tokio::select! {
                biased;
                () = self.context.stop.requested(), if is_waiting => {
                    leave(signaling).await;
                    return self.stopped();
                }
                message = signaling.next() => match message {
                    Ok(message) => self.handle_message(message, &signaling).await?,
                    Err(error) => match self.find_server(error, expiry).await? {
                        Some(found) => signaling = found,
                        None => return Ok(self.total.clone()),
                    }
                },
                end = self.guests.next_end() => {
                    if let Some(result) = self.handle_end(end, Some(&signaling)).await {
                        leave(signaling).await;
                        return result;
                    }
                }
                () = sleep_until(expiry), if is_waiting => {
                    leave(signaling).await;
                    return self.stopped().map_err(|_| Error::Expired);
                }
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "what concerns no room is for the guests")]
    async fn handle_message(&mut self, message: ServerMessage, signaling: &Signaling) -> Result<(), Error> {
        match message {
            ServerMessage::Peer { cid, room } if !self.wants_more() => {
                drop(self.greetings.begun(cid, &room));
                tell(signaling, ClientMessage::Kick { cid, why: Why::Kicked }).await;
            }
            ServerMessage::Greeted { cid } => self.greetings.was_taken(cid),
            ServerMessage::Peer { cid, room } if !self.may_knock() => {
                drop(self.greetings.begun(cid, &room));
                tell(signaling, ClientMessage::Kick { cid, why: Why::Kicked }).await;
                self.greet_next(&room, signaling).await;
            }
            ServerMessage::Peer { cid, room } => {
                if let Some(secret) = self.rooms.secret_of(&room) {
                    let begun = self.greetings.begun(cid, &room);
                    self.guests.serve(Arrival { cid, room: room.clone(), secret, begun }, signaling.sender());
                    self.greet_next(&room, signaling).await;
                }
            }
            ServerMessage::Created { room, token, .. } => {
                self.rooms.opened(room.clone(), token)?;
                self.greet_next(&room, signaling).await;
                self.announce();
                self.show(signaling).await?;
            }
            ServerMessage::Error { code: code @ (ErrorCode::NoNearby | ErrorCode::ServerFull), .. }
                if self.options.nearby.is_some() =>
            {
                return Err(Error::Refused { server: self.server.clone(), code, retry_after: None });
            }
            ServerMessage::Ended { room, .. } => {
                tell(signaling, self.rooms.lost(&room)).await;
            }
            other => self.guests.deliver(other),
        }
        Ok(())
    }

    /// Takes note of a guest that is done; returns the result of the share if it was the last one.
    async fn handle_end(&mut self, end: GuestEnd, signaling: Option<&Signaling>) -> Option<Result<Summary, Error>> {
        let GuestEnd { cid, peer, is_final, is_known, result } = end;
        match result {
            Ok(summary) => {
                self.served += 1;
                self.total.add(&summary);
                self.context.events.report(Event::Done(peer, summary));
            }
            Err(Error::Pairing(PairingError::WrongCode)) => {
                self.count_wrong_code(cid, signaling).await;
            }
            Err(error) if self.is_for_one() && (is_final || is_alarm(&error)) => return Some(Err(error)),
            Err(error) => {
                if let Some(signaling) = signaling.filter(|_| is_known) {
                    // Who knows the code or link and is not let in might stay, and take a place from others.
                    tell(signaling, ClientMessage::Kick { cid, why: Why::Kicked }).await;
                }
                self.context.events.report(Event::Failed(peer, Arc::new(error)));
            }
        }
        // A guest that is lost and looked for does not keep the share open once another one took its place.
        let is_last = !self.wants_more() && self.guests.paired() == 0;
        is_last.then(|| Ok(self.total.clone()))
    }

    /// Whether the share is for somebody who was told of it: then what goes wrong with that one ends it.
    fn is_for_one(&self) -> bool {
        self.options.max == Some(NonZeroU32::MIN) && self.options.nearby.is_none()
    }

    /// Whether one more guest may come to the door, where nobody expects any.
    fn may_knock(&mut self) -> bool {
        self.options.nearby.is_none() || self.knocks.admit(self.guests.waiting(), Instant::now().into())
    }

    fn wants_more(&self) -> bool {
        self.options.max.is_none_or(|max| self.served + self.guests.paired() < max.get())
    }

    /// Without a server there is nobody to tell: the rooms are asked for as they are then when it is back.
    async fn count_wrong_code(&mut self, cid: Cid, signaling: Option<&Signaling>) {
        let left = self.guests.guard().tries_left();
        self.context.events.report(Event::WrongCode { left });
        let mut messages = vec![ClientMessage::Report { cid, what: Outcome::BadProof }];
        if left == 0 {
            self.guests.guard().code_replaced();
            messages.extend(self.rooms.retire_code());
        }
        if let Some(signaling) = signaling {
            for message in messages {
                tell(signaling, message).await;
            }
        }
    }

    /// Looks for the server after the connection to it was lost, and takes the rooms back. Guests that are paired go on
    /// meanwhile; returns `None` if the last of them is served before the server is found.
    async fn find_server(&mut self, error: SignalingError, expiry: Instant) -> Result<Option<Signaling>, Error> {
        tracing::warn!(%error, "the connection to the server was lost");
        self.guests.lose_mail();
        if self.guests.is_empty() {
            self.context.stage(Stage::Server);
        }
        let mut pause = RETRY_FIRST;
        loop {
            let is_waiting = self.guests.is_empty();
            let connected = tokio::select! {
                biased;
                () = self.context.stop.requested(), if is_waiting => return self.stopped().map(|_| None),
                end = self.guests.next_end() => match self.handle_end(end, None).await {
                    Some(result) => return result.map(|_| None),
                    None => continue,
                },
                () = sleep_until(expiry), if is_waiting => return Err(error.into()),
                connected = connect_after(pause, self.server) => connected,
            };
            pause = (pause * 3 / 2).min(RETRY_MAX);
            let Ok(mut signaling) = connected else { continue };
            self.rooms.reattach();
            // The server has forgotten what was left there.
            self.greetings = Greetings::default();
            match self.open(&mut signaling).await {
                Ok(()) => return Ok(Some(signaling)),
                Err(error) => {
                    tracing::debug!(%error, "the rooms did not come back");
                    self.guests.lose_mail();
                }
            }
        }
    }

    /// What a share that is stopped ends with.
    fn stopped(&self) -> Result<Summary, Error> {
        if self.served > 0 { Ok(self.total.clone()) } else { Err(Error::Stopped) }
    }
}

/// Whether somebody seems to step in between: who meant to be the only guest has seen it.
const fn is_alarm(error: &Error) -> bool {
    matches!(error, Error::Pairing(PairingError::ShortNumberRejected))
}

/// Tells the server something; that it is gone is told by the connection itself.
async fn tell(signaling: &Signaling, message: ClientMessage) {
    let _ = signaling.send(message).await;
}

/// Says goodbye to the server.
async fn leave(signaling: Signaling) {
    tell(&signaling, ClientMessage::Bye { room: None }).await;
    signaling.close().await;
}

async fn connect_after(pause: Duration, server: &ServerUrl) -> Result<Signaling, SignalingError> {
    tokio::time::sleep(pause).await;
    Signaling::connect(server).await
}

/// How long a lost guest is waited for, unless somebody says otherwise.
const RETRY: Duration = Duration::from_secs(600);

/// The first pause before the server is tried again.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// The longest pause.
const RETRY_MAX: Duration = Duration::from_secs(30);
