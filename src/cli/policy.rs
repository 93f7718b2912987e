//! `Policy`: what is taken without asking, what is refused, and what a person decides.

use std::num::NonZeroU32;

use p2pshare::{Decision, OfferRequest};
use p2pshare_protocol::ctl::DeclineReason;
use p2pshare_protocol::offer::{EntryId, Offer};

use super::format;
use super::only::Only;
use super::questions::{Consent, Folder, has_hidden_names};
use super::report::{Exit, Report};
use super::ui::Ui;

/// What holds for every offer.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) yes: bool,
    pub(crate) allow_hidden: bool,
    pub(crate) only: Option<Only>,
    pub(crate) max_size: Option<u64>,
    pub(crate) max_files: Option<NonZeroU32>,
    /// The folder to receive into, if it is one.
    pub(crate) folder: Option<Folder>,
    /// Whether a person decides about names that are taken.
    pub(crate) asks_existing: bool,
}

impl Policy {
    /// Refuses to fill a home or system folder unseen, where a name may be a program's configuration.
    ///
    /// # Errors
    /// The folder is such a one.
    pub(crate) fn check_folder(&self) -> Result<(), Report> {
        let Some(folder) = self.folder.as_ref().filter(|_| self.yes && !self.allow_hidden) else { return Ok(()) };
        let Ok(real) = folder.path.canonicalize() else { return Ok(()) };
        let home = std::env::var_os("HOME").and_then(|home| std::path::PathBuf::from(home).canonicalize().ok());
        if home.as_ref() == Some(&real) || real.parent().is_none() || real.components().any(|c| c.as_os_str() == ".ssh")
        {
            let message = format!("--yes does not receive into {}", real.display());
            return Err(Report::new(Exit::Declined, message, "Name another folder with -o, or add --allow-hidden."));
        }
        Ok(())
    }

    /// Answers an offer; returns what is to be asked first, if a person decides.
    pub(crate) fn decide(&self, request: OfferRequest, ui: &Ui) -> Option<Box<Consent>> {
        let mut chosen: Vec<_> = request.offer.iter().map(|(id, _)| id).collect();
        if let Some(only) = &self.only {
            chosen = only.of(&request.offer, &chosen);
        }
        if let Some(why) = self.refusal(&request.offer, &chosen) {
            ui.say(&format!("refused: {why}"));
            request.decide(Decision::Decline(DeclineReason::Limit));
            return None;
        }
        let consent = Box::new(Consent::new(request, chosen, self.folder.clone().filter(|_| self.asks_existing)));
        if self.yes { consent.agree() } else { Some(consent) }
    }

    /// Why the offer is refused, if it is.
    fn refusal(&self, offer: &Offer, chosen: &[EntryId]) -> Option<String> {
        if chosen.is_empty() && self.only.is_some() {
            let offered = format::count(offer.entries().len(), "entry", "entries");
            return Some(format!("--only matches nothing of the {offered} on offer"));
        }
        let bytes: u64 = chosen.iter().filter_map(|id| offer.entry(*id)).map(|entry| entry.size).sum();
        if let Some(max) = self.max_size.filter(|max| bytes > *max) {
            return Some(format!("{} is more than {} (--max-size)", format::bytes(bytes), format::bytes(max)));
        }
        if let Some(max) = self.max_files.filter(|max| chosen.len() > max.get() as usize) {
            return Some(format!("{} entries are more than {max} (--max-files)", chosen.len()));
        }
        let is_hidden = self.yes && !self.allow_hidden && self.folder.is_some() && has_hidden_names(offer, chosen);
        is_hidden.then(|| "a name begins with a dot (--allow-hidden)".to_owned())
    }
}
