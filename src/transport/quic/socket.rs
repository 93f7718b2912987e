//! A shared socket as QUIC sees it.

use std::{
    fmt,
    io::{self, IoSliceMut},
    net::SocketAddr,
    num::NonZeroUsize,
    pin::Pin,
    sync::Weak,
    task::{Context, Poll, ready},
};

use noq::udp::{RecvMeta, Transmit, is_msg_size_err};
use noq::{AsyncUdpSocket, UdpSender};
use tracing::trace;

use super::rest::Rest;
use crate::transport::socket::{Reader, Route, SharedSocket};

/// The receiving end. Once the socket is gone nothing arrives and everything that is sent is lost, as on a dead path.
#[derive(Debug)]
pub(super) struct QuicSocket {
    socket: Weak<SharedSocket>,
    reader: Reader,
    local: SocketAddr,
    segments: NonZeroUsize,
    may_fragment: bool,
    /// Where the system's buffer is large enough; only far away.
    rest: Option<Rest>,
}

impl QuicSocket {
    /// Attaches QUIC to the socket of a route; `None` when that is gone. Datagrams are sent in trains of `max_segments`.
    pub(super) fn attach(route: &Route, max_segments: usize) -> Option<Self> {
        let socket = route.socket.upgrade()?;
        let segments = NonZeroUsize::new(socket.max_send_segments().min(max_segments)).unwrap_or(NonZeroUsize::MIN);
        Some(Self {
            socket: Weak::clone(&route.socket),
            reader: socket.attach_quic(),
            local: route.local,
            segments,
            may_fragment: socket.may_fragment(),
            rest: (socket.receive_buffer_bytes() >= BUFFER_FOR_REST_BYTES).then(Rest::default),
        })
    }

    /// What detaches it.
    pub(super) fn attachment(&self) -> Attachment {
        Attachment { socket: Weak::clone(&self.socket), reader: self.reader }
    }
}

/// Detaches QUIC from a socket when dropped.
#[derive(Debug)]
pub(super) struct Attachment {
    socket: Weak<SharedSocket>,
    reader: Reader,
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.upgrade() {
            socket.detach_quic(self.reader);
        }
    }
}

impl AsyncUdpSocket for QuicSocket {
    fn create_sender(&self) -> Pin<Box<dyn UdpSender>> {
        Box::pin(Sender { socket: Weak::clone(&self.socket), segments: self.segments, writable: None })
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let Some(socket) = self.socket.upgrade() else { return Poll::Pending };
        let mut read = |cx: &mut Context<'_>| socket.poll_recv(self.reader, cx, bufs, metas);
        match &mut self.rest {
            Some(rest) if !socket.is_near() => rest.poll(cx, read),
            Some(_) | None => read(cx),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    /// One, with a buffer as large as all that the system coalesces: it is multiplied with the largest datagram.
    fn max_receive_segments(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }

    fn may_fragment(&self) -> bool {
        self.may_fragment
    }
}

type Writable = Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>;

/// A sending end; each may wait for the socket on its own.
struct Sender {
    socket: Weak<SharedSocket>,
    segments: NonZeroUsize,
    writable: Option<Writable>,
}

impl UdpSender for Sender {
    fn poll_send(mut self: Pin<&mut Self>, transmit: &Transmit<'_>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some(writable) = &mut self.writable {
                let writable = ready!(writable.as_mut().poll(cx));
                self.writable = None;
                writable?;
            }
            let Some(socket) = self.socket.upgrade() else { return Poll::Ready(Ok(())) };
            match send(&socket, transmit) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.writable = Some(Box::pin(async move { socket.writable().await }));
                }
                Err(error) => {
                    // Probes for a larger datagram fail so, and whatever else does is a lost packet.
                    if !is_msg_size_err(&error) {
                        trace!(%error, "sending a QUIC datagram");
                    }
                    return Poll::Ready(Ok(()));
                }
                Ok(()) => return Poll::Ready(Ok(())),
            }
        }
    }

    fn max_transmit_segments(&self) -> NonZeroUsize {
        self.segments
    }
}

/// What a socket has to hold for its reader to rest: all that comes in some milliseconds.
const BUFFER_FOR_REST_BYTES: usize = 2 << 20;

#[cfg(not(test))]
fn send(socket: &SharedSocket, transmit: &Transmit<'_>) -> io::Result<()> {
    socket.try_send(transmit)
}

#[cfg(test)]
fn send(socket: &SharedSocket, transmit: &Transmit<'_>) -> io::Result<()> {
    socket.faults().send(transmit, |transmit| socket.try_send(transmit))
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sender")
    }
}
