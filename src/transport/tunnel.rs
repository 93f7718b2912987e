//! A connection through the server's WebSocket: sealed messages in a pipe that somebody else keeps.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use p2pshare_protocol::{
    role::Role,
    tunnel::{Lane, TunnelOpener, TunnelSealer},
};
use tokio::{sync::mpsc, task::JoinSet, time};

use super::{
    DATA_HEADER_BYTES, MAX_SENT_MESSAGE_BYTES,
    channel::{Channel, Identity, Incoming, Path, PathKind},
    error::Lost,
    inbox::{Ending, Inbox, InboxSender, inbox},
    quic::DataPlane,
};

/// A tunnel that both sides have reached, and that the guest may take.
pub struct Tunnel {
    role: Role,
    sealer: TunnelSealer,
    opener: TunnelOpener,
    outgoing: mpsc::Sender<Vec<u8>>,
    incoming: mpsc::Receiver<Vec<u8>>,
}

impl Tunnel {
    /// Puts a pipe to use. An empty message into it closes it.
    pub fn new(
        role: Role,
        (sealer, opener): (TunnelSealer, TunnelOpener),
        (outgoing, incoming): (mpsc::Sender<Vec<u8>>, mpsc::Receiver<Vec<u8>>),
    ) -> Self {
        Self { role, sealer, opener, outgoing, incoming }
    }

    /// Settles that the tunnel is used: the guest says so, the host waits for it. Cancel-safe.
    ///
    /// # Errors
    /// [`Lost`] when the tunnel ended, or carried something else.
    pub async fn begin(&mut self) -> Result<(), Lost> {
        match self.role {
            Role::Guest => {
                let place = self.outgoing.reserve().await.map_err(|_| Lost::ClosedByPeer)?;
                place.send(self.sealer.seal(Lane::Begin, &[]));
                Ok(())
            }
            Role::Host => {
                let message = self.incoming.recv().await.ok_or(Lost::ClosedByPeer)?;
                match self.opener.open(message) {
                    Ok((Lane::Begin, _)) => Ok(()),
                    Ok(_) | Err(_) => Err(FORGED),
                }
            }
        }
    }

    /// The channel, once it [began](Self::begin).
    pub fn into_channel(self) -> Channel {
        let Self { role, sealer, opener, outgoing, incoming } = self;
        let ending = Ending::new();
        let (messages, inbox) = inbox(MAX_QUEUED_MESSAGES, MAX_QUEUED_BYTES);
        let round_trip = Arc::new(Mutex::new(None));
        let sender = TunnelEnd { sealer: Arc::new(Mutex::new(sealer)), outgoing, ending: ending.clone() };
        let mut tasks = JoinSet::new();
        let reader = Reader { opener, messages, sender: sender.clone(), round_trip: Arc::clone(&round_trip) };
        tasks.spawn(reader.run(incoming));
        tasks.spawn(ping(sender.clone()));
        Channel::tunnel(Live { identity: identity(role), inbox, sender, round_trip, _tasks: tasks })
    }
}

/// Both ends are known by the keys that seal, so there is nothing to tell but which end it is.
fn identity(role: Role) -> Identity {
    let host = Identity {
        local_fingerprint: [b'h'; 32],
        remote_fingerprint: [b'g'; 32],
        local_ufrag: "tunnel-host".to_owned(),
        remote_ufrag: "tunnel-guest".to_owned(),
    };
    match role {
        Role::Host => host,
        Role::Guest => host.mirrored(),
    }
}

/// An open tunnel.
#[derive(Debug)]
pub(super) struct Live {
    identity: Identity,
    inbox: Inbox,
    sender: TunnelEnd,
    round_trip: Arc<Mutex<Option<Duration>>>,
    /// End with the tunnel.
    _tasks: JoinSet<()>,
}

impl Live {
    pub(super) async fn next(&mut self) -> Incoming {
        match self.inbox.recv().await {
            Some(incoming) => incoming,
            None => Incoming::Lost(self.sender.ending.wait().await),
        }
    }

    pub(super) fn sender(&self) -> TunnelEnd {
        self.sender.clone()
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn path(&self) -> Path {
        let round_trip = *self.round_trip.lock().unwrap_or_else(PoisonError::into_inner);
        let (kind, data_plane) = (PathKind::Relay, DataPlane::WebSocket);
        Path { kind, data_plane, connections: 1, local: None, remote: None, round_trip, reason: None }
    }

    /// Lets what was sent leave.
    pub(super) async fn close(self) {
        let farewell = async {
            if self.sender.outgoing.send(Vec::new()).await.is_ok() {
                self.sender.outgoing.closed().await;
            }
        };
        let _ = time::timeout(CLOSE_LIMIT, farewell).await;
        self.sender.ending.end(Lost::ClosedHere);
    }
}

/// Sends into a tunnel.
#[derive(Clone)]
pub(super) struct TunnelEnd {
    sealer: Arc<Mutex<TunnelSealer>>,
    outgoing: mpsc::Sender<Vec<u8>>,
    ending: Ending,
}

impl std::fmt::Debug for TunnelEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TunnelEnd").finish_non_exhaustive()
    }
}

impl TunnelEnd {
    pub(super) async fn send_ctl(&self, message: &[u8]) -> Result<(), Lost> {
        self.send(Lane::Ctl, &[message]).await
    }

    pub(super) async fn send_data(&self, header: [u8; DATA_HEADER_BYTES], payload: &Bytes) -> Result<(), Lost> {
        self.send(Lane::Data, &[&header, payload]).await
    }

    pub(super) fn max_payload_bytes(&self) -> usize {
        MAX_SENT_MESSAGE_BYTES - DATA_HEADER_BYTES
    }

