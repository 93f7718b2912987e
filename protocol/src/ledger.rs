//! `Ledger`: the chunk hashes of a transfer, and the roots that follow from them.

use std::collections::BTreeMap;

use crate::hash::{Hash, chunk_count, entry_root, share_root};
use crate::offer::EntryId;

/// What is known of the entries of a transfer; both sides keep one and compare its root at the end.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<EntryId, Record>,
}

#[derive(Debug, Default)]
struct Record {
    /// `None` while the size is not known (a stream that has not ended).
    size: Option<u64>,
    /// Grows as chunks come: a claimed size allocates nothing.
    hashes: Vec<Option<Hash>>,
}

impl Ledger {
    /// Adds an entry whose bytes are to be moved.
    pub(crate) fn insert(&mut self, entry: EntryId, size: Option<u64>) {
        self.entries.insert(entry, Record { size, hashes: Vec::new() });
    }

    /// Notes the size of a stream that has ended.
    pub(crate) fn set_size(&mut self, entry: EntryId, size: u64) {
        if let Some(record) = self.entries.get_mut(&entry) {
            record.size = Some(size);
        }
    }

    /// The size of an entry, if it is known.
    pub(crate) fn size(&self, entry: EntryId) -> Option<u64> {
        self.entries.get(&entry)?.size
    }

    /// The hash of a chunk, if it is known.
    pub(crate) fn hash(&self, entry: EntryId, chunk: u64) -> Option<Hash> {
        *self.entries.get(&entry)?.hashes.get(usize::try_from(chunk).ok()?)?
    }

    /// Leaves an entry out of the root.
    pub(crate) fn remove(&mut self, entry: EntryId) {
        self.entries.remove(&entry);
    }

    /// Notes the hash of a chunk; an entry that is not in the ledger is ignored.
    pub(crate) fn record(&mut self, entry: EntryId, chunk: u64, hash: Hash) {
        let (Some(record), Ok(chunk)) = (self.entries.get_mut(&entry), usize::try_from(chunk)) else { return };
        if record.hashes.len() <= chunk {
            record.hashes.resize(chunk + 1, None);
        }
        record.hashes[chunk] = Some(hash);
    }

    /// The root of an entry, once all its chunks are known.
    pub(crate) fn entry_root(&self, entry: EntryId) -> Option<Hash> {
        let record = self.entries.get(&entry)?;
        let size = record.size?;
        let hashes: Vec<_> = record.hashes.iter().copied().collect::<Option<_>>()?;
        (hashes.len() as u64 == chunk_count(size)).then(|| entry_root(&hashes, size))
    }

    /// The root over all entries, once all are known.
    pub(crate) fn share_root(&self) -> Option<Hash> {
        let roots: Vec<_> = self.entries.keys().map(|&id| Some((id.0, self.entry_root(id)?))).collect::<Option<_>>()?;
        Some(share_root(roots.iter().map(|(id, root)| (*id, root))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CHUNK_BYTES;

    #[test]
    fn a_root_needs_every_chunk() {
        let mut ledger = Ledger::default();
        ledger.insert(EntryId(3), Some(CHUNK_BYTES + 1));
        ledger.record(EntryId(3), 1, Hash([1; 32]));
        assert_eq!(ledger.share_root(), None);
        ledger.record(EntryId(3), 0, Hash([0; 32]));
        assert_eq!(ledger.entry_root(EntryId(3)), Some(entry_root(&[Hash([0; 32]), Hash([1; 32])], CHUNK_BYTES + 1)));
        assert!(ledger.share_root().is_some());
    }

    #[test]
    fn an_empty_file_has_a_root_at_once() {
        let mut ledger = Ledger::default();
        ledger.insert(EntryId(0), Some(0));
        assert_eq!(ledger.entry_root(EntryId(0)), Some(entry_root(&[], 0)));
    }

    #[test]
    fn an_entry_left_out_does_not_count() {
        let mut both = Ledger::default();
        both.insert(EntryId(0), Some(0));
        let alone = both.share_root();
        both.insert(EntryId(1), Some(5));
        both.remove(EntryId(1));
        assert_eq!(both.share_root(), alone);
    }
}
