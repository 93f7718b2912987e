//! What a receiver asks for: checked against the offer and what was accepted of it.

use std::time::Instant;

use super::feed::Feed;
use super::{Event, Phase, Sender};
use crate::ctl::SkipReason;
use crate::error::Violation;
use crate::hash::chunk_count;
use crate::limits::{CHUNK_BYTES, ENTRY_BYTES_MAX, JOBS_MAX};
use crate::offer::{EntryId, EntryKind};

impl Sender {
    /// Takes in which entries the receiver wants; with the last run of them they are served.
    pub(super) fn accept(
        &mut self,
        runs: Option<&[(EntryId, EntryId)]>,
        last: bool,
        now: Instant,
    ) -> Result<(), Violation> {
        let count = u32::try_from(self.offer.entries().len()).expect("an offer has at most 100,000 entries");
        let everything = [(EntryId(0), EntryId(count.saturating_sub(1)))];
        let runs = runs.unwrap_or(if count == 0 { &[] } else { &everything });
        for &(first, last) in runs {
            if first > last || last.0 >= count {
                return Err(Violation::OutOfOffer("accept"));
            }
            self.selected.extend((first.0..=last.0).map(EntryId));
        }
        if last {
            self.start_serving(now);
        }
        Ok(())
    }

    fn start_serving(&mut self, now: Instant) {
        let mut bytes = 0;
        for &id in &self.selected {
            let entry = self.offer.entry(id).expect("a selected entry is on offer");
            match entry.kind {
                EntryKind::File | EntryKind::Text => self.ledger.insert(id, Some(entry.size)),
                EntryKind::Stream => {
                    self.ledger.insert(id, None);
                    self.feed = Some(Feed::new(id));
                }
                EntryKind::Dir => {}
            }
            bytes += entry.size;
        }
        self.jobs.select(&self.selected);
        self.moved = now;
        self.phase = Phase::Serving;
        let entries = u32::try_from(self.selected.len()).expect("an offer has at most 100,000 entries");
        self.report(Event::Accepted { entries, bytes });
    }

    /// Takes in ranges that are asked for.
    pub(super) fn want(&mut self, ranges: &[(EntryId, u64, u64)], now: Instant) -> Result<(), Violation> {
        self.moved = now;
        for &(entry, from, to) in ranges {
            self.check_entry(entry, to, "want")?;
            if from >= to {
                return Err(Violation::OutOfOffer("want"));
            }
            if !self.skipped.contains_key(&entry) {
                self.take_want(entry, from, to)?;
            }
        }
        Ok(())
    }

    /// Takes in chunks of which only the hashes are asked for.
    pub(super) fn verify(&mut self, runs: &[(EntryId, u64, u64)], now: Instant) -> Result<(), Violation> {
        self.moved = now;
        let before = self.present;
        for &(entry, first, count) in runs {
            let size = self.check_entry(entry, 0, "verify")?;
            if first.checked_add(count).is_none_or(|end| end > chunk_count(size)) {
                return Err(Violation::OutOfOffer("verify"));
            }
            if self.is_stream(entry) {
                self.announce_again(entry, first, count)?;
            } else if !self.skipped.contains_key(&entry) {
                self.jobs.verify(entry, first, count)?;
                self.note_present(count.saturating_mul(CHUNK_BYTES).min(size.saturating_sub(first * CHUNK_BYTES)));
            }
        }
        if self.present > before {
            self.report(Event::Present(self.present));
        }
        Ok(())
    }

    /// Counts bytes that are at the receiver; after a reconnect it asks again about what it asked for before.
    const fn note_present(&mut self, bytes: u64) {
        if !self.is_reconnected {
            self.present = self.present.saturating_add(bytes);
        }
    }

    /// Checks that an entry was accepted, has bytes, and reaches to `end`; returns its size.
    fn check_entry(&self, entry: EntryId, end: u64, frame: &'static str) -> Result<u64, Violation> {
        let out_of_offer = Violation::OutOfOffer(frame);
        if !self.selected.contains(&entry) {
            return Err(out_of_offer);
        }
        match self.offer.entry(entry) {
            Some(e) if e.kind == EntryKind::Stream && end <= ENTRY_BYTES_MAX => Ok(ENTRY_BYTES_MAX),
            Some(e) if e.kind != EntryKind::Dir && end <= e.size => Ok(e.size),
            Some(_) | None => Err(out_of_offer),
        }
    }

    /// Takes note of an entry that the receiver gives up.
    pub(super) fn skip(&mut self, entry: EntryId, reason: SkipReason) -> Result<(), Violation> {
        if !self.selected.contains(&entry) {
            return Err(Violation::OutOfOffer("skip"));
        }
        self.give_up(entry, reason);
        Ok(())
    }

    /// Gives an entry up.
    pub(super) fn give_up(&mut self, entry: EntryId, reason: SkipReason) {
        if self.skipped.insert(entry, reason).is_none() {
            self.ledger.remove(entry);
            self.jobs.remove(entry);
            self.feed = self.feed.take().filter(|feed| feed.entry() != entry);
            self.hashes.retain(|&(id, ..)| id != entry);
            self.report(Event::Skipped { entry, reason });
        }
    }

    fn is_stream(&self, entry: EntryId) -> bool {
        self.feed.as_ref().is_some_and(|feed| feed.entry() == entry)
    }

    fn take_want(&mut self, entry: EntryId, from: u64, to: u64) -> Result<(), Violation> {
        match &mut self.feed {
            Some(feed) if feed.entry() == entry => feed.want(from, to),
            Some(_) | None => self.jobs.want(entry, from, to),
        }
    }

    /// Sends hashes of a stream's chunks once more; it cannot be read again.
    fn announce_again(&mut self, entry: EntryId, first: u64, count: u64) -> Result<(), Violation> {
        if count > JOBS_MAX as u64 {
            return Err(Violation::TooMuch);
        }
        for chunk in first..first + count {
            let hash = self.ledger.hash(entry, chunk).ok_or(Violation::OutOfOffer("verify"))?;
            self.hashes.push((entry, chunk, hash));
        }
        Ok(())
    }
}
