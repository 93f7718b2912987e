//! The relay (TURN, RFC 8656, over UDP): a value, without sockets and without a clock.
//!
//! 1. Feed [`Relay::handle_client`] what comes to the server's port, [`Relay::handle_peer`] what comes to a relayed
//!    address, [`Relay::opened`] what became of an [`Output::Open`], [`Relay::handle_timeout`] the time;
//! 2. carry out [`Relay::next_output`] until there is none.
//!
//! Everything that a client could do to the server or to others is bounded here: who may use it ([`credentials`]), whom
//! datagrams may go to ([`filter`]), how many allocations there are and how much they carry ([`quota`]).

mod allocation;
pub(crate) mod credentials;
mod filter;
pub(crate) mod quota;
mod request;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Instant, SystemTime};

use self::allocation::Allocation;
use self::credentials::RelaySecret;
use self::filter::Filter;
use self::quota::Quota;
use crate::client_address::Network;
use crate::limits::RelayLimits;
use p2pshare_protocol::stun::{Message, Writer, attribute, canonical, kind};

/// Names an allocation; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct AllocationId(u64);

/// A client's address, and which of the server's sockets it speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    pub(crate) socket: usize,
    pub(crate) address: SocketAddr,
}

/// What time it is: for deadlines, and as people have it, for credentials.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    pub(crate) at: Instant,
    pub(crate) wall: SystemTime,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Send this to a client.
    Answer { to: Client, bytes: Vec<u8> },
    /// Send this from an allocation's socket.
    Forward { from: AllocationId, to: SocketAddr, bytes: Vec<u8> },
    /// Open a socket that a client's peers can reach, and say where it is.
    Open { id: AllocationId, is_v6: bool, client: SocketAddr },
    /// Close an allocation's socket.
    Close(AllocationId),
}

/// What the relay is made with.
#[derive(Debug)]
pub(crate) struct RelaySetup {
    pub(crate) limits: RelayLimits,
    pub(crate) secret: RelaySecret,
    /// What nonces are made with.
    pub(crate) nonce_key: [u8; 32],
    /// Networks that datagrams may go to, beyond the public Internet.
    pub(crate) allowed: Vec<Network>,
    /// Whether an address is one of this machine.
    pub(crate) is_own: fn(IpAddr) -> bool,
}

/// All allocations of a server.
#[derive(Debug)]
pub(crate) struct Relay {
    limits: RelayLimits,
    secret: RelaySecret,
    nonce_key: [u8; 32],
    filter: Filter,
    is_own: fn(IpAddr) -> bool,
    quota: Quota,
    allocations: HashMap<AllocationId, Allocation>,
    allocations_ever: u64,
    by_client: HashMap<Client, AllocationId>,
    by_relayed: HashMap<SocketAddr, AllocationId>,
    deadlines: BTreeSet<(Instant, AllocationId)>,
    /// What is held back since it came too fast, by when it may go; the number keeps the order.
    held: BTreeMap<(Instant, u64), Held>,
    held_ever: u64,
    outputs: VecDeque<Output>,
}

/// What is held back.
#[derive(Debug)]
enum Held {
    Out(Output),
    /// For another allocation here.
    In {
        to: AllocationId,
        from: SocketAddr,
        data: Vec<u8>,
    },
}

