//! An open connection: what arrives, what can be sent, who is at the other end and by which path.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;

use super::{
    DATA_HEADER_BYTES,
    error::Lost,
    found::{Found, RelayReason},
    memory,
    quic::DataPlane,
    tunnel,
    webrtc::{self, Recipe, SocketBuffers},
};

/// What arrives on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A message on the control lane.
    Ctl(Bytes),
    /// A message on the data lane, header included.
    Data(Bytes),
    /// The other side has been silent for some seconds. Nothing is lost yet; sending waits.
    Disturbed,
    /// It is heard again.
    Recovered,
    /// The connection is over. Everything that arrived before has been handed out.
    Lost(Lost),
}

impl Incoming {
    /// Bytes of payload.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ctl(bytes) | Self::Data(bytes) => bytes.len(),
            Self::Disturbed | Self::Recovered | Self::Lost(_) => 0,
        }
    }
}

/// The certificates and session names in use, for both sides to prove that they hold the same connection. One side's
/// identity is the other's [mirrored](Self::mirrored).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// SHA-256 of the DER certificate this side presented.
    pub local_fingerprint: [u8; 32],
    /// SHA-256 of the DER certificate the other side presented, whatever its description said.
    pub remote_fingerprint: [u8; 32],
    /// ICE user fragment of this side.
    pub local_ufrag: String,
    /// ICE user fragment of the other side.
    pub remote_ufrag: String,
}

impl Identity {
    /// The same connection as the other side sees it.
    pub fn mirrored(&self) -> Self {
        Self {
            local_fingerprint: self.remote_fingerprint,
            remote_fingerprint: self.local_fingerprint,
            local_ufrag: self.remote_ufrag.clone(),
            remote_ufrag: self.local_ufrag.clone(),
        }
    }
}

/// The path packets take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// What sort of path it is.
    pub kind: PathKind,
    /// What carries file data on it.
    pub data_plane: DataPlane,
    /// This side's address on it, as the other side sees it: a NAT's or a relay's, if there is one.
    pub local: Option<SocketAddr>,
    /// The other side's address on it; `None` when a browser keeps it to itself.
    pub remote: Option<SocketAddr>,
    /// Over how many connections this side may send file data along it.
    pub connections: usize,
    /// The latest measured round trip, if there is one yet.
    pub round_trip: Option<Duration>,
    /// Why it goes through a relay, if it does and that is known.
    pub reason: Option<RelayReason>,
}

/// The sorts of path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// Inside the local network or this machine.
    Lan,
    /// Straight across the Internet.
    Direct,
    /// Through a TURN relay, which sees only encrypted packets.
    Relay,
}

/// An open connection. Dropping it closes it at once; [`close`](Self::close) lets what was sent arrive first.
#[derive(Debug)]
pub struct Channel {
    kind: Kind,
    /// Set once the owner has been told.
    lost: Option<Lost>,
    /// What was found on the way to it.
    found: Option<Found>,
}

#[derive(Debug)]
enum Kind {
    Webrtc(Box<webrtc::Live>),
    Memory(memory::End),
    Tunnel(tunnel::Live),
}

impl Channel {
    pub(super) fn webrtc(live: webrtc::Live) -> Self {
        Self { kind: Kind::Webrtc(Box::new(live)), lost: None, found: None }
    }

    pub(super) fn memory(end: memory::End) -> Self {
        Self { kind: Kind::Memory(end), lost: None, found: None }
    }

    pub(super) fn tunnel(live: tunnel::Live) -> Self {
        Self { kind: Kind::Tunnel(live), lost: None, found: None }
    }

    /// Takes note of what was found on the way to this channel: it says why the path is what it is.
    #[must_use]
    pub fn found(self, found: Found) -> Self {
        Self { found: Some(found), ..self }
    }

    /// Waits for the next thing to happen. Cancel-safe. Once it has returned [`Incoming::Lost`] it always does.
    ///
    /// Keep calling it: a queue of 128 MiB or 16 384 messages that nobody empties ends the connection.
    pub async fn next(&mut self) -> Incoming {
        if let Some(lost) = &self.lost {
            return Incoming::Lost(lost.clone());
        }
        let incoming = match &mut self.kind {
            Kind::Webrtc(live) => live.next().await,
            Kind::Memory(end) => end.next().await,
            Kind::Tunnel(live) => live.next().await,
        };
        if let Incoming::Lost(lost) = &incoming {
            self.lost = Some(lost.clone());
        }
        incoming
    }

