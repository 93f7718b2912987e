//! A shared socket as the library sees it.

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, ready},
};

use noq::udp;
use webrtc::runtime::{AsyncUdpSocket, EcnCodepoint, RecvMeta, Transmit};

use crate::transport::socket::{Reader, SharedSocket};

/// The library's handle of a socket, and the one that owns it.
#[derive(Debug)]
pub(super) struct WebrtcSocket(pub(super) Arc<SharedSocket>);

impl AsyncUdpSocket for WebrtcSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.local())
    }

    fn max_gso_segments(&self) -> usize {
        self.0.max_send_segments().min(BATCH_PACKETS_MAX)
    }

    fn max_gro_segments(&self) -> usize {
        self.0.max_receive_segments()
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
        self.0.poll_send(cx, &converted).map_ok(|()| transmit.contents.len())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut received = [udp::RecvMeta::default(); udp::BATCH_SIZE];
        let room = metas.len().min(received.len());
        let count = loop {
            let count = ready!(self.0.poll_recv(Reader::Webrtc, cx, bufs, &mut received[..room]))?;
            match self.0.admit(bufs, &mut received[..count]) {
                0 => {}
                admitted => break admitted,
            }
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
        self.0.say_last_words();
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
