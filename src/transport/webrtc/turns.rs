//! `Turns`: hands a browser's datagrams to the library a few at a time.
//!
//! The library acknowledges at once all that one turn of its loop received, and a browser sends four packets for each
//! acknowledgement, however many that covers. Where it covers more, fewer packets are on their way from then on, until the browser waits for
//! every single acknowledgement: half as fast, at half as much again of its processor time.

use noq::udp::RecvMeta;

/// How much of a turn is left, and what has to wait for the next.
#[derive(Debug, Default)]
pub(super) struct Turns {
    taken: usize,
    kept: Vec<u8>,
    /// Of what is kept; the length is what is left of it, at the end.
    meta: RecvMeta,
}

impl Turns {
    /// Whether the library has got what it gets in one turn.
    pub(super) fn is_over(&self) -> bool {
        self.taken >= TURN
    }

    /// Begins the next turn; returns whether this one brought data.
    pub(super) fn end(&mut self) -> bool {
        std::mem::take(&mut self.taken) > 0
    }

    /// Takes from what was kept, as much as the turn has room for, into `buf`.
    pub(super) fn take_kept(&mut self, buf: &mut [u8]) -> Option<RecvMeta> {
        if self.meta.len == 0 {
            return None;
        }
        let mut meta = self.meta;
        let from = self.kept.len() - meta.len;
        meta.len = meta.len.min(self.room(meta.stride)).min(buf.len());
        buf[..meta.len].copy_from_slice(&self.kept[from..from + meta.len]);
        self.meta.len -= meta.len;
        self.count(&meta);
        Some(meta)
    }

    /// Keeps what the turn has no room for, and shortens `meta` to the rest. For when nothing is kept.
    pub(super) fn keep_rest(&mut self, buf: &[u8], meta: &mut RecvMeta) {
        let room = self.room(meta.stride);
        if meta.len > room {
            self.kept.clear();
            self.kept.extend_from_slice(&buf[room..meta.len]);
            self.meta = *meta;
            self.meta.len -= room;
            meta.len = room;
        }
        self.count(meta);
    }

    /// Bytes that the turn has room for, in datagrams of `stride`.
    fn room(&self, stride: usize) -> usize {
        if stride < DATA_BYTES { usize::MAX } else { TURN.saturating_sub(self.taken) * stride }
    }

    fn count(&mut self, meta: &RecvMeta) {
        if meta.stride >= DATA_BYTES {
            self.taken += meta.len.div_ceil(meta.stride);
        }
    }
}

/// Datagrams with data in one turn: as many packets as SCTP sends for an acknowledgement (RFC 9260, Max.Burst).
const TURN: usize = 4;

/// Datagrams below this are acknowledgements and checks.
const DATA_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(len: usize, stride: usize) -> RecvMeta {
        let mut meta = RecvMeta::default();
        (meta.len, meta.stride) = (len, stride);
        meta
    }

    #[test]
    fn a_turn_is_four_datagrams_with_data() {
        let mut turns = Turns::default();
        let data = [1; 1200];
        for n in 0..TURN {
            assert!(!turns.is_over(), "{n}");
            turns.keep_rest(&data, &mut meta(1200, 1200));
            turns.keep_rest(&data, &mut meta(65, 65));
        }
        assert!(turns.is_over());
        turns.end();
        assert!(!turns.is_over());
    }

    #[test]
    fn what_arrives_in_one_piece_comes_in_turns_and_in_order() {
        let arrived: Vec<u8> = (0..10_500u32).map(|n| (n / 1000) as u8).collect();
        let (mut turns, mut buf, mut got) = (Turns::default(), vec![0; 65536], Vec::new());
        turns.keep_rest(&arrived[..1000], &mut meta(1000, 1000));
        got.extend_from_slice(&arrived[..1000]);
        let mut first = meta(9_500, 1000);
        turns.keep_rest(&arrived[1000..], &mut first);
        assert_eq!(first.len, 3000, "the turn had begun");
        got.extend_from_slice(&arrived[1000..4000]);
        for expected in [4000, 2500] {
            assert!(turns.is_over());
            turns.end();
            let meta = turns.take_kept(&mut buf).unwrap();
            assert_eq!((meta.len, meta.stride), (expected, 1000));
            got.extend_from_slice(&buf[..meta.len]);
        }
        assert!(turns.take_kept(&mut buf).is_none() && !turns.is_over());
        assert_eq!(got, arrived);
    }
}
