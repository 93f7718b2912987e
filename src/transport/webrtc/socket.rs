//! A shared socket as the library sees it.

use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use noq::udp;
use webrtc::runtime::{AsyncUdpSocket, EcnCodepoint, RecvMeta, Transmit};

use super::{answers::Answers, turns::Turns};
use crate::transport::socket::{Nap, Reader, SharedSocket};

/// The library's handle of a socket, and the one that owns it.
#[derive(Debug)]
pub(super) struct WebrtcSocket {
    socket: Arc<SharedSocket>,
    reading: Mutex<Reading>,
}

/// How far a browser's packets were read.
#[derive(Debug, Default)]
struct Reading {
    turns: Turns,
    answers: Answers,
    /// Whether data came since the last rest.
    has_data: bool,
    rest: Nap,
}

impl WebrtcSocket {
    pub(super) fn new(socket: Arc<SharedSocket>) -> Self {
        Self { socket, reading: Mutex::default() }
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the answers that wait. One that the system has no room for is made up for by the next.
    fn answer(&self, answers: &mut Answers) {
        answers.leave(|transmit| drop(self.socket.try_send(transmit)));
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

    /// Receives from a browser, a few datagrams in a turn, and rests once it has read all that there is: then there are more the next
    /// time, which are answered together.
    fn receive_in_turns(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [udp::RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let reading = &mut *self.reading();
        if reading.rest.is_begun() {
            // The library has said by now what it had to say.
            self.answer(&mut reading.answers);
            ready!(reading.rest.poll_end(cx));
        }
        if reading.turns.is_over() {
            reading.has_data |= reading.turns.end();
            if self.socket.is_near() {
                reading.answers.wait();
            }
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(meta) = reading.turns.take_kept(&mut bufs[0]) {
            metas[0] = meta;
            return Poll::Ready(Ok(1));
        }
        let received = self.receive(cx, &mut bufs[..1], &mut metas[..1]);
        match received {
            Poll::Ready(Ok(_)) => reading.turns.keep_rest(&bufs[0], &mut metas[0]),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.pause(cx, reading),
        }
        received
    }

    /// Ends a turn that got all there is.
    fn pause(&self, cx: &mut Context<'_>, reading: &mut Reading) {
        let is_to_be_answered = reading.turns.end();
        reading.answers.hurry();
        if !is_to_be_answered {
            self.answer(&mut reading.answers);
        }
        if (std::mem::take(&mut reading.has_data) || is_to_be_answered) && self.socket.is_near() {
            reading.rest.begin(REST, cx);
        }
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
        if self.socket.spares_peer() {
            let answers = &mut self.reading().answers;
            let is_taken = answers.take(&converted);
            if !is_taken || answers.are_due() {
                self.answer(answers);
            }
            if is_taken {
                return Poll::Ready(Ok(transmit.contents.len()));
            }
        }
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
        self.answer(&mut self.reading().answers);
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

/// How long a browser's packets are left to gather, to the next tick of the timer. On two cores that both share it sends a quarter faster
/// so; with twice as long it has often sent before all that it may.
const REST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, task::Waker};

    use super::*;
    use crate::transport::socket::Sockets;

    /// Says to the peer that it may come in, which the socket hears.
    const ADMISSION: [u8; 2] = [1, 1];

    /// A browser's socket, ours, and how it is known.
    async fn pair() -> (UdpSocket, WebrtcSocket, Arc<Sockets>) {
        let bind = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let (browser, sockets) = (bind(), Sockets::new());
        browser.set_nonblocking(true).unwrap();
        let ours = SharedSocket::new(bind(), Arc::clone(&sockets)).unwrap();
        ours.writable().await.unwrap();
        let socket = WebrtcSocket::new(ours);
        say(&socket, &browser, &ADMISSION);
        assert_eq!(heard(&browser), [2]);
        (browser, socket, sockets)
    }

    fn say(socket: &WebrtcSocket, browser: &UdpSocket, contents: &[u8]) {
        let destination = browser.local_addr().unwrap();
        let transmit = Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None };
        assert!(socket.poll_send(&mut Context::from_waker(Waker::noop()), &transmit).is_ready());
    }

    /// The sizes of the datagrams that reached the browser.
    fn heard(browser: &UdpSocket) -> Vec<usize> {
        std::iter::from_fn(|| browser.recv(&mut [0; 2000]).ok()).collect()
    }

    async fn send(browser: &UdpSocket, socket: &WebrtcSocket, count: usize) {
        for _ in 0..count {
            assert_eq!(browser.send_to(&[23; 1200], socket.socket.local()).unwrap(), 1200);
        }
        socket.socket.readable().await.unwrap();
    }

    /// Counts the datagrams of one turn.
    fn turn(socket: &WebrtcSocket) -> usize {
        let cx = &mut Context::from_waker(Waker::noop());
        let (mut buf, mut count) = (vec![0; 65536], 0);
        while let Poll::Ready(received) =
            socket.poll_recv(cx, &mut [IoSliceMut::new(&mut buf)], &mut [RecvMeta::default()])
        {
            count += received.unwrap();
        }
        count
    }

    #[tokio::test]
    async fn a_browsers_packets_are_handed_over_four_at_a_time() {
        let (browser, socket, sockets) = pair().await;
        assert_eq!(turn(&socket), 0);
        send(&browser, &socket, 6).await;
        assert_eq!(turn(&socket), 6, "not known to be a browser's");
        sockets.pace();
        send(&browser, &socket, 6).await;
        assert_eq!([turn(&socket), turn(&socket), turn(&socket)], [4, 2, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_read_at_one_go_is_answered_in_one_datagram_and_more_is_left_to_gather() {
        let (browser, socket, sockets) = pair().await;
        sockets.pace();
        send(&browser, &socket, 10).await;
        for (count, leave) in [(4, &[][..]), (4, &[]), (2, &[180])] {
            assert_eq!(turn(&socket), count);
            say(&socket, &browser, &[23; 60]);
            assert_eq!(heard(&browser), leave, "after {count}");
        }
        browser.send_to(&[23; 1200], socket.socket.local()).unwrap();
        assert_eq!(turn(&socket), 0, "it rests");
        tokio::time::advance(2 * REST).await;
        send(&browser, &socket, 3).await;
        assert_eq!(turn(&socket), 4);
        say(&socket, &browser, &[23; 60]);
        assert_eq!((turn(&socket), heard(&browser)), (0, vec![60]), "there is no more to read");
    }

    #[tokio::test]
    async fn a_socket_that_goes_leaves_nothing_unsaid() {
        let (browser, socket, sockets) = pair().await;
        sockets.pace();
        send(&browser, &socket, 4).await;
        turn(&socket);
        say(&socket, &browser, &[23; 60]);
        assert!(heard(&browser).is_empty());
        drop(socket);
        assert_eq!(heard(&browser), [60]);
    }

    #[tokio::test]
    async fn who_sends_no_data_is_read_without_rest() {
        let (browser, socket, sockets) = pair().await;
        sockets.pace();
        for _ in 0..2 {
            browser.send_to(&[23; 60], socket.socket.local()).unwrap();
            socket.socket.readable().await.unwrap();
            assert_eq!(turn(&socket), 1);
            say(&socket, &browser, &[23; 60]);
            assert_eq!(heard(&browser), [60]);
        }
    }
}
