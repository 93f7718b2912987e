//! The server's UDP sockets: STUN on two ports, and the relay with a socket for each of its allocations.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, sleep_until};

use crate::relay::{AllocationId, Client, Output, Relay, Time};
use p2pshare_protocol::stun::{Message, Reflection, canonical, reflect};

/// Opens a UDP socket; on an IPv6 address for IPv6 only, so that its IPv4 twin can be opened as well.
pub(crate) fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A smaller buffer is what the system gives; bursts are lost then, and sent again.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES).and_then(|()| socket.set_send_buffer_size(BUFFER_BYTES));
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// Opens the other port of each socket, from which a network that lets in strangers hears an answer as well. A port that is
/// not to be had leaves kinds of NAT untold, nothing else.
pub(crate) fn open_others(sockets: &[UdpSocket]) -> Vec<UdpSocket> {
    let other = |socket: &UdpSocket| {
        let address = socket.local_addr()?;
        let port = address.port().checked_add(1).ok_or(io::ErrorKind::AddrNotAvailable)?;
        open(SocketAddr::new(address.ip(), port))
    };
    let opened: io::Result<Vec<_>> = sockets.iter().map(other).collect();
    opened
        .inspect_err(|error| tracing::info!(%error, "kinds of NAT cannot be told: no second UDP port"))
        .unwrap_or_default()
}

/// Whether an address is one of this machine: only such can be bound.
pub(crate) fn is_own(ip: IpAddr) -> bool {
    std::net::UdpSocket::bind((ip, 0)).is_ok()
}

/// Where the relay's sockets are, as peers see them.
#[derive(Debug, Clone)]
pub(crate) struct RelayPlace {
    /// The public addresses, where they are not those of the interfaces.
    pub(crate) addresses: Vec<IpAddr>,
    /// The ports.
    pub(crate) ports: RangeInclusive<u16>,
}

/// The sockets and the relay.
#[derive(Debug)]
pub(crate) struct Udp {
    sockets: Vec<UdpSocket>,
    /// The other port of each socket, for STUN alone; or none at all.
    others: Vec<UdpSocket>,
    relay: Option<Mutex<State>>,
    deadline_changed: Notify,
}

#[derive(Debug)]
struct State {
    relay: Relay,
    place: RelayPlace,
    open: HashMap<AllocationId, Relayed>,
}

/// The socket of an allocation, and the task that reads from it.
#[derive(Debug)]
struct Relayed {
    socket: Arc<UdpSocket>,
    reader: AbortHandle,
}

impl Drop for Relayed {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Udp {
    pub(crate) fn new(sockets: Vec<UdpSocket>, others: Vec<UdpSocket>, relay: Option<(Relay, RelayPlace)>) -> Self {
        let state = |(relay, place)| Mutex::new(State { relay, place, open: HashMap::new() });
        Self { sockets, others, relay: relay.map(state), deadline_changed: Notify::new() }
    }

    /// Answers until it is dropped.
    pub(crate) async fn serve(self) {
        let udp = Arc::new(self);
        let mut tasks = JoinSet::new();
        for socket in 0..udp.sockets.len() {
            let udp = udp.clone();
            tasks.spawn(async move { udp.listen(socket).await });
        }
        for other in 0..udp.others.len() {
            let udp = udp.clone();
            tasks.spawn(async move { udp.reflect(&udp.others[other], &udp.sockets[other]).await });
        }
        let _closing = Closing(udp.clone());
        udp.keep_time().await;
    }

