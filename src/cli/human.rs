//! Events as a person reads them: lines, questions and progress on standard error.

#![expect(clippy::wildcard_enum_match_arm, reason = "the enums of the library grow; each place handles what it knows")]

mod bars;

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::time::Instant;

use p2pshare::transport::{DataPlane, Path};
use p2pshare::{Event, PeerId, Stage, Summary};
use p2pshare_protocol::code::Code;
use p2pshare_protocol::link::{Link, Origin};
use p2pshare_protocol::nearby::DeviceName;
use p2pshare_protocol::offer::Offer;

use super::format;
use super::qr;
use super::report::Report;
use super::text::Untrusted;
use super::words::{self, What};
use bars::{Bars, Trouble, View};

/// What is said, to whom and about what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) is_sender: bool,
    /// Whether this side shows a code instead of having one.
    pub(crate) is_host: bool,
    /// Whether several peers may be served.
    pub(crate) is_shared: bool,
    pub(crate) is_quiet: bool,
    /// Whether every single notice is shown.
    pub(crate) is_verbose: bool,
    pub(crate) show_qr: bool,
    /// Whether standard output belongs to the payload.
    pub(crate) is_off_stdout: bool,
    /// Whether the other device has to be told which server to use.
    pub(crate) names_server: bool,
}

/// Shows what happens.
pub(crate) struct Human {
    pub(crate) manner: Manner,
    is_terminal: bool,
    bars: Bars,
    /// What this side sends; what it receives is known of each peer.
    what: What,
    peers: HashMap<PeerId, View>,
    /// The question on the screen.
    question: Option<String>,
    notices: usize,
}

