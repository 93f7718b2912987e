//! `Bars`: progress on a terminal, and what is known of each peer; off a terminal, a line from time to time.

use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use p2pshare::transport::{DataPlane, Path};

use crate::cli::format;
use crate::cli::rate::Rate;
use crate::cli::words::{What, short_path};

/// The bars of all peers, at the bottom of the screen.
pub(super) struct Bars {
    all: MultiProgress,
    is_shown: bool,
}

/// What is known of one peer.
#[derive(Default)]
pub(super) struct View {
    /// Escaped.
    pub(super) name: String,
    /// What the peer offers.
    pub(super) what: Option<What>,
    pub(super) path: Option<(Path, DataPlane)>,
    pub(super) is_disturbed: bool,
    label: String,
    bar: Option<ProgressBar>,
    total: u64,
    entries: u32,
    rate: Rate,
    told: Option<Instant>,
}

impl Bars {
    pub(super) fn new(is_shown: bool) -> Self {
        Self { all: MultiProgress::new(), is_shown }
    }

    /// Prints something above the bars.
    pub(super) fn aside(&self, print: impl FnOnce()) {
        if self.is_shown { self.all.suspend(print) } else { print() }
    }

    pub(super) fn hide(&self) {
        if self.is_shown {
            let _ = self.all.clear();
            self.all.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    pub(super) fn show(&self) {
        if self.is_shown {
            self.all.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Shows how far a connection is.
    pub(super) fn stage(&self, view: &mut View, words: &'static str) {
        if !self.is_shown {
            return;
        }
        if let Some(bar) = &view.bar {
            return bar.set_message(words);
        }
        let style = ProgressStyle::with_template("{spinner} {wide_msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        // It has its place and its words before it ticks: it would be drawn elsewhere, and empty.
        let bar = self.all.add(ProgressBar::new_spinner().with_style(style).with_message(words));
        bar.enable_steady_tick(TICK);
        view.bar = Some(bar);
    }

    /// Starts the bar of a transfer.
    pub(super) fn accepted(&self, view: &mut View, label: String, entries: u32, bytes: u64) {
        view.take_bar();
        (view.label, view.total, view.entries) = (label, bytes, entries);
        if self.is_shown {
            let style = if bytes == 0 { endless_style() } else { bar_style(&view.label, columns()) };
            let bar = ProgressBar::new(bytes).with_style(style).with_prefix(view.label.clone());
            view.bar = Some(self.all.add(bar));
        }
    }
}

impl View {
    /// Takes note of what is confirmed; returns a line where no bar shows it, every so often.
    pub(super) fn progress(&mut self, bytes: u64, entries: u32, now: Instant) -> Option<String> {
        let details = self.details(bytes, entries, now);
        if let Some(bar) = &self.bar {
            bar.set_message(details);
            bar.set_position(bytes);
            return None;
        }
        if self.told.is_some_and(|told| now - told < PLAIN_EVERY) {
            return None;
        }
        // What takes less than that needs no line.
        self.told.replace(now)?;
        let percent = bytes.saturating_mul(100).checked_div(self.total).map_or_else(String::new, |p| format!("  {p}%"));
        Some(format!("{}{percent}  {details}", self.label))
    }

    /// Puts a word where the figures are.
    pub(super) fn tell(&self, words: &'static str) {
        if let Some(bar) = &self.bar {
            bar.set_message(words);
        }
    }

    pub(super) fn take_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// `1.24/2.00 GB  94.1 MB/s  eta 8s  direct 12 ms  (3/9)`
    fn details(&mut self, bytes: u64, entries: u32, now: Instant) -> String {
        // The length of a stream is not known.
        let size = if self.total == 0 { format::bytes(bytes) } else { format::bytes_of(bytes, self.total) };
        let mut words = vec![size];
        if let Some(rate) = self.rate.note(bytes, now) {
            words.push(format::rate(rate));
            let left = self.total.saturating_sub(bytes) as f64 / rate;
            if self.total > 0 && left.is_finite() && left < 1e9 {
                words.push(format!("eta {}", format::duration(Duration::from_secs_f64(left))));
            }
        }
        words.extend(self.path.as_ref().map(|(path, _)| short_path(path)));
        if self.entries > 1 {
            words.push(format!("({entries}/{})", self.entries));
        }
        words.join("  ")
    }
}

/// A bar that leaves room for the figures on a screen of so many columns.
fn bar_style(label: &str, columns: usize) -> ProgressStyle {
    let label = width(label).clamp(1, (columns / 4).max(8));
    let bar = match columns {
        0..60 => String::new(),
        60..100 => "{bar:10}  ".to_owned(),
        _ => "{bar:20}  ".to_owned(),
    };
    ProgressStyle::with_template(&format!("{{prefix:{label}!}}  {bar}{{percent:>3}}%  {{wide_msg}}"))
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}

/// For what has no size: a stream, or nothing but empty files.
fn endless_style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix}  {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// About how many columns a text takes: from Hangul on, most characters are wide.
fn width(text: &str) -> usize {
    text.chars().map(|c| if c < '\u{1100}' { 1 } else { 2 }).sum()
}

/// How wide the screen is.
pub(super) fn columns() -> usize {
    match rustix::termios::tcgetwinsize(std::io::stderr()).map_or(0, |size| size.ws_col) {
        // Some terminals do not know.
        0 => 80,
        columns => columns.into(),
    }
}

/// How often progress is told where no bar can move.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// How often a sign of life moves.
const TICK: Duration = Duration::from_millis(100);
