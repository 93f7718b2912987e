//! `Only`: patterns that choose entries of an offer.

use globset::{Glob, GlobSet, GlobSetBuilder};
use p2pshare_protocol::offer::{Entry, EntryId, EntryKind, Offer};

use super::report::{Exit, Report};

/// Globs, each of which may match a name or a whole path.
#[derive(Debug)]
pub(crate) struct Only(GlobSet);

impl Only {
    /// # Errors
    /// One of them is no pattern; the report names it.
    pub(crate) fn new(patterns: &[String]) -> Result<Self, Report> {
        let wrong =
            |error: globset::Error| Report::new(Exit::Usage, error.to_string(), "Write a pattern such as '*.jpg'.");
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            set.add(Glob::new(pattern).map_err(wrong)?);
        }
        set.build().map(Self).map_err(wrong)
    }

    /// The entries that match. A folder comes along where something in it does.
    pub(crate) fn of(&self, offer: &Offer, among: &[EntryId]) -> Vec<EntryId> {
        among.iter().copied().filter(|id| offer.entry(*id).is_some_and(|entry| self.is_match(entry))).collect()
    }

    fn is_match(&self, entry: &Entry) -> bool {
        entry.kind != EntryKind::Dir && (self.0.is_match(entry.path.joined()) || self.0.is_match(entry.path.name()))
    }
}
