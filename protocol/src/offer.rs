//! The offer: what a sender proposes, frozen once it is accepted.

use serde::{Deserialize, Serialize};

use crate::entry_path::EntryPath;
use crate::limits::{ENTRY_BYTES_MAX, OFFER_ENTRIES_MAX, TEXT_BYTES_MAX};

/// The place of an entry in the offer, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(pub u32);

/// What an entry is. Links, devices, FIFOs and sockets have no kind: they cannot be offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A file of known size.
    File,
    /// A folder; its content are entries of their own.
    Dir,
    /// A text to be shown, UTF-8.
    Text,
    /// Bytes without a known size, ended by `eof`.
    Stream,
}

/// One thing on offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it belongs, relative to the receiver's destination.
    pub path: EntryPath,
    /// What it is.
    pub kind: EntryKind,
    /// Its size in bytes; 0 for folders and streams.
    #[serde(default)]
    pub size: u64,
    /// When it was last changed: nanoseconds since 1970-01-01 UTC, absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtime: Option<i64>,
    /// Unix permission bits; only the owner's execute bit has an effect at the receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

/// A whole offer that keeps to the limits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    entries: Vec<Entry>,
    bytes: u64,
}

impl Offer {
    /// Builds an offer from its entries, in order.
    ///
    /// # Errors
    /// Names the limit that is broken.
    pub fn new(entries: Vec<Entry>) -> Result<Self, OfferError> {
        let mut offer = Self::default();
        offer.extend(entries)?;
        Ok(offer)
    }

    /// Adds a page of entries.
    ///
    /// # Errors
    /// Names the limit that is broken; nothing of the page is added then.
    pub fn extend(&mut self, page: Vec<Entry>) -> Result<(), OfferError> {
        if self.entries.len() + page.len() > OFFER_ENTRIES_MAX {
            return Err(OfferError::TooManyEntries);
        }
        let mut bytes = self.bytes;
        for entry in &page {
            bytes = bytes.checked_add(check_size(entry)?).ok_or(OfferError::TooLarge)?;
        }
        self.bytes = bytes;
        self.entries.extend(page);
        Ok(())
    }

    /// The entries, in the order of their identifiers.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry with this identifier, if there is one.
    #[must_use]
    pub fn entry(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(usize::try_from(id.0).ok()?)
    }

    /// The sum of the sizes, in bytes. Streams count 0.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// All entries with their identifiers.
    pub fn iter(&self) -> impl Iterator<Item = (EntryId, &Entry)> {
        (0..).map(EntryId).zip(&self.entries)
    }
}

/// Why an offer is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// More entries than the limit.
    #[error("an offer has more than {OFFER_ENTRIES_MAX} entries")]
    TooManyEntries,
    /// An entry, or the sum of all, is larger than the limit.
    #[error("an offer is larger than {ENTRY_BYTES_MAX} bytes")]
    TooLarge,
    /// A folder or a stream that states a size.
    #[error("a folder or stream states a size")]
    SizeOfNoFile,
    /// A text that is too long to be shown.
    #[error("a text is longer than {TEXT_BYTES_MAX} bytes")]
    TextTooLong,
}

fn check_size(entry: &Entry) -> Result<u64, OfferError> {
    match entry.kind {
        EntryKind::File if entry.size > ENTRY_BYTES_MAX => Err(OfferError::TooLarge),
        EntryKind::Text if entry.size > TEXT_BYTES_MAX => Err(OfferError::TextTooLong),
        EntryKind::Dir | EntryKind::Stream if entry.size != 0 => Err(OfferError::SizeOfNoFile),
        EntryKind::File | EntryKind::Text | EntryKind::Dir | EntryKind::Stream => Ok(entry.size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_beyond_the_limit_are_refused() {
        assert_eq!(Offer::new(vec![entry(EntryKind::File, u64::MAX)]), Err(OfferError::TooLarge));
        assert_eq!(Offer::new(vec![entry(EntryKind::Dir, 1)]), Err(OfferError::SizeOfNoFile));
        let many = vec![entry(EntryKind::File, ENTRY_BYTES_MAX); 300];
        assert_eq!(Offer::new(many), Err(OfferError::TooLarge), "the sum overflows");
    }

    #[test]
    fn entries_beyond_the_limit_are_refused() {
        let mut offer = Offer::new(vec![entry(EntryKind::File, 1); OFFER_ENTRIES_MAX]).expect("at the limit");
        assert_eq!(offer.extend(vec![entry(EntryKind::File, 1)]), Err(OfferError::TooManyEntries));
        assert_eq!(offer.entries().len(), OFFER_ENTRIES_MAX);
    }

    #[test]
    fn a_link_cannot_be_offered() {
        let json = r#"{"path":["x"],"kind":"symlink","size":1}"#;
        assert!(serde_json::from_str::<Entry>(json).is_err());
    }

    fn entry(kind: EntryKind, size: u64) -> Entry {
        let path = EntryPath::new(vec!["x".to_owned()]).expect("a path");
        Entry { path, kind, size, mtime: None, mode: None }
    }
}
