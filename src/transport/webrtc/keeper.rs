//! Keeps one connection: hears of its state changes, opens it, ends it, closes it.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use tracing::{debug, warn};
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit},
    peer_connection::{
        PeerConnection, PeerConnectionEventHandler, RTCIceCandidate, RTCIceConnectionState, RTCIceGatheringState,
        RTCPeerConnectionIceEvent, RTCPeerConnectionState, StatsSelector,
        crypto::{HashAlgorithm, RTCCryptoProvider},
    },
};

use super::{
    DialEvent,
    lane::Lane,
    live::Guard,
    runtime::{Hurry, SocketBuffers},
    settings::{self, Built},
};
use crate::transport::{
    candidate::Candidate,
    channel::{Identity, Incoming},
    config::TransportConfig,
    error::{Lost, TransportError},
    inbox::{Ending, Inbox, InboxSender, MAX_QUEUED_BYTES, MAX_QUEUED_MESSAGES, inbox},
    quic::Plane,
    socket::Sockets,
};

/// A connection with its keeper running.
pub(super) struct Parts {
    pub(super) guard: Guard,
    pub(super) events: mpsc::UnboundedReceiver<DialEvent>,
    pub(super) inbox: Inbox,
    pub(super) opened: Arc<OnceLock<Opened>>,
    pub(super) buffers: SocketBuffers,
    pub(super) sockets: Arc<Sockets>,
}

/// What is known once both lanes are open.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) identity: Identity,
    /// Bytes in the largest message that both sides take.
    pub(super) max_message_bytes: usize,
}

/// The two lanes. Held for as long as the connection: the library forgets a lane whose last handle is gone.
#[derive(Clone)]
pub(super) struct Lanes {
    pub(super) ctl: Arc<dyn DataChannel>,
    pub(super) data: Arc<dyn DataChannel>,
}

/// Makes a connection object and starts its keeper and readers.
///
/// # Errors
/// [`TransportError::Setup`].
pub(super) async fn start(config: &TransportConfig) -> Result<Parts, TransportError> {
    // Unbounded, since the library's driver must not wait: its length is that of our own candidates and state changes.
    let (notes_sender, notes) = mpsc::unbounded_channel();
    let hurry = Arc::new(Hurry::default());
    let listener = Arc::new(Listener { notes: notes_sender.clone(), hurry: Arc::clone(&hurry) });
    let sockets = Sockets::new();
    let Built { pc, certificate_der, crypto, buffers } = settings::build(config, &listener, &hurry, &sockets).await?;
    let lanes = match open_lanes(pc.as_ref()).await {
        Ok(lanes) => lanes,
        Err(error) => {
            let _ = pc.close().await;
            return Err(super::setup(error));
        }
    };
    let ending = Ending::new();
    let (messages, inbox) = inbox(MAX_QUEUED_MESSAGES, MAX_QUEUED_BYTES);
    let data_lane = Lane::new(Arc::clone(&lanes.data), ending.clone());
    let plane = Plane::new(data_lane, Arc::clone(&sockets), messages.clone(), ending.clone());
    let reader = |lane: &Arc<dyn DataChannel>, plane| {
        let reader = Reader { plane, messages: messages.clone(), notes: notes_sender.clone(), ending: ending.clone() };
        tokio::spawn(reader.run(Arc::clone(lane)))
    };
    let readers = [reader(&lanes.ctl, None), reader(&lanes.data, Some(Arc::clone(&plane)))];
    let (events_sender, events) = mpsc::unbounded_channel();
    let opened = Arc::new(OnceLock::new());
    let keeper = Keeper {
        pc: Arc::clone(&pc),
        readers,
        notes,
        events: events_sender,
        messages,
        plane: Arc::clone(&plane),
        ending: ending.clone(),
        hurry,
        opened: Arc::clone(&opened),
        crypto,
        certificate_der,
        handshake_limit: config.handshake_limit,
        handshake_deadline: None,
        lanes_open: 0,
        disturbed: false,
    };
    let guard = Guard::new(pc, lanes, plane, ending, tokio::spawn(keeper.run()));
    Ok(Parts { guard, events, inbox, opened, buffers, sockets })
}

/// Makes the two lanes with numbers both sides know, which saves a round trip.
async fn open_lanes(pc: &dyn PeerConnection) -> webrtc::error::Result<Lanes> {
    let negotiated = |id| Some(RTCDataChannelInit { negotiated: Some(id), ..RTCDataChannelInit::default() });
    Ok(Lanes {
        ctl: pc.create_data_channel("ctl", negotiated(0)).await?,
        data: pc.create_data_channel("data", negotiated(1)).await?,
    })
}

