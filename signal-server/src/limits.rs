//! Every bound of the server, in one place.

use std::time::Duration;

/// The server's bounds. The defaults are the ones to run in public; tests shorten the times.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long a room lives unless its host asks for something else.
    pub room_lifetime: Duration,
    /// The longest life that a host may ask for.
    pub room_lifetime_max: Duration,
    /// How long a room waits for a host that lost its socket.
    pub host_return: Duration,
    /// How long a nameplate stays unused after its room: cuts off who only has the old code.
    pub nameplate_rest: Duration,
    /// How long a guest may take until the host reports on its proof.
    pub handshake: Duration,
    /// How many guests may be in a handshake in one room.
    pub handshakes_max: usize,
    /// How many guests may be attached to one room.
    pub guests_max: usize,
    /// How many bytes of bodies are relayed from and to one guest: a handshake takes some 10 KiB.
    pub guest_bytes_max: usize,
    /// How long a greeting may be that a room keeps for its next guest: a host's first message takes 60 bytes.
    pub greeting_bytes_max: usize,
    /// How many rooms one socket may host: a code's, a link's, and their successors for a moment.
    pub rooms_per_socket_max: usize,
    /// How many rooms the server holds.
    pub rooms_max: usize,
    /// How many sockets of one network are told which devices are there.
    pub looking_max: usize,
    /// How long changes on a network are collected before they are told.
    pub nearby_pause: Duration,
    /// How often one neighbour may come to the door of a device that shows itself. A device asks its person about five in a minute
    /// (`KNOCKS_MAX`), so that others always get in.
    pub knocks: Rate,
    /// How many neighbours of one network that is remembered of.
    pub knockers_max: usize,
    /// What one source address may do.
    pub source: SourceLimits,
    /// What one socket may do.
    pub socket: SocketLimits,
    /// What the relay carries, if there is one.
    pub relay: RelayLimits,
}

/// The bounds of the relay.
#[derive(Debug, Clone)]
pub struct RelayLimits {
    /// How many allocations there are at a time; each is a socket.
    pub allocations_max: u32,
    /// How many of them one source address has.
    pub allocations_per_source_max: u32,
    /// How many of them belong to one credential: a device with two networks needs two.
    pub allocations_per_credential_max: u32,
    /// How many addresses each of them lets through: a device has a few, most of which are refused anyway.
    pub permissions_max: usize,
    /// How many bytes one credential carries, both ways together.
    pub bytes_per_credential_max: u64,
    /// How many bytes a second one credential carries, each way.
    pub bytes_per_second: u64,
    /// How many bytes a second the relay carries.
    pub bytes_per_second_total: u64,
    /// How long what a credential began may last.
    pub session_max: Duration,
    /// How many credentials are remembered, so that remembering cannot fill the memory.
    pub credentials_max: usize,
}

/// The bounds of one source address.
#[derive(Debug, Clone)]
pub struct SourceLimits {
    /// How many sockets it may have open.
    pub sockets_max: u32,
    /// How many rooms it may create.
    pub creates: Rate,
    /// How many rooms it may enter.
    pub joins: Rate,
    /// How many wrong proofs its guests may give; it cannot enter any room when they are used up.
    pub bad_proofs: Rate,
    /// Whether this machine's own addresses are bounded as well. They are not by default: what runs here is trusted
    /// not to guess, and scripts create rooms in quick succession.
    pub loopback: bool,
    /// How many sources without a socket are remembered, so that remembering cannot fill the memory.
    pub remembered_max: usize,
}

/// The bounds of one socket.
#[derive(Debug, Clone)]
pub struct SocketLimits {
    /// How many sockets the server holds, WebSocket or not; if absent, what the system's file limit leaves.
    pub open_max: Option<usize>,
    /// How long the head of a request may take to arrive.
    pub header_read: Duration,
    /// How long a WebSocket may stay silent before its first message.
    pub first_message: Duration,
    /// How often the server sends a ping.
    pub ping: Duration,
    /// How long a WebSocket may be silent, pongs included, before it is given up.
    pub silence: Duration,
    /// How long a goodbye may take.
    pub close: Duration,
    /// How many messages a socket may send; more wait unread.
    pub messages: Rate,
    /// How many pings and pongs it may send; more end it.
    pub pings: Rate,
    /// How many messages may wait for a socket that does not read.
    pub queued_max: usize,
    /// How many bytes of them.
    pub queued_bytes_max: usize,
}

/// A number of events in a span of time. All of them may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many events; at least one.
    pub count: u32,
    /// In how long a time.
    pub per: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            room_lifetime: Duration::from_secs(3600),
            room_lifetime_max: Duration::from_secs(24 * 3600),
            host_return: Duration::from_secs(60),
            nameplate_rest: Duration::from_secs(600),
            handshake: Duration::from_secs(15),
            handshakes_max: 4,
            guests_max: 256,
            guest_bytes_max: 2 << 20,
            greeting_bytes_max: 512,
            rooms_per_socket_max: 4,
            rooms_max: 50_000,
            looking_max: 128,
            nearby_pause: Duration::from_secs(1),
            knocks: Rate { count: 2, per: Duration::from_secs(60) },
            knockers_max: 256,
            source: SourceLimits::default(),
            socket: SocketLimits::default(),
            relay: RelayLimits::default(),
        }
    }
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self {
            allocations_max: 4096,
            allocations_per_source_max: 64,
            allocations_per_credential_max: 2,
            permissions_max: 4,
            bytes_per_credential_max: 2 << 30,
            bytes_per_second: 50_000_000 / 8,
            bytes_per_second_total: 1_000_000_000 / 8,
            session_max: Duration::from_secs(1800),
            credentials_max: 10_000,
        }
    }
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self {
            sockets_max: 32,
            creates: Rate { count: 10, per: Duration::from_secs(60) },
            joins: Rate { count: 30, per: Duration::from_secs(60) },
            bad_proofs: Rate { count: 10, per: Duration::from_secs(3600) },
            loopback: false,
            remembered_max: 100_000,
        }
    }
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            open_max: None,
            header_read: Duration::from_secs(5),
            first_message: Duration::from_secs(10),
            ping: Duration::from_secs(30),
            silence: Duration::from_secs(75),
            close: Duration::from_secs(1),
            messages: Rate { count: 200, per: Duration::from_secs(4) },
            pings: Rate { count: 20, per: Duration::from_secs(20) },
            queued_max: 32,
            queued_bytes_max: 256 * 1024,
        }
    }
}
