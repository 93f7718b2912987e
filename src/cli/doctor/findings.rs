//! What was found out, a line for each thing.

use p2pshare::doctor::{Diagnosis, RelayTrial, ServerDiagnosis};
use p2pshare::transport::{Nat, Reflections, SocketBuffers};
use p2pshare_protocol::server_config::VersionRange;

use crate::cli::report::Report;
use crate::cli::text::Untrusted;

/// What was found out about one thing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) state: State,
    pub(super) says: String,
}

/// How good that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Ok,
    /// It could be better, or could not be told.
    Note,
    Bad,
}

impl State {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Bad => "bad",
        }
    }
}

/// All of them, from the server down to the machine.
pub(super) fn findings(diagnosis: &Diagnosis) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |check, (state, says): (State, String)| findings.push(Finding { check, state, says });
    match &diagnosis.server {
        None => add("server", (State::Note, "none named, so only this machine and its network were tested".to_owned())),
        Some(server) => of_server(server, &mut add),
    }
    add("ipv6", ipv6(diagnosis));
    if let Some(works) = diagnosis.multicast {
        add("multicast", multicast(works, diagnosis.has_network()));
    }
    add("buffers", buffers(diagnosis.buffers));
    findings
}

fn of_server(server: &ServerDiagnosis, add: &mut impl FnMut(&'static str, (State, String))) {
    let description = match &server.description {
        Ok(description) => description,
        Err(error) => return add("server", (State::Bad, Report::of_signaling(error).message)),
    };
    let version = Untrusted(description.config.version.clone());
    let ours = VersionRange::OURS;
    let speaks_ours = description.config.protocol.min <= ours.max && ours.min <= description.config.protocol.max;
    let says = format!("{} runs version {version}", server.server);
    add(
        "server",
        if speaks_ours { (State::Ok, says) } else { (State::Bad, format!("{says}, which does not fit this one")) },
    );
    let introduction = match &server.introduction {
        Some(Ok(introduction)) => {
            let round_trip = introduction.round_trip.as_secs_f64() * 1000.0;
            add("websocket", (State::Ok, format!("answers after {round_trip:.0} ms")));
            Some(introduction)
        }
        Some(Err(error)) => {
            add("websocket", (State::Bad, Report::of(error, None).message));
            None
        }
        None => None,
    };
    add("udp", udp(&server.reflections));
    if let Some(nat) = nat_of(&server.reflections) {
        add("nat", of_nat(nat));
    }
    add("relay", relay(description.config.relay, introduction.and_then(|it| it.relay.as_ref())));
    if let Some(ahead) = description.clock_ahead_s {
        add("clock", clock(ahead));
    }
}

/// What kind of network this is: the one of IPv4, which nearly every device has, or else that of IPv6.
pub(super) fn nat_of(reflections: &[Option<Reflections>; 2]) -> Option<Nat> {
    reflections.iter().flatten().find_map(Reflections::nat)
}

fn udp(reflections: &[Option<Reflections>; 2]) -> (State, String) {
    let families: Vec<_> = [("IPv4", &reflections[0]), ("IPv6", &reflections[1])]
        .into_iter()
        .filter_map(|(name, of)| of.as_ref().map(|of| (name, of.is_answered())))
        .collect();
    let those =
        |answered: bool| families.iter().filter(|f| f.1 == answered).map(|f| f.0).collect::<Vec<_>>().join(" and ");
    match (those(true), those(false)) {
        (reached, silent) if reached.is_empty() && silent.is_empty() => {
            (State::Note, "cannot be told: the server answers no STUN".to_owned())
        }
        (reached, silent) if reached.is_empty() => (State::Bad, format!("nothing comes back over {silent}")),
        (reached, silent) if silent.is_empty() => (State::Ok, format!("reaches the server over {reached}")),
        (reached, silent) => (State::Note, format!("reaches the server over {reached}, and not over {silent}")),
    }
}

fn of_nat(nat: Nat) -> (State, String) {
    let (state, says) = match nat {
        Nat::None => (State::Ok, "none: this machine is reached under its own address"),
        Nat::Firewall => (State::Ok, "none; a firewall lets in only answers"),
        Nat::Open => (State::Ok, "open: endpoint-independent mapping, and others are let in"),
        Nat::Moderate => (State::Ok, "moderate: endpoint-independent mapping, port-dependent filtering"),
        Nat::Strict => (State::Note, "strict: address and port-dependent mapping (also called symmetric)"),
        Nat::Untold => (State::Note, "there is one; of which kind takes a server with a second STUN port to tell"),
    };
    (state, says.to_owned())
}

/// The word for a kind in JSON.
pub(super) const fn nat_word(nat: Nat) -> &'static str {
    match nat {
        Nat::None => "none",
        Nat::Firewall => "firewall",
        Nat::Open => "open",
        Nat::Moderate => "moderate",
        Nat::Strict => "strict",
        Nat::Untold => "untold",
    }
}

fn relay(is_offered: bool, trial: Option<&RelayTrial>) -> (State, String) {
    let (state, says) = match trial {
        None if is_offered => (State::Note, "offered, and could not be tried"),
        None => (State::Note, "the server has none"),
        Some(RelayTrial { udp: Some(Ok(())), websocket: Ok(()) }) => {
            (State::Ok, "works over UDP and over the WebSocket")
        }
        Some(RelayTrial { udp: Some(Ok(())), websocket: Err(_) }) => {
            (State::Note, "works over UDP; over the WebSocket, which carries it where UDP is blocked, it does not")
        }
        Some(RelayTrial { udp: Some(Err(error)), websocket: Ok(()) }) => {
            return (State::Note, format!("works over the WebSocket only: {error}"));
        }
        Some(RelayTrial { udp: None, websocket: Ok(()) }) => (State::Ok, "works over the WebSocket"),
        Some(RelayTrial { websocket: Err(error), .. }) => {
            return (State::Bad, format!("is offered and does not work: {}", Report::of_signaling(error).message));
        }
    };
    (state, says.to_owned())
}

fn clock(ahead: i64) -> (State, String) {
    let seconds = ahead.unsigned_abs();
    if seconds <= CLOCK_MAX_S {
        (State::Ok, "agrees with the server's".to_owned())
    } else if ahead > 0 {
        (State::Note, format!("{seconds} s behind the server's: certificates may seem not valid yet"))
    } else {
        (State::Note, format!("{seconds} s ahead of the server's: certificates may seem expired"))
    }
}

fn ipv6(diagnosis: &Diagnosis) -> (State, String) {
    if diagnosis.has_public_ipv6() {
        (State::Ok, "this machine has a public address".to_owned())
    } else {
        (State::Note, "no public address; with one, more direct paths open".to_owned())
    }
}

fn multicast(works: bool, has_network: bool) -> (State, String) {
    match (works, has_network) {
        (true, true) => (State::Ok, "works here: devices on this network can be found".to_owned()),
        (true, false) => (State::Note, "works on this machine, which has no network".to_owned()),
        (false, _) => (State::Note, "does not work: devices on this network are not found by themselves".to_owned()),
    }
}

fn buffers(buffers: SocketBuffers) -> (State, String) {
    let kib = buffers.granted / 1024;
    if buffers.are_capped() {
        let wanted = buffers.wanted / 1024;
        (State::Note, format!("{kib} KiB where {wanted} are wanted: fast transfers lose packets"))
    } else {
        (State::Ok, format!("{kib} KiB"))
    }
}

/// What clocks may differ by, in seconds, before anything minds.
const CLOCK_MAX_S: u64 = 60;
