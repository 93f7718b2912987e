//! Events as a person reads them: lines and progress bars on standard error.

#![expect(clippy::wildcard_enum_match_arm, reason = "the enums of the library grow; each place handles what it knows")]

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use p2pshare::storage::{sink, source};
use p2pshare::transport::{DataPlane, Path};
use p2pshare::{Event, PeerId, Stage, Summary};
use p2pshare_protocol::code::Code;
use p2pshare_protocol::ctl::SkipReason;
use p2pshare_protocol::link::Link;
use p2pshare_protocol::offer::{EntryId, Offer};

use super::format;
use super::json::path_kind;
use super::rate::Rate;
use super::report::Report;
use super::text::Untrusted;

/// Shows what happens.
pub(crate) struct Human {
    pub(crate) is_quiet: bool,
    pub(crate) show_qr: bool,
    /// Whether standard output belongs to the payload.
    pub(crate) is_off_stdout: bool,
    is_terminal: bool,
    is_sender: bool,
    /// Whether this side shows a code instead of having one.
    pub(crate) is_host: bool,
    bars: MultiProgress,
    /// What is moved, in a few words, and the names of the entries.
    label: String,
    names: Vec<String>,
    peers: HashMap<PeerId, View>,
}

/// What is known of one peer.
#[derive(Default)]
struct View {
    name: Untrusted,
    bar: Option<ProgressBar>,
    total: u64,
    entries: u32,
    path: Option<(Path, DataPlane)>,
    rate: Rate,
    told: Option<Instant>,
}

impl Human {
    pub(crate) fn new(is_sender: bool, is_quiet: bool, show_qr: bool) -> Self {
        Self {
            is_quiet,
            show_qr,
            is_off_stdout: false,
            is_terminal: std::io::stderr().is_terminal(),
            is_sender,
            is_host: is_sender,
            bars: MultiProgress::new(),
            label: String::new(),
            names: Vec::new(),
            peers: HashMap::new(),
        }
    }

    /// Takes note of what is moved.
    pub(crate) fn describe(&mut self, offer: &Offer) {
        self.names = offer.entries().iter().map(|entry| entry.path.to_string()).collect();
        self.label = label(offer);
    }

    pub(crate) fn show(&mut self, event: &Event) {
        match event {
            Event::Shared { code, link } => self.shared(code, link),
            Event::SourceNotice(notice) => self.say(&source_notice(notice)),
            Event::SinkNotice(notice) => self.sink_notice(notice),
            Event::Stage(peer, stage) => self.stage(*peer, *stage),
            Event::WrongCode { left } => self.wrong_code(*left),
            Event::Named(peer, name) => self.view(*peer).name.clone_from(name),
            Event::Path(peer, path, plane) => self.view(*peer).path = Some((*path, *plane)),
            Event::SmallSocketBuffers { granted, wanted } => self.small_buffers(*granted, *wanted),
            Event::Accepted { peer, entries, bytes } => self.accepted(*peer, *entries, *bytes),
            Event::Resumed(_, bytes) => self.say(&format!("continuing: {} are already here", format::bytes(*bytes))),
            Event::Progress { peer, bytes, entries } => self.progress(*peer, *bytes, *entries),
            Event::Skipped { entry, reason, .. } => self.skipped(*entry, *reason),
            Event::NotStored { error, .. } => self.say(&format!("not stored: {}", Untrusted(&error.to_string()))),
            Event::Reconnecting(peer) => self.reconnecting(*peer),
            Event::Reconnected(_) => self.say("connected again, continuing"),
            Event::WrongPassword { left } => self.always_say(&format!("wrong password ({left} tries left)")),
            Event::Paused(_, true) => self.say("the receiver paused"),
            Event::Paused(_, false) => self.say("the receiver continues"),
            Event::Disturbed(peer, is_disturbed) => self.disturbed(*peer, *is_disturbed),
            Event::Done(peer, summary) => self.done(*peer, summary),
            Event::Failed(peer, error) => self.failed(*peer, &Report::of(error, None)),
            _ => {}
        }
    }

    /// A line above the bars.
    pub(crate) fn say(&self, line: &str) {
        if !self.is_quiet {
            self.always_say(line);
        }
    }

    /// A line also when quiet.
    pub(crate) fn always_say(&self, line: &str) {
        // Nobody may be listening any more; that is no reason to stop a transfer.
        self.bars.suspend(|| {
            let _ = writeln!(std::io::stderr(), "{line}");
        });
    }

    /// Takes the bars away, for a question or the last words.
    pub(crate) fn clear(&mut self) {
        for view in self.peers.values_mut() {
            if let Some(bar) = view.bar.take() {
                bar.finish_and_clear();
            }
        }
    }

