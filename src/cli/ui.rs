//! Shows events to whoever runs the program: a person, or a script that asked for JSON.

use std::io::{IsTerminal, Write};

use p2pshare::{Event, PeerId, VerifyRequest};
use p2pshare_protocol::offer::Offer;

use super::human::{Human, Manner};
use super::json::Json;
use super::report::{Exit, Report};

/// The two audiences.
pub(crate) enum Ui {
    Human(Box<Human>),
    Json(Json),
}

impl Ui {
    pub(crate) fn new(is_json: bool, manner: Manner) -> Self {
        if is_json { Self::Json(Json::default()) } else { Self::Human(Box::new(Human::new(manner))) }
    }

    /// Keeps everything but the payload off standard output.
    pub(crate) const fn keep_off_stdout(&mut self) {
        match self {
            Self::Human(human) => human.manner.is_off_stdout = true,
            Self::Json(json) => json.is_on_stderr = true,
        }
    }

    /// Takes note of what is sent.
    pub(crate) fn sends(&mut self, offer: &Offer) {
        if let Self::Human(human) = self {
            human.sends(offer);
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
            Self::Human(human) => human.offered(peer, offer),
            Self::Json(json) => json.offer(peer, offer),
        }
    }

    /// Shows a number that is about to be compared.
    pub(crate) fn verify(&mut self, peer: PeerId, request: &VerifyRequest) {
        if let Self::Json(json) = self {
            json.verify(peer, request);
        }
    }

    /// Tells that the share takes no more passwords.
    pub(crate) fn locked(&self) {
        match self {
            Self::Human(human) => human.locked(),
            Self::Json(json) => json.locked(),
        }
    }

    /// Whether the code goes to standard output by itself: where a script reads it, not where a person sees it anyway.
    pub(crate) fn prints_code(&self) -> bool {
        match self {
            Self::Human(human) => human.manner.is_quiet || !std::io::stdout().is_terminal(),
            Self::Json(_) => false,
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

    pub(crate) fn open_question(&mut self, text: &str) {
        if let Self::Human(human) = self {
            human.open_question(text);
        }
    }

    pub(crate) fn close_question(&mut self, is_line_ended: bool) {
        if let Self::Human(human) = self {
            human.close_question(is_line_ended);
        }
    }

    /// One line of payload on standard output.
    pub(crate) fn print(&self, line: &str) {
        if let Self::Human(human) = self
            && !human.manner.is_off_stdout
        {
            human.print(line);
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
pub(crate) fn fail(report: &Report, is_json: bool) -> Exit {
    if is_json {
        Json::default().error(report);
    } else {
        let _ = writeln!(std::io::stderr(), "{}", words(report));
    }
    report.exit
}

/// Reports that the program could not even start.
pub(crate) fn fail_early(message: &str) -> Exit {
    fail(&Report::new(Exit::Other, message, ""), false)
}

fn words(report: &Report) -> String {
    let hint = report.hint.as_ref().map_or_else(String::new, |hint| format!("\n       {hint}"));
    format!("error: {}{hint}", report.message)
}
