//! Two ends of a connection and the link between them, in a time of their own.

use std::{
    collections::{HashSet, VecDeque},
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use noq_proto::{
    ClientConfig, Connection, ConnectionEvent, ConnectionHandle, DatagramEvent, Dir, Endpoint, FourTuple, PathId,
    ServerConfig, StreamId, TransportConfig, WriteError,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use p2pshare_net::{Counters, Link, Pipe};

use crate::transport::quic::{
    config,
    credentials::{Credentials, NAME},
    steady::SteadyConfig,
};

/// How late a side is woken: up to this mostly, up to ten times as much now and then.
pub(super) const WAKES_LATE: Duration = Duration::from_micros(500);

pub(super) struct Simulation {
    pub(super) sides: [Side; 2],
    /// What the first side sends, and what the other one does.
    pub(super) pipes: [Pipe<Vec<u8>>; 2],
    pub(super) now: Instant,
    pub(super) start: Instant,
    pub(super) lateness: Duration,
    /// How long before it reads its socket a side looks at the clock.
    pub(super) reads_late: Duration,
    /// The resolution of timers.
    pub(super) ticks: Duration,
    /// Packets that are larger do not arrive.
    pub(super) largest: usize,
    pub(super) clock: Arc<Mutex<Instant>>,
    pub(super) random: u64,
    /// What is being sent, and how much of it was written.
    pub(super) stream: Option<(StreamId, usize)>,
    pub(super) reading: HashSet<StreamId>,
}

pub(super) struct Side {
    endpoint: Endpoint,
    connection: Option<(ConnectionHandle, Connection)>,
    arrived: VecDeque<Vec<u8>>,
    timeout: Option<Instant>,
    asleep_until: Instant,
}

impl Side {
    fn new(server: Option<ServerConfig>, now: Instant) -> Self {
        let mut config = config::endpoint();
        config.rng_seed(Some([7; 32]));
        let endpoint = Endpoint::new(Arc::new(config), server.map(Arc::new), true);
        Self { endpoint, connection: None, arrived: VecDeque::new(), timeout: None, asleep_until: now }
    }

    fn hear(&mut self, now: Instant, from: SocketAddr) {
        while let Some(datagram) = self.arrived.pop_front() {
            let mut answer = Vec::new();
            let data = BytesMut::from(&datagram[..]);
            match self.endpoint.handle(now, FourTuple::from_remote(from), None, data, &mut answer) {
                Some(DatagramEvent::NewConnection(incoming)) => {
                    let accepted = self.endpoint.accept(incoming, now, &mut answer, None);
                    self.connection = Some(accepted.map_err(|error| error.cause).unwrap());
                }
                Some(DatagramEvent::ConnectionEvent(_, event)) => self.tell(event),
                Some(DatagramEvent::Response(_)) | None => {}
            }
        }
    }

    fn tell(&mut self, event: ConnectionEvent) {
        self.connection.as_mut().unwrap().1.handle_event(event);
    }

    fn speak(&mut self, now: Instant, largest: usize, into: &mut Pipe<Vec<u8>>) {
        let Some((handle, connection)) = &mut self.connection else { return };
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(*handle, event) {
                connection.handle_event(event);
            }
        }
        let mut buffer = Vec::new();
        while let Some(transmit) = connection.poll_transmit(now, TRAIN, &mut buffer) {
            let datagrams = buffer[..transmit.size].chunks(transmit.segment_size.unwrap_or(transmit.size));
            for datagram in datagrams.filter(|datagram| datagram.len() <= largest) {
                into.enter(datagram.to_vec(), datagram.len() as u64 + 28, now);
            }
            buffer.clear();
        }
        self.timeout = connection.poll_timeout();
    }
}

impl Simulation {
    pub(super) fn new(link: Link) -> Self {
        let now = Instant::now();
        let (client, server) = (Credentials::generate().unwrap(), Credentials::generate().unwrap());
        let crypto = QuicServerConfig::try_from(server.server_config(client.sha256()).unwrap()).unwrap();
        let mut serving = ServerConfig::with_crypto(Arc::new(crypto));
        let clock = Arc::new(Mutex::new(now));
        let transport = Arc::new(transport(&clock));
        serving.transport_config(Arc::clone(&transport));
        let crypto = QuicClientConfig::try_from(client.client_config(server.sha256()).unwrap()).unwrap();
        let mut calling = ClientConfig::new(Arc::new(crypto));
        calling.transport_config(transport);
        let mut sides = [Side::new(None, now), Side::new(Some(serving), now)];
        let call = sides[0].endpoint.connect(now, calling, address(1), NAME);
        sides[0].connection = Some(call.unwrap());
        Self {
            sides,
            pipes: [Pipe::new(link, 0), Pipe::new(link, 1)],
            now,
            start: now,
            lateness: Duration::ZERO,
            reads_late: Duration::ZERO,
            ticks: Duration::ZERO,
            largest: usize::MAX,
            clock,
            random: 1,
            stream: None,
            reading: HashSet::new(),
        }
    }

    /// Lets both sides do what there is to do, and goes on to when there is more; returns what was read.
    fn step(&mut self, left: &mut usize) -> u64 {
        let mut read = 0;
        for me in 0..2 {
            while let Some(datagram) = self.pipes[1 - me].leave(self.now) {
                self.sides[me].arrived.push_back(datagram);
            }
            if self.sides[me].asleep_until > self.now {
                continue;
            }
            let looked = self.now - self.reads_late;
            let side = &mut self.sides[me];
            let is_due = side.timeout.is_some_and(|timeout| timeout <= self.now);
            let has_work = is_due || !side.arrived.is_empty();
            side.hear(looked, address(1 - me));
            if is_due && let Some((_, connection)) = &mut side.connection {
                connection.handle_timeout(self.now);
            }
            if me == 0 {
                self.write(left);
            } else {
                read += self.read();
            }
            self.sides[me].speak(self.now, self.largest, &mut self.pipes[me]);
            let timeout = self.sides[me].timeout.map(|timeout| self.tick_after(timeout));
            self.sides[me].timeout = timeout;
            if has_work {
                self.sides[me].asleep_until = self.now + self.lateness();
            }
        }
        let wakes = self.sides.iter().filter_map(|side| {
            let waits = if side.arrived.is_empty() { side.timeout } else { Some(self.now) };
            waits.map(|at| at.max(side.asleep_until))
        });
        let arrivals = self.pipes.iter().filter_map(Pipe::next_due);
        self.now = wakes.chain(arrivals).min().unwrap().max(self.now);
        *self.clock.lock().unwrap() = self.now;
        read
    }

    fn lateness(&mut self) -> Duration {
        let fraction = self.fraction();
        let most = if self.random.is_multiple_of(20) { 10 * self.lateness } else { self.lateness };
        most.mul_f64(fraction)
    }

    /// A number from 0 to 1, without 1.
    fn fraction(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 40) as f64 / f64::from(1 << 24)
    }

    fn tick_after(&self, at: Instant) -> Instant {
        if self.ticks.is_zero() {
            return at;
        }
        let ticks = (at - self.start).as_nanos().div_ceil(self.ticks.as_nanos());
        self.start + self.ticks * u32::try_from(ticks).unwrap()
    }

    fn write(&mut self, left: &mut usize) {
        let Some((_, connection)) = &mut self.sides[0].connection else { return };
        while *left > 0 && !connection.is_handshaking() {
            let Some((id, written)) = self.stream.or_else(|| Some((connection.streams().open(Dir::Uni)?, 0))) else {
                return;
            };
            let count = match connection.send_stream(id).write(&BLOCK[written..BLOCK.len().min(written + *left)]) {
                Ok(count) => count,
                Err(WriteError::Blocked) => 0,
                Err(error) => panic!("{error}"),
            };
            *left -= count;
            self.stream = Some((id, written + count)).filter(|(_, written)| *written < BLOCK.len() && *left > 0);
            if self.stream.is_none() {
                connection.send_stream(id).finish().unwrap();
            }
            if count == 0 {
                return;
            }
        }
    }

    fn read(&mut self) -> u64 {
        let Some((_, connection)) = &mut self.sides[1].connection else { return 0 };
        while let Some(id) = connection.streams().accept(Dir::Uni) {
            self.reading.insert(id);
        }
        let mut read = 0;
        self.reading.retain(|id| {
            let mut stream = connection.recv_stream(*id);
            let Ok(mut chunks) = stream.read(true) else { return false };
            let goes_on = loop {
                match chunks.next(usize::MAX) {
                    Ok(Some(chunk)) => read += chunk.bytes.len() as u64,
                    Ok(None) => break false,
                    Err(_) => break true,
                }
            };
            let _ = chunks.finalize();
            goes_on
        });
        read
    }

    /// The largest packet that the sender makes.
    pub(super) fn packet_bytes(&mut self) -> u16 {
        let stats = self.sides[0].connection.as_mut().and_then(|(_, connection)| connection.path_stats(PathId::ZERO));
        stats.map_or(0, |stats| stats.current_mtu)
    }

    /// The bytes that the sender may have under way.
    fn window(&self) -> u64 {
        let sender = self.sides[0].connection.as_ref();
        sender.and_then(|(_, connection)| connection.congestion_state(PathId::ZERO)).map_or(0, |state| state.window())
    }
}

