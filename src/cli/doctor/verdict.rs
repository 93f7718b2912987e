//! What the findings mean for transfers: one sentence, what to do, and an exit code.

use std::net::IpAddr;

use p2pshare::Error;
use p2pshare::doctor::{Diagnosis, RelayTrial, ServerDiagnosis};
use p2pshare::transport::{Nat, Reflections};
use p2pshare_protocol::envelope::ErrorCode;
use p2pshare_protocol::server_config::VersionRange;

use super::findings::nat_of;
use crate::cli::report::{Exit, Report};

/// What it comes to.
#[derive(Debug)]
pub(super) struct Verdict {
    /// Its name, for scripts.
    pub(super) name: &'static str,
    pub(super) exit: Exit,
    pub(super) says: String,
    /// What to do, if anything.
    pub(super) advice: Vec<String>,
}

impl Verdict {
    fn new(name: &'static str, exit: Exit, says: &str) -> Self {
        Self { name, exit, says: says.to_owned(), advice: Vec::new() }
    }

    fn advise(mut self, advice: &str) -> Self {
        if !advice.is_empty() {
            self.advice.push(advice.to_owned());
        }
        self
    }
}

/// The worst obstacle names the verdict; what only slows transfers down is added as advice.
pub(super) fn verdict(diagnosis: &Diagnosis) -> Verdict {
    let mut verdict = match &diagnosis.server {
        _ if !diagnosis.has_network() => {
            Verdict::new("no_network", Exit::Network, "This machine is connected to no network.")
                .advise("Connect it to one.")
        }
        None => local(diagnosis.multicast),
        Some(server) => at_server(server),
    };
    if diagnosis.buffers.are_capped() && verdict.exit == Exit::Done && cfg!(target_os = "linux") {
        let wanted = diagnosis.buffers.wanted;
        verdict = verdict.advise(&format!(
            "For faster transfers, as root: sysctl -w net.core.rmem_max={wanted} net.core.wmem_max={wanted}"
        ));
    }
    verdict
}

fn local(multicast: Option<bool>) -> Verdict {
    let verdict = match multicast {
        Some(false) => Verdict::new(
            "local",
            Exit::Done,
            "Devices on this network can be reached by the link, and not by the code alone.",
        )
        .advise("A firewall on this machine may block UDP port 5353."),
        Some(true) | None => Verdict::new("local", Exit::Done, "Devices on this network should find each other."),
    };
    verdict.advise("To test the way to devices elsewhere, name a server: --server.")
}

fn at_server(server: &ServerDiagnosis) -> Verdict {
    let config = match &server.description {
        Ok(description) => &description.config,
        Err(error) => {
            let report = Report::of_signaling(error);
            let says = format!("The server {} cannot be used.", server.server);
            return Verdict::new("server_unreachable", report.exit, &says).advise(report.hint.as_deref().unwrap_or(""));
        }
    };
    let ours = VersionRange::OURS;
    if config.protocol.max < ours.min || ours.max < config.protocol.min {
        return Verdict::new("version", Exit::Version, "The server speaks another version of the protocol.")
            .advise("Use the same version of p2pshare on both sides.");
    }
    let trial = match &server.introduction {
        Some(Ok(introduction)) => introduction.relay.as_ref(),
        Some(Err(Error::Refused { code: ErrorCode::RateLimited | ErrorCode::ServerFull, .. })) => None,
        Some(Err(_)) | None => {
            return Verdict::new(
                "websocket_blocked",
                Exit::Network,
                "The server answers, but its WebSocket does not get through.",
            )
            .advise("A proxy or firewall on the way may not pass WebSockets: use https, or another network.");
        }
    };
    of_paths(server, trial)
}

/// What the ways past the server are worth: datagrams, and the relay.
fn of_paths(server: &ServerDiagnosis, trial: Option<&RelayTrial>) -> Verdict {
    let was_asked = server.reflections.iter().any(Option::is_some);
    // What a server on the same network sees says nothing of the way to the Internet.
    let is_near = server.reflections.iter().flatten().filter_map(Reflections::public).any(|seen| is_private(seen.ip()));
    let relays = |trial: &RelayTrial| trial.websocket.is_ok() || matches!(trial.udp, Some(Ok(())));
    let has_relay = trial.is_some_and(relays);
    let verdict = match (nat_of(&server.reflections), has_relay) {
        (None, _) if !was_asked => Verdict::new(
            "untold",
            Exit::Done,
            "The server can be used; whether direct connections work cannot be told from it.",
        )
        .advise("Test with a server that answers STUN, as `p2pshare serve` does."),
        (None, true) => Verdict::new(
            "relay_only",
            Exit::Done,
            "UDP is blocked here: transfers go through the server's relay, more slowly.",
        )
        .advise("For direct connections, allow outgoing UDP."),
        (None, false) => Verdict::new(
            "udp_blocked",
            Exit::Network,
            "UDP is blocked here and the server has no relay: only devices on this network can be reached.",
        )
        .advise("Allow outgoing UDP, or use a server that runs with --relay."),
        (Some(Nat::Strict), true) => Verdict::new(
            "direct_or_relay",
            Exit::Done,
            "Direct connections work with open networks only; to all others the server's relay leads.",
        ),
        (Some(Nat::Strict), false) => Verdict::new(
            "strict",
            Exit::Network,
            "Direct connections work with open networks only, and the server has no relay for the others.",
        )
        .advise("Use a server that runs with --relay, or another network."),
        (Some(Nat::Moderate | Nat::Firewall | Nat::Untold), false) => Verdict::new(
            "direct",
            Exit::Done,
            "Direct connections should work, except with devices behind a strict NAT.",
        )
        .advise("A server that runs with --relay reaches those as well."),
        (Some(Nat::None | Nat::Open), _) | (Some(Nat::Moderate | Nat::Firewall | Nat::Untold), true) => {
            Verdict::new("direct", Exit::Done, "Direct connections should work.")
        }
    };
    if is_near {
        return verdict.advise(
            "The server is on this network; what leads to devices elsewhere takes one on the Internet to tell.",
        );
    }
    verdict
}