    async fn listen(self: Arc<Self>, socket: usize) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            if let Some((datagram, address)) = receive(&self.sockets[socket], &mut buffer).await {
                self.take_in(Client { socket, address }, datagram);
            }
        }
    }

    /// Answers STUN on one of the other ports; `first` is the usual one.
    async fn reflect(&self, other: &UdpSocket, first: &UdpSocket) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            let Some((datagram, from)) = receive(other, &mut buffer).await else { continue };
            if let Some(answer) = Message::parse(datagram).and_then(|message| reflect(&message, from, true)) {
                let socket = if answer.from_other_port { first } else { other };
                let _ = socket.try_send_to(&answer.answer, from);
            }
        }
    }

    fn take_in(self: &Arc<Self>, from: Client, datagram: &[u8]) {
        let other = self.others.get(from.socket);
        match Message::parse(datagram).and_then(|message| reflect(&message, from.address, other.is_some())) {
            Some(Reflection { answer, from_other_port: true }) => {
                let _ = other.map(|other| other.try_send_to(&answer, from.address));
            }
            Some(Reflection { answer, from_other_port: false }) => self.answer(from, &answer),
            None => self.feed(|relay, now| relay.handle_client(from, datagram, now)),
        }
    }

    fn answer(&self, to: Client, bytes: &[u8]) {
        // A full buffer drops the datagram, as a full link would.
        let _ = self.sockets[to.socket].try_send_to(bytes, to.address);
    }

    fn feed(self: &Arc<Self>, input: impl FnOnce(&mut Relay, Time)) {
        let Some(mut state) = self.lock() else { return };
        let before = state.relay.poll_timeout();
        input(&mut state.relay, now());
        while let Some(output) = state.relay.next_output() {
            self.perform(&mut state, output);
        }
        // What is later than before is looked for when the time before has come.
        if state.relay.poll_timeout().is_some_and(|at| before.is_none_or(|before| at < before)) {
            self.deadline_changed.notify_one();
        }
    }

    fn perform(self: &Arc<Self>, state: &mut State, output: Output) {
        match output {
            Output::Answer { to, bytes } => self.answer(to, &bytes),
            Output::Forward { from, to, bytes } => {
                if let Some(relayed) = state.open.get(&from) {
                    let _ = relayed.socket.try_send_to(&bytes, to);
                }
            }
            Output::Open { id, is_v6, client } => {
                let opened = state.place.open(is_v6, client);
                if let Err(error) = &opened {
                    tracing::warn!(%error, "no socket for the relay");
                }
                let relayed = opened.ok().map(|(socket, address)| {
                    let socket = Arc::new(socket);
                    let reader = tokio::spawn(self.clone().read(id, socket.clone())).abort_handle();
                    state.open.insert(id, Relayed { socket, reader });
                    address
                });
                state.relay.opened(id, relayed, now());
            }
            Output::Close(id) => {
                state.open.remove(&id);
            }
        }
    }

    /// Reads what peers send to an allocation.
    async fn read(self: Arc<Self>, id: AllocationId, socket: Arc<UdpSocket>) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        loop {
            if let Some((datagram, from)) = receive(&socket, &mut buffer).await {
                self.feed(|relay, now| relay.handle_peer(id, from, datagram, now));
            }
        }
    }

    /// Tells the relay what time it is, whenever it wants to know. Never returns.
    async fn keep_time(self: &Arc<Self>) {
        loop {
            let deadline = self.lock().and_then(|state| state.relay.poll_timeout());
            let reached = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = reached => self.feed(|relay, now| relay.handle_timeout(now)),
                () = self.deadline_changed.notified() => {}
            }
        }
    }

    fn lock(&self) -> Option<MutexGuard<'_, State>> {
        self.relay.as_ref().map(|relay| relay.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Closes the relay's sockets when the server ends; their readers hold the server otherwise.
struct Closing(Arc<Udp>);

impl Drop for Closing {
    fn drop(&mut self) {
        if let Some(mut state) = self.0.lock() {
            state.open.clear();
        }
    }
}

impl RelayPlace {
    /// Opens a socket for a client; also says which address its peers see.
    fn open(&self, is_v6: bool, client: SocketAddr) -> io::Result<(UdpSocket, SocketAddr)> {
        let any: IpAddr = if is_v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let configured = self.addresses.iter().copied().find(|ip| ip.is_ipv6() == is_v6);
        let ip = configured.map_or_else(|| towards(is_v6, client), Ok)?;
        let mut last = io::ErrorKind::AddrNotAvailable.into();
        for _ in 0..PORTS_TRIED_MAX {
            match open(SocketAddr::new(any, self.draw_port()?)) {
                Ok(socket) => {
                    let port = socket.local_addr()?.port();
                    return Ok((socket, SocketAddr::new(ip, port)));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// A port of the range that others cannot foresee.
    fn draw_port(&self) -> io::Result<u16> {
        let drawn = getrandom::u32().map_err(io::Error::other)?;
        let count = u32::from(self.ports.end() - self.ports.start()) + 1;
        Ok(self.ports.start() + u16::try_from(drawn % count).unwrap_or(0))
    }
}

/// This machine's address of a family, as a client sees it.
fn towards(is_v6: bool, client: SocketAddr) -> io::Result<IpAddr> {
    let client = canonical(client);
    let somewhere = if is_v6 { SOMEWHERE_V6 } else { SOMEWHERE_V4 };
    let there = if client.is_ipv6() == is_v6 { client } else { SocketAddr::new(somewhere, 9) };
    let any: IpAddr = if is_v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    // Connecting a datagram socket sends nothing: it only asks the kernel which address would be used.
    let probe = std::net::UdpSocket::bind((any, 0))?;
    probe.connect(there)?;
    Ok(probe.local_addr()?.ip())
}

/// Waits for a datagram; `None` for one that is longer than any of WebRTC, or that failed.
async fn receive<'a>(socket: &UdpSocket, buffer: &'a mut [u8]) -> Option<(&'a [u8], SocketAddr)> {
    match socket.recv_from(buffer).await {
        Ok((length, from)) if length < buffer.len() => Some((&buffer[..length], from)),
        Ok(_) => None,
        Err(_) => {
            sleep(ERROR_PAUSE).await;
            None
        }
    }
}

fn now() -> Time {
    Time { at: Instant::now(), wall: SystemTime::now() }
}

/// An address out there; no packet ever goes to it.
const SOMEWHERE_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const SOMEWHERE_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

/// What bursts may wait in a socket; the usual 208 KiB lose packets at a few hundred Mbit/s.
const BUFFER_BYTES: usize = 4 << 20;

/// Longer than what fits a packet of any usual network.
const DATAGRAM_BYTES_MAX: usize = 4096;

/// How long a socket rests that reports an error, so that a lasting one does not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// How many ports are tried for one allocation.
const PORTS_TRIED_MAX: usize = 32;

#[cfg(test)]
mod tests;
