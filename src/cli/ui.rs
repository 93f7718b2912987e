//! Shows events to whoever runs the program: a person, or a script that asked for JSON.

use std::io::{IsTerminal, Write};

use p2pshare::{Event, PeerId, VerifyRequest};
use p2pshare_protocol::offer::Offer;

use super::args::CommonArgs;
use super::human::Human;
use super::json::Json;
use super::report::{Exit, Report};

/// The two audiences.
pub(crate) enum Ui {
    Human(Human),
    Json(Json),
}

impl Ui {
    pub(crate) fn new(common: &CommonArgs, is_sender: bool, show_qr: bool) -> Self {
        if common.json {
            Self::Json(Json::default())
        } else {
            Self::Human(Human::new(is_sender, common.quiet, show_qr))
        }
    }

    /// Takes note of what is moved.
    pub(crate) fn describe(&mut self, offer: &Offer) {
        if let Self::Human(human) = self {
            human.describe(offer);
        }
    }

    pub(crate) fn show(&mut self, event: &Event) {
        match self {
            Self::Human(human) => human.show(event),
            Self::Json(json) => json.show(event),
        }
    }

    /// Shows an offer that is about to be decided.
    pub(crate) fn offered(&mut self, peer: PeerId, offer: &Offer) {
        match self {
            Self::Human(human) => {
                human.describe(offer);
                human.clear();
            }
            Self::Json(json) => json.offer(peer, offer),
        }
    }

    /// Keeps everything but the payload off standard output.
    pub(crate) const fn keep_off_stdout(&mut self) {
        match self {
            Self::Human(human) => human.is_off_stdout = true,
            Self::Json(json) => json.is_on_stderr = true,
        }
    }

    /// Whether the code goes to standard output by itself: where a script reads it, not where a person sees it anyway.
    pub(crate) fn prints_code(&self) -> bool {
        match self {
            Self::Human(human) => human.is_quiet || !std::io::stdout().is_terminal(),
            Self::Json(_) => false,
        }
    }

    /// Takes note of whether this side shows a code or has one.
    pub(crate) const fn is_host(&mut self, is_host: bool) {
        if let Self::Human(human) = self {
            human.is_host = is_host;
        }
    }

    /// A line for people.
    pub(crate) fn say(&self, line: &str) {
        if let Self::Human(human) = self {
            human.say(line);
        }
    }

    /// Puts a text on the clipboard of the terminal, also over ssh (OSC 52).
    pub(crate) fn copy(&self, text: &str) {
        if !std::io::stderr().is_terminal() {
            return;
        }
        let encoded = data_encoding::BASE64.encode(text.as_bytes());
        // A terminal that does not know the sequence ignores it.
        let _ = write!(std::io::stderr(), "\x1b]52;c;{encoded}\x07");
    }

    /// Makes room for a question.
    pub(crate) fn make_room(&mut self) {
        if let Self::Human(human) = self {
            human.clear();
        }
    }

    /// Tells that the share takes no more passwords.
    pub(crate) fn locked(&mut self) {
        match self {
            Self::Human(human) => human.locked(),
            Self::Json(json) => json.locked(),
        }
    }

    /// Makes room for the question about a short number, or tells the number to a script.
    pub(crate) fn asks(&mut self, peer: PeerId, request: &VerifyRequest) {
        match self {
            Self::Human(human) => human.clear(),
            Self::Json(json) => json.verify(peer, request),
        }
    }

    /// One line of payload on standard output.
    pub(crate) fn print(&self, line: &str) {
        if matches!(self, Self::Human(human) if !human.is_off_stdout) {
            let mut out = std::io::stdout().lock();
            // A reader that went away is no reason to stop a transfer.
            let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        }
    }

    /// The last words of a program that failed.
    pub(crate) fn fail(&mut self, report: &Report) -> Exit {
        match self {
            Self::Json(json) => json.error(report),
            Self::Human(human) => {
                human.clear();
                if report.exit != Exit::Interrupted && report.exit != Exit::Terminated || report.is_resumable {
                    human.always_say(&words(report));
                }
            }
        }
        report.exit
    }
}

/// Reports a failure before there is anything to show it with.
pub(crate) fn fail(report: &Report) -> Exit {
    let _ = writeln!(std::io::stderr(), "{}", words(report));
    report.exit
}

/// Reports that the program could not even start.
pub(crate) fn fail_early(message: &str) -> Exit {
    fail(&Report::new(Exit::Other, message, ""))
}

fn words(report: &Report) -> String {
    let hint = report.hint.as_ref().map_or_else(String::new, |hint| format!("\n       {hint}"));
    format!("error: {}{hint}", report.message)
}