    /// A handle to send with. May be cloned and kept; it ends with the connection and does not keep it alive.
    pub fn sender(&self) -> ChannelSender {
        ChannelSender(match &self.kind {
            Kind::Webrtc(live) => SenderKind::Webrtc(live.sender()),
            Kind::Memory(end) => SenderKind::Memory(end.sender()),
            Kind::Tunnel(live) => SenderKind::Tunnel(live.sender()),
        })
    }

    /// The certificates in use.
    pub fn identity(&self) -> Identity {
        match &self.kind {
            Kind::Webrtc(live) => live.identity().clone(),
            Kind::Memory(end) => end.identity().clone(),
            Kind::Tunnel(live) => live.identity().clone(),
        }
    }

    /// The path in use; `None` while there is none. Costs a snapshot of all statistics: ask once a second, not more.
    pub async fn path(&self) -> Option<Path> {
        let mut path = match &self.kind {
            Kind::Webrtc(live) => live.path().await,
            Kind::Memory(_) => None,
            Kind::Tunnel(live) => Some(live.path()),
        }?;
        let by_datagrams = path.data_plane != DataPlane::WebSocket;
        let found = self.found.filter(|_| path.kind == PathKind::Relay);
        path.reason = found.map(|found| found.relay_reason(by_datagrams));
        Some(path)
    }

    /// Sends the peer no more at once than a browser's socket holds, from now on: for a peer without QUIC. What goes over QUIC
    /// is not held up.
    pub fn pace(&self) {
        match &self.kind {
            Kind::Webrtc(live) => live.pace(),
            Kind::Memory(_) | Kind::Tunnel(_) => {}
        }
    }

    /// How to make further connections to share the file data with, where those are of use: not where QUIC carries it.
    pub fn recipe(&self) -> Option<Recipe> {
        match &self.kind {
            Kind::Webrtc(live) => live.recipe(),
            Kind::Memory(_) | Kind::Tunnel(_) => None,
        }
    }

    /// Shares file data with a further connection to the same peer from now on: sends over whichever is less busy, and hands out what
    /// arrives on either. The frames of a file then arrive in any order. When the further connection is lost this one is, too; it is closed
    /// with this one.
    ///
    /// Over what is no WebRTC connection it is dropped.
    pub fn join(&mut self, further: Self) {
        if let (Kind::Webrtc(live), Kind::Webrtc(further)) = (&mut self.kind, further.kind) {
            live.join(*further);
        }
    }

    /// Over how many connections this side sends file data.
    pub fn connections(&self) -> usize {
        match &self.kind {
            Kind::Webrtc(live) => live.connections(),
            Kind::Memory(_) | Kind::Tunnel(_) => 1,
        }
    }

    /// Whether file data waits to be acknowledged.
    pub async fn is_busy(&self) -> bool {
        match &self.kind {
            Kind::Webrtc(live) => live.is_busy().await,
            Kind::Memory(_) | Kind::Tunnel(_) => false,
        }
    }

    /// Whether it is lost because a further connection was.
    pub fn broke_by_further(&self) -> bool {
        match &self.kind {
            Kind::Webrtc(live) => live.broke_by_further(),
            Kind::Memory(_) | Kind::Tunnel(_) => false,
        }
    }

    /// What carries the file data that this side sends at the moment.
    pub fn data_plane(&self) -> DataPlane {
        match &self.kind {
            Kind::Webrtc(live) => live.data_plane(),
            Kind::Memory(_) => DataPlane::DataChannel,
            Kind::Tunnel(_) => DataPlane::WebSocket,
        }
    }

