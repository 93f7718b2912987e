//! `Consent`: whether to take an offer, what of it, and what to do about names that are taken; all before a byte flows.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use p2pshare::storage::sink::{Conflict, OnExists, SinkOptions, conflicts};
use p2pshare::{Decision, OfferRequest};
use p2pshare_protocol::ctl::DeclineReason;
use p2pshare_protocol::offer::{EntryId, EntryKind, Offer};

use crate::cli::format;
use crate::cli::menu::Menu;
use crate::cli::text::Untrusted;
use crate::cli::ui::Ui;
use crate::cli::words::label;

/// An offer that a person decides on.
#[derive(Debug)]
pub(crate) struct Consent {
    pub(super) request: OfferRequest,
    entries: Vec<EntryId>,
    /// Where to look for names that are taken, if the person wants to be asked about them.
    folder: Option<Folder>,
    step: Step,
}

/// The folder that is received into.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    pub(crate) options: SinkOptions,
}

#[derive(Debug)]
enum Step {
    /// Take it?
    Take,
    /// What of it?
    Choose,
    /// What about this name that is taken, and those behind it?
    Existing { conflicts: VecDeque<Conflict>, on_exists: HashMap<EntryId, OnExists> },
}

impl Consent {
    pub(crate) const fn new(request: OfferRequest, entries: Vec<EntryId>, folder: Option<Folder>) -> Self {
        Self { request, entries, folder, step: Step::Take }
    }

    /// What is asked.
    pub(crate) fn text(&self) -> String {
        let offer = &self.request.offer;
        match &self.step {
            Step::Take => take(offer, &self.entries),
            Step::Choose => {
                let list = Menu::new(offer, &self.entries).lines(rows().max(LISTED_MAX), true);
                format!("{list}Which? Numbers such as 1 3-5, patterns such as '*.jpg', or nothing to go back: ")
            }
            Step::Existing { conflicts, .. } => conflicts.front().map_or_else(String::new, |conflict| {
                let name = Untrusted(&conflict.path);
                match conflicts.len() {
                    1 => {
                        format!("{name} is there already: [r]ename the new one, [s]kip it, [o]verwrite, [c]ancel? [r] ")
                    }
                    left => format!(
                        "{name} is there already: [r]ename the new one, [s]kip it, [o]verwrite, [c]ancel?\n\
                         R, S or O answers for all {left} that are left. [r] "
                    ),
                }
            }),
        }
    }

    /// Carries the answer out; returns itself when there is more to ask.
    pub(crate) fn answer(self: Box<Self>, line: Option<&str>, ui: &Ui) -> Option<Box<Self>> {
        let Some(line) = line.map(str::trim) else { return self.decline() };
        match self.step {
            Step::Take => self.answer_take(line),
            Step::Choose => self.answer_choose(line, ui),
            Step::Existing { .. } => self.answer_existing(line),
        }
    }

    fn answer_take(mut self: Box<Self>, line: &str) -> Option<Box<Self>> {
        match line.to_lowercase().as_str() {
            "" | "y" | "yes" => self.agree(),
            "s" | "select" if self.entries.len() > 1 => {
                self.step = Step::Choose;
                Some(self)
            }
            "n" | "no" => self.decline(),
            // Whatever it was meant to be, it was no consent.
            _ => Some(self),
        }
    }

    fn answer_choose(mut self: Box<Self>, line: &str, ui: &Ui) -> Option<Box<Self>> {
        if line.is_empty() {
            self.step = Step::Take;
            return Some(self);
        }
        let offer = Arc::clone(&self.request.offer);
        match Menu::new(&offer, &self.entries).choose(line, &offer, &self.entries) {
            Ok(chosen) => {
                self.entries = chosen;
                self.agree()
            }
            Err(why) => {
                ui.say(&why);
                Some(self)
            }
        }
    }

