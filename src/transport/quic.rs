//! Moves what is sent over QUIC beside a WebRTC connection, on its socket and along its path.
//!
//! ```text
//!   send_data ──▶ Sending ──┬─ QUIC is up ─────▶ Writer ─▶ uni streams of 1 MiB ─▶ Delivery ──┬──▶ inbox
//!                           └─ otherwise ──────▶ data lane ──────────────────────▶ Reader ────┘
//!                                                 ▲                                  │
//!                  what was not delivered ────────┘ ◀───── Lost(id) / Got(id, …) ────┘
//! ```
//!
//! Nothing above notices which way a frame took. Three rules make that so:
//! 1. *Order.* The frames of a range arrive in order within each mebibyte of a file: a new stream, or the change to QUIC, begins only with a
//!    frame that continues nothing or that starts at a multiple of 1 MiB.
//! 2. *Nothing is lost.* The sender keeps each frame until the receiver has confirmed its stream. When QUIC dies it asks over
//!    the data lane what was delivered, and sends the rest there before anything else.
//! 3. *Nothing piles up.* Streams are read only while the inbox has room, and QUIC's windows bound what waits in front of it.
//!
//! Where the data channel is open first, only small frames go at once, for a while: a block that it begins it has to finish, and it is slow
//! to begin and slower where packets get lost.
//!
//! The control lane goes over QUIC as well, see `ctl`: the connection is open as soon as QUIC is, which is some four round trips before
//! the data channels are.
//!
//! Both sides present a certificate made for this connection and take only the one whose hash was in the description that the peer sealed.

mod beside;
mod carrier;
mod config;
mod credentials;
mod ctl;
mod handover;
mod parts;
mod receive;
mod rest;
mod send;
mod socket;
mod steady;
mod unconfirmed;
mod words;

#[cfg(test)]
mod faults;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tracing::debug;

#[cfg(test)]
pub(super) use self::faults::Faults;
use self::{
    carrier::Carrier, credentials::Credentials, ctl::Ctl, handover::Handover, receive::Delivery, send::Sending,
};
use super::{
    DATA_HEADER_BYTES,
    error::Lost,
    inbox::{Ending, InboxSender},
    socket::Sockets,
    webrtc::Lane,
};

/// SHA-256 of the DER certificate that a side presents on QUIC. Not secret, but it must come from whom one believes it comes from.
pub(super) type CertificateHash = [u8; 32];

/// What carries file data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataPlane {
    /// The WebRTC data channel.
    DataChannel,
    /// QUIC, on the socket and along the path of the WebRTC connection.
    Quic,
    /// The server's WebSocket.
    WebSocket,
}

/// Which side of the QUIC connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Server,
}

/// The two ways for what one connection carries.
pub(super) struct Plane {
    sockets: Arc<Sockets>,
    ending: Ending,
    lane: Lane,
    ctl: Arc<Ctl>,
    sending: tokio::sync::Mutex<Sending>,
    receiving: Mutex<Receiving>,
    credentials: OnceLock<Option<Credentials>>,
    /// Bytes of frames that may wait for being confirmed.
    kept_max: Arc<AtomicUsize>,
    /// The connection in use.
    quic: watch::Sender<Option<noq::Connection>>,
    /// Until when QUIC is expected to come up; `None` when it has, or is not expected to.
    awaited: watch::Sender<Option<Instant>>,
    /// Bytes that went by the data channel meanwhile.
    early_bytes: AtomicUsize,
    /// Whether QUIC did not come up in time.
    is_late: AtomicBool,
}

/// The state that readers of the data lane look at, which may not wait.
#[derive(Debug)]
struct Receiving {
    /// Until it is handed to the carrier, or the connection ends.
    messages: Option<InboxSender>,
    started: Option<Started>,
    /// What arrived over QUIC: by the connection in use, or by the last one.
    delivery: Option<Arc<Delivery>>,
}

#[derive(Debug)]
struct Started {
    carrier: Option<JoinHandle<()>>,
    handover: Handover,
}

