//! One UDP socket for two protocols: WebRTC and QUIC tell their datagrams apart by the first byte (RFC 9443).
//!
//! Whoever reads the socket keeps its own datagrams where they are and queues the other's. WebRTC reads until QUIC is
//! attached and again once it is detached; in between QUIC does, since most bytes are its own and are then not copied.

mod announced;
mod demux;
mod distance;
mod nap;
mod pacer;
mod records;
mod route;

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Instant,
};

use noq::udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use tokio::{io::Interest, net::UdpSocket};

use self::demux::{Demux, divert};
pub(super) use self::{
    demux::Reader,
    nap::Nap,
    route::{Route, Sockets},
};

/// A socket that both protocols use. WebRTC owns it; QUIC holds weak references, so that it is gone when WebRTC closes.
#[derive(Debug)]
pub(super) struct SharedSocket {
    io: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    sockets: Arc<Sockets>,
    demux: Mutex<Demux>,
}

impl SharedSocket {
    /// Takes over a bound socket. Needs a Tokio runtime.
    ///
    /// # Errors
    /// The system refuses to make it non-blocking or to set its options.
    pub(super) fn new(socket: std::net::UdpSocket, sockets: Arc<Sockets>) -> io::Result<Arc<Self>> {
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let io = UdpSocket::from_std(socket)?;
        Ok(Arc::new(Self { io, state, local, sockets, demux: Mutex::default() }))
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Datagrams that one call to the system sends at most.
    pub(super) fn max_send_segments(&self) -> usize {
        self.state.max_gso_segments().get()
    }

    /// Datagrams that one buffer receives at most.
    pub(super) fn max_receive_segments(&self) -> usize {
        self.state.gro_segments().get()
    }

    /// Bytes that may wait to be received, with what the system adds to each datagram.
    pub(super) fn receive_buffer_bytes(&self) -> usize {
        self.state.recv_buffer_size(UdpSockRef::from(&self.io)).unwrap_or(0)
    }

    /// Whether the peer is a browser.
    pub(super) fn spares_peer(&self) -> bool {
        self.sockets.is_paced()
    }

    /// Whether the peer acknowledges about as soon as it reads.
    pub(super) fn is_near(&self) -> bool {
        self.sockets.is_near()
    }

    pub(super) fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    /// Lets QUIC read from now on; what was attached before is cut off. Returns the name to read under.
    pub(super) fn attach_quic(&self) -> Reader {
        self.demux().attach_quic()
    }

    /// Ends what was attached under this name, and lets WebRTC read again.
    pub(super) fn detach_quic(&self, reader: Reader) {
        self.demux().detach_quic(reader);
    }

    /// Sends for WebRTC, which has the one place for a waiting task that the socket offers.
    pub(super) fn poll_send(self: &Arc<Self>, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<()>> {
        self.sockets.note_sent(self, transmit);
        #[cfg(test)]
        if self.sockets.faults.drops(transmit.contents) {
            return Poll::Ready(Ok(()));
        }
        if self.sockets.is_paced() && !self.sockets.is_near() && !is_stun(transmit.contents) {
            self.sockets.pacer.send(self, transmit, Instant::now());
            return Poll::Ready(Ok(()));
        }
        let transmit = self.joined(transmit);
        loop {
            ready!(self.io.poll_send_ready(cx))?;
            match self.try_send(&transmit) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    /// The same bytes in fewer datagrams, where they go to a browser on this machine.
    fn joined<'a>(&self, transmit: &Transmit<'a>) -> Transmit<'a> {
        let &Transmit { destination, ecn, contents, segment_size, src_ip } = transmit;
        let is_possible = || {
            self.sockets.is_paced()
                && records::is_same_machine(self.local.ip(), destination.ip())
                && self.sockets.carries_records()
        };
        let segment_size = segment_size.filter(|size| *size > 0).map(|record| match is_possible() {
            true => records::datagram_bytes(contents, record),
            false => record,
        });
        Transmit { destination, ecn, contents, segment_size, src_ip }
    }

    /// Sends what waits for its turn, at once: nothing follows.
    pub(super) fn say_last_words(&self) {
        self.sockets.pacer.flush();
    }

    /// Sends if the system has room now.
    pub(super) fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.io.try_io(Interest::WRITABLE, || self.state.try_send(UdpSockRef::from(&self.io), transmit))
    }

    /// Waits until the system may have room.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.io.writable().await
    }

