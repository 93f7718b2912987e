//! `Internet`: a public side with a server, and homes around it behind routers of every sort.

use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result};

use crate::lab::{Lab, device};
use crate::machine::Machine;

/// What stands between a home and the Internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Router {
    /// Nothing: the machine has a public address.
    None,
    /// NAT with one public port for each of the home's, at which everybody gets in: a full cone.
    Open,
    /// NAT with one public port for each of the home's, at which those get in that were sent to before, by address and port.
    Moderate,
    /// NAT with another public port for each destination: symmetric.
    Strict,
    /// A firewall that lets nothing through but TCP to the server's port.
    TcpOnly,
}

impl Router {
    /// Those that let UDP through.
    pub const NATS: [Self; 4] = [Self::None, Self::Open, Self::Moderate, Self::Strict];

    /// The word for it in names of machines and in tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Open => "open",
            Self::Moderate => "moderate",
            Self::Strict => "strict",
            Self::TcpOnly => "tcp-only",
        }
    }

    /// Whether datagrams find a way between a machine behind this one and another behind `other`, with nobody in between.
    #[must_use]
    pub const fn is_direct_to(self, other: Self) -> bool {
        !matches!(
            (self, other),
            (Self::TcpOnly, _)
                | (_, Self::TcpOnly)
                | (Self::Strict, Self::Strict | Self::Moderate)
                | (Self::Moderate, Self::Strict)
        )
    }

    /// The rules of nftables that make a router this one.
    fn rules(self) -> String {
        // The kernel keeps a socket's port wherever it goes, as long as nobody else has it, unless it is told to draw one.
        let masquerade = if self == Self::Strict { "masquerade fully-random" } else { "masquerade" };
        let let_in = if self == Self::Open { "iifname to-net udp dport 1024-65535 dnat to 192.168.1.2" } else { "" };
        let new_in = if self == Self::Open { "iifname to-net meta l4proto udp accept" } else { "" };
        let new_out = if self == Self::TcpOnly {
            "oifname to-net tcp dport != 8765 drop\noifname to-net meta l4proto != tcp drop"
        } else {
            ""
        };
        // What is meant for the router itself is dropped before the kernel takes note of it: a packet that comes too early
        // would occupy the port that the home's own packets are about to get.
        format!(
            "flush ruleset
            table ip nat {{
                chain leaving {{ type nat hook postrouting priority 100; oifname to-net {masquerade}; }}
                chain arriving {{ type nat hook prerouting priority -100; {let_in}; }}
            }}
            table ip firewall {{
                chain through {{
                    type filter hook forward priority 0
                    ct state established,related accept
                    {new_in}
                    iifname to-net drop
                    {new_out}
                }}
                chain local {{ type filter hook input priority 0; iifname to-net drop; }}
            }}"
        )
    }
}

/// A server with a public address, and what is around it. Every public network has its own 24 bits.
#[derive(Debug)]
pub struct Internet {
    /// The machine where servers run.
    pub server: Machine,
    lab: Lab,
    backbone: Machine,
    networks: AtomicU8,
}

impl Internet {
    /// The server's address.
    pub const SERVER: &str = "198.18.0.2";

    /// The network of all public addresses here, which is none of the real Internet.
    pub const NETWORK: &str = "198.18.0.0/15";

    /// Sets up the server and nothing around it.
    ///
    /// # Errors
    /// The system refuses; [`obstacle`](crate::obstacle) says why.
    pub fn new() -> Result<Self> {
        let lab = Lab::new()?;
        let (backbone, server) = (lab.machine("net")?, lab.machine("server")?);
        backbone.forward()?;
        let internet = Self { server, lab, backbone, networks: AtomicU8::new(0) };
        internet.join(&internet.server)?;
        Ok(internet)
    }

    /// Makes a home with one machine in it.
    ///
    /// # Errors
    /// The system refuses.
    pub fn home(&self, name: &str, router: Router) -> Result<Home> {
        let machine = self.lab.machine(name)?;
        if router == Router::None {
            let network = self.join(&machine)?;
            return Ok(Home { machine, gateway: None, network });
        }
        let gateway = self.lab.machine(&format!("{name}-gw"))?;
        let network = self.join(&gateway)?;
        gateway.forward()?;
        gateway.nft(&router.rules())?;
        // The same addresses in every home, as everywhere.
        self.lab.cable([(&machine, "192.168.1.2/24"), (&gateway, "192.168.1.1/24")])?;
        machine.ip("route add default via 192.168.1.1")?;
        Ok(Home { machine, gateway: Some(gateway), network })
    }

    /// Gives a machine a public network of its own, in which it is number 2; returns the network's first 24 bits.
    fn join(&self, machine: &Machine) -> Result<String> {
        let network = format!("198.18.{}", self.networks.fetch_add(1, Ordering::Relaxed));
        let ends = [format!("{network}.2/24"), format!("{network}.1/24")];
        self.lab.cable([(machine, &ends[0]), (&self.backbone, &ends[1])])?;
        machine.ip(&format!("route add default via {network}.1"))?;
        Ok(network)
    }
}

/// A machine, and what connects it to the Internet.
#[derive(Debug)]
pub struct Home {
    /// The machine.
    pub machine: Machine,
    gateway: Option<Machine>,
    network: String,
}

impl Home {
    /// Takes down the machine's link, which the machine notices; or that of its router to the Internet, which it does not.
    ///
    /// # Errors
    /// The system refuses.
    pub fn go_down(&self, at_router: bool) -> Result<()> {
        let (machine, device, ..) = self.uplink(at_router);
        machine.ip(&format!("link set {device} down"))
    }

    /// Brings it back.
    ///
    /// # Errors
    /// The system refuses.
    pub fn come_up(&self, at_router: bool) -> Result<()> {
        let (machine, device, network) = self.uplink(at_router);
        machine.ip(&format!("link set {device} up"))?;
        machine.ip(&format!("route add default via {network}.1"))
    }

    /// Puts another sort of router in the place of the one that is there, for connections that begin from now on.
    ///
    /// # Errors
    /// The system refuses, or there is no router.
    pub fn change(&self, router: Router) -> Result<()> {
        self.gateway.as_ref().context("no router")?.nft(&router.rules())
    }

    /// Gives the machine another address in its network, or its router another one on the Internet.
    ///
    /// # Errors
    /// The system refuses.
    pub fn move_on(&self, at_router: bool) -> Result<()> {
        let (machine, device, network) = self.uplink(at_router);
        machine.ip(&format!("addr del {network}.2/24 dev {device}"))?;
        machine.ip(&format!("addr add {network}.3/24 dev {device}"))?;
        machine.ip(&format!("route add default via {network}.1"))
    }

    /// A machine, its device towards the Internet, and the first 24 bits of the network there.
    fn uplink(&self, of_router: bool) -> (&Machine, String, &str) {
        match &self.gateway {
            Some(gateway) if of_router => (gateway, "to-net".to_owned(), &self.network),
            Some(gateway) => (&self.machine, device(gateway), "192.168.1"),
            None => (&self.machine, "to-net".to_owned(), &self.network),
        }
    }
}