impl Plane {
    pub(super) fn new(
        [ctl, lane]: [Lane; 2],
        sockets: Arc<Sockets>,
        messages: InboxSender,
        ending: Ending,
    ) -> Arc<Self> {
        Arc::new(Self {
            ctl: Arc::new(Ctl::new(ctl)),
            sending: tokio::sync::Mutex::new(Sending::new(lane.clone())),
            receiving: Mutex::new(Receiving { messages: Some(messages), started: None, delivery: None }),
            credentials: OnceLock::new(),
            kept_max: Arc::new(AtomicUsize::new(usize::MAX)),
            quic: watch::Sender::new(None),
            awaited: watch::Sender::new(None),
            early_bytes: AtomicUsize::new(0),
            is_late: AtomicBool::new(false),
            sockets,
            ending,
            lane,
        })
    }

    /// Sends the peer no more at once than a browser's socket holds, from now on.
    pub(super) fn pace(&self) {
        self.sockets.pace();
    }

    /// Passes on that the data lane has less to be acknowledged.
    pub(super) fn note_low(&self) {
        self.lane.note_low();
    }

    /// Makes a certificate, and keeps the peer's first packets from now on; `None` when that cannot be done.
    pub(super) fn offer(&self) -> Option<CertificateHash> {
        let credentials = self.credentials.get_or_init(|| {
            Credentials::generate().inspect_err(|error| debug!(%error, "no certificate for QUIC")).ok()
        });
        let hash = credentials.as_ref()?.sha256();
        self.sockets.expect_quic();
        Some(hash)
    }

    /// Starts to connect as soon as there is a path, and again when that is lost. Does nothing the second time, or without an own offer.
    pub(super) fn start(self: &Arc<Self>, role: Role, peer: &CertificateHash) {
        let Some(Some(credentials)) = self.credentials.get() else { return };
        let mut receiving = self.receiving();
        if receiving.started.is_some() {
            return;
        }
        let Some(messages) = receiving.messages.take() else { return };
        let (handover, questions, answers) = Handover::new();
        let configs = match config::Configs::new(credentials, peer) {
            Ok(configs) => configs,
            Err(error) => {
                debug!(%error, "QUIC cannot be set up");
                return;
            }
        };
        let carrier = Carrier { plane: Arc::clone(self), role, configs, messages, answers: Some(answers) };
        let answering = handover::answer(questions, self.lane.clone());
        let carrier = tokio::spawn(async move {
            tokio::join!(carrier.run(), answering);
        });
        receiving.started = Some(Started { carrier: Some(carrier), handover });
    }

    /// Whether the peer offered QUIC as well.
    pub(super) fn is_started(&self) -> bool {
        self.receiving().started.is_some()
    }

    /// Whether QUIC is up or may come up.
    fn is_tried(&self) -> bool {
        let receiving = self.receiving();
        let carrier = receiving.started.as_ref().and_then(|started| started.carrier.as_ref());
        carrier.is_some_and(|carrier| !carrier.is_finished())
    }

    /// Whether QUIC is up, and its changes.
    pub(super) fn is_up(&self) -> watch::Receiver<Option<noq::Connection>> {
        self.quic.subscribe()
    }

    /// Says a message before all others, as early as QUIC's server may speak; returns whether QUIC may be used and it is not too late.
    pub(super) fn say_first(&self, message: impl FnOnce() -> Bytes) -> bool {
        self.is_started() && self.ctl.say_first(message())
    }

