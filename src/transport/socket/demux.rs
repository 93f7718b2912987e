//! `Demux`: who reads a socket, and what waits for the other.

use std::{
    collections::VecDeque,
    io::IoSliceMut,
    task::{Context, Poll, Waker},
};

use noq::udp::RecvMeta;

/// One of the two protocols on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transport) enum Reader {
    /// WebRTC.
    Webrtc,
    /// QUIC, by the number of its attachment: an old one that is still being wound down gets nothing any more.
    Quic(u64),
}

impl Reader {
    pub(super) fn is_quic(self) -> bool {
        matches!(self, Self::Quic(_))
    }
}

/// Who reads, and the queues of both.
#[derive(Debug)]
pub(super) struct Demux {
    reader: Reader,
    attachments: u64,
    webrtc: Queue,
    quic: Queue,
}

impl Default for Demux {
    fn default() -> Self {
        Self {
            reader: Reader::Webrtc,
            attachments: 0,
            webrtc: Queue::new(WEBRTC_QUEUE_BYTES),
            // The first packets of a client that is quicker than its server.
            quic: Queue::new(QUIC_QUEUE_BYTES),
        }
    }
}

impl Demux {
    pub(super) fn attach_quic(&mut self) -> Reader {
        self.attachments += 1;
        self.reader = Reader::Quic(self.attachments);
        self.wake();
        self.reader
    }

    pub(super) fn detach_quic(&mut self, reader: Reader) {
        if self.reader == reader {
            self.reader = Reader::Webrtc;
            self.quic.packets.clear();
            self.quic.bytes = 0;
            self.wake();
        }
    }

    fn wake(&mut self) {
        for queue in [&mut self.webrtc, &mut self.quic] {
            if let Some(waker) = queue.waker.take() {
                waker.wake();
            }
        }
    }

    /// Hands out what is queued for `reader`, or has it wait; `None` when it is to read the socket itself.
    pub(super) fn turn(
        &mut self,
        reader: Reader,
        cx: &Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<Option<usize>> {
        if reader.is_quic() && reader != self.reader {
            return Poll::Pending;
        }
        let queue = if reader.is_quic() { &mut self.quic } else { &mut self.webrtc };
        // Also by the one who reads: it may lose that role while it waits for the socket.
        if !queue.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            queue.waker = Some(cx.waker().clone());
        }
        match queue.take(bufs, metas) {
            0 if reader == self.reader => Poll::Ready(None),
            0 => Poll::Pending,
            count => Poll::Ready(Some(count)),
        }
    }

    /// Keeps datagrams for one side; drops them when too much waits, as a network would.
    pub(super) fn queue(&mut self, for_quic: bool, meta: RecvMeta, bytes: Vec<u8>) {
        let queue = if for_quic { &mut self.quic } else { &mut self.webrtc };
        if queue.bytes + bytes.len() > queue.max_bytes {
            return;
        }
        queue.bytes += bytes.len();
        queue.packets.push_back((meta, bytes));
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
    }
}

#[derive(Debug)]
struct Queue {
    packets: VecDeque<(RecvMeta, Vec<u8>)>,
    bytes: usize,
    max_bytes: usize,
    waker: Option<Waker>,
}

impl Queue {
    fn new(max_bytes: usize) -> Self {
        Self { packets: VecDeque::new(), bytes: 0, max_bytes, waker: None }
    }

    fn take(&mut self, bufs: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]) -> usize {
        let mut count = 0;
        for (buf, meta) in bufs.iter_mut().zip(metas) {
            let Some((packet_meta, bytes)) = self.packets.pop_front() else { break };
            self.bytes -= bytes.len();
            *meta = packet_meta;
            // Both sides' buffers hold whatever the system coalesces.
            meta.len = bytes.len().min(buf.len());
            buf[..meta.len].copy_from_slice(&bytes[..meta.len]);
            count += 1;
        }
        count
    }
}

/// Keeps one's own datagrams at the front of a buffer; returns their bytes together, and the other's.
pub(super) fn divert(buf: &mut [u8], stride: usize, is_own: impl Fn(&[u8]) -> bool) -> (usize, Vec<u8>) {
    let (mut own, mut foreign) = (0, Vec::new());
    for start in (0..buf.len()).step_by(stride) {
        let end = buf.len().min(start + stride);
        if is_own(&buf[start..end]) {
            buf.copy_within(start..end, own);
            own += end - start;
        } else {
            foreign.extend_from_slice(&buf[start..end]);
        }
    }
    (own, foreign)
}

/// Bytes that wait for WebRTC at most: a full socket buffer's worth, since data channels carry data while QUIC starts.
const WEBRTC_QUEUE_BYTES: usize = 4 << 20;

/// Bytes that wait for QUIC at most.
const QUIC_QUEUE_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn cx() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    fn meta(len: usize) -> RecvMeta {
        let mut meta = RecvMeta::default();
        meta.len = len;
        meta.stride = len;
        meta
    }

    fn turn(demux: &mut Demux, reader: Reader) -> Poll<Option<Vec<u8>>> {
        let (mut buf, mut metas) = ([0; 64], [RecvMeta::default()]);
        let turn = demux.turn(reader, &cx(), &mut [IoSliceMut::new(&mut buf)], &mut metas);
        turn.map(|count| count.map(|_| buf[..metas[0].len].to_vec()))
    }

    #[test]
    fn datagrams_of_both_kinds_in_one_buffer_are_parted() {
        let mut buf = *b"aaaBBBaaaBB";
        let (own, foreign) = divert(&mut buf, 3, |datagram| datagram[0] == b'a');
        assert_eq!((&buf[..own], &foreign[..]), (&b"aaaaaa"[..], &b"BBBBB"[..]));
    }

    #[test]
    fn each_side_gets_what_was_queued_for_it_and_then_reads_or_waits() {
        let mut demux = Demux::default();
        demux.queue(true, meta(5), b"first".to_vec());
        assert_eq!(turn(&mut demux, Reader::Webrtc), Poll::Ready(None));
        let quic = demux.attach_quic();
        assert_eq!(turn(&mut demux, quic), Poll::Ready(Some(b"first".to_vec())));
        assert_eq!(turn(&mut demux, quic), Poll::Ready(None));
        assert_eq!(turn(&mut demux, Reader::Webrtc), Poll::Pending);
        demux.queue(false, meta(4), b"stun".to_vec());
        assert_eq!(turn(&mut demux, Reader::Webrtc), Poll::Ready(Some(b"stun".to_vec())));
    }

    #[test]
    fn an_old_attachment_gets_nothing_and_cannot_detach_the_new_one() {
        let mut demux = Demux::default();
        let old = demux.attach_quic();
        let new = demux.attach_quic();
        demux.detach_quic(old);
        assert_eq!(turn(&mut demux, old), Poll::Pending);
        assert_eq!(turn(&mut demux, new), Poll::Ready(None));
        demux.detach_quic(new);
        assert_eq!(turn(&mut demux, new), Poll::Pending);
        assert_eq!(turn(&mut demux, Reader::Webrtc), Poll::Ready(None));
    }

    #[test]
    fn queues_are_bounded() {
        let mut demux = Demux::default();
        for _ in 0..200 {
            demux.queue(true, meta(1000), vec![0; 1000]);
        }
        assert!(demux.quic.bytes <= QUIC_QUEUE_BYTES && demux.quic.packets.len() < 200);
    }
}