impl Human {
    pub(crate) fn new(manner: Manner) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self {
            manner,
            is_terminal,
            bars: Bars::new(is_terminal && !manner.is_quiet),
            what: What::default(),
            peers: HashMap::new(),
            question: None,
            notices: 0,
        }
    }

    /// Takes note of what is sent.
    pub(crate) fn sends(&mut self, offer: &Offer) {
        self.what = What::new(offer);
    }

    /// Takes note of what a peer offers.
    pub(crate) fn offered(&mut self, peer: PeerId, offer: &Offer) {
        self.view(peer).what = Some(What::new(offer));
    }

    pub(crate) fn show(&mut self, event: &Event) {
        match event {
            Event::Shared { code, link } => self.shared(code, link),
            Event::Recognised(_, name) => self.say(&format!("{name} is known here by its key")),
            Event::Remembered(_, name) => self.say(&format!("{name} is remembered (`p2pshare devices` lists all)")),
            Event::Visible { name, origin } => self.visible(name, origin),
            Event::SourceNotice(notice) => self.note(&words::source_notice(notice)),
            Event::SinkNotice(peer, notice) => self.note(&self.what(*peer).sink_notice(notice)),
            Event::Stage(peer, stage) => self.stage(*peer, *stage),
            Event::WrongCode { left } => self.wrong_code(*left),
            Event::Named(peer, name) => self.view(*peer).name = name.to_string(),
            Event::Path(peer, path, plane) => self.path(*peer, *path, *plane),
            Event::SmallSocketBuffers { granted, wanted } => self.small_buffers(*granted, *wanted),
            Event::Accepted { peer, entries, bytes } => self.accepted(*peer, *entries, *bytes),
            Event::Resumed(peer, bytes) => {
                self.view(*peer).resumed(*bytes);
                self.say(&format!("continuing: {} are already here", format::bytes(*bytes)));
            }
            Event::Present(peer, bytes) => self.view(*peer).resumed(*bytes),
            Event::Progress { peer, bytes, entries } => self.progress(*peer, *bytes, *entries),
            Event::Skipped { peer, entry, reason } => self.note(&self.what(*peer).skipped(*entry, *reason)),
            Event::NotStored { error, .. } => self.note(&format!("not stored: {}", Untrusted(&error.to_string()))),
            Event::Reconnecting(peer) => {
                self.disturbed(*peer, "the connection is lost; looking for the other side", Some(Trouble::Lost));
            }
            Event::Reconnected(peer) => self.disturbed(*peer, "connected again, continuing", None),
            Event::WrongPassword { left } => self.wrong_password(*left),
            Event::Paused(_, true) => self.say("the receiver paused"),
            Event::Paused(_, false) => self.say("the receiver continues"),
            Event::Disturbed(peer, true) => {
                self.disturbed(*peer, "the connection is disturbed; waiting for it", Some(Trouble::Silent));
            }
            Event::Disturbed(peer, false) => self.disturbed(*peer, "the connection is fine again", None),
            Event::Done(peer, summary) => self.done(*peer, summary),
            Event::Failed(peer, error) => self.failed(*peer, &Report::of(error, None)),
            _ => {}
        }
    }

    /// A line above bars and questions.
    pub(crate) fn say(&self, line: &str) {
        if !self.manner.is_quiet {
            self.always_say(line);
        }
    }

    /// A line also when quiet.
    pub(crate) fn always_say(&self, line: &str) {
        // Nobody may be listening any more; that is no reason to stop a transfer.
        self.bars.aside(|| {
            let mut stderr = std::io::stderr().lock();
            let _ = match &self.question {
                Some(question) => write!(stderr, "\r\x1b[K{line}\n{question}"),
                None => writeln!(stderr, "{line}"),
            };
            let _ = stderr.flush();
        });
    }

    /// A line on standard output.
    pub(crate) fn print(&self, line: &str) {
        self.bars.aside(|| {
            let mut out = std::io::stdout().lock();
            // A reader that went away is no reason to stop a transfer.
            let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        });
    }

    /// A line of which there may be thousands.
    fn note(&mut self, line: &str) {
        self.notices += 1;
        if self.notices <= NOTICES_MAX || self.manner.is_verbose {
            self.say(line);
        }
    }

    /// Says how many notices were not shown.
    fn close_notices(&mut self) {
        let more = std::mem::take(&mut self.notices).saturating_sub(NOTICES_MAX);
        if more > 0 && !self.manner.is_verbose {
            self.say(&format!("and {} (-v shows all)", format::count(more, "more notice", "more notices")));
        }
    }

    /// Puts a question on the screen; bars are out of sight until it is closed.
    pub(crate) fn open_question(&mut self, text: &str) {
        self.bars.hide();
        let mut stderr = std::io::stderr().lock();
        let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
        // Lines that are printed in between bring back the last line of it.
        self.question = Some(text.rsplit('\n').next().unwrap_or_default().to_owned());
    }

    /// Takes note that the question was answered, or is void.
    pub(crate) fn close_question(&mut self, is_line_ended: bool) {
        if self.question.take().is_some() {
            if !is_line_ended {
                let _ = writeln!(std::io::stderr());
            }
            self.bars.show();
        }
    }

    /// Takes the bars away, for the last words.
    pub(crate) fn clear(&mut self) {
        self.close_question(false);
        self.close_notices();
        for view in self.peers.values_mut() {
            view.take_bar();
        }
    }

    fn visible(&mut self, name: &DeviceName, origin: &Origin) {
        self.close_notices();
        let server = if self.manner.names_server { format!(" -s {origin}") } else { String::new() };
        let to = if name.as_str().contains(|c: char| !c.is_alphanumeric() && !"@.-_".contains(c)) {
            format!("'{name}'")
        } else {
            name.to_string()
        };
        self.say(&format!(
            "\nVisible on this network as {name}\n\nOn another device run:\n    p2pshare send FILE --to {to}{server}\nor open {origin} in a browser.\n"
        ));
    }

    fn shared(&mut self, code: &Code, link: &Link) {
        if self.manner.is_quiet {
            return;
        }
        self.close_notices();
        let is_sender = self.manner.is_sender;
        let what = if is_sender { format!("Sharing {}", self.what.label) } else { "The inbox is open".to_owned() };
        let mut lines = format!("\n{what}\n\n");
        if self.manner.show_qr && self.is_terminal {
            let with_colors = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
            if let Some(drawn) = qr::draw(&link.to_string(), bars::columns(), with_colors) {
                lines += &format!("{drawn}\n");
            }
        }
        lines += &format!("    code   {}\n    link   {link}\n\n", code.spaced());
        let command = if is_sender { format!("recv {code}") } else { format!("send FILE --to {code}") };
        let server = if self.manner.names_server { format!(" -s {}", link.origin().as_str()) } else { String::new() };
        lines += &format!("On the other device open the link, or run:\n    p2pshare {command}{server}\n");
        self.say(&lines);
    }

    fn stage(&mut self, peer: PeerId, stage: Stage) {
        let words = match (stage, self.manner.is_sender) {
            (Stage::Crowded(wait), _) => {
                let wait = wait.as_secs();
                return self
                    .say(&format!("the server asks to wait {wait} s: too much came from this network just now"));
            }
            (Stage::Server, true) => "reaching the server",
            (Stage::Server, false) => "looking for the share",
            (Stage::Busy, _) => "the share is busy, waiting for a place",
            (Stage::Pairing, _) => "verifying the code",
            (Stage::Connecting, _) => "connecting",
            (Stage::Detour, _) => return self.say("no direct way so far, trying the way through the server"),
            (Stage::Connected, true) => "waiting for the other side to accept",
            (Stage::Connected, false) => "waiting for the offer",
        };
        if stage == Stage::Server && self.manner.is_host {
            return;
        }
        let view = self.peers.entry(peer).or_default();
        self.bars.stage(view, words);
    }

    fn path(&mut self, peer: PeerId, path: Path, plane: DataPlane) {
        let before = self.view(peer).path.replace((path, plane)).map(|(path, _)| path.kind);
        if let Some(news) = words::path_news(before, &path) {
            self.say(&news);
        }
    }

    fn wrong_code(&self, left: u8) {
        let then = match left {
            0 => "this code is no longer active, a new one follows".to_owned(),
            1 => "1 try left before the code changes".to_owned(),
            left => format!("{left} tries left before the code changes"),
        };
        self.always_say(&format!("warning: somebody tried a wrong code; {then}"));
    }

    fn wrong_password(&self, left: u8) {
        let left = format::count(left.into(), "try is left", "tries are left");
        self.always_say(&format!("warning: somebody tried a wrong password; {left}"));
    }

    /// Tells that the share takes no more passwords.
    pub(crate) fn locked(&self) {
        self.always_say("warning: too many wrong passwords; nobody gets in until you allow more or share it again");
    }

    fn small_buffers(&self, granted: usize, wanted: usize) {
        let (granted, wanted_size) = (format::bytes(granted as u64), format::bytes(wanted as u64));
        self.say(&format!(
            "note: the kernel limits socket buffers to {granted}; for full speed: \
             sysctl -w net.core.rmem_max={wanted} net.core.wmem_max={wanted} ({wanted_size})"
        ));
    }

    fn accepted(&mut self, peer: PeerId, entries: u32, bytes: u64) {
        let is_shared = self.manner.is_shared;
        let view = self.peers.entry(peer).or_default();
        let label = view.what.as_ref().map_or(self.what.label.as_str(), |what| what.label.as_str());
        let label = if is_shared && !view.name.is_empty() { view.name.clone() } else { label.to_owned() };
        self.bars.accepted(view, label, entries, bytes);
    }

    fn progress(&mut self, peer: PeerId, bytes: u64, entries: u32) {
        let view = self.peers.entry(peer).or_default();
        if let Some(line) = view.progress(bytes, entries, Instant::now()) {
            self.say(&line);
        }
    }

    /// What is wrong with the connection to a peer, or that it is over.
    fn disturbed(&mut self, peer: PeerId, words: &str, trouble: Option<Trouble>) {
        if self.view(peer).disturbed(trouble) {
            self.say(words);
        }
    }

    fn done(&mut self, peer: PeerId, summary: &Summary) {
        self.close_notices();
        let mut view = self.peers.remove(&peer).unwrap_or_default();
        view.take_bar();
        let path = view.path.or_else(|| Some((summary.path?, DataPlane::DataChannel)));
        let what = view.what.as_ref().unwrap_or(&self.what);
        let who = self.who(&view);
        self.say(&words::done(what, &who, summary, path, self.manner.is_sender));
    }

    fn failed(&mut self, peer: PeerId, report: &Report) {
        let mut view = self.peers.remove(&peer).unwrap_or_default();
        view.take_bar();
        let (role, verb) = if self.manner.is_sender { ("a receiver", "served") } else { ("a sender", "received") };
        let who = if view.name.is_empty() { role } else { &view.name };
        self.say(&format!("{who} was not {verb}: {}", report.message));
    }

    /// `to NAME ` or `from NAME `, if it has a name.
    fn who(&self, view: &View) -> String {
        let direction = if self.manner.is_sender { "to" } else { "from" };
        if view.name.is_empty() { String::new() } else { format!("{direction} {} ", view.name) }
    }

    fn what(&self, peer: PeerId) -> &What {
        self.peers.get(&peer).and_then(|view| view.what.as_ref()).unwrap_or(&self.what)
    }

    fn view(&mut self, peer: PeerId) -> &mut View {
        self.peers.entry(peer).or_default()
    }
}

/// How many notices are shown before the rest is counted.
const NOTICES_MAX: usize = 10;