/// Whether an address is of this machine or of a network of one's own.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use p2pshare::doctor::Introduction;
    use p2pshare::signaling::{Description, SignalingError};
    use p2pshare::transport::SocketBuffers;
    use p2pshare_protocol::server_config::{ServerConfig, ServerLimits};

    use super::*;

    /// A network as the server sees it: who answers from where, whether strangers get in, and a relay that works or not.
    struct Case {
        seen: [Option<&'static str>; 2],
        lets_in: bool,
        relay: Option<bool>,
    }

    const OWN: Option<&str> = Some("10.0.0.7:4000");
    const PUBLIC: Option<&str> = Some("203.0.113.9:50000");
    const OTHER: Option<&str> = Some("203.0.113.9:50001");

    fn diagnosis(case: &Case) -> Diagnosis {
        let limits = ServerLimits {
            message_bytes: 1,
            body_bytes: 1,
            room_lifetime_s: 1,
            room_lifetime_max_s: 1,
            handshake_s: 1,
        };
        let config = ServerConfig {
            version: "0.1.0".to_owned(),
            protocol: VersionRange::OURS,
            limits,
            ice_servers: Vec::new(),
            relay: case.relay.is_some(),
            stun_ports: vec![8765, 8766],
            elsewhere: None,
        };
        let reflections = Reflections {
            local: "10.0.0.7:4000".parse().unwrap(),
            seen: case.seen.map(|seen| seen.map(|seen| seen.parse().unwrap())).into(),
            lets_in_strangers: Some(case.lets_in),
        };
        let relay = case.relay.map(|works| RelayTrial {
            udp: None,
            websocket: if works { Ok(()) } else { Err(SignalingError::Closed { code: None }) },
        });
        let server = ServerDiagnosis {
            server: "http://192.0.2.1:8765".parse().unwrap(),
            description: Ok(Description { config, clock_ahead_s: Some(0), took: Duration::ZERO }),
            introduction: Some(Ok(Introduction { round_trip: Duration::ZERO, relay })),
            reflections: [Some(reflections), None],
        };
        Diagnosis {
            addresses: vec!["10.0.0.7".parse().unwrap()],
            multicast: Some(true),
            buffers: SocketBuffers { wanted: 1, granted: 1 },
            server: Some(server),
        }
    }

    #[track_caller]
    fn check(case: &Case, name: &str, exit: Exit) {
        let verdict = verdict(&diagnosis(case));
        assert_eq!((verdict.name, verdict.exit), (name, exit), "{}", verdict.says);
    }

    #[test]
    fn a_strict_nat_needs_a_relay_that_works() {
        let case = |relay| Case { seen: [PUBLIC, OTHER], lets_in: false, relay };
        check(&case(Some(true)), "direct_or_relay", Exit::Done);
        check(&case(Some(false)), "strict", Exit::Network);
        check(&case(None), "strict", Exit::Network);
    }

    #[test]
    fn without_udp_everything_depends_on_the_relay() {
        let case = |relay| Case { seen: [None, None], lets_in: false, relay };
        check(&case(Some(true)), "relay_only", Exit::Done);
        check(&case(Some(false)), "udp_blocked", Exit::Network);
        check(&case(None), "udp_blocked", Exit::Network);
    }

    #[test]
    fn other_networks_connect_directly() {
        for (seen, lets_in) in [([OWN, OWN], true), ([OWN, OWN], false), ([PUBLIC; 2], true), ([PUBLIC; 2], false)] {
            check(&Case { seen, lets_in, relay: None }, "direct", Exit::Done);
        }
        let moderate = diagnosis(&Case { seen: [PUBLIC; 2], lets_in: false, relay: None });
        assert!(verdict(&moderate).says.contains("except with devices behind a strict NAT"));
    }

    #[test]
    fn a_server_that_answers_and_carries_no_websocket_is_of_no_use() {
        let mut diagnosis = diagnosis(&Case { seen: [OWN, OWN], lets_in: true, relay: None });
        let server = diagnosis.server.as_mut().unwrap();
        server.introduction = Some(Err(SignalingError::Closed { code: None }.into()));
        assert_eq!(verdict(&diagnosis).name, "websocket_blocked");
        let server = diagnosis.server.as_mut().unwrap();
        server.description = Err(SignalingError::Refused { server: server.server.clone(), status: 502 });
        assert_eq!((verdict(&diagnosis).name, verdict(&diagnosis).exit), ("server_unreachable", Exit::Network));
    }
}