/// What the library's driver and the readers tell the keeper.
#[derive(Debug)]
enum Note {
    Candidate(RTCIceCandidate),
    GatheringDone,
    PathFound,
    Connection(RTCPeerConnectionState),
    LaneOpen,
    ForeignChannel,
}

/// The library's callbacks. They run on its driver, which may not be held up, so they only pass on.
pub(super) struct Listener {
    notes: mpsc::UnboundedSender<Note>,
    hurry: Arc<Hurry>,
}

impl Listener {
    fn note(&self, note: Note) {
        // Fails only when the keeper is gone, and then nobody is interested.
        let _ = self.notes.send(note);
        self.hurry.poke();
    }
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Listener {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        self.note(Note::Candidate(event.candidate));
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.note(Note::GatheringDone);
        }
    }

    async fn on_ice_connection_state_change(&self, state: RTCIceConnectionState) {
        if state == RTCIceConnectionState::Connected {
            self.note(Note::PathFound);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.note(Note::Connection(state));
    }

    async fn on_data_channel(&self, _: Arc<dyn DataChannel>) {
        self.note(Note::ForeignChannel);
    }
}

/// Moves messages from one lane to the inbox.
struct Reader {
    /// On the data lane: what else uses it.
    plane: Option<Arc<Plane>>,
    messages: InboxSender,
    notes: mpsc::UnboundedSender<Note>,
    ending: Ending,
}

impl Reader {
    async fn run(self, lane: Arc<dyn DataChannel>) {
        loop {
            // `None` means that the driver is gone, by our own closing or by an accident. After `OnClose` the library
            // would have us wait for ever.
            let lost = match lane.poll().await {
                Some(DataChannelEvent::OnMessage(message)) => match self.pass(message.data.freeze()) {
                    Ok(()) => continue,
                    Err(lost) => lost,
                },
                Some(DataChannelEvent::OnOpen) => {
                    let _ = self.notes.send(Note::LaneOpen);
                    continue;
                }
                Some(DataChannelEvent::OnBufferedAmountLow) => {
                    self.plane.iter().for_each(|plane| plane.note_low());
                    continue;
                }
                Some(DataChannelEvent::OnClose) => Lost::ClosedByPeer,
                Some(_) => continue,
                None => Lost::Stopped,
            };
            self.ending.end(lost);
            return;
        }
    }

    fn pass(&self, message: Bytes) -> Result<(), Lost> {
        let incoming = match &self.plane {
            None => Incoming::Ctl(message),
            Some(plane) => match plane.hear(message)? {
                Some(message) => Incoming::Data(message),
                None => return Ok(()),
            },
        };
        self.messages.push(incoming)
    }
}

struct Keeper {
    pc: Arc<dyn PeerConnection>,
    readers: [JoinHandle<()>; 2],
    notes: mpsc::UnboundedReceiver<Note>,
    events: mpsc::UnboundedSender<DialEvent>,
    messages: InboxSender,
    plane: Arc<Plane>,
    ending: Ending,
    hurry: Arc<Hurry>,
    opened: Arc<OnceLock<Opened>>,
    crypto: Arc<dyn RTCCryptoProvider>,
    certificate_der: Vec<u8>,
    handshake_limit: Duration,
    handshake_deadline: Option<Instant>,
    lanes_open: usize,
    disturbed: bool,
}

impl Keeper {
    async fn run(mut self) {
        let ending = self.ending.clone();
        let lost = loop {
            let deadline = self.handshake_deadline;
            tokio::select! {
                biased;
                lost = ending.wait() => break lost,
                note = self.notes.recv() => match note {
                    Some(note) => self.hear(note).await,
                    None => ending.end(Lost::Stopped),
                },
                () = passed(deadline) => ending.end(Lost::HandshakeTimedOut(self.handshake_limit)),
            }
        };
        debug!(%lost, "the connection ends");
        self.wind_down(&lost).await;
    }

    async fn hear(&mut self, note: Note) {
        match note {
            Note::Candidate(candidate) => self.announce(&candidate),
            Note::GatheringDone => self.tell(DialEvent::GatheringDone),
            Note::PathFound if self.opened.get().is_none() => {
                self.handshake_deadline = Some(Instant::now() + self.handshake_limit);
            }
            Note::PathFound => {}
            Note::Connection(state) => self.hear_state(state),
            Note::LaneOpen => {
                self.lanes_open += 1;
                if self.lanes_open == 2 {
                    self.open().await;
                }
            }
            Note::ForeignChannel => self.ending.end(Lost::Violation("it opened a channel of its own")),
        }
    }

