//! The journal beside a part file: which chunks it holds, so that a later run goes on where this one stopped.
//!
//! A header and then one record for each chunk that was written, all of fixed size and each with a checksum. A crash
//! leaves at most a torn last record. Nothing here is trusted: a chunk counts only after the part itself hashes to
//! what the record says, so the journal needs no fsync.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use p2pshare_protocol::hash::{Hash, chunk_count};

use super::identity::Identity;

const MAGIC: &[u8; 8] = b"p2pshare";
const VERSION: u32 = 1;

/// Magic, version, path, entry, size, checksum.
const HEADER_BYTES: usize = 8 + 4 + 32 + 32 + 8 + CHECKSUM_BYTES;

/// Chunk, its hash, checksum.
const RECORD_BYTES: usize = 8 + 32 + CHECKSUM_BYTES;

const CHECKSUM_BYTES: usize = 8;

/// How many records there may be for each chunk: one, and one more if it was written again.
const RECORDS_PER_CHUNK_MAX: u64 = 2;

/// A journal that records are added to.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    identity: Identity,
    /// Where the next record goes.
    end: u64,
}

/// What a journal says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Recorded {
    /// Chunks and their hashes, oldest first.
    pub(super) chunks: Vec<(u64, Hash)>,
    /// Whether something in it was not understood and is ignored.
    pub(super) is_damaged: bool,
}

impl Journal {
    /// Begins a journal in `file`, whatever that held.
    pub(super) fn begin(file: File, identity: Identity, size: u64) -> io::Result<Self> {
        file.set_len(0)?;
        file.write_all_at(&header(&identity, size), 0)?;
        Ok(Self { file, identity, end: HEADER_BYTES as u64 })
    }

    /// Goes on with the journal in `file`: new records follow the last one that is whole.
    pub(super) fn go_on(file: File, identity: Identity, size: u64) -> io::Result<Self> {
        let Some(recorded) = read(&file, &identity, size)? else {
            return Self::begin(file, identity, size);
        };
        let end = (HEADER_BYTES + recorded.chunks.len() * RECORD_BYTES) as u64;
        file.set_len(end)?;
        Ok(Self { file, identity, end })
    }

    /// Records that a chunk has been written.
    pub(super) fn record(&mut self, chunk: u64, hash: &Hash) -> io::Result<()> {
        self.file.write_all_at(&record(&self.identity, chunk, hash), self.end)?;
        self.end += RECORD_BYTES as u64;
        Ok(())
    }
}

/// Reads a journal; `None` if it is not one of this entry, or of another version.
pub(super) fn read(file: &File, identity: &Identity, size: u64) -> io::Result<Option<Recorded>> {
    let chunks = chunk_count(size);
    let expected = header(identity, size);
    let bytes_max = HEADER_BYTES as u64 + chunks * RECORDS_PER_CHUNK_MAX * RECORD_BYTES as u64;
    let length = file.metadata()?.len();
    let mut bytes = vec![0; usize::try_from(length.min(bytes_max)).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    let Some(records) = bytes.strip_prefix(expected.as_slice()) else { return Ok(None) };
    let mut recorded = Recorded::default();
    for bytes in records.chunks(RECORD_BYTES) {
        match parse(identity, bytes).filter(|(chunk, _)| *chunk < chunks) {
            Some(record) => recorded.chunks.push(record),
            None => break,
        }
    }
    recorded.is_damaged = recorded.chunks.len() * RECORD_BYTES != records.len() || length > bytes_max;
    Ok(Some(recorded))
}

/// Whether a journal belongs to an entry with this path, whatever its size and time.
pub(super) fn is_of_path(file: &File, path: &Hash) -> bool {
    let mut start = [0; 8 + 4 + 32];
    let known = [MAGIC.as_slice(), &VERSION.to_be_bytes(), &path.0].concat();
    file.read_exact_at(&mut start, 0).is_ok() && start == *known
}

fn header(identity: &Identity, size: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&VERSION.to_be_bytes());
    header.extend_from_slice(&identity.path.0);
    header.extend_from_slice(&identity.entry.0);
    header.extend_from_slice(&size.to_be_bytes());
    let checksum = checksum(identity, &header);
    header.extend_from_slice(&checksum);
    header
}

