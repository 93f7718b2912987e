//! `Plan`: what is missing, what is asked for, and what an earlier session left.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;

use crate::data_frame::DataFrame;
use crate::error::Violation;
use crate::hash::{Hash, chunk_count, chunk_range};
use crate::limits::{CHUNK_BYTES, ENTRY_BYTES_MAX, PIECES_MAX};
use crate::offer::EntryId;

/// The ranges of a transfer, from missing over outstanding to delivered.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Ranges to ask for, in order.
    missing: VecDeque<(EntryId, Range<u64>)>,
    /// Ranges within one chunk that were asked for and not delivered, and the sum of their bytes.
    outstanding: BTreeMap<(EntryId, u64), u64>,
    outstanding_bytes: u64,
    /// What was on its way of entries that were given up: its bytes are dropped. One for each entry, however many those are.
    late: BTreeMap<EntryId, Late>,
    /// The chunk after the last one that was asked for, by entry.
    reach: HashMap<EntryId, u64>,
    /// Chunks on disk whose hash the sender is to confirm.
    present: BTreeMap<(EntryId, u64), Hash>,
}

/// What is on its way and not wanted any more.
#[derive(Debug)]
struct Late {
    /// Where it lies.
    within: Range<u64>,
    bytes: u64,
}

impl Plan {
    /// Adds an entry; the chunks that are present are verified rather than fetched.
    pub(super) fn add(&mut self, entry: EntryId, size: u64, present: &[(u64, Hash)]) {
        let mut from = 0;
        for &(chunk, hash) in present.iter().filter(|(chunk, _)| *chunk < chunk_count(size)) {
            let range = chunk_range(chunk, size);
            self.push_missing(entry, from..range.start);
            self.present.insert((entry, chunk), hash);
            from = range.end;
        }
        self.push_missing(entry, from..size);
    }

    /// Adds a stream, of which everything is missing that will ever come.
    pub(super) fn add_stream(&mut self, entry: EntryId) {
        self.push_missing(entry, 0..ENTRY_BYTES_MAX);
    }

    /// Takes note of where a stream ends: nothing beyond is asked for or on its way.
    pub(super) fn end_stream(&mut self, entry: EntryId, size: u64) {
        for (id, range) in &mut self.missing {
            if *id == entry {
                range.end = range.end.min(size);
            }
        }
        self.missing.retain(|(_, range)| !range.is_empty());
        let on_the_way: Vec<_> =
            self.outstanding.range((entry, 0)..=(entry, u64::MAX)).map(|(&k, &v)| (k, v)).collect();
        for ((id, from), to) in on_the_way {
            if to > size {
                self.outstanding.remove(&(id, from));
                self.outstanding_bytes -= to - from.max(size).min(to);
                if from < size {
                    self.outstanding.insert((id, from), size);
                }
            }
        }
    }

    /// Asks anew for what was on its way on a connection that is lost.
    pub(super) fn interrupt(&mut self) {
        self.late.clear();
        self.outstanding_bytes = 0;
        for ((entry, from), to) in std::mem::take(&mut self.outstanding).into_iter().rev() {
            self.missing.push_front((entry, from..to));
        }
    }

    fn push_missing(&mut self, entry: EntryId, range: Range<u64>) {
        if !range.is_empty() {
            self.missing.push_back((entry, range));
        }
    }

    /// Asks for a range again, before anything else.
    pub(super) fn add_missing(&mut self, entry: EntryId, range: Range<u64>) {
        self.missing.push_front((entry, range));
    }

    /// Drops an entry; what is on its way for it is ignored when it arrives.
    pub(super) fn remove(&mut self, entry: EntryId) {
        self.missing.retain(|(id, _)| *id != entry);
        self.present.retain(|(id, _), _| *id != entry);
        let on_the_way: Vec<_> =
            self.outstanding.range((entry, 0)..=(entry, u64::MAX)).map(|(&k, &v)| (k, v)).collect();
        let (Some(&((_, first), _)), Some(&(_, last))) = (on_the_way.first(), on_the_way.last()) else { return };
        let bytes = on_the_way.iter().map(|((_, from), to)| to - from).sum();
        for (key, _) in on_the_way {
            self.outstanding.remove(&key);
        }
        self.outstanding_bytes -= bytes;
        self.late.insert(entry, Late { within: first..last, bytes });
    }

