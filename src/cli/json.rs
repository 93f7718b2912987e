//! Events as JSON, one object a line, for scripts.

#![expect(clippy::wildcard_enum_match_arm, reason = "the enums of the library grow; each place handles what it knows")]

use std::collections::HashMap;
use std::io::Write;
use std::time::Instant;

use p2pshare::transport::{DataPlane, Path, PathKind};
use p2pshare::{Event, PeerId, Stage, Summary, VerifyRequest};
use p2pshare_protocol::nearby::DeviceName;
use p2pshare_protocol::offer::Offer;
use serde_json::{Value, json};

use super::rate::Rate;
use super::report::Report;
use super::text::untrusted_json;
use super::words::relay_reason;

/// Writes events to standard output.
#[derive(Debug, Default)]
pub(crate) struct Json {
    /// Bytes that are to be moved, and how fast they are, for each peer.
    moving: HashMap<PeerId, (u64, Rate)>,
    /// Whether standard output belongs to the payload.
    pub(crate) is_on_stderr: bool,
}

impl Json {
    pub(crate) fn show(&mut self, event: &Event) {
        if let Some((name, value)) = self.values(event) {
            self.write(name, value);
        }
    }

    pub(crate) fn offer(&self, peer: PeerId, offer: &Offer) {
        self.write("offer", json!({"peer": peer.0, "entries": offer.entries().len(), "bytes": offer.bytes()}));
    }

    pub(crate) fn verify(&self, peer: PeerId, request: &VerifyRequest) {
        let name = request.name.as_ref().map(DeviceName::as_str);
        self.write("verify", json!({"peer": peer.0, "number": request.number.digits(), "name": name}));
    }

    pub(crate) fn locked(&self) {
        self.write("password_locked", json!({}));
    }

    pub(crate) fn error(&self, report: &Report) {
        let value = json!({
            "class": report.exit.class(), "exit": report.exit as u8, "message": report.message,
            "hint": report.hint, "resumable": report.is_resumable,
        });
        self.write("error", value);
    }

    /// One line; a reader that went away is no reason to stop a transfer.
    fn write(&self, event: &str, mut value: Value) {
        if let Some(object) = value.as_object_mut() {
            object.insert("v".to_owned(), json!(1));
            object.insert("event".to_owned(), json!(event));
        }
        let line = untrusted_json(&value.to_string());
        let _ = if self.is_on_stderr {
            writeln!(std::io::stderr(), "{line}")
        } else {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{line}").and_then(|()| out.flush())
        };
    }

    fn values(&mut self, event: &Event) -> Option<(&'static str, Value)> {
        Some(match event {
            Event::Shared { code, link } => ("code", json!({"code": code.to_string(), "link": link.to_string()})),
            Event::Visible { name, origin } => ("visible", json!({"name": name.as_str(), "server": origin.as_str()})),
            Event::Recognised(peer, name) => ("recognised", json!({"peer": peer.0, "name": name.as_str()})),
            Event::Remembered(peer, name) => ("remembered", json!({"peer": peer.0, "name": name.as_str()})),
            Event::Stage(peer, Stage::Server) => ("waiting", json!({"peer": peer.0})),
            Event::Stage(peer, Stage::Crowded(wait)) => ("crowded", json!({"peer": peer.0, "seconds": wait.as_secs()})),
            Event::WrongCode { left } => ("auth_failed", json!({"left": left})),
            Event::Named(peer, name) => ("peer", json!({"peer": peer.0, "name": name.to_string()})),
            Event::Path(peer, path, plane) => ("path", path_value(*peer, path, *plane)),
            Event::Accepted { peer, entries, bytes } => {
                self.moving.entry(*peer).or_default().0 = *bytes;
                ("accepted", json!({"peer": peer.0, "entries": entries, "bytes": bytes}))
            }
            Event::Resumed(peer, from) => {
                self.moving.entry(*peer).or_default().1 = Rate::beyond(*from);
                ("resumed", json!({"peer": peer.0, "from": from}))
            }
            Event::Present(peer, bytes) => {
                self.moving.entry(*peer).or_default().1 = Rate::beyond(*bytes);
                return None;
            }
            Event::Progress { peer, bytes, .. } => {
                let (total, rate) = self.moving.entry(*peer).or_default();
                let rate = rate.note(*bytes, Instant::now()).map(|rate| rate as u64);
                ("progress", json!({"peer": peer.0, "bytes": bytes, "total": total, "rate": rate}))
            }
            Event::EntryDone { peer, path, bytes, root, .. } => {
                let hash = root.map(|root| root.to_string());
                ("entry_done", json!({"peer": peer.0, "path": path.to_string_lossy(), "bytes": bytes, "blake3": hash}))
            }
            Event::Text(peer, text) => ("text", json!({"peer": peer.0, "text": text.0})),
            Event::Reconnecting(peer) => ("reconnecting", json!({"peer": peer.0})),
            Event::WrongPassword { left } => ("password_failed", json!({"left": left})),
            Event::Disturbed(peer, true) => ("stalled", json!({"peer": peer.0})),
            Event::Skipped { peer, entry, reason } => {
                ("skipped", json!({"peer": peer.0, "entry": entry.0, "reason": reason}))
            }
            Event::Done(peer, summary) => {
                self.moving.remove(peer);
                ("done", done(*peer, summary))
            }
            Event::Failed(peer, error) => {
                self.moving.remove(peer);
                let report = Report::of(error, None);
                ("peer_failed", json!({"peer": peer.0, "class": report.exit.class(), "message": report.message}))
            }
            _ => return None,
        })
    }
}

fn done(peer: PeerId, summary: &Summary) -> Value {
    json!({"peer": peer.0, "bytes": summary.bytes, "moved": summary.moved, "seconds": summary.took.as_secs_f64(),
        "entries": summary.entries, "skipped": summary.skipped})
}

fn path_value(peer: PeerId, path: &Path, plane: DataPlane) -> Value {
    let plane = match plane {
        DataPlane::Quic => "quic",
        DataPlane::WebSocket => "websocket",
        DataPlane::DataChannel => "data_channel",
    };
    let kind = path_kind(path.kind);
    let rtt_ms = path.round_trip.map(|rtt| rtt.as_secs_f64() * 1000.0);
    json!({"peer": peer.0, "kind": kind, "plane": plane, "rtt_ms": rtt_ms, "connections": path.connections,
        "local": path.local.map(|a| a.to_string()), "remote": path.remote.map(|a| a.to_string()),
        "reason": path.reason.map(relay_reason)})
}

/// The word for a sort of path.
pub(crate) const fn path_kind(kind: PathKind) -> &'static str {
    match kind {
        PathKind::Lan => "lan",
        PathKind::Direct => "direct",
        PathKind::Relay => "relay",
    }
}
