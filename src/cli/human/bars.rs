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
    /// What is wrong with the connection.
    pub(super) trouble: Option<Trouble>,
    label: String,
    bar: Option<ProgressBar>,
    total: u64,
    entries: u32,
    rate: Rate,
    told: Option<Instant>,
}

/// What may be wrong with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing was heard for a while.
    Silent,
    /// It is gone, and another one is looked for.
    Lost,
}

impl Trouble {
    /// What stands in the bar meanwhile.
    const fn words(self) -> &'static str {
        match self {
            Self::Silent => "waiting for the other side, nothing is lost",
            Self::Lost => "reconnecting, nothing is lost",
        }
    }
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
            match self.trouble {
                Some(trouble) => bar.set_message(trouble.words()),
                None => bar.set_message(fitting(details, room(&self.label, columns()))),
            }
            bar.set_position(bytes);
            return None;
        }
        if self.trouble.is_some() {
            return None;
        }
        if self.told.is_some_and(|told| now - told < PLAIN_EVERY) {
            return None;
        }
        // What takes less than that needs no line.
        self.told.replace(now)?;
        let percent = bytes.saturating_mul(100).checked_div(self.total).map_or_else(String::new, |p| format!("  {p}%"));
        Some(format!("{}{percent}  {}", self.label, details.join("  ")))
    }

    /// Takes note of what is wrong with the connection; false if it was known.
    pub(super) fn disturbed(&mut self, trouble: Option<Trouble>) -> bool {
        let before = std::mem::replace(&mut self.trouble, trouble);
        if let Some(bar) = self.bar.as_ref().filter(|_| before != trouble) {
            bar.set_message(trouble.map_or("", Trouble::words));
        }
        before != trouble
    }

    /// Takes note of what is at the receiver already.
    pub(super) fn resumed(&mut self, bytes: u64) {
        self.rate = Rate::beyond(bytes);
    }

    pub(super) fn take_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// `1.24/2.00 GB`, `94.1 MB/s`, `eta 8s`, `direct 12 ms`, `(3/9)`; the most important first.
    fn details(&mut self, bytes: u64, entries: u32, now: Instant) -> Vec<String> {
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
        words
    }
}

/// As many of the figures as fit into so many columns.
fn fitting(details: Vec<String>, room: usize) -> String {
    let mut line = String::new();
    for word in details {
        let gap = if line.is_empty() { "" } else { "  " };
        if !line.is_empty() && line.chars().count() + gap.len() + word.chars().count() > room {
            break;
        }
        line += gap;
        line += &word;
    }
    line
}

/// How wide the label and the bar itself are on a screen of so many columns.
fn widths(label: &str, columns: usize) -> (usize, usize) {
    let bar = match columns {
        0..60 => 0,
        60..100 => 10,
        _ => 20,
    };
    (width(label).clamp(1, (columns / 4).max(8)), bar)
}

/// What is left for the figures.
fn room(label: &str, columns: usize) -> usize {
    let (label, bar) = widths(label, columns);
    let bar = if bar == 0 { 0 } else { bar + GAP };
    columns.saturating_sub(label + GAP + bar + PERCENT + GAP)
}

/// A bar that leaves room for the figures on a screen of so many columns.
fn bar_style(label: &str, columns: usize) -> ProgressStyle {
    let (label, bar) = widths(label, columns);
    let bar = if bar == 0 { String::new() } else { format!("{{bar:{bar}}}  ") };
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

/// Columns between two figures, and of `100%`.
const GAP: usize = 2;
const PERCENT: usize = 4;

/// How often progress is told where no bar can move.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// How often a sign of life moves.
const TICK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_screen_shows_fewer_figures_and_each_whole() {
        let details = || ["0.65/3.22 GB", "196 MB/s", "eta 13s", "lan <1 ms", "(3/9)"].map(str::to_owned).to_vec();
        assert_eq!(fitting(details(), room("big3g", 40)), "0.65/3.22 GB  196 MB/s");
        assert_eq!(fitting(details(), room("big3g", 60)), "0.65/3.22 GB  196 MB/s  eta 13s");
        assert_eq!(fitting(details(), room("big3g", 80)), details().join("  "));
        assert_eq!(fitting(details(), 0), "0.65/3.22 GB", "the first one always");
    }
}
