//! `Internet`: a public side with a server, and homes around it behind routers of every sort.

use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::Result;

use crate::lab::Lab;
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
            "table ip nat {{
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
    pub fn home(&self, name: &str, router: Router) -> Result<Machine> {
        let machine = self.lab.machine(name)?;
        if router == Router::None {
            self.join(&machine)?;
            return Ok(machine);
        }
        let gateway = self.lab.machine(&format!("{name}-gw"))?;
        self.join(&gateway)?;
        gateway.forward()?;
        gateway.nft(&router.rules())?;
        // The same addresses in every home, as everywhere.
        self.lab.cable([(&machine, "192.168.1.2/24"), (&gateway, "192.168.1.1/24")])?;
        machine.ip("route add default via 192.168.1.1")?;
        Ok(machine)
    }

    /// Gives a machine a public network of its own; the machine is number 2 there.
    fn join(&self, machine: &Machine) -> Result<()> {
        let number = self.networks.fetch_add(1, Ordering::Relaxed);
        let ends = [format!("198.18.{number}.2/24"), format!("198.18.{number}.1/24")];
        self.lab.cable([(machine, &ends[0]), (&self.backbone, &ends[1])])?;
        machine.ip(&format!("route add default via 198.18.{number}.1"))
    }
}
