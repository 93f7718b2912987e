//! `Table`: the runs of one case on one link, a row a tool.

use std::fmt;

use anyhow::Result;

use super::cases::Case;
use super::run::Outcome;

/// What the tools did.
pub(crate) struct Table {
    title: String,
    bytes: u64,
    has_side_traffic: bool,
    rows: Vec<(&'static str, Vec<Result<Outcome>>)>,
}

impl Table {
    pub(crate) fn new(link: &str, case: &Case) -> Self {
        let size = if case.is_folder() {
            format!("{} files of {} bytes", case.files, case.bytes / case.files)
        } else if case.bytes >> 20 > 0 {
            format!("{} MiB", case.bytes >> 20)
        } else {
            format!("{} byte", case.bytes)
        };
        let title = format!("{link}, {}: {size}", case.name);
        Self { title, bytes: case.bytes, has_side_traffic: case.beside_tcp, rows: Vec::new() }
    }

    /// Adds a run.
    pub(crate) fn add(&mut self, tool: &'static str, outcome: Result<Outcome>) {
        match self.rows.iter_mut().find(|(name, _)| *name == tool) {
            Some((_, runs)) => runs.push(outcome),
            None => self.rows.push((tool, vec![outcome])),
        }
    }

    /// The run in the middle, and how far the others are from it.
    fn row(&self, tool: &str, runs: &[Result<Outcome>]) -> String {
        let mut good: Vec<&Outcome> = runs.iter().flatten().collect();
        good.sort_by_key(|outcome| outcome.took);
        let failures =
            runs.iter().filter_map(|run| run.as_ref().err()).map(|error| format!("{error:#}").replace('\n', " "));
        let notes = failures.collect::<Vec<_>>().join("; ");
        let Some(median) = good.get(good.len() / 2) else {
            return format!("| {tool} | - | - | - | - | - | - | {notes} |");
        };
        let seconds = |outcome: &Outcome| outcome.took.as_secs_f64();
        let others = match good[..] {
            [fastest, .., slowest] => format!("{:.2} to {:.2}", seconds(fastest), seconds(slowest)),
            _ => "-".to_owned(),
        };
        let peak = |side: usize| good.iter().map(|outcome| outcome.peak_mib[side]).fold(0.0, f64::max);
        let rate = self.bytes as f64 / seconds(median) / 1e6;
        let on_link = median.on_link.filter(|_| self.bytes > 1000 && !self.has_side_traffic);
        let on_link =
            on_link.map_or_else(|| "-".to_owned(), |bytes| format!("{:.3}", bytes as f64 / self.bytes as f64));
        let counted =
            if good.len() < runs.len() { format!("{} of {} runs; ", good.len(), runs.len()) } else { String::new() };
        format!(
            "| {tool} | {:.2} | {others} | {rate:.2} | {:.2} | {:.0}, {:.0} | {on_link} | {counted}{}{notes} |",
            seconds(median),
            median.cpu_seconds,
            peak(0),
            peak(1),
            self.beside(&good),
        )
    }

    /// The part that each run had of what it and the TCP connection beside it moved, in percent, from the fastest on.
    fn beside(&self, good: &[&Outcome]) -> String {
        let part = |outcome: &&Outcome| {
            let own = self.bytes as f64 / outcome.took.as_secs_f64() / 1e6;
            outcome.beside.map(|beside| format!("{:.0}", 100.0 * own / (own + beside)))
        };
        let parts: Vec<String> = good.iter().filter_map(part).collect();
        if parts.is_empty() { String::new() } else { format!("{} % of what it and TCP moved; ", parts.join(", ")) }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n", self.title)?;
        writeln!(f, "| tool | s | all runs | MB/s | CPU s | peak MiB | on the link | |")?;
        writeln!(f, "|---|---|---|---|---|---|---|---|")?;
        self.rows.iter().try_for_each(|(tool, runs)| writeln!(f, "{}", self.row(tool, runs)))
    }
}