    fn shared(&self, code: &Code, link: &Link) {
        if self.is_quiet {
            return;
        }
        let what = if self.is_sender { format!("Sharing {}", self.label) } else { "The inbox is open".to_owned() };
        let mut lines = format!("\n{what}\n\n");
        lines += &format!("    code   {}\n    link   {link}\n", code.spaced());
        if self.show_qr
            && self.is_terminal
            && let Ok(qr) = qr2term::generate_qr_string(link.to_string())
        {
            lines += &format!("\n{qr}\n");
        }
        let command = if self.is_sender { format!("recv {code}") } else { format!("send FILE --to {code}") };
        lines += &format!("\nOn the other device: p2pshare {command}\n");
        self.say(&lines);
    }

    fn stage(&mut self, peer: PeerId, stage: Stage) {
        let words = match (stage, self.is_sender) {
            (Stage::Server, true) => "reaching the server",
            (Stage::Server, false) => "looking for the share",
            (Stage::Busy, _) => "the share is busy, waiting for a place",
            (Stage::Pairing, _) => "verifying the code",
            (Stage::Connecting, _) => "connecting",
            (Stage::Connected, true) => "waiting for the other side to accept",
            (Stage::Connected, false) => "waiting for the offer",
        };
        if stage == Stage::Server && self.is_host {
            return;
        }
        let (is_shown, bars) = (self.is_terminal && !self.is_quiet, self.bars.clone());
        let view = self.view(peer);
        if is_shown {
            let bar = view.bar.get_or_insert_with(|| bars.add(spinner()));
            bar.set_message(words);
        }
    }

    fn wrong_code(&mut self, left: u8) {
        self.clear();
        let then = match left {
            0 => "this code is no longer active, a new one follows".to_owned(),
            1 => "1 try left before the code changes".to_owned(),
            left => format!("{left} tries left before the code changes"),
        };
        self.always_say(&format!("warning: somebody tried a wrong code; {then}"));
    }

    /// Tells that the share takes no more passwords.
    pub(crate) fn locked(&mut self) {
        self.clear();
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
        let (is_shown, bars) = (self.is_terminal && !self.is_quiet, self.bars.clone());
        let label = self.label.clone();
        let view = self.view(peer);
        (view.total, view.entries) = (bytes, entries);
        if let Some(bar) = view.bar.take() {
            bar.finish_and_clear();
        }
        if is_shown {
            let bar = bars.add(ProgressBar::new(bytes).with_style(bar_style()));
            bar.set_prefix(label);
            view.bar = Some(bar);
        }
    }

    fn progress(&mut self, peer: PeerId, bytes: u64, entries: u32) {
        let now = Instant::now();
        let label = self.label.clone();
        let view = self.view(peer);
        let details = view.details(bytes, entries, now);
        if let Some(bar) = &view.bar {
            bar.set_position(bytes);
            bar.set_message(details);
        } else if view.told.is_none_or(|told| now - told >= PLAIN_EVERY) {
            let is_first = view.told.replace(now).is_none();
            let percent = bytes.saturating_mul(100).checked_div(view.total).unwrap_or(100);
            if !is_first {
                self.say(&format!("{label}  {percent}%  {details}"));
            }
        }
    }

    fn skipped(&self, entry: EntryId, reason: SkipReason) {
        let name = usize::try_from(entry.0).ok().and_then(|i| self.names.get(i)).map_or("an entry", String::as_str);
        let why = match reason {
            SkipReason::Changed => "it changed while it was sent",
            SkipReason::Unreadable => "the sender cannot read it",
            SkipReason::Unwritable => "the receiver cannot store it",
        };
        self.say(&format!("skipped {}: {why}", Untrusted(name)));
    }

    fn sink_notice(&self, notice: &sink::Notice) {
        let line = match notice {
            sink::Notice::Renamed { entry, path, reason } => {
                let name = usize::try_from(entry.0).ok().and_then(|i| self.names.get(i)).map_or("", String::as_str);
                let why = match reason {
                    sink::RenameReason::Unsuitable => "its name does not fit here",
                    sink::RenameReason::Exists => "the name is taken",
                };
                format!("{} is stored as {}: {why}", Untrusted(name), Untrusted(path.as_str()))
            }
            other => format!("{other:?}"),
        };
        self.say(&line);
    }

    fn reconnecting(&mut self, peer: PeerId) {
        if let Some(bar) = self.view(peer).bar.clone() {
            bar.set_message("reconnecting, nothing is lost");
        }
        self.say("the connection is lost; reconnecting");
    }

