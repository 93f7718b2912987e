//! `Announced`: the addresses of a peer, as it says.

use std::net::SocketAddr;

use super::route::MAX_PEERS;

/// What a peer says its addresses are.
#[derive(Debug, Default)]
pub(super) struct Announced {
    addresses: Vec<SocketAddr>,
    /// Those of them that are at a relay.
    relayed: Vec<SocketAddr>,
    /// Whether it has some behind names.
    has_hidden: bool,
}

impl Announced {
    /// Takes note of one, and whether it is at a relay; `None` is one behind a name.
    pub(super) fn note(&mut self, address: Option<SocketAddr>, is_of_relay: bool) {
        match address {
            Some(address) if self.addresses.len() < MAX_PEERS => {
                self.addresses.push(address);
                if is_of_relay {
                    self.relayed.push(address);
                }
            }
            Some(_) => {}
            None => self.has_hidden = true,
        }
    }

    /// Whether one is at a relay.
    pub(super) fn is_relayed(&self, address: SocketAddr) -> bool {
        self.relayed.contains(&address)
    }

    /// Whether an address cannot be one of the peer's, by what it has said.
    pub(super) fn excludes(&self, address: SocketAddr) -> bool {
        !self.has_hidden && !self.addresses.contains(&address)
    }
}
