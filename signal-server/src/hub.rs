//! The rooms and the queues of their connections, under one lock.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use p2pshare_protocol::envelope::ClientMessage;
use tokio::sync::Notify;
use tokio::time::sleep_until;

use crate::limits::SocketLimits;
use crate::neighbourhood::Neighbourhood;
use crate::outbox::Outbox;
use crate::relay_access::RelayAccess;
use crate::rooms::{Command, ConnectionId, Rooms};
use crate::sources::{Source, TooManySockets};

/// Feeds the rooms and carries out what they ask for. It decides nothing and never waits while it holds the lock.
#[derive(Debug)]
pub(crate) struct Hub {
    limits: SocketLimits,
    state: Mutex<State>,
    deadline_changed: Notify,
}

#[derive(Debug)]
struct State {
    rooms: Rooms,
    relay: Option<RelayAccess>,
    places: HashMap<ConnectionId, Place>,
}

/// What is known of a connection here.
#[derive(Debug)]
struct Place {
    outbox: Arc<Outbox>,
    /// The server's name, as the client calls it.
    host: String,
}

impl Hub {
    pub(crate) fn new(rooms: Rooms, relay: Option<RelayAccess>, limits: SocketLimits) -> Self {
        let rooms = if relay.is_some() { rooms.with_relay() } else { rooms };
        let state = Mutex::new(State { rooms, relay, places: HashMap::new() });
        Self { limits, state, deadline_changed: Notify::new() }
    }

    /// Takes in a connection to the server under the name `host`, at an address on a network if that is known; dropping the seat takes it out.
    ///
    /// # Errors
    /// Its source has too many.
    pub(crate) fn connect(
        self: &Arc<Self>,
        source: Source,
        neighbourhood: Option<(Neighbourhood, IpAddr)>,
        host: &str,
    ) -> Result<Seat, TooManySockets> {
        let mut state = self.lock();
        let id = state.rooms.connect(source)?;
        if let Some((neighbourhood, address)) = neighbourhood {
            state.rooms.place(id, neighbourhood, address);
        }
        let outbox = Arc::new(Outbox::new(&self.limits));
        state.places.insert(id, Place { outbox: outbox.clone(), host: host.to_owned() });
        drop(state);
        Ok(Seat { hub: self.clone(), id, outbox })
    }

    /// Tells the rooms what time it is, whenever they want to know. Never returns.
    pub(crate) async fn keep_time(&self) {
        loop {
            let deadline = self.lock().rooms.poll_timeout();
            let reached = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = reached => self.feed(|rooms, now| rooms.handle_timeout(now)),
                () = self.deadline_changed.notified() => {}
            }
        }
    }

    /// How many rooms there are.
    pub(crate) fn room_count(&self) -> usize {
        self.lock().rooms.room_count()
    }

    fn feed(&self, input: impl FnOnce(&mut Rooms, Instant)) {
        let mut state = self.lock();
        let before = state.rooms.poll_timeout();
        input(&mut state.rooms, Instant::now());
        state.perform();
        if state.rooms.poll_timeout() != before {
            self.deadline_changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn perform(&mut self) {
        while let Some(command) = self.rooms.next_command() {
            match command {
                Command::Send { to, message } => {
                    if let Some(place) = self.places.get(&to) {
                        place.outbox.push(message.encode());
                    }
                }
                Command::Grant { to, cid, session } => {
                    if let Some((place, relay)) = self.places.get(&to).zip(self.relay.as_ref()) {
                        let granted = relay.grant(cid, &session, &place.host, SystemTime::now());
                        place.outbox.push(granted.encode());
                    }
                }
                Command::Close { connection, why } => {
                    if let Some(place) = self.places.get(&connection) {
                        place.outbox.close(why);
                    }
                }
            }
        }
    }
}

/// A connection's place in the hub.
#[derive(Debug)]
pub(crate) struct Seat {
    hub: Arc<Hub>,
    id: ConnectionId,
    outbox: Arc<Outbox>,
}

impl Seat {
    /// Takes in a text from the connection.
    pub(crate) fn receive(&self, text: &str) {
        let message = ClientMessage::decode(text);
        self.hub.feed(|rooms, now| match message {
            Ok(message) => rooms.receive(self.id, message, now),
            Err(_) => rooms.refuse(self.id),
        });
    }

    /// What to send to the connection.
    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.hub.feed(|rooms, now| rooms.disconnect(self.id, now));
        self.hub.lock().places.remove(&self.id);
    }
}