    /// What sends data over this connection and those beside it.
    #[cfg(test)]
    pub(super) fn planes(&self) -> Vec<std::sync::Arc<super::quic::Plane>> {
        match &self.kind {
            Kind::Webrtc(live) => live.planes(),
            Kind::Memory(_) | Kind::Tunnel(_) => Vec::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn plane(&self) -> &super::quic::Plane {
        match &self.kind {
            Kind::Webrtc(live) => live.plane(),
            Kind::Memory(_) | Kind::Tunnel(_) => panic!("no QUIC here"),
        }
    }

    /// What the kernel granted for socket buffers; `None` where there are no sockets.
    pub fn socket_buffers(&self) -> Option<SocketBuffers> {
        match &self.kind {
            Kind::Webrtc(live) => Some(live.socket_buffers()),
            Kind::Memory(_) | Kind::Tunnel(_) => None,
        }
    }

    /// Closes without regard to what was sent: for who knows that it arrived. The other side learns of it at once.
    pub async fn hang_up(self) {
        match self.kind {
            Kind::Webrtc(live) => live.hang_up().await,
            Kind::Memory(end) => end.close(),
            Kind::Tunnel(live) => live.close().await,
        }
    }

    /// Waits until the other side's stack has everything that was sent, then closes. Ends within ten seconds in any case.
    ///
    /// That the other *program* has it is for the protocol to find out before: a stack may still hold what it acknowledged.
    pub async fn close(self) {
        match self.kind {
            Kind::Webrtc(live) => live.close().await,
            Kind::Memory(end) => end.close(),
            Kind::Tunnel(live) => live.close().await,
        }
    }
}

/// Sends on a connection, from any task.
#[derive(Clone, Debug)]
pub struct ChannelSender(SenderKind);

#[derive(Clone, Debug)]
enum SenderKind {
    Webrtc(webrtc::LiveSender),
    Memory(memory::EndSender),
    Tunnel(tunnel::TunnelEnd),
}

impl ChannelSender {
    /// Sends on the control lane. Waits while the connection is full, and ends when it does.
    ///
    /// # Errors
    /// [`Lost`] when the connection is over. Whether the message arrived is then unknown, as it is when this is cancelled.
    pub async fn send_ctl(&self, message: Bytes) -> Result<(), Lost> {
        match &self.0 {
            SenderKind::Webrtc(sender) => sender.send_ctl(message).await,
            SenderKind::Memory(sender) => sender.send_ctl(message).await,
            SenderKind::Tunnel(sender) => sender.send_ctl(&message).await,
        }
    }

    /// Sends `header ‖ payload` as file data, the way that is best at the moment. Waits while the connection is full, and
    /// ends when it does.
    ///
    /// The frames of a file arrive in the order they were sent within each mebibyte of it, as long as each continues the
    /// one before; between those no order is kept, and none at all once a further connection [joined](Channel::join). None is lost or
    /// arrives twice when the way changes.
    ///
    /// # Errors
    /// As [`send_ctl`](Self::send_ctl).
    pub async fn send_data(&self, header: [u8; DATA_HEADER_BYTES], payload: Bytes) -> Result<(), Lost> {
        match &self.0 {
            SenderKind::Webrtc(sender) => sender.send_data(header, payload).await,
            SenderKind::Memory(sender) => sender.send_data(header, payload).await,
            SenderKind::Tunnel(sender) => sender.send_data(header, &payload).await,
        }
    }

    /// Bounds what is kept of sent file data until the peer has confirmed it, in bytes; 4 MiB at least.
    pub fn keep_at_most(&self, bytes: usize) {
        match &self.0 {
            SenderKind::Webrtc(sender) => sender.keep_at_most(bytes),
            // They keep nothing.
            SenderKind::Memory(_) | SenderKind::Tunnel(_) => {}
        }
    }

    /// Most bytes of payload that [`send_data`](Self::send_data) may be given on this connection.
    pub fn max_payload_bytes(&self) -> usize {
        match &self.0 {
            SenderKind::Webrtc(sender) => sender.max_payload_bytes(),
            SenderKind::Memory(sender) => sender.max_payload_bytes(),
            SenderKind::Tunnel(sender) => sender.max_payload_bytes(),
        }
    }

    /// Waits until the connection is over.
    pub async fn lost(&self) -> Lost {
        match &self.0 {
            SenderKind::Webrtc(sender) => sender.lost().await,
            SenderKind::Memory(sender) => sender.lost().await,
            SenderKind::Tunnel(sender) => sender.lost().await,
        }
    }
}