    /// Takes the offer, once it is decided what happens to names that are taken.
    pub(crate) fn agree(mut self: Box<Self>) -> Option<Box<Self>> {
        let offer = &self.request.offer;
        let is_stored = |id: &EntryId| offer.entry(*id).is_some_and(|entry| entry.kind != EntryKind::Text);
        let stored: Vec<_> = self.entries.iter().copied().filter(is_stored).collect();
        // What the disk says against it is said again, and reported, when the destination is opened.
        let is_new_folder = |folder: &&Folder| folder.options.name.is_some() && !is_one_file(offer, &stored);
        let found = self.folder.as_ref().filter(|folder| !is_new_folder(folder)).and_then(|folder| {
            tokio::task::block_in_place(|| conflicts(&folder.path, offer, &stored, &folder.options)).ok()
        });
        let conflicts: VecDeque<_> = found.unwrap_or_default().into();
        if conflicts.is_empty() {
            return self.accept(HashMap::new());
        }
        self.step = Step::Existing { conflicts, on_exists: HashMap::new() };
        Some(self)
    }

    fn answer_existing(mut self: Box<Self>, line: &str) -> Option<Box<Self>> {
        let Step::Existing { conflicts, on_exists } = &mut self.step else { return Some(self) };
        let how = match line {
            "" | "r" | "R" => OnExists::Rename,
            "s" | "S" => OnExists::Skip,
            "o" | "O" => OnExists::Overwrite,
            "c" | "C" => return self.decline(),
            _ => return Some(self),
        };
        let answered = if line.starts_with(char::is_uppercase) { conflicts.len() } else { 1 };
        on_exists.extend(conflicts.drain(..answered).map(|conflict| (conflict.entry, how)));
        if !conflicts.is_empty() {
            return Some(self);
        }
        let on_exists = std::mem::take(on_exists);
        self.accept(on_exists)
    }

    fn accept(self: Box<Self>, on_exists: HashMap<EntryId, OnExists>) -> Option<Box<Self>> {
        self.request.decide(Decision::Accept { entries: self.entries, on_exists });
        None
    }

    fn decline(self: Box<Self>) -> Option<Box<Self>> {
        self.request.decide(Decision::Decline(DeclineReason::Declined));
        None
    }
}

/// What is offered, and whether to take it.
fn take(offer: &Offer, chosen: &[EntryId]) -> String {
    let entries: Vec<_> = chosen.iter().filter_map(|id| offer.entry(*id)).collect();
    let hidden = if has_hidden_names(offer, chosen) { ", with hidden names" } else { "" };
    let bytes = format::bytes(entries.iter().map(|entry| entry.size).sum());
    match entries[..] {
        [only] if only.kind == EntryKind::Text => format!("Receive a text ({bytes})? [Y/n] "),
        [only] if only.kind == EntryKind::Stream => format!("Receive {} (a stream{hidden})? [Y/n] ", label(offer)),
        [only] => format!("Receive {} ({bytes}{hidden})? [Y/n] ", Untrusted(only.path.name())),
        _ => {
            let files = entries.iter().filter(|entry| entry.kind != EntryKind::Dir).count();
            let list = Menu::new(offer, chosen).lines(LISTED_MAX, false);
            let (files, label) = (format::count(files, "file", "files"), label(offer));
            // Without a folder around all of them their number is all that they are called.
            let details = if label == files { bytes } else { format!("{files}, {bytes}") };
            format!("{list}Receive {label} ({details}{hidden})? [Y/n, s to select] ")
        }
    }
}

fn is_one_file(offer: &Offer, stored: &[EntryId]) -> bool {
    matches!(stored, [only] if offer.entry(*only).is_some_and(|entry| entry.kind != EntryKind::Dir))
}

/// Whether anything at the top would be hidden.
pub(crate) fn has_hidden_names(offer: &Offer, chosen: &[EntryId]) -> bool {
    chosen.iter().filter_map(|id| offer.entry(*id)).any(|entry| entry.path.components()[0].starts_with('.'))
}

/// How many lines fit on the screen beside a question.
fn rows() -> usize {
    rustix::termios::tcgetwinsize(std::io::stderr()).map_or(0, |size| usize::from(size.ws_row)).saturating_sub(4)
}

/// How many lines of an offer are shown with the question.
const LISTED_MAX: usize = 10;