/// How so many bytes were moved.
#[derive(Debug)]
pub(super) struct Run {
    bytes: u64,
    pub(super) took: Duration,
    before: Counters,
    after: Counters,
    pub(super) largest_window: u64,
}

impl Run {
    pub(super) fn of(simulation: &mut Simulation, bytes: usize) -> Self {
        let (start, before) = (simulation.now, simulation.pipes[0].counters());
        let (mut left, mut read, mut largest_window) = (bytes, 0, 0);
        while read < bytes as u64 {
            read += simulation.step(&mut left);
            largest_window = largest_window.max(simulation.window());
            assert!(simulation.now - simulation.start < Duration::from_secs(120), "{read} of {bytes}");
        }
        let after = simulation.pipes[0].counters();
        Self { bytes: bytes as u64, took: simulation.now - start, before, after, largest_window }
    }

    /// MB/s.
    pub(super) fn rate(&self) -> f64 {
        self.bytes as f64 / self.took.as_secs_f64() / 1e6
    }

    /// The part of the packets that had to be sent again.
    pub(super) fn sent_twice(&self) -> f64 {
        let missing = |counters: Counters| counters.lost + counters.dropped;
        (missing(self.after) - missing(self.before)) as f64 / (self.after.packets - self.before.packets) as f64
    }
}

/// As in use, but in the time of a simulation.
fn transport(clock: &Arc<Mutex<Instant>>) -> TransportConfig {
    let clock = Arc::clone(clock);
    let mut config = config::transport(DATAGRAM_BYTES);
    let steady = SteadyConfig { clock: Arc::new(move || *clock.lock().unwrap()), ..SteadyConfig::new(128 << 10) };
    config.congestion_controller_factory(Arc::new(steady));
    config
}

fn address(side: usize) -> SocketAddr {
    ([10, 0, 0, side as u8 + 1], 1000).into()
}

static BLOCK: [u8; 1 << 20] = [7; 1 << 20];

pub(super) const DATAGRAM_BYTES: u16 = 1472;

const TRAIN: NonZeroUsize = NonZeroUsize::new(40).unwrap();