    fn disturbed(&mut self, peer: PeerId, is_disturbed: bool) {
        if let Some(bar) = self.view(peer).bar.clone() {
            bar.set_message(if is_disturbed { "reconnecting" } else { "" });
        } else if is_disturbed {
            self.say("the connection is disturbed; waiting for it to come back");
        }
    }

    fn done(&mut self, peer: PeerId, summary: &Summary) {
        let path = self.peers.get(&peer).and_then(|view| view.path);
        let path = path.or_else(|| summary.path.map(|path| (path, DataPlane::DataChannel)));
        let who = self.take(peer);
        let verb = if self.is_sender { "sent" } else { "received" };
        let rate = summary.bytes as f64 / summary.took.as_secs_f64().max(0.001);
        let path = path.map_or_else(String::new, |(path, plane)| format!(", {}", describe_path(&path, plane)));
        let things = format::count(summary.entries as usize, "entry", "entries");
        let verified = if self.is_sender { "the receiver verified it" } else { "verified" };
        let size = format::bytes(summary.bytes);
        let (took, rate) = (format::seconds(summary.took), format::rate(rate));
        self.say(&format!("{verb} {size} ({things}) {who}in {took} ({rate}{path}); {verified}"));
    }

    fn failed(&mut self, peer: PeerId, report: &Report) {
        let who = self.take(peer);
        self.say(&format!("a receiver {who}was not served: {}", report.message));
    }

    /// Removes a peer's bar; returns `to NAME ` or `from NAME `, if it has a name.
    fn take(&mut self, peer: PeerId) -> String {
        let Some(view) = self.peers.remove(&peer) else { return String::new() };
        if let Some(bar) = view.bar {
            bar.finish_and_clear();
        }
        let direction = if self.is_sender { "to" } else { "from" };
        if view.name.0.is_empty() { String::new() } else { format!("{direction} {} ", view.name) }
    }

    fn view(&mut self, peer: PeerId) -> &mut View {
        self.peers.entry(peer).or_default()
    }
}

impl View {
    /// `1.24/2.00 GB  94.1 MB/s  eta 8s  direct 12 ms  (3/9 files)`
    fn details(&mut self, bytes: u64, entries: u32, now: Instant) -> String {
        let mut words = vec![format::bytes_of(bytes, self.total)];
        if let Some(rate) = self.rate.note(bytes, now) {
            words.push(format::rate(rate));
            let left = self.total.saturating_sub(bytes) as f64 / rate;
            if left.is_finite() && left < 1e9 {
                words.push(format!("eta {}", format::duration(Duration::from_secs_f64(left))));
            }
        }
        words.extend(self.path.as_ref().map(|(path, plane)| describe_path(path, *plane)));
        if self.entries > 1 {
            words.push(format!("({entries}/{})", self.entries));
        }
        words.join("  ")
    }
}

/// `lan, quic, 12 ms`
fn describe_path(path: &Path, plane: DataPlane) -> String {
    let mut words = vec![path_kind(path.kind).to_owned()];
    if plane == DataPlane::Quic {
        words.push("quic".to_owned());
    }
    words.extend(path.round_trip.map(|rtt| match rtt.as_millis() {
        0 => "<1 ms".to_owned(),
        ms => format!("{ms} ms"),
    }));
    words.join(", ")
}

/// What an offer is, in a few words.
pub(crate) fn label(offer: &Offer) -> String {
    match offer.entries() {
        [] => "nothing".to_owned(),
        [only] => Untrusted(only.path.name()).to_string(),
        [first, rest @ ..] => {
            let top = &first.path.components()[0];
            if rest.iter().all(|entry| entry.path.components()[0] == *top) {
                Untrusted(top).to_string()
            } else {
                format::count(offer.entries().len(), "entry", "entries")
            }
        }
    }
}

fn source_notice(notice: &source::Notice) -> String {
    let at = |path: &std::path::Path| Untrusted(&path.to_string_lossy()).to_string();
    match notice {
        source::Notice::Renamed { path, name } => format!("{} is offered as {}", at(path), Untrusted(name)),
        source::Notice::SkippedLink { path } => format!("skipped {}: a link that leads out or nowhere", at(path)),
        source::Notice::SkippedSpecial { path } => format!("skipped {}: neither a file nor a folder", at(path)),
        source::Notice::SkippedUnreadable { path, error } => format!("skipped {}: {error}", at(path)),
        source::Notice::SkippedTooDeep { path } => format!("skipped {}: nested too deeply", at(path)),
        other => format!("{other:?}"),
    }
}

fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let spinner = ProgressBar::new_spinner().with_style(style);
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix}  {bar:20}  {percent}%  {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}

/// How often progress is told where no bar can move.
const PLAIN_EVERY: Duration = Duration::from_secs(10);