    /// The runs of present chunks: entry, first chunk, count.
    pub(super) fn verify_runs(&self) -> Vec<(EntryId, u64, u64)> {
        let mut runs: Vec<(EntryId, u64, u64)> = Vec::new();
        for &(entry, chunk) in self.present.keys() {
            match runs.last_mut() {
                Some((id, first, count)) if *id == entry && *first + *count == chunk && *count < VERIFY_RUN_MAX => {
                    *count += 1;
                }
                Some(_) | None => runs.push((entry, chunk, 1)),
            }
        }
        runs
    }

    /// Takes the hash of a present chunk that waits for the sender's.
    pub(super) fn verified(&mut self, entry: EntryId, chunk: u64) -> Option<Hash> {
        self.present.remove(&(entry, chunk))
    }

    /// Whether any byte of a chunk was asked for.
    pub(super) fn asked_for(&self, entry: EntryId, chunk: u64) -> bool {
        self.reach.get(&entry).is_some_and(|&reach| chunk < reach)
    }

    /// The bytes asked for and not delivered.
    pub(super) const fn outstanding(&self) -> u64 {
        self.outstanding_bytes
    }

    /// How far beyond the next range's start may be asked for, so that no byte of its entry is outstanding more than `most`
    /// behind the last one that was asked for.
    pub(super) fn room_within(&self, most: u64) -> u64 {
        let Some((entry, next)) = self.missing.front().map(|(entry, range)| (*entry, range.start)) else { return 0 };
        let oldest = self.outstanding.range((entry, 0)..=(entry, u64::MAX)).next().map_or(next, |(&(_, from), _)| from);
        most.saturating_sub(next.saturating_sub(oldest))
    }

    /// The entry that the next range is of.
    pub(super) fn next_entry(&self) -> Option<EntryId> {
        self.missing.front().map(|(entry, _)| *entry)
    }

    /// Takes the next range to ask for, at most `room` bytes and at least `least` unless less is missing.
    pub(super) fn next_range(&mut self, room: u64, least: u64) -> Option<(EntryId, u64, u64)> {
        let (entry, range) = self.missing.front_mut()?;
        let bytes = room.min(range.end - range.start);
        if bytes < least.min(range.end - range.start).max(1) {
            return None;
        }
        let (entry, from, to) = (*entry, range.start, range.start + bytes);
        range.start = to;
        if range.is_empty() {
            self.missing.pop_front();
        }
        // Where a chunk ends, a frame does.
        for chunk in from / CHUNK_BYTES..to.div_ceil(CHUNK_BYTES) {
            let start = chunk * CHUNK_BYTES;
            self.outstanding.insert((entry, from.max(start)), to.min(start + CHUNK_BYTES));
        }
        self.outstanding_bytes += bytes;
        let reach = self.reach.entry(entry).or_default();
        *reach = (*reach).max(to.div_ceil(CHUNK_BYTES));
        Some((entry, from, to))
    }

    /// Checks that a frame lies within a range that was asked for; `false` if nobody wants it any more.
    pub(super) fn deliver(&mut self, frame: &DataFrame) -> Result<bool, Violation> {
        let Some((from, to)) = range_around(&self.outstanding, frame) else { return self.drop_late(frame) };
        if from == frame.offset {
            self.outstanding.remove(&(frame.entry, from));
        } else {
            // What comes over another connection may overtake what lies before it.
            self.outstanding.insert((frame.entry, from), frame.offset);
        }
        if frame.end() < to {
            self.outstanding.insert((frame.entry, frame.end()), to);
        }
        self.outstanding_bytes -= frame.bytes.len() as u64;
        if self.outstanding.len() > PIECES_MAX { Err(Violation::TooMuch) } else { Ok(true) }
    }

    /// Takes a frame that nobody wants any more.
    fn drop_late(&mut self, frame: &DataFrame) -> Result<bool, Violation> {
        let is_around = |late: &&mut Late| late.within.start <= frame.offset && frame.end() <= late.within.end;
        let late = self.late.get_mut(&frame.entry).filter(is_around).ok_or(Violation::Unrequested)?;
        late.bytes = late.bytes.checked_sub(frame.bytes.len() as u64).ok_or(Violation::Unrequested)?;
        Ok(false)
    }
}

/// The range that a frame lies within.
fn range_around(ranges: &BTreeMap<(EntryId, u64), u64>, frame: &DataFrame) -> Option<(u64, u64)> {
    let (&(_, from), &to) = ranges.range((frame.entry, 0)..=(frame.entry, frame.offset)).next_back()?;
    // Ranges end where their chunks do.
    (frame.end() <= to).then_some((from, to))
}

