//! Keeps one connection: hears of its state changes, opens it, ends it, closes it.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use sha2::{Digest, Sha256};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};
use tracing::{debug, warn};
use webrtc::{
    data_channel::{DataChannel, RTCDataChannelInit},
    peer_connection::{
        PeerConnection, PeerConnectionEventHandler, RTCIceCandidate, RTCIceConnectionState, RTCIceGatheringState,
        RTCPeerConnectionIceEvent, RTCPeerConnectionState, StatsSelector,
    },
};

use super::{
    DialEvent,
    disturbance::Disturbance,
    lane::Lane,
    live::Guard,
    reader::{Reader, Which},
    runtime::{Hurry, SocketBuffers},
    settings::{self, Built},
};
use crate::transport::{
    candidate::Candidate,
    channel::Identity,
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
    pub(super) described: Arc<OnceLock<Described>>,
    /// SHA-256 of the own certificate.
    pub(super) fingerprint: [u8; 32],
    pub(super) buffers: SocketBuffers,
    pub(super) sockets: Arc<Sockets>,
}

/// What both descriptions say. Nothing else opens: QUIC and DTLS take the certificates of which the hashes are there.
#[derive(Clone, Debug)]
pub(super) struct Described {
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
    let Built { pc, certificate_der, buffers } = settings::build(config, &listener, &hurry, &sockets).await?;
    let lanes = match open_lanes(pc.as_ref()).await {
        Ok(lanes) => lanes,
        Err(error) => {
            let _ = pc.close().await;
            return Err(super::setup(error));
        }
    };
    let ending = Ending::new();
    let (messages, inbox) = inbox(MAX_QUEUED_MESSAGES, MAX_QUEUED_BYTES);
    let sending = [&lanes.ctl, &lanes.data].map(|lane| Lane::new(Arc::clone(lane), ending.clone()));
    let plane = Plane::new(sending.clone(), Arc::clone(&sockets), messages.clone(), ending.clone());
    let examined = watch::Sender::new(false);
    let reader = |which, lane: &Arc<dyn DataChannel>| {
        let (plane, messages) = (Arc::clone(&plane), messages.clone());
        let (notes, ending, examined) = (notes_sender.clone(), ending.clone(), examined.subscribe());
        let reader = Reader { which, plane, messages, notes, ending, examined };
        tokio::spawn(reader.run(Arc::clone(lane)))
    };
    let readers = [reader(Which::Ctl, &lanes.ctl), reader(Which::Data, &lanes.data)];
    let (events_sender, events) = mpsc::unbounded_channel();
    let described = Arc::new(OnceLock::new());
    let keeper = Keeper {
        pc: Arc::clone(&pc),
        readers,
        notes,
        notes_sender,
        events: events_sender,
        messages,
        plane: Arc::clone(&plane),
        ending: ending.clone(),
        hurry,
        described: Arc::clone(&described),
        is_open: false,
        sending,
        handshake_limit: config.handshake_limit,
        handshake_deadline: None,
        lanes_open: 0,
        examined,
        are_met: false,
        disturbance: Disturbance::default(),
    };
    let guard = Guard::new(pc, lanes, plane, ending, tokio::spawn(keeper.run()));
    Ok(Parts { guard, events, inbox, described, fingerprint: sha256(&certificate_der), buffers, sockets })
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
pub(super) enum Note {
    Candidate(RTCIceCandidate),
    GatheringDone,
    PathFound,
    Connection(RTCPeerConnectionState),
    LaneOpen,
    /// Both lanes are open on both sides.
    LanesMet,
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

struct Keeper {
    pc: Arc<dyn PeerConnection>,
    readers: [JoinHandle<()>; 2],
    notes: mpsc::UnboundedReceiver<Note>,
    /// For what this task has others wait for.
    notes_sender: mpsc::UnboundedSender<Note>,
    events: mpsc::UnboundedSender<DialEvent>,
    messages: InboxSender,
    plane: Arc<Plane>,
    ending: Ending,
    hurry: Arc<Hurry>,
    described: Arc<OnceLock<Described>>,
    /// Whether that has been told.
    is_open: bool,
    sending: [Lane; 2],
    handshake_limit: Duration,
    handshake_deadline: Option<Instant>,
    lanes_open: usize,
    /// Told once what DTLS settled is what was described.
    examined: watch::Sender<bool>,
    /// Whether the lanes are open on both sides.
    are_met: bool,
    disturbance: Disturbance,
}

impl Keeper {
    async fn run(mut self) {
        let (ending, mut quic) = (self.ending.clone(), self.plane.is_up());
        let lost = loop {
            let deadline = self.handshake_deadline;
            tokio::select! {
                biased;
                lost = ending.wait() => break lost,
                Some(note) = self.notes.recv() => self.hear(note).await,
                // The plane keeps the other end.
                Ok(()) = quic.changed() => {
                    let is_up = quic.borrow_and_update().is_some();
                    self.hear_quic(is_up);
                }
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
            Note::PathFound if !self.is_open => self.expect_lanes(),
            Note::PathFound => {}
            Note::Connection(state) => self.hear_state(state),
            Note::LaneOpen => {
                self.lanes_open += 1;
                if self.lanes_open == 2 {
                    self.meet().await;
                }
            }
            Note::LanesMet => self.open_lanes(),
            Note::ForeignChannel => self.ending.end(Lost::Violation("it opened a channel of its own")),
        }
    }

    fn hear_state(&mut self, state: RTCPeerConnectionState) {
        debug!(%state, "connection state");
        match state {
            RTCPeerConnectionState::Failed => self.ending.end(Lost::Unreachable),
            RTCPeerConnectionState::Closed => self.ending.end(Lost::ClosedByPeer),
            RTCPeerConnectionState::Disconnected => self.disturbance.note(true),
            RTCPeerConnectionState::Connected => self.disturbance.note(false),
            RTCPeerConnectionState::New | RTCPeerConnectionState::Connecting | _ => {}
        }
        self.tell_disturbance();
    }

    fn tell_disturbance(&mut self) {
        let told = self.disturbance.news(self.is_open).map_or(Ok(()), |incoming| self.messages.push(incoming));
        told.unwrap_or_else(|lost| self.ending.end(lost));
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

    /// The lanes have to open in time.
    fn expect_lanes(&mut self) {
        self.handshake_deadline = Some(Instant::now() + self.handshake_limit);
    }

    /// QUIC carries the connection as long as it is up, whether the lanes are open or not.
    fn hear_quic(&mut self, is_up: bool) {
        if is_up {
            self.handshake_deadline = None;
            self.open();
        } else if !self.are_met {
            self.expect_lanes();
        }
    }

    /// Examines what opened here, and waits until it has on the other side.
    async fn meet(&self) {
        self.hurry.end();
        if let Err(error) = self.examine().await {
            warn!(%error, "an open connection is not what was described");
            return self.ending.end(Lost::Stopped);
        }
        self.examined.send_replace(true);
        let (plane, notes) = (Arc::clone(&self.plane), self.notes_sender.clone());
        tokio::spawn(async move {
            if plane.meet().await.is_ok() {
                // Fails when the connection is over.
                let _ = notes.send(Note::LanesMet);
            }
        });
    }

    fn open_lanes(&mut self) {
        self.handshake_deadline = None;
        self.are_met = true;
        self.sending.iter().for_each(Lane::open);
        let plane = Arc::clone(&self.plane);
        // An error means that the connection is over.
        tokio::spawn(async move { plane.use_data_channels().await.ok() });
        self.open();
    }

    fn open(&mut self) {
        if !std::mem::replace(&mut self.is_open, true) {
            self.tell(DialEvent::Open);
            self.tell_disturbance();
        }
    }

    /// Checks what the DTLS handshake settled.
    async fn examine(&self) -> webrtc::error::Result<()> {
        let wrong = |what: &str| webrtc::error::Error::Other(what.to_owned());
        let stats = self.pc.get_stats(std::time::Instant::now(), StatsSelector::None).await;
        if stats.transport().is_none_or(|transport| transport.dtls_cipher != SUITE) {
            return Err(wrong("another cipher suite"));
        }
        let sctp = self.pc.sctp().await.ok_or_else(|| wrong("no SCTP transport"))?;
        let certificates = sctp.transport().get_remote_certificates().await?;
        let presented = certificates.first().ok_or_else(|| wrong("no certificate"))?;
        let described = self.described.get().ok_or_else(|| wrong("no description"))?;
        if sha256(presented) == described.identity.remote_fingerprint {
            Ok(())
        } else {
            Err(wrong("another certificate"))
        }
    }

    fn tell(&self, event: DialEvent) {
        // Nobody listens any more once the channel has been handed out.
        let _ = self.events.send(event);
    }

    /// Closes the library's object, which frees its sockets and ends its tasks and every send that waits.
    async fn wind_down(self, lost: &Lost) {
        let Self { pc, readers, events, messages, plane, lanes_open, .. } = self;
        drop((events, messages));
        let aborts = readers.each_ref().map(JoinHandle::abort_handle);
        if *lost == Lost::ClosedByPeer && lanes_open == 2 {
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

fn sha256(der: &[u8]) -> [u8; 32] {
    Sha256::digest(der).into()
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