impl Relay {
    pub(crate) fn new(setup: RelaySetup) -> Self {
        let RelaySetup { limits, secret, nonce_key, allowed, is_own } = setup;
        Self {
            quota: Quota::new(limits.clone()),
            limits,
            secret,
            nonce_key,
            filter: Filter::new(&allowed),
            is_own,
            allocations: HashMap::new(),
            allocations_ever: 0,
            by_client: HashMap::new(),
            by_relayed: HashMap::new(),
            deadlines: BTreeSet::new(),
            held: BTreeMap::new(),
            held_ever: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Takes in a datagram of a client. What is neither a message nor belongs to an allocation is not answered.
    pub(crate) fn handle_client(&mut self, from: Client, datagram: &[u8], now: Time) {
        match datagram.first() {
            Some(0x40..0x80) => self.channel_data(from, datagram, now),
            Some(0..0x40) => {
                let Some(message) = Message::parse(datagram) else { return };
                match message.kind() {
                    kind::ALLOCATE | kind::REFRESH | kind::CREATE_PERMISSION | kind::CHANNEL_BIND => {
                        self.request(from, &message, now);
                    }
                    kind::SEND_INDICATION => self.send_indication(from, &message, now),
                    _ => {}
                }
            }
            Some(0x80..) | None => {}
        }
    }

    /// Takes in a datagram that came to an allocation's relayed address.
    pub(crate) fn handle_peer(&mut self, id: AllocationId, from: SocketAddr, datagram: &[u8], now: Time) {
        let from = canonical(from);
        let Some(allocation) = self.allocations.get(&id) else { return };
        if !allocation.permits(from.ip(), now.at) {
            return;
        }
        let bytes = match allocation.channel_of(from, now.at) {
            Some(channel) => {
                let length = u16::try_from(datagram.len()).unwrap_or(u16::MAX);
                [&channel.to_be_bytes(), &length.to_be_bytes(), datagram].concat()
            }
            None => Writer::new(kind::DATA_INDICATION, self.next_transaction(id))
                .address(attribute::XOR_PEER_ADDRESS, from)
                .attribute(attribute::DATA, datagram)
                .finish(None),
        };
        let to = allocation.client;
        self.carry(id, Held::Out(Output::Answer { to, bytes }), datagram.len(), quota::Direction::ToClient, now);
    }

    /// Takes in that an allocation's socket is open, or that none is to be had.
    pub(crate) fn opened(&mut self, id: AllocationId, relayed: Option<SocketAddr>, now: Time) {
        let Some(allocation) = self.allocations.get_mut(&id) else { return };
        let transaction = allocation.asked;
        let (to, key) = (allocation.client, allocation.key);
        let Some(relayed) = relayed else {
            self.end(id);
            let refusal = Writer::new(kind::ALLOCATE | kind::ERROR, transaction).error(508, "Insufficient Capacity");
            return self.outputs.push_back(Output::Answer { to, bytes: refusal.finish(Some(&key)) });
        };
        allocation.relayed = Some(relayed);
        self.by_relayed.insert(relayed, id);
        self.confirm(id, now);
    }

    /// Takes in what time it is.
    pub(crate) fn handle_timeout(&mut self, now: Time) {
        while let Some(entry) = self.held.first_entry().filter(|entry| entry.key().0 <= now.at) {
            let held = entry.remove();
            self.let_go(held, now);
        }
        while let Some((_, id)) = self.deadlines.first().filter(|(at, _)| *at <= now.at).copied() {
            self.end(id);
        }
    }

    /// When to call [`Relay::handle_timeout`] at the latest.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let held = self.held.first_key_value().map(|((at, _), _)| *at);
        self.deadlines.first().map(|(at, _)| *at).into_iter().chain(held).min()
    }

    /// The next thing to do.
    pub(crate) fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn channel_data(&mut self, from: Client, datagram: &[u8], now: Time) {
        let Some((header, rest)) = datagram.split_first_chunk::<4>() else { return };
        let number = u16::from_be_bytes([header[0], header[1]]);
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let Some(data) = rest.get(..length) else { return };
        let Some(id) = self.by_client.get(&from).copied() else { return };
        let peer = self.allocations.get(&id).and_then(|allocation| allocation.peer_of(number, now.at));
        if let Some(peer) = peer {
            self.forward(id, peer, data, now);
        }
    }

    fn send_indication(&mut self, from: Client, message: &Message<'_>, now: Time) {
        let Some(Some(peer)) = message.addresses(attribute::XOR_PEER_ADDRESS).next() else { return };
        let Some(data) = message.attribute(attribute::DATA) else { return };
        if let Some(id) = self.by_client.get(&from).copied() {
            self.forward(id, canonical(peer), data, now);
        }
    }

    /// Sends a client's data to its peer, if the client may. Looks at the address each time, whatever was permitted.
    fn forward(&mut self, id: AllocationId, peer: SocketAddr, data: &[u8], now: Time) {
        let Some(allocation) = self.allocations.get(&id) else { return };
        let Some(relayed) = allocation.relayed else { return };
        if !allocation.permits(peer.ip(), now.at) || !self.may_reach(peer) {
            return;
        }
        // Between two of our own allocations nothing has to leave, whatever stands between us and our public address.
        let held = match self.by_relayed.get(&peer).copied() {
            Some(neighbour) => Held::In { to: neighbour, from: relayed, data: data.to_vec() },
            None => Held::Out(Output::Forward { from: id, to: peer, bytes: data.to_vec() }),
        };
        self.carry(id, held, data.len(), quota::Direction::ToPeer, now);
    }

    /// Whether datagrams may go to an address, by the list alone: cheap enough for each of them.
    fn may_reach(&self, peer: SocketAddr) -> bool {
        self.by_relayed.contains_key(&peer) || (Filter::allows_port(peer.port()) && self.filter.allows(peer.ip()))
    }

    /// Whether a client may be let through to an address: not to this machine, except to what is relayed here.
    fn may_permit(&self, peer: SocketAddr) -> bool {
        self.by_relayed.contains_key(&peer)
            || (self.filter.allows(peer.ip())
                && !(self.is_own)(peer.ip())
                && !self.by_relayed.keys().any(|relayed| relayed.ip() == peer.ip()))
    }

    /// Passes data on within all bounds; ends an allocation whose credential is used up.
    fn carry(&mut self, id: AllocationId, what: Held, bytes: usize, direction: quota::Direction, now: Time) {
        let Some(allocation) = self.allocations.get(&id) else { return };
        match self.quota.carry(&allocation.username, bytes, direction, now.at) {
            quota::Verdict::Carry => self.let_go(what, now),
            quota::Verdict::Later(at) => {
                self.held_ever += 1;
                self.held.insert((at, self.held_ever), what);
            }
            quota::Verdict::Drop => {}
            quota::Verdict::UsedUp => self.end(id),
        }
    }

    fn let_go(&mut self, held: Held, now: Time) {
        match held {
            Held::Out(output) => self.outputs.push_back(output),
            Held::In { to, from, data } => self.handle_peer(to, from, &data, now),
        }
    }

    /// Ends an allocation.
    fn end(&mut self, id: AllocationId) {
        let Some(allocation) = self.allocations.remove(&id) else { return };
        self.deadlines.remove(&(allocation.expires, id));
        self.by_client.remove(&allocation.client);
        if let Some(relayed) = allocation.relayed {
            self.by_relayed.remove(&relayed);
            self.outputs.push_back(Output::Close(id));
        }
        self.quota.release(&allocation.username, allocation.source);
    }

    /// Numbers for indications, which nobody answers.
    fn next_transaction(&self, id: AllocationId) -> [u8; 12] {
        let mut transaction = [0; 12];
        transaction[4..].copy_from_slice(&id.0.to_be_bytes());
        transaction
    }
}
