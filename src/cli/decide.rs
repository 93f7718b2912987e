//! Decides on an offer: by rule, or by asking.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;

use p2pshare::{Decision, OfferRequest, VerifyRequest};
use p2pshare_protocol::ctl::DeclineReason;
use p2pshare_protocol::offer::{EntryId, Offer};

use super::format;
use super::human::label;
use super::text::Untrusted;

/// What is taken without asking, and where to.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) yes: bool,
    pub(crate) allow_hidden: bool,
    pub(crate) folder: PathBuf,
    pub(crate) asks_on_exists: bool,
    /// Whether a person is there to be asked.
    pub(crate) may_ask: bool,
}

impl Policy {
    /// Answers an offer.
    pub(crate) async fn decide(&self, request: OfferRequest) {
        let offer = Arc::clone(&request.offer);
        let accept = Decision::Accept(offer.iter().map(|(id, _)| id).collect::<Vec<EntryId>>());
        let decline = Decision::Decline(DeclineReason::Declined);
        if self.yes {
            let hidden = !self.allow_hidden && has_hidden_names(&offer);
            request.decide(if hidden { Decision::Decline(DeclineReason::Limit) } else { accept });
            return;
        }
        let question = question(&offer);
        // The session goes on while the person thinks, so the answer is sent from the thread that waits for it.
        tokio::task::spawn_blocking(move || request.decide(if ask(&question, true) { accept } else { decline }));
    }
}

/// Asks whether the other side shows the same number; where nobody can be asked, the answer is no.
pub(crate) fn verify(request: VerifyRequest, may_ask: bool) {
    if may_ask {
        let question = format!("The other side shows a number. Is it {}? [y/N] ", request.number);
        tokio::task::spawn_blocking(move || request.confirm(ask(&question, false)));
    }
}

/// Whether anything at the top would be hidden.
fn has_hidden_names(offer: &Offer) -> bool {
    offer.entries().iter().any(|entry| entry.path.components()[0].starts_with('.'))
}

fn question(offer: &Offer) -> String {
    let files = offer.entries().iter().filter(|entry| entry.size > 0 || entry.mtime.is_some()).count();
    let mut lines = String::new();
    if offer.entries().len() > 1 {
        for entry in offer.entries().iter().take(LISTED_MAX) {
            let size = format::bytes(entry.size);
            lines += &format!("  {:>9}  {}\n", size, Untrusted(&entry.path.to_string()));
        }
        let more = offer.entries().len().saturating_sub(LISTED_MAX);
        if more > 0 {
            lines += &format!("             and {more} more\n");
        }
    }
    let (label, size) = (label(offer), format::bytes(offer.bytes()));
    let hidden = if has_hidden_names(offer) { " (with hidden names)" } else { "" };
    let things = format::count(files, "entry", "entries");
    format!("{lines}Receive {label}, {things}, {size}{hidden}? [Y/n] ")
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