fn record(identity: &Identity, chunk: u64, hash: &Hash) -> Vec<u8> {
    let mut record = Vec::with_capacity(RECORD_BYTES);
    record.extend_from_slice(&chunk.to_be_bytes());
    record.extend_from_slice(&hash.0);
    let checksum = checksum(identity, &record);
    record.extend_from_slice(&checksum);
    record
}

fn parse(identity: &Identity, bytes: &[u8]) -> Option<(u64, Hash)> {
    let (chunk, rest) = bytes.split_first_chunk()?;
    let (hash, sum) = rest.split_first_chunk()?;
    let is_whole = sum == checksum(identity, &bytes[..8 + 32]);
    is_whole.then(|| (u64::from_be_bytes(*chunk), Hash(*hash)))
}

/// Of these bytes in the journal of this entry, so that a record cannot stray from one journal into another.
fn checksum(identity: &Identity, bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let hash = blake3::keyed_hash(&identity.entry.0, bytes);
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&hash.as_bytes()[..CHECKSUM_BYTES]);
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 10 << 20;

    #[test]
    fn records_are_read_back_in_order() {
        let file = journal(&[0, 9, 3]);
        assert_eq!(recorded(&file), Some((vec![0, 9, 3], false)));
    }

    #[test]
    fn b_040_a_torn_last_record_is_ignored_and_replaced_by_the_next() {
        for torn in 1..RECORD_BYTES as u64 {
            let file = journal(&[1, 2, 3]);
            let length = file.metadata().unwrap().len();
            file.set_len(length - torn).unwrap();
            assert_eq!(recorded(&file), Some((vec![1, 2], true)));
            let mut journal = Journal::go_on(file.try_clone().unwrap(), identity(1), SIZE).unwrap();
            journal.record(7, &Hash::of_chunk(b"7")).unwrap();
            assert_eq!(recorded(&file), Some((vec![1, 2, 7], false)));
        }
    }

    #[test]
    fn b_040_a_flipped_bit_ends_what_is_believed() {
        let length = journal(&[1, 2, 3]).metadata().unwrap().len();
        for at in 0..length {
            let file = journal(&[1, 2, 3]);
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
            let believed = recorded(&file);
            match at.checked_sub(HEADER_BYTES as u64) {
                None => assert_eq!(believed, None),
                Some(at) => {
                    let whole = usize::try_from(at).unwrap() / RECORD_BYTES;
                    assert_eq!(believed, Some((vec![1, 2, 3][..whole].to_vec(), true)));
                }
            }
        }
    }

    #[test]
    fn b_040_an_empty_journal_or_one_of_another_entry_or_version_is_none() {
        let empty = tempfile::tempfile().unwrap();
        assert_eq!(recorded(&empty), None);
        let file = journal(&[1]);
        assert_eq!(read(&file, &identity(2), SIZE).unwrap(), None);
        assert_eq!(read(&file, &identity(1), SIZE + 1).unwrap(), None);
        file.write_all_at(&(VERSION + 1).to_be_bytes(), 8).unwrap();
        assert_eq!(recorded(&file), None);
    }

    #[test]
    fn b_040_a_journal_that_names_chunks_beyond_the_end_or_too_many_is_damaged() {
        assert_eq!(recorded(&journal(&[1, 10, 2])), Some((vec![1], true)));
        assert_eq!(recorded(&journal(&[1; 21])), Some((vec![1; 20], true)));
    }

    fn journal(chunks: &[u64]) -> File {
        let file = tempfile::tempfile().unwrap();
        let mut journal = Journal::begin(file.try_clone().unwrap(), identity(1), SIZE).unwrap();
        for chunk in chunks {
            journal.record(*chunk, &Hash::of_chunk(&chunk.to_be_bytes())).unwrap();
        }
        file
    }

    fn recorded(file: &File) -> Option<(Vec<u64>, bool)> {
        let recorded = read(file, &identity(1), SIZE).unwrap()?;
        Some((recorded.chunks.iter().map(|(chunk, _)| *chunk).collect(), recorded.is_damaged))
    }

    fn identity(entry: u8) -> Identity {
        Identity { path: Hash([7; 32]), entry: Hash([entry; 32]) }
    }
}
