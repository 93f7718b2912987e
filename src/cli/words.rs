//! The words for what is moved, where and how, as a person reads them.

use p2pshare::Summary;
use p2pshare::storage::{sink, source};
use p2pshare::transport::{DataPlane, Path, PathKind, RelayReason};
use p2pshare_protocol::ctl::SkipReason;
use p2pshare_protocol::offer::{EntryId, EntryKind, Offer};

use super::format;
use super::json::path_kind;
use super::text::Untrusted;

/// What is moved, in a few words, and the names of its entries.
#[derive(Debug, Default)]
pub(crate) struct What {
    pub(crate) label: String,
    /// How many of them are no folders.
    files: usize,
    names: Vec<String>,
}

impl What {
    pub(crate) fn new(offer: &Offer) -> Self {
        let names = offer.entries().iter().map(|entry| entry.path.joined()).collect();
        Self { label: label(offer), files: files(offer), names }
    }

    /// The name of an entry, safe to print.
    fn name(&self, entry: EntryId) -> String {
        let name = usize::try_from(entry.0).ok().and_then(|index| self.names.get(index));
        name.map_or_else(|| "an entry".to_owned(), |name| Untrusted(name).to_string())
    }

    pub(crate) fn skipped(&self, entry: EntryId, reason: SkipReason) -> String {
        let why = match reason {
            SkipReason::Changed => "it changed while it was sent",
            SkipReason::Unreadable => "the sender cannot read it",
            SkipReason::Unwritable => "the receiver cannot store it",
        };
        format!("skipped {}: {why}", self.name(entry))
    }

    pub(crate) fn sink_notice(&self, notice: &sink::Notice) -> String {
        match notice {
            sink::Notice::Renamed { entry, path, reason } => {
                let why = match reason {
                    sink::RenameReason::Unsuitable => "its name does not fit here",
                    sink::RenameReason::Exists => "the name is taken",
                };
                format!("{} is stored as {}: {why}", self.name(*entry), Untrusted(path.as_str()))
            }
            sink::Notice::Restarted { entry, reason } => {
                let why = match reason {
                    sink::RestartReason::SourceChanged => "it changed since the last time",
                    sink::RestartReason::JournalUnusable => "the record of what was there cannot be used",
                    sink::RestartReason::Damaged => "some of what was there is damaged",
                };
                format!("{} starts over: {why}", self.name(*entry))
            }
            sink::Notice::Kept { entry } => format!("skipped {}: the name is taken", self.name(*entry)),
            other => format!("{other:?}"),
        }
    }
}

/// What an offer is, in a few words.
pub(crate) fn label(offer: &Offer) -> String {
    match offer.entries() {
        [] => "nothing".to_owned(),
        [only] if only.kind == EntryKind::Text => "a text".to_owned(),
        [only] => Untrusted(only.path.name()).to_string(),
        [first, rest @ ..] => {
            let top = &first.path.components()[0];
            if rest.iter().all(|entry| entry.path.components()[0] == *top) {
                Untrusted(top).to_string()
            } else {
                format::count(files(offer), "file", "files")
            }
        }
    }
}

fn files(offer: &Offer) -> usize {
    offer.entries().iter().filter(|entry| entry.kind != EntryKind::Dir).count()
}

pub(crate) fn source_notice(notice: &source::Notice) -> String {
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

/// `sent film.mp4 (315 MB) to ann in 7.1 s: 45.2 MB/s, lan, quic, 9 ms; the receiver verified it`
pub(crate) fn done(
    what: &What,
    who: &str,
    summary: &Summary,
    path: Option<(Path, DataPlane)>,
    is_sender: bool,
) -> String {
    let (verb, verified) = if is_sender { ("sent", "the receiver verified it") } else { ("received", "verified") };
    let left_out = format::count(summary.skipped as usize, "entry", "entries");
    if summary.entries == 0 && summary.skipped > 0 {
        return format!("{}: {left_out} left out", format!("nothing was {verb} {who}").trim_end());
    }
    let (mut size, files) = (format::bytes(summary.bytes), format::count(what.files, "file", "files"));
    if what.names.len() > summary.entries as usize {
        let all = format::count(what.names.len(), "entry", "entries");
        size = format!("{} of {all}, {size}", summary.entries);
    } else if what.files > 1 && what.label != files {
        size = format!("{files}, {size}");
    }
    let took = format::seconds(summary.took);
    let rate = match summary.moved {
        0 if summary.bytes > 0 => format!("all of it was {} already", if is_sender { "there" } else { "here" }),
        moved => format::rate(moved as f64 / summary.took.as_secs_f64().max(0.001)),
    };
    let path = path.map_or_else(String::new, |(path, plane)| format!(", {}", describe_path(&path, plane)));
    let skipped = match summary.skipped {
        0 => String::new(),
        _ => format!("; {left_out} left out"),
    };
    let what = &what.label;
    format!("{verb} {what} ({size}) {who}in {took}: {rate}{path}; {verified}{skipped}")
}

/// `lan, quic, 12 ms`, or `relay, 12 ms (the two networks let nothing in)`
fn describe_path(path: &Path, plane: DataPlane) -> String {
    let mut words = vec![way(path)];
    if plane == DataPlane::Quic {
        words.push("quic".to_owned());
    }
    if path.connections > 1 && plane == DataPlane::DataChannel {
        words.push(format!("{} connections", path.connections));
    }
    words.extend(round_trip(path));
    let words = words.join(", ");
    path.reason.map_or_else(|| words.clone(), |reason| format!("{words} ({})", relay_reason(reason)))
}

/// What a person is told when the way changes in the middle; nothing of a way that is as good as it can be from the start.
pub(crate) fn path_news(before: Option<PathKind>, path: &Path) -> Option<String> {
    match (before, path.kind) {
        (before, PathKind::Relay) if before != Some(PathKind::Relay) => {
            let why = path.reason.map_or_else(String::new, |reason| format!(": {}", relay_reason(reason)));
            Some(format!("relayed{why}"))
        }
        (Some(PathKind::Relay), PathKind::Direct | PathKind::Lan) => {
            Some("there is a direct path now; continuing on it".to_owned())
        }
        (_, PathKind::Relay | PathKind::Direct | PathKind::Lan) => None,
    }
}

/// Why a path goes through a relay.
pub(crate) const fn relay_reason(reason: RelayReason) -> &'static str {
    match reason {
        RelayReason::AskedHere => "this side asks for a relay",
        RelayReason::AskedThere => "the other side asks for a relay",
        RelayReason::BlockedHere => "this network blocks UDP",
        RelayReason::BlockedThere => "the other network blocks UDP",
        RelayReason::BlockedBoth => "both networks block UDP",
        RelayReason::NothingGetsIn => "the two networks let nothing in",
    }
}

