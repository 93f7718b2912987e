//! `Triangle`: two machines and a server, each two of them joined.

use anyhow::Result;

use crate::emulator::EmulatedLink;
use crate::lab::Lab;
use crate::link::Link;
use crate::machine::Machine;

/// Where a transfer between two machines is tried: a direct link between them, and one from each to the server, as long as
/// the direct one, at 100 Mbit/s and without loss.
#[derive(Debug)]
pub struct Triangle {
    /// The machine that has the files.
    pub sender: Machine,
    /// The machine that gets them.
    pub receiver: Machine,
    /// The machine where servers run.
    pub server: Machine,
    /// The link between sender and receiver; `None` where all three are one machine.
    pub direct: Option<EmulatedLink>,
    _to_server: Vec<EmulatedLink>,
    _lab: Lab,
}

/// The sender's address.
pub const SENDER: &str = "10.77.0.1";

/// The receiver's address.
pub const RECEIVER: &str = "10.77.0.2";

/// The server's address.
pub const SERVER: &str = "10.77.0.9";

impl Triangle {
    /// Sets it up around a link.
    ///
    /// # Errors
    /// The system refuses; [`obstacle`](crate::obstacle) says why.
    pub fn new(link: Link) -> Result<Self> {
        let lab = Lab::new()?;
        let (sender, receiver, server) = (lab.machine("sender")?, lab.machine("receiver")?, lab.machine("server")?);
        let side = Link { delay: link.delay, ..Link::new(100, 0.0, 0.0) };
        let direct = lab.link([(&sender, SENDER), (&receiver, RECEIVER)], link)?;
        let to_server = vec![
            lab.link([(&sender, SENDER), (&server, SERVER)], side)?,
            lab.link([(&receiver, RECEIVER), (&server, SERVER)], side)?,
        ];
        Ok(Self { sender, receiver, server, direct: Some(direct), _to_server: to_server, _lab: lab })
    }

    /// One machine that has all three addresses: traffic stays within it.
    ///
    /// # Errors
    /// The system refuses.
    pub fn on_one_machine() -> Result<Self> {
        let lab = Lab::new()?;
        let (machine, other) = (lab.machine("machine")?, lab.machine("nobody")?);
        // Addresses that are not loopback ones, which no tool offers to another machine.
        lab.cable([(&machine, "10.77.0.1/24"), (&other, "10.77.0.100/24")])?;
        machine.ip("addr add 10.77.0.2/24 dev to-nobody")?;
        machine.ip("addr add 10.77.0.9/24 dev to-nobody")?;
        let (sender, receiver, server) = (machine.clone(), machine.clone(), machine);
        Ok(Self { sender, receiver, server, direct: None, _to_server: Vec::new(), _lab: lab })
    }
}