/// How many chunks one run of a `verify` frame has at most, so that the sender's bound on its queue is not met.
const VERIFY_RUN_MAX: u64 = 4096;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_late_part_of_a_stream_holds_the_rest_back() {
        let entry = EntryId(0);
        let mut plan = Plan::default();
        plan.add_stream(entry);
        let most = 4 * CHUNK_BYTES;
        assert_eq!(plan.room_within(most), most);
        assert_eq!(plan.next_range(most, 1), Some((entry, 0, most)));
        assert_eq!(plan.room_within(most), 0);
        let mut arrive = |chunk: u64| {
            let frame =
                DataFrame { entry, offset: chunk * CHUNK_BYTES, bytes: Bytes::from(vec![0; CHUNK_BYTES as usize]) };
            assert_eq!(plan.deliver(&frame), Ok(true));
            plan.room_within(most)
        };
        assert_eq!(arrive(1), 0, "the first is still on its way");
        assert_eq!(arrive(2), 0);
        assert_eq!(arrive(0), 3 * CHUNK_BYTES);
        assert_eq!(arrive(3), most);
    }

    fn frame(offset: u64, bytes: usize) -> DataFrame {
        DataFrame { entry: EntryId(0), offset, bytes: Bytes::from(vec![0; bytes]) }
    }

    #[test]
    fn frames_of_a_range_arrive_in_any_order_and_none_twice() {
        let mut plan = Plan::default();
        plan.add(EntryId(0), 2 * CHUNK_BYTES, &[]);
        plan.next_range(CHUNK_BYTES + 3000, 1);
        for offset in [2000, 1000, 0, 5000, 3000, 4000] {
            assert_eq!(plan.deliver(&frame(offset, 1000)), Ok(true), "{offset}");
            assert_eq!(plan.deliver(&frame(offset, 1000)), Err(Violation::Unrequested), "{offset} again");
        }
        assert_eq!(plan.outstanding(), CHUNK_BYTES + 3000 - 6000);
        for (offset, bytes) in [(5999, 2), (CHUNK_BYTES - 1, 2), (CHUNK_BYTES + 2999, 2), (CHUNK_BYTES + 3000, 1)] {
            assert_eq!(plan.deliver(&frame(offset, bytes)), Err(Violation::Unrequested), "{offset}");
        }
        plan.interrupt();
        assert_eq!(plan.next_range(u64::MAX, 1), Some((EntryId(0), 6000, CHUNK_BYTES)));
    }

    #[test]
    fn what_is_late_of_an_entry_that_was_given_up_is_dropped_and_no_more_than_was_asked_for() {
        let mut plan = Plan::default();
        plan.add(EntryId(0), 3 * CHUNK_BYTES, &[]);
        plan.next_range(2 * CHUNK_BYTES, 1);
        assert_eq!(plan.deliver(&frame(1000, 1000)), Ok(true));
        plan.remove(EntryId(0));
        assert_eq!(plan.outstanding(), 0);
        let rest = CHUNK_BYTES as usize - 2000;
        for (offset, bytes) in [(2 * CHUNK_BYTES - 1, 2), (2 * CHUNK_BYTES, 1)] {
            assert_eq!(plan.deliver(&frame(offset, bytes)), Err(Violation::Unrequested), "{offset}");
        }
        for (offset, bytes) in [(CHUNK_BYTES, CHUNK_BYTES as usize), (2000, rest), (0, 1000)] {
            assert_eq!(plan.deliver(&frame(offset, bytes)), Ok(false), "{offset}");
        }
        assert_eq!(plan.deliver(&frame(0, 1)), Err(Violation::Unrequested), "more than was asked for");
    }

    #[test]
    fn any_number_of_entries_may_be_given_up() {
        let mut plan = Plan::default();
        let count = PIECES_MAX as u32 + 1;
        for entry in 1..=count {
            plan.add(EntryId(entry), 1, &[]);
            assert_eq!(plan.next_range(1, 1), Some((EntryId(entry), 0, 1)));
            plan.remove(EntryId(entry));
        }
        plan.add(EntryId(0), CHUNK_BYTES, &[]);
        plan.next_range(CHUNK_BYTES, 1);
        assert_eq!(plan.deliver(&frame(0, 1)), Ok(true));
    }

    #[test]
    fn a_sender_that_leaves_gaps_everywhere_is_cut_off() {
        let mut plan = Plan::default();
        plan.add(EntryId(0), CHUNK_BYTES, &[]);
        plan.next_range(CHUNK_BYTES, 1);
        let refused = (0..).map(|n| plan.deliver(&frame(2 * n + 1, 1))).position(|delivered| delivered.is_err());
        assert_eq!(refused, Some(PIECES_MAX - 1));
    }
}