/// `lan 12 ms`
pub(crate) fn short_path(path: &Path) -> String {
    let way = way(path);
    round_trip(path).map_or_else(|| way.clone(), |rtt| format!("{way} {rtt}"))
}

/// `relay`, or `relay (websocket)`
fn way(path: &Path) -> String {
    let kind = path_kind(path.kind);
    if path.data_plane == DataPlane::WebSocket { format!("{kind} (websocket)") } else { kind.to_owned() }
}

fn round_trip(path: &Path) -> Option<String> {
    path.round_trip.map(|rtt| match rtt.as_millis() {
        0 => "<1 ms".to_owned(),
        ms => format!("{ms} ms"),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn path(kind: PathKind, reason: Option<RelayReason>) -> Path {
        Path {
            kind,
            data_plane: DataPlane::DataChannel,
            connections: 1,
            local: None,
            remote: None,
            round_trip: None,
            reason,
        }
    }

    #[test]
    fn the_last_line_counts_files_once_and_says_of_how_many_a_part_came() {
        let line = |label: &str, names: usize, files, entries, took| {
            let what = What { label: label.to_owned(), files, names: vec![String::new(); names] };
            let took = Duration::from_millis(took);
            let summary = Summary { bytes: 2000, moved: 2000, entries, took, ..Summary::default() };
            done(&what, "", &summary, None, false)
        };
        assert!(line("film", 1, 1, 1, 50).starts_with("received film (2.00 kB) in 50 ms: "));
        assert!(line("photos", 9, 6, 9, 500).starts_with("received photos (6 files, 2.00 kB) in 0.5 s: "));
        assert!(line("6 files", 9, 6, 9, 500).starts_with("received 6 files (2.00 kB) in "));
        assert!(line("photos", 9, 6, 3, 500).starts_with("received photos (3 of 9 entries, 2.00 kB) in "));
    }

    #[test]
    fn where_everything_was_left_out_nothing_was_sent() {
        let what = What { label: "film".to_owned(), files: 1, names: vec![String::new()] };
        let summary = Summary { skipped: 1, ..Summary::default() };
        assert_eq!(done(&what, "to ann ", &summary, None, true), "nothing was sent to ann: 1 entry left out");
        assert_eq!(done(&what, "", &summary, None, false), "nothing was received: 1 entry left out");
    }

    #[test]
    fn what_was_at_the_receiver_before_is_no_speed_on_either_side() {
        let what = What { label: "film".to_owned(), files: 1, names: vec![String::new()] };
        let line = |moved, is_sender| {
            let summary =
                Summary { bytes: 9000, moved, entries: 1, took: Duration::from_secs(2), ..Summary::default() };
            done(&what, "", &summary, None, is_sender)
        };
        assert_eq!(line(3000, true), "sent film (9.00 kB) in 2.0 s: 1.50 kB/s; the receiver verified it");
        assert_eq!(line(3000, false), "received film (9.00 kB) in 2.0 s: 1.50 kB/s; verified");
        assert!(line(0, true).contains("all of it was there already"));
        assert!(line(0, false).contains("all of it was here already"));
    }

    #[test]
    fn a_relay_is_told_with_its_reason_and_its_end_once_each() {
        let relayed = path(PathKind::Relay, Some(RelayReason::BlockedThere));
        let direct = path(PathKind::Direct, None);
        assert_eq!(path_news(None, &relayed).unwrap(), "relayed: the other network blocks UDP");
        assert_eq!(path_news(Some(PathKind::Relay), &relayed), None);
        assert!(path_news(Some(PathKind::Relay), &direct).unwrap().contains("direct path"));
        assert_eq!(path_news(None, &direct), None);
        assert_eq!(describe_path(&relayed, DataPlane::DataChannel), "relay (the other network blocks UDP)");
    }
}