    #[cfg(test)]
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.io.readable().await
    }

    /// Receives what belongs to `reader`; never returns zero messages.
    pub(super) fn poll_recv(
        &self,
        reader: Reader,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some(count) = ready!(self.demux().turn(reader, cx, bufs, metas)) {
                return Poll::Ready(Ok(count));
            }
            ready!(self.io.poll_recv_ready(cx))?;
            let received = self.io.try_io(Interest::READABLE, || {
                match self.state.recv(UdpSockRef::from(&self.io), bufs, metas) {
                    // What `try_io` needs to be told to forget that the socket was readable.
                    Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
                    received => received,
                }
            });
            match received {
                Ok(count) => {
                    self.sockets.note_received(&bufs[..count], &metas[..count]);
                    match self.sort(reader, count, bufs, metas) {
                        0 => {}
                        kept => return Poll::Ready(Ok(kept)),
                    }
                }
                // An ICMP error of some datagram sent before says nothing about the socket.
                Err(error) if is_transient(error.kind()) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Moves what is the other's to its queue; returns how many messages are left, at the front.
    fn sort(&self, reader: Reader, count: usize, bufs: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]) -> usize {
        let mut kept = 0;
        for index in 0..count {
            let mut meta = metas[index];
            meta.stride = meta.stride.max(1);
            let is_own = |datagram: &[u8]| self.sockets.is_quic(datagram, meta.addr) == reader.is_quic();
            if !bufs[index][..meta.len].chunks(meta.stride).all(is_own) {
                let (own, foreign) = divert(&mut bufs[index][..meta.len], meta.stride, is_own);
                let mut theirs = meta;
                theirs.len = foreign.len();
                self.demux().queue(!reader.is_quic(), theirs, foreign);
                meta.len = own;
            }
            if meta.len == 0 {
                continue;
            }
            keep(bufs, metas, kept, index, meta);
            kept += 1;
        }
        kept
    }

    /// Drops what strangers send beside connectivity checks, which carry a proof of their own: a handshake that somebody
    /// else shoots at may not end the peer's. Returns how many messages are left, at the front.
    pub(super) fn admit(&self, bufs: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]) -> usize {
        let mut kept = 0;
        for index in 0..metas.len() {
            let mut meta = metas[index];
            if !self.sockets.is_known(meta.addr) {
                let waits = self.sockets.is_unannounced_relay(meta.addr);
                let is_check = |datagram: &[u8]| is_stun(datagram) && !(waits && datagram.starts_with(&[0, 1]));
                meta.len = divert(&mut bufs[index][..meta.len], meta.stride.max(1), is_check).0;
            }
            if meta.len > 0 {
                keep(bufs, metas, kept, index, meta);
                kept += 1;
            }
        }
        kept
    }

    #[cfg(test)]
    pub(super) fn faults(&self) -> &super::quic::Faults {
        &self.sockets.faults
    }

    fn demux(&self) -> MutexGuard<'_, Demux> {
        self.demux.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Moves the message at `index` to the front.
fn keep(bufs: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta], front: usize, index: usize, meta: RecvMeta) {
    if front != index {
        let (before, from) = bufs.split_at_mut(index);
        before[front][..meta.len].copy_from_slice(&from[0][..meta.len]);
    }
    metas[front] = meta;
}

/// Whether a datagram is a connectivity check or another word of STUN's.
fn is_stun(datagram: &[u8]) -> bool {
    matches!(datagram, [0..=3, ..])
}

fn is_transient(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkUnreachable, WouldBlock,
    };
    [ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkUnreachable, WouldBlock].contains(&kind)
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, task::Waker};

    use super::*;

    #[tokio::test]
    async fn a_browser_on_this_machine_gets_several_records_in_a_datagram() {
        let bind = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let (browser, sockets) = (bind(), Sockets::new());
        let ours = SharedSocket::new(bind(), Arc::clone(&sockets)).unwrap();
        ours.writable().await.unwrap();
        let records: Vec<u8> = (0..20_000u32).map(|n| if n % 1000 == 0 { 23 } else { n as u8 }).collect();
        let destination = browser.local_addr().unwrap();
        let batch = Transmit { destination, ecn: None, contents: &records, segment_size: Some(1000), src_ip: None };
        browser.set_nonblocking(true).unwrap();
        let sizes = || {
            assert!(ours.poll_send(&mut Context::from_waker(Waker::noop()), &batch).is_ready());
            let mut buf = [0; 65536];
            let received: Vec<Vec<u8>> =
                std::iter::from_fn(|| browser.recv(&mut buf).ok().map(|len| buf[..len].to_vec())).collect();
            assert_eq!(received.concat(), records);
            received.iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(), [1000; 20], "not known to be a browser's");
        sockets.pace();
        assert_eq!(sizes(), [8000, 8000, 4000]);
    }
}
