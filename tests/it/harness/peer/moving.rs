//! A peer that moves files: as an honest sender does, or as a receiver that checks nothing.

use std::collections::HashMap;

use p2pshare::transport::Incoming;
use p2pshare_protocol::ctl::{AbortCode, Ctl};
use p2pshare_protocol::data_frame::DataFrame;
use p2pshare_protocol::hash::{Hash, chunk_range};
use p2pshare_protocol::limits::CHUNK_BYTES;
use p2pshare_protocol::offer::EntryId;

use super::{PATIENCE, Peer};

impl Peer {
    /// Serves files by entry as an honest sender does, until the receiver is done or gone; returns what it skipped.
    pub(crate) fn serve(&mut self, files: &HashMap<u32, Vec<u8>>) -> Vec<EntryId> {
        self.serve_counting(files, &mut HashMap::new())
    }

    /// The same, to a receiver that has a part already; returns how many bytes of each entry it asked for.
    pub(crate) fn serve_again(&mut self, files: &HashMap<u32, Vec<u8>>) -> HashMap<u32, u64> {
        let mut asked = files.keys().map(|entry| (*entry, 0)).collect();
        self.serve_counting(files, &mut asked);
        asked
    }

    fn serve_counting(&mut self, files: &HashMap<u32, Vec<u8>>, asked: &mut HashMap<u32, u64>) -> Vec<EntryId> {
        let mut skipped = Vec::new();
        while let Some(frame) = self.hear() {
            match frame {
                Ctl::Verify { chunks } => {
                    for (EntryId(entry), first, count) in chunks {
                        for chunk in first..first + count {
                            self.hash(entry, chunk, Hash::of_chunk(chunk_of(&files[&entry], chunk)));
                        }
                    }
                }
                Ctl::Want { ranges } => {
                    for (EntryId(entry), from, to) in ranges {
                        *asked.entry(entry).or_default() += to - from;
                        self.serve_range(entry, &files[&entry], from, to);
                    }
                }
                Ctl::Done { root } => self.say(&Ctl::Done { root }),
                Ctl::Skip { entry, .. } => skipped.push(entry),
                other => assert!(matches!(other, Ctl::Hello(_) | Ctl::Accept { .. }), "{other:?}"),
            }
        }
        skipped
    }

    /// Serves the first chunks of entries as they are asked for, until the receiver's disk has confirmed them: entry,
    /// content, how many bytes of it. Returns what was asked for beyond.
    pub(crate) fn serve_part(&mut self, files: &[(u32, &[u8], u64)]) -> Vec<(u32, u64, u64)> {
        let mut left = Vec::new();
        let served: u64 = files.iter().map(|(.., bytes)| bytes).sum();
        loop {
            match self.next(PATIENCE).expect("the other side says something") {
                Incoming::Ctl(frame) => match Ctl::decode(&frame).unwrap() {
                    Ctl::Want { ranges } => {
                        for (id, from, to) in ranges {
                            let (entry, content, end) = files.iter().find(|(entry, ..)| *entry == id.0).unwrap();
                            self.serve_range(*entry, content, from, to.min(*end));
                            left.push((*entry, from.max(*end), to));
                        }
                    }
                    Ctl::Progress { bytes, .. } if bytes >= served => {
                        left.retain(|(_, from, to)| from < to);
                        return left;
                    }
                    _ => {}
                },
                Incoming::Lost(lost) => panic!("{lost:?}"),
                Incoming::Data(_) | Incoming::Disturbed | Incoming::Recovered => {}
            }
        }
    }

    /// Serves what is asked for, whole entries if need be, until the receiver gives up for this reason.
    pub(crate) fn serve_until_abort(&mut self, files: &[(u32, &[u8])], reason: AbortCode) {
        loop {
            match self.next(PATIENCE).expect("the other side says something") {
                Incoming::Ctl(frame) => match Ctl::decode(&frame).unwrap() {
                    Ctl::Want { ranges } => {
                        for (id, from, to) in ranges {
                            let (entry, content) = files.iter().find(|(entry, _)| *entry == id.0).unwrap();
                            self.serve_range(*entry, content, from, to);
                        }
                    }
                    Ctl::Abort { code } => return assert_eq!(code, reason),
                    _ => {}
                },
                Incoming::Lost(lost) => panic!("{lost:?}"),
                Incoming::Data(_) | Incoming::Disturbed | Incoming::Recovered => {}
            }
        }
    }

    pub(crate) fn serve_range(&self, entry: u32, content: &[u8], from: u64, to: u64) {
        let mut at = from;
        while at < to {
            let chunk = at / CHUNK_BYTES;
            let whole = chunk_range(chunk, content.len() as u64);
            if at == whole.start {
                self.hash(entry, chunk, Hash::of_chunk(chunk_of(content, chunk)));
            }
            let end = to.min(whole.end).min(at + 32 * 1024);
            self.data(entry, at, &content[at as usize..end as usize]);
            at = end;
        }
    }

    /// Receives what was offered to it as an honest receiver would, without checking anything: asks for these ranges
    /// and returns the bytes that came.
    pub(crate) fn fetch(&mut self, ranges: &[(u32, u64, u64)]) -> u64 {
        let wanted = ranges.iter().map(|&(entry, from, to)| (EntryId(entry), from, to)).collect();
        self.say(&Ctl::Want { ranges: wanted });
        let expected: u64 = ranges.iter().map(|(_, from, to)| to - from).sum();
        let mut came = 0;
        while came < expected {
            match self.next(PATIENCE).expect("the other side sends") {
                Incoming::Data(message) => came += DataFrame::decode(message).unwrap().bytes.len() as u64,
                Incoming::Lost(_) => return came,
                Incoming::Ctl(_) | Incoming::Disturbed | Incoming::Recovered => {}
            }
        }
        came
    }
}

fn chunk_of(content: &[u8], chunk: u64) -> &[u8] {
    let range = chunk_range(chunk, content.len() as u64);
    &content[range.start as usize..range.end as usize]
}
