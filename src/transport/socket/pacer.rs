//! `Pacer`: spreads what WebRTC sends to a browser far away.
//!
//! A browser gives its socket 64 KiB, which holds some forty packets while its network thread has no turn. What overflows costs
//! SCTP seconds.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use noq::udp::{EcnCodepoint, Transmit};
use tokio::sync::Notify;

use super::SharedSocket;

/// Datagrams that wait, and when they may leave.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    state: Mutex<State>,
    /// Something waits, or it is over.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Batch>,
    queued_bytes: usize,
    /// When the last datagrams left, the oldest first.
    left: VecDeque<Instant>,
    has_ended: bool,
}

impl State {
    /// How many datagrams may leave.
    fn room(&mut self, now: Instant) -> usize {
        while self.left.front().is_some_and(|left| now.saturating_duration_since(*left) >= TIME_TO_READ) {
            self.left.pop_front();
        }
        BURST.saturating_sub(self.left.len())
    }
}

/// Datagrams to one address, of one size but for the last.
#[derive(Debug)]
struct Batch {
    socket: Weak<SharedSocket>,
    destination: SocketAddr,
    ecn: Option<EcnCodepoint>,
    src_ip: Option<IpAddr>,
    segment_bytes: usize,
    contents: Vec<u8>,
    /// Bytes at the front that have left.
    sent: usize,
}

impl Batch {
    /// Sends at most so many datagrams; returns how many. What the system has no room for is lost, as it would be on the way.
    fn send(&mut self, most: usize) -> usize {
        let rest = &self.contents[self.sent..];
        let contents = &rest[..rest.len().min(most.saturating_mul(self.segment_bytes))];
        let transmit = Transmit {
            destination: self.destination,
            ecn: self.ecn,
            contents,
            segment_size: (contents.len() > self.segment_bytes).then_some(self.segment_bytes),
            src_ip: self.src_ip,
        };
        if let Some(socket) = self.socket.upgrade() {
            let _ = socket.try_send(&transmit);
        }
        let count = contents.len().div_ceil(self.segment_bytes);
        self.sent += contents.len();
        count
    }

    fn is_sent(&self) -> bool {
        self.sent == self.contents.len()
    }
}

impl Pacer {
    /// Sends datagrams behind those that wait, now or in their turn; drops them when too much waits, as a network would.
    pub(super) fn send(&self, socket: &Arc<SharedSocket>, transmit: &Transmit<'_>, now: Instant) {
        let bytes = transmit.contents.len();
        {
            let mut state = self.state();
            if bytes == 0 || state.queued_bytes + bytes > QUEUE_BYTES {
                return;
            }
            state.queued_bytes += bytes;
            state.queue.push_back(Batch {
                socket: Arc::downgrade(socket),
                destination: transmit.destination,
                ecn: transmit.ecn,
                src_ip: transmit.src_ip,
                segment_bytes: transmit.segment_size.unwrap_or(bytes).max(1),
                contents: transmit.contents.to_vec(),
                sent: 0,
            });
        }
        self.release(now);
    }

    /// Sends what may leave now.
    fn release(&self, now: Instant) {
        let mut guard = self.state();
        let state = &mut *guard;
        loop {
            let room = state.room(now);
            let Some(batch) = state.queue.front_mut().filter(|_| room > 0) else { break };
            let before = batch.sent;
            let count = batch.send(room);
            state.queued_bytes -= batch.sent - before;
            state.left.extend(std::iter::repeat_n(now, count));
            if batch.is_sent() {
                state.queue.pop_front();
            }
        }
        if !state.queue.is_empty() {
            self.changed.notify_one();
        }
    }

    /// Sends everything that waits, at once: the last words of a connection.
    pub(super) fn flush(&self) {
        let mut state = self.state();
        state.queued_bytes = 0;
        for mut batch in std::mem::take(&mut state.queue) {
            batch.send(usize::MAX);
        }
    }

    /// Ends [`run`](Self::run).
    pub(super) fn end(&self) {
        self.state().has_ended = true;
        self.changed.notify_one();
    }

    /// Sends what waits when its turn comes, until the end.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            let next = {
                let state = self.state();
                if state.has_ended {
                    return;
                }
                state.queue.front().and_then(|_| state.left.front()).map(|left| *left + TIME_TO_READ)
            };
            match next {
                Some(at) => {
                    tokio::time::sleep_until(at.into()).await;
                    self.release(Instant::now());
                }
                None => self.changed.notified().await,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Datagrams that leave together at most. Linux counts 56 of 1,200 bytes into Chromium's socket, and a quarter of the place may
/// be taken by what was read already.
const BURST: usize = 32;

/// How long a browser is given to read them: 19 MB/s, which is what one manages.
const TIME_TO_READ: Duration = Duration::from_millis(2);

/// Bytes that wait at most: twice what the library has unacknowledged.
const QUEUE_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::socket::Sockets;

    fn udp() -> std::net::UdpSocket {
        std::net::UdpSocket::bind("127.0.0.1:0").unwrap()
    }

    /// How many datagrams wait in a socket.
    fn count(socket: &std::net::UdpSocket) -> usize {
        socket.set_nonblocking(true).unwrap();
        std::iter::from_fn(|| socket.recv(&mut [0; 2048]).ok()).count()
    }

    #[tokio::test]
    async fn a_batch_leaves_in_parts_and_the_last_words_at_once() {
        let (peer, pacer, start) = (udp(), Pacer::default(), Instant::now());
        let ours = SharedSocket::new(udp(), Sockets::new()).unwrap();
        ours.writable().await.unwrap();
        let contents = [20; 40 * 1200];
        let destination = peer.local_addr().unwrap();
        let transmit = Transmit { destination, ecn: None, contents: &contents, segment_size: Some(1200), src_ip: None };
        pacer.send(&ours, &transmit, start);
        assert_eq!(count(&peer), BURST);
        pacer.release(start + TIME_TO_READ / 2);
        assert_eq!(count(&peer), 0);
        pacer.send(&ours, &transmit, start + TIME_TO_READ);
        assert_eq!(count(&peer), BURST, "8 of the first batch and 24 of the second");
        pacer.flush();
        assert_eq!(count(&peer), 16);
        for _ in 0..200 {
            pacer.send(&ours, &transmit, start + TIME_TO_READ);
        }
        assert!(pacer.state().queued_bytes <= QUEUE_BYTES);
    }

    #[tokio::test]
    async fn what_waits_leaves_by_itself() {
        let (peer, pacer) = (udp(), Arc::new(Pacer::default()));
        let ours = SharedSocket::new(udp(), Sockets::new()).unwrap();
        ours.writable().await.unwrap();
        let running = tokio::spawn(Arc::clone(&pacer).run());
        let peer = tokio::net::UdpSocket::from_std({
            peer.set_nonblocking(true).unwrap();
            peer
        })
        .unwrap();
        let destination = peer.local_addr().unwrap();
        let contents = [20; 40 * 1200];
        let transmit = Transmit { destination, ecn: None, contents: &contents, segment_size: Some(1200), src_ip: None };
        pacer.send(&ours, &transmit, Instant::now());
        for _ in 0..40 {
            peer.recv(&mut [0; 2048]).await.unwrap();
        }
        pacer.end();
        running.await.unwrap();
    }
}
