//! A shared socket as the library sees it.

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use noq::udp;
use webrtc::runtime::{AsyncUdpSocket, EcnCodepoint, RecvMeta, Transmit};

use super::turns::Turns;
use crate::transport::socket::{Reader, SharedSocket};

/// The library's handle of a socket, and the one that owns it.
#[derive(Debug)]
pub(super) struct WebrtcSocket {
    socket: Arc<SharedSocket>,
    turns: Mutex<Turns>,
}

impl WebrtcSocket {
    pub(super) fn new(socket: Arc<SharedSocket>) -> Self {
        Self { socket, turns: Mutex::default() }
    }

    /// Receives what is for the library and may be.
    fn receive(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [udp::RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            let count = ready!(self.socket.poll_recv(Reader::Webrtc, cx, bufs, metas))?;
            match self.socket.admit(bufs, &mut metas[..count]) {
                0 => {}
                admitted => return Poll::Ready(Ok(admitted)),
            }
        }
    }

    /// Receives from a browser, a few datagrams in a turn.
    fn receive_in_turns(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [udp::RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.is_over() {
            turns.end();
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(meta) = turns.take_kept(&mut bufs[0]) {
            metas[0] = meta;
            return Poll::Ready(Ok(1));
        }
        let received = self.receive(cx, &mut bufs[..1], &mut metas[..1]);
        match received {
            Poll::Ready(Ok(_)) => turns.keep_rest(&bufs[0], &mut metas[0]),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => turns.end(),
        }
        received
    }
}

impl AsyncUdpSocket for WebrtcSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.socket.local())
    }

    fn max_gso_segments(&self) -> usize {
        self.socket.max_send_segments().min(BATCH_PACKETS_MAX)
    }

    fn max_gro_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let converted = udp::Transmit {
            destination: transmit.destination,
            ecn: transmit.ecn.map(|ecn| match ecn {
                EcnCodepoint::Ect0 => udp::EcnCodepoint::Ect0,
                EcnCodepoint::Ect1 => udp::EcnCodepoint::Ect1,
                EcnCodepoint::Ce => udp::EcnCodepoint::Ce,
            }),
            contents: transmit.contents,
            segment_size: transmit.segment_size,
            src_ip: transmit.src_ip,
        };
        self.socket.poll_send(cx, &converted).map_ok(|()| transmit.contents.len())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut received = [udp::RecvMeta::default(); udp::BATCH_SIZE];
        let room = metas.len().min(received.len());
        let count = if self.socket.spares_peer() {
            ready!(self.receive_in_turns(cx, bufs, &mut received))?
        } else {
            ready!(self.receive(cx, bufs, &mut received[..room]))?
        };
        for (meta, received) in metas.iter_mut().zip(&received[..count]) {
            *meta = RecvMeta::default();
            meta.addr = received.addr;
            meta.len = received.len;
            meta.stride = received.stride;
            meta.ecn = received.ecn.map(|ecn| match ecn {
                udp::EcnCodepoint::Ect0 => EcnCodepoint::Ect0,
                udp::EcnCodepoint::Ect1 => EcnCodepoint::Ect1,
                udp::EcnCodepoint::Ce => EcnCodepoint::Ce,
            });
            meta.dst_ip = received.dst_ip;
            meta.interface_index = received.interface_index;
            meta.timestamp = received.timestamp;
        }
        Poll::Ready(Ok(count))
    }
}

impl Drop for WebrtcSocket {
    fn drop(&mut self) {
        self.socket.say_last_words();
    }
}

/// The library's socket for mDNS, which everybody on the network can reach. What arrives there would go wherever its first
/// byte says, into the handshake of a connection too, so only DNS is let through: multicast has the identifier 0.
#[derive(Debug)]
pub(super) struct MdnsSocket(pub(super) Arc<dyn AsyncUdpSocket>);

impl AsyncUdpSocket for MdnsSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        self.0.poll_send(cx, transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        // One at a time: it is not busy, and what is dropped leaves no gap.
        let (bufs, metas) = (&mut bufs[..1], &mut metas[..1]);
        loop {
            let count = ready!(self.0.poll_recv(cx, bufs, metas))?;
            if bufs[0][..metas[0].len].starts_with(&[0, 0]) {
                return Poll::Ready(Ok(count));
            }
        }
    }
}

/// Packets sent in one batch: as many as fit the 65 507 bytes that the kernel takes, at Ethernet's size. The library counts up
/// to 65 535, and a batch that the kernel refuses is lost whole, again and again.
const BATCH_PACKETS_MAX: usize = 44;

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, task::Waker};

    use super::*;
    use crate::transport::socket::Sockets;

    /// Says to the peer that it may come in, which the socket hears.
    const ADMISSION: [u8; 2] = [1, 1];

    #[tokio::test]
    async fn a_browsers_packets_are_handed_over_four_at_a_time() {
        let bind = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let (browser, sockets) = (bind(), Sockets::new());
        let ours = SharedSocket::new(bind(), Arc::clone(&sockets)).unwrap();
        ours.writable().await.unwrap();
        let socket = WebrtcSocket::new(Arc::clone(&ours));
        let cx = &mut Context::from_waker(Waker::noop());
        let destination = browser.local_addr().unwrap();
        let transmit = Transmit { destination, ecn: None, contents: &ADMISSION, segment_size: None, src_ip: None };
        assert!(socket.poll_send(cx, &transmit).is_ready());
        // Counts the datagrams of one turn.
        let mut turn = || {
            let (mut buf, mut count) = (vec![0; 65536], 0);
            while let Poll::Ready(received) =
                socket.poll_recv(cx, &mut [IoSliceMut::new(&mut buf)], &mut [RecvMeta::default()])
            {
                count += received.unwrap();
            }
            count
        };
        let send =
            |count| (0..count).for_each(|_| assert_eq!(browser.send_to(&[23; 1200], ours.local()).unwrap(), 1200));
        assert_eq!(turn(), 0);
        send(6);
        ours.readable().await.unwrap();
        assert_eq!(turn(), 6, "not known to be a browser's");
        sockets.pace();
        send(6);
        ours.readable().await.unwrap();
        assert_eq!([turn(), turn(), turn()], [4, 2, 0]);
    }
}