    pub(super) async fn lost(&self) -> Lost {
        self.ending.wait().await
    }

    async fn send(&self, lane: Lane, parts: &[&[u8]]) -> Result<(), Lost> {
        let place = tokio::select! {
            biased;
            lost = self.ending.wait() => return Err(lost),
            place = self.outgoing.reserve() => place.map_err(|_| Lost::ClosedByPeer)?,
        };
        self.seal_into(place, lane, parts);
        Ok(())
    }

    /// Sends if there is room.
    fn try_send(&self, lane: Lane, message: &[u8]) {
        if let Ok(place) = self.outgoing.try_reserve() {
            self.seal_into(place, lane, &[message]);
        }
    }

    /// Seals and queues under one lock: messages open in the order in which they were sealed only.
    fn seal_into(&self, place: mpsc::Permit<'_, Vec<u8>>, lane: Lane, parts: &[&[u8]]) {
        let mut sealer = self.sealer.lock().unwrap_or_else(PoisonError::into_inner);
        place.send(sealer.seal(lane, parts));
    }
}

struct Reader {
    opener: TunnelOpener,
    messages: InboxSender,
    sender: TunnelEnd,
    round_trip: Arc<Mutex<Option<Duration>>>,
}

impl Reader {
    async fn run(mut self, incoming: mpsc::Receiver<Vec<u8>>) {
        let mut ear = Ear { incoming, is_silent: false, kept: None };
        let lost = loop {
            let message = match ear.hear().await {
                Heard::Message(message) => message,
                Heard::Change(incoming) => match self.messages.push(incoming) {
                    Ok(()) => continue,
                    Err(lost) => break lost,
                },
                Heard::End => break Lost::ClosedByPeer,
            };
            let pushed = match self.opener.open(message) {
                Ok((Lane::Ctl, frame)) => self.messages.push(Incoming::Ctl(frame.into())),
                Ok((Lane::Data, frame)) => self.messages.push(Incoming::Data(frame.into())),
                Ok((Lane::Ping, stamp)) => {
                    self.sender.try_send(Lane::Pong, &stamp);
                    Ok(())
                }
                Ok((Lane::Pong, stamp)) => {
                    self.note(&stamp);
                    Ok(())
                }
                Ok((Lane::Begin, _)) | Err(_) => Err(FORGED),
            };
            if let Err(lost) = pushed {
                break lost;
            }
        };
        self.sender.ending.end(lost);
    }

    /// Takes the round trip from an echo.
    fn note(&self, stamp: &[u8]) {
        let sent = stamp.try_into().map(u64::from_be_bytes).ok();
        let sent = sent.and_then(|sent| now().checked_sub(sent)).map(Duration::from_micros);
        *self.round_trip.lock().unwrap_or_else(PoisonError::into_inner) = sent;
    }
}

/// Notices when nothing comes any more: TCP itself does not for minutes.
struct Ear {
    incoming: mpsc::Receiver<Vec<u8>>,
    is_silent: bool,
    /// What ended a silence.
    kept: Option<Vec<u8>>,
}

/// What an ear hears.
enum Heard {
    Message(Vec<u8>),
    /// Silence, or its end.
    Change(Incoming),
    End,
}

impl Ear {
    async fn hear(&mut self) -> Heard {
        if let Some(message) = self.kept.take() {
            return Heard::Message(message);
        }
        let next = self.incoming.recv();
        let heard = if self.is_silent { Ok(next.await) } else { time::timeout(SILENCE, next).await };
        match heard {
            Err(_) => {
                self.is_silent = true;
                Heard::Change(Incoming::Disturbed)
            }
            Ok(Some(message)) if self.is_silent => {
                self.is_silent = false;
                self.kept = Some(message);
                Heard::Change(Incoming::Recovered)
            }
            Ok(Some(message)) => Heard::Message(message),
            Ok(None) => Heard::End,
        }
    }
}

/// Asks for an echo every now and then; also the sign of life that servers and proxies want.
async fn ping(sender: TunnelEnd) {
    let mut every = time::interval(PING_EVERY);
    loop {
        every.tick().await;
        sender.try_send(Lane::Ping, &now().to_be_bytes());
    }
}

/// Microseconds since some time in this process.
fn now() -> u64 {
    use std::sync::LazyLock;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX)
}

const FORGED: Lost = Lost::Violation("a message in the tunnel is not the next one that it sealed");

/// How often the round trip is measured.
const PING_EVERY: Duration = Duration::from_secs(2);

/// How long nothing may come: the peer asks for echoes, too, and one message takes a slow line a few seconds.
const SILENCE: Duration = Duration::from_secs(8);

/// How long closing may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// As much as WebRTC's lanes may hold.
const MAX_QUEUED_MESSAGES: usize = 16_384;
const MAX_QUEUED_BYTES: usize = 128 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_told_once_and_its_end_too() {
        let (sender, incoming) = mpsc::channel(4);
        let mut ear = Ear { incoming, is_silent: false, kept: None };
        sender.send(vec![1]).await.unwrap();
        assert!(matches!(ear.hear().await, Heard::Message(message) if message == [1]));
        assert!(matches!(ear.hear().await, Heard::Change(Incoming::Disturbed)));
        assert!(time::timeout(10 * SILENCE, ear.hear()).await.is_err(), "silence goes on");
        sender.send(vec![2]).await.unwrap();
        assert!(matches!(ear.hear().await, Heard::Change(Incoming::Recovered)));
        assert!(matches!(ear.hear().await, Heard::Message(message) if message == [2]));
        drop(sender);
        assert!(matches!(ear.hear().await, Heard::End));
    }
}
