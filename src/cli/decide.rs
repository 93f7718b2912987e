//! Decides on an offer, a number or a password: by rule, or by asking.

use std::io::{BufRead, Write};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

use globset::GlobSet;
use p2pshare::{Decision, OfferRequest, PasswordRequest, UnlockRequest, VerifyRequest};
use p2pshare_protocol::ctl::DeclineReason;
use p2pshare_protocol::offer::{EntryId, EntryKind, Offer};

use super::args::CommonArgs;
use super::format;
use super::human::label;
use super::report::{Exit, Report};
use super::secret;
use super::setup;
use super::text::Untrusted;
use super::ui::Ui;

/// Asks the person, if one is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) may_ask: bool,
}

impl Asker {
    pub(crate) fn new(common: &CommonArgs) -> Self {
        Self { may_ask: setup::may_ask(common) }
    }

    /// Asks whether the other side shows the same number; where nobody can be asked, the answer is no.
    pub(crate) fn verify(self, request: VerifyRequest) {
        if self.may_ask {
            let question = format!("The other side shows a number. Is it {}? [y/N] ", request.number);
            tokio::task::spawn_blocking(move || request.confirm(ask(&question, false)));
        }
    }

    /// Asks whether to take passwords again; where nobody can be asked, the share stays locked.
    pub(crate) fn unlock(self, request: UnlockRequest) {
        if self.may_ask {
            tokio::task::spawn_blocking(move || {
                if ask("Allow more passwords? [y/N] ", false) {
                    request.unlock();
                }
            });
        }
    }

    /// Asks for the share's password; where nobody can be asked, the pairing stops.
    pub(crate) fn password(self, request: PasswordRequest) {
        if self.may_ask {
            tokio::task::spawn_blocking(move || {
                if let Ok(password) = secret::ask(false) {
                    request.give(password);
                }
            });
        }
    }
}

/// What is taken without asking, and where to.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) yes: bool,
    pub(crate) allow_hidden: bool,
    pub(crate) only: Option<GlobSet>,
    pub(crate) max_size: Option<u64>,
    pub(crate) max_files: Option<NonZeroU32>,
    /// The folder to receive into, if it is one.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) asker: Asker,
}

impl Policy {
    /// Refuses to fill a home or system folder unseen, where a name may be a program's configuration.
    ///
    /// # Errors
    /// The folder is such a one.
    pub(crate) fn check_folder(&self) -> Result<(), Report> {
        let Some(folder) = self.folder.as_ref().filter(|_| self.yes && !self.allow_hidden) else { return Ok(()) };
        let Ok(real) = folder.canonicalize() else { return Ok(()) };
        let home = std::env::var_os("HOME").and_then(|home| PathBuf::from(home).canonicalize().ok());
        if home.as_ref() == Some(&real) || real.parent().is_none() || real.components().any(|c| c.as_os_str() == ".ssh")
        {
            let message = format!("--yes does not receive into {}", real.display());
            return Err(Report::new(Exit::Declined, message, "Name another folder with -o, or add --allow-hidden."));
        }
        Ok(())
    }

    /// Answers an offer.
    pub(crate) fn decide(&self, request: OfferRequest, ui: &Ui) {
        let offer = Arc::clone(&request.offer);
        let chosen = self.chosen(&offer);
        if let Some(why) = self.refusal(&offer, &chosen) {
            ui.say(&format!("refused: {why}"));
            return request.decide(Decision::Decline(DeclineReason::Limit));
        }
        if self.yes {
            return request.decide(Decision::Accept(chosen));
        }
        let question = question(&offer, &chosen);
        // The session goes on while the person thinks, so the answer is sent from the thread that waits for it.
        tokio::task::spawn_blocking(move || {
            let answer = ask(&question, true);
            request.decide(if answer { Decision::Accept(chosen) } else { Decision::Decline(DeclineReason::Declined) });
        });
    }

    /// The entries that `--only` lets in; folders come along where something in them does.
    fn chosen(&self, offer: &Offer) -> Vec<EntryId> {
        let Some(only) = &self.only else { return offer.iter().map(|(id, _)| id).collect() };
        let matches = |path: &str, name: &str| only.is_match(path) || only.is_match(name);
        let is_chosen = |(_, entry): &(EntryId, &p2pshare_protocol::offer::Entry)| {
            entry.kind != EntryKind::Dir && matches(&entry.path.joined(), entry.path.name())
        };
        offer.iter().filter(is_chosen).map(|(id, _)| id).collect()
    }

    /// Why the offer is over a limit, if it is.
    fn refusal(&self, offer: &Offer, chosen: &[EntryId]) -> Option<String> {
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

/// Whether anything at the top would be hidden.
fn has_hidden_names(offer: &Offer, chosen: &[EntryId]) -> bool {
    chosen.iter().filter_map(|id| offer.entry(*id)).any(|entry| entry.path.components()[0].starts_with('.'))
}

fn question(offer: &Offer, chosen: &[EntryId]) -> String {
    let entries: Vec<_> = chosen.iter().filter_map(|id| offer.entry(*id)).collect();
    let mut lines = String::new();
    if entries.len() > 1 {
        for entry in entries.iter().take(LISTED_MAX) {
            let size = if entry.kind == EntryKind::Dir { String::new() } else { format::bytes(entry.size) };
            lines += &format!("  {size:>9}  {}\n", Untrusted(&entry.path.to_string()));
        }
        let more = entries.len().saturating_sub(LISTED_MAX);
        if more > 0 {
            lines += &format!("             and {more} more\n");
        }
    }
    let files = entries.iter().filter(|entry| entry.kind != EntryKind::Dir).count();
    let bytes = entries.iter().map(|entry| entry.size).sum();
    let size = match entries[..] {
        [only] if only.kind == EntryKind::Stream => "a stream".to_owned(),
        [_] => format::bytes(bytes),
        _ => format!("{}, {}", format::count(files, "file", "files"), format::bytes(bytes)),
    };
    let hidden = if has_hidden_names(offer, chosen) { ", with hidden names" } else { "" };
    format!("{lines}Receive {} ({size}{hidden})? [Y/n] ", label(offer))
}

/// Asks on standard error, reads from standard input.
fn ask(question: &str, default: bool) -> bool {
    let mut stderr = std::io::stderr();
    if write!(stderr, "{question}").and_then(|()| stderr.flush()).is_err() {
        return false;
    }
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        Ok(read) if read > 0 => match answer.trim().to_lowercase().as_str() {
            "" => default,
            answer => matches!(answer, "y" | "yes"),
        },
        Ok(_) | Err(_) => false,
    }
}

/// How many entries a question lists.
const LISTED_MAX: usize = 10;