    fn hear_state(&mut self, state: RTCPeerConnectionState) {
        debug!(%state, "connection state");
        let was_disturbed = self.disturbed;
        match state {
            RTCPeerConnectionState::Failed => self.ending.end(Lost::Unreachable),
            RTCPeerConnectionState::Closed => self.ending.end(Lost::ClosedByPeer),
            RTCPeerConnectionState::Disconnected => self.disturbed = true,
            RTCPeerConnectionState::Connected => self.disturbed = false,
            RTCPeerConnectionState::New | RTCPeerConnectionState::Connecting | _ => {}
        }
        if self.disturbed != was_disturbed && self.opened.get().is_some() {
            let incoming = if self.disturbed { Incoming::Disturbed } else { Incoming::Recovered };
            if let Err(lost) = self.messages.push(incoming) {
                self.ending.end(lost);
            }
        }
    }

    /// Passes on a local address that a peer can use.
    fn announce(&self, candidate: &RTCIceCandidate) {
        match candidate.to_json() {
            // The library leaves the section's name empty.
            Ok(init) => {
                let candidate = Candidate::new(init.candidate);
                if candidate.is_usable() {
                    self.tell(DialEvent::LocalCandidate(candidate));
                }
            }
            Err(error) => debug!(%error, "a local candidate cannot be written down"),
        }
    }

    async fn open(&mut self) {
        self.hurry.end();
        self.handshake_deadline = None;
        match self.take_stock().await {
            Ok(opened) => {
                // Set once: both lanes open once.
                let _ = self.opened.set(opened);
                self.tell(DialEvent::Open);
            }
            Err(error) => {
                warn!(%error, "an open connection could not be examined");
                self.ending.end(Lost::Stopped);
            }
        }
    }

    /// Reads what the handshake settled.
    async fn take_stock(&self) -> webrtc::error::Result<Opened> {
        let missing = |what: &str| webrtc::error::Error::Other(format!("no {what}"));
        let stats = self.pc.get_stats(std::time::Instant::now(), StatsSelector::None).await;
        let suite = stats.transport().map_or("", |transport| &transport.dtls_cipher);
        if suite != SUITE {
            return Err(webrtc::error::Error::Other(format!("the cipher suite is {suite:?}")));
        }
        let sctp = self.pc.sctp().await.ok_or_else(|| missing("SCTP transport"))?;
        let dtls = sctp.transport();
        let ice = dtls.ice_transport();
        let certificates = dtls.get_remote_certificates().await?;
        let remote_der = certificates.first().ok_or_else(|| missing("certificate"))?;
        let local = ice.get_local_parameters().await?.ok_or_else(|| missing("local ICE parameters"))?;
        let remote = ice.get_remote_parameters().await?.ok_or_else(|| missing("remote ICE parameters"))?;
        let identity = Identity {
            local_fingerprint: self.fingerprint(&self.certificate_der)?,
            remote_fingerprint: self.fingerprint(remote_der)?,
            local_ufrag: local.username_fragment,
            remote_ufrag: remote.username_fragment,
        };
        Ok(Opened { identity, max_message_bytes: sctp.max_message_size().await? as usize })
    }

    fn fingerprint(&self, der: &[u8]) -> webrtc::error::Result<[u8; 32]> {
        let wrong = |error: String| webrtc::error::Error::Crypto(error);
        let digest = self.crypto.crypto().hash(HashAlgorithm::Sha256, der).map_err(|error| wrong(error.to_string()))?;
        <[u8; 32]>::try_from(&digest[..]).map_err(|error| wrong(error.to_string()))
    }

    fn tell(&self, event: DialEvent) {
        // Nobody listens any more once the channel has been handed out.
        let _ = self.events.send(event);
    }

    /// Closes the library's object, which frees its sockets and ends its tasks and every send that waits.
    async fn wind_down(self, lost: &Lost) {
        let Self { pc, readers, events, messages, plane, .. } = self;
        drop((events, messages));
        let aborts = readers.each_ref().map(JoinHandle::abort_handle);
        if *lost == Lost::ClosedByPeer {
            // One lane has heard of it; what lies before the end of the other one is still to be read.
            let [ctl, data] = readers;
            let _ = tokio::time::timeout(LAST_WORDS, async { (ctl.await, data.await) }).await;
        }
        if tokio::time::timeout(CLOSE_LIMIT, plane.finished()).await.is_err() {
            warn!("QUIC does not end");
        }
        match tokio::time::timeout(CLOSE_LIMIT, pc.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "closing"),
            Err(_) => warn!("a connection does not close"),
        }
        for abort in aborts {
            abort.abort();
        }
    }
}

/// Waits until a deadline; for ever if there is none.
async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The one cipher suite we use: its nonces are counters, those of the library's AES-GCM are drawn at random.
const SUITE: &str = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256";

/// How long the second lane of a connection that the peer closed may take to end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long closing may take. The library itself takes 100 ms at most.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