    /// Waits until the data channels are open on both sides, now that they are here.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) async fn meet(&self) -> Result<(), Lost> {
        if self.is_started() { self.ctl.meet().await } else { Ok(()) }
    }

    /// Lets what QUIC does not carry go over the data channels, which are open on both sides. Large frames wait a little longer for QUIC.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) async fn use_data_channels(&self) -> Result<(), Lost> {
        if self.is_tried() && self.quic.borrow().is_none() && self.sockets.may_use_quic() {
            self.awaited.send_replace(Some(Instant::now() + AWAIT_MAX));
        }
        self.ctl.use_data_channel();
        self.ctl.repeat().await
    }

    /// Sends a message on the control lane.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) async fn send_ctl(&self, message: Bytes) -> Result<(), Lost> {
        self.ctl.send(message).await
    }

    /// Looks at a message of the control lane's data channel; returns it if it is to be passed on.
    ///
    /// # Errors
    /// The peer broke the protocol.
    pub(super) fn hear_ctl(&self, message: Bytes) -> Result<Option<Bytes>, Lost> {
        if self.is_started() { self.ctl.hear(message) } else { Ok(Some(message)) }
    }

    /// Waits until the connection is over.
    pub(super) async fn lost(&self) -> Lost {
        self.ending.wait().await
    }

    /// Sends a frame of file data.
    ///
    /// # Errors
    /// The connection is over.
    pub(super) async fn send_data(&self, header: [u8; DATA_HEADER_BYTES], payload: Bytes) -> Result<(), Lost> {
        self.await_quic(payload.len()).await;
        if self.sockets.is_paced() {
            return self.send_in_parts(header, payload).await;
        }
        self.sending.lock().await.send(header, payload).await
    }

    /// Waits, with a frame of so many bytes, for QUIC to come up if that is expected and worth it.
    async fn await_quic(&self, bytes: usize) {
        let Some(deadline) = *self.awaited.borrow() else { return };
        if self.quic.borrow().is_some() {
            return;
        }
        let is_early = |sent: usize| Some(sent + bytes).filter(|sent| *sent <= EARLY_BYTES);
        if self.early_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_early).is_ok() {
            return;
        }
        let mut awaited = self.awaited.subscribe();
        tokio::select! {
            _ = awaited.wait_for(Option::is_none) => {}
            _ = self.ending.wait() => {}
            () = sleep_until(deadline) => {
                debug!("QUIC does not come up in time");
                self.is_late.store(true, Ordering::Relaxed);
                self.awaited.send_replace(None);
            }
        }
    }

    /// Looks at a message of the data lane; returns it unless it was about a handover.
    ///
    /// # Errors
    /// The peer broke the protocol.
    pub(super) fn hear(&self, message: Bytes) -> Result<Option<Bytes>, Lost> {
        let mut receiving = self.receiving();
        let Receiving { started: Some(started), delivery, .. } = &mut *receiving else { return Ok(Some(message)) };
        started.handover.hear(message, delivery.as_deref())
    }

    /// Bounds what is kept of sent frames until the peer has confirmed them.
    pub(super) fn keep_at_most(&self, bytes: usize) {
        self.kept_max.store(bytes.max(KEPT_BYTES_MIN), Ordering::Relaxed);
    }

    /// What carries file data at the moment.
    pub(super) fn carries(&self) -> DataPlane {
        if self.quic.borrow().is_some() { DataPlane::Quic } else { DataPlane::DataChannel }
    }

    /// The round trip as QUIC measures it, while it is in use.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.quic.borrow().as_ref()?.rtt(noq::PathId::ZERO)
    }

    /// Waits until the peer has confirmed everything that was sent over QUIC, or it is in the data lane.
    pub(super) async fn drained(&self) {
        self.ctl.drained().await;
        loop {
            let (unconfirmed, connection) = {
                let mut sending = self.sending.lock().await;
                match sending.finish_stream() {
                    Some(waiting) => waiting,
                    None => {
                        // An error means that the connection is over, which ends the wait as well.
                        let _ = sending.hand_over().await;
                        return;
                    }
                }
            };
            tokio::select! {
                () = unconfirmed.emptied() => return,
                _ = connection.closed() => self.sending.lock().await.quic_lost(),
            }
        }
    }

    /// Waits, after the connection has ended, until QUIC has said so to the peer.
    pub(super) async fn finished(&self) {
        let carrier = {
            let mut receiving = self.receiving();
            receiving.messages = None;
            receiving.started.as_mut().and_then(|started| started.carrier.take())
        };
        if let Some(carrier) = carrier {
            // An error would be a panic, which has been reported.
            let _ = carrier.await;
        }
        let mut receiving = self.receiving();
        receiving.started = None;
        receiving.delivery = None;
    }

    fn receiving(&self) -> MutexGuard<'_, Receiving> {
        self.receiving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long larger frames wait for QUIC where the data channels were open first. It had more time than it needs.
const AWAIT_MAX: Duration = Duration::from_secs(1);

/// What the data channel takes meanwhile: a first flight of packets, so that what is small arrives no later than without QUIC.
const EARLY_BYTES: usize = 16 << 10;

/// What may always be kept: the unfinished stream, which cannot be confirmed, is never all of it.
const KEPT_BYTES_MIN: usize = 4 << 20;

impl std::fmt::Debug for Plane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plane").field("carries", &self.carries()).finish_non_exhaustive()
    }
}
