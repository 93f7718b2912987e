//! Two transfer machines, a simulated link between them, a source and a sink in memory, and a virtual clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use p2pshare_protocol::ctl::{AbortCode, Ctl, Hello, Role, SkipReason};
use p2pshare_protocol::entry_path::EntryPath;
use p2pshare_protocol::error::TransferError;
use p2pshare_protocol::hash::{Hash, chunk_range};
use p2pshare_protocol::limits::{CHUNK_BYTES, SILENCE_MAX};
use p2pshare_protocol::offer::{Entry, EntryId, EntryKind, Offer};
use p2pshare_protocol::untrusted::Untrusted;
use p2pshare_protocol::{receiver, sender};
use receiver::{Acceptance, Receiver};
use sender::Sender;

/// What travels, and to whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Packet {
    CtlToSender(Vec<u8>),
    CtlToReceiver(Vec<u8>),
    DataToReceiver(Vec<u8>),
}

/// A conversation that is being simulated.
pub(crate) struct Link {
    pub(crate) now: Instant,
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    /// What is on its way, by time of arrival and order of departure.
    packets: BinaryHeap<Reverse<(Instant, u64, Packet)>>,
    sequence: u64,
    pub(crate) ctl_delay: Duration,
    pub(crate) data_delay: Duration,
    /// How many connections carry data: of each frame another one, each slower than the one before.
    pub(crate) connections: u32,
    pub(crate) contents: Vec<Vec<u8>>,
    pub(crate) disk: BTreeMap<EntryId, Vec<u8>>,
    /// What the receiver takes; all, unless set.
    pub(crate) acceptance: Option<Acceptance>,
    pub(crate) committed: Vec<EntryId>,
    pub(crate) discarded: Vec<EntryId>,
    pub(crate) sender_events: Vec<sender::Event>,
    pub(crate) receiver_events: Vec<receiver::Event>,
    /// Reads of these chunks fail.
    pub(crate) bad_reads: BTreeMap<(EntryId, u64), SkipReason>,
    /// Entries that cannot be stored.
    pub(crate) bad_writes: Vec<EntryId>,
    /// How often data of a chunk is damaged on its way to the disk.
    pub(crate) damage: BTreeMap<(EntryId, u64), u32>,
    /// How the packets that arrive are changed; `None` loses one.
    pub(crate) tamper: Box<dyn FnMut(Packet) -> Option<Packet>>,
    pub(crate) data_bytes: u64,
    pub(crate) outstanding_max: u64,
    wanted: u64,
    pub(crate) done: (bool, bool),
    /// Entries that are streams, with how much of each was read.
    streams: BTreeMap<EntryId, usize>,
    /// What was passed on to a pipe.
    pub(crate) piped: Vec<u8>,
    /// After how many arrivals the connection is cut, again and again.
    pub(crate) cut_every: Option<u32>,
    arrivals: u32,
    /// Whether a cut is noticed by its silence, as after one side was suspended.
    pub(crate) falls_silent: bool,
}

impl Link {
    /// A link over which `contents` are offered: one file each, or a folder for `None`.
    #[expect(clippy::disallowed_methods, reason = "a test has to begin at some time")]
    pub(crate) fn new(contents: &[Option<Vec<u8>>]) -> Self {
        let now = Instant::now();
        let offer =
            Arc::new(Offer::new((0..).zip(contents).map(|(n, c)| entry(n, c.as_deref())).collect()).expect("an offer"));
        Self {
            now,
            sender: Sender::new(offer, hello(), 64 * 1024, now),
            receiver: Receiver::new(hello(), now),
            packets: BinaryHeap::new(),
            sequence: 0,
            ctl_delay: Duration::from_millis(20),
            data_delay: Duration::from_millis(20),
            connections: 1,
            contents: contents.iter().map(|c| c.clone().unwrap_or_default()).collect(),
            disk: BTreeMap::new(),
            acceptance: None,
            committed: Vec::new(),
            discarded: Vec::new(),
            sender_events: Vec::new(),
            receiver_events: Vec::new(),
            bad_reads: BTreeMap::new(),
            bad_writes: Vec::new(),
            damage: BTreeMap::new(),
            tamper: Box::new(Some),
            data_bytes: 0,
            outstanding_max: 0,
            wanted: 0,
            done: (false, false),
            streams: BTreeMap::new(),
            piped: Vec::new(),
            cut_every: None,
            arrivals: 0,
            falls_silent: false,
        }
    }

    /// A link over which one stream is offered.
    pub(crate) fn of_stream(content: Vec<u8>) -> Self {
        let mut link = Self::new(&[Some(content)]);
        let path = EntryPath::new(vec!["stream".to_owned()]).unwrap();
        let stream = Entry { path, kind: EntryKind::Stream, size: 0, mtime: None, mode: None };
        let offer = Arc::new(Offer::new(vec![stream]).unwrap());
        link.sender = Sender::new(offer, hello(), 64 * 1024, link.now);
        link.streams.insert(EntryId(0), 0);
        link
    }

    /// Runs until both sides finish, or one of them gives up.
    pub(crate) fn run(&mut self) -> Result<(), TransferError> {
        for _ in 0..1_000_000 {
            let wake = self.drain()?;
            if self.done == (true, true) {
                return Ok(());
            }
            match self.packets.peek() {
                Some(Reverse((at, ..))) if *at <= wake => {
                    let Some(Reverse((at, _, packet))) = self.packets.pop() else { unreachable!() };
                    self.now = self.now.max(at);
                    self.arrive(packet)?;
                    self.arrivals += 1;
                    if self.cut_every.is_some_and(|every| self.arrivals.is_multiple_of(every)) {
                        self.cut()?;
                    }
                }
                Some(_) | None => {
                    self.now = wake;
                    if !self.done.0 {
                        self.sender.handle_input(sender::Input::TimedOut, wake)?;
                    }
                    if !self.done.1 {
                        self.receiver.handle_input(receiver::Input::TimedOut, wake)?;
                    }
                }
            }
        }
        panic!("the conversation does not end");
    }

    /// Loses what is on its way and gives both sides a new channel.
    pub(crate) fn cut(&mut self) -> Result<(), TransferError> {
        self.drain()?;
        self.packets.clear();
        self.wanted = self.data_bytes;
        // A receiver that has everything does not wait that long.
        if self.falls_silent && !self.receiver.is_complete() {
            self.fall_silent();
        }
        // Each side has said until it was heard that the new channel is its own, the last time when it was heard already.
        let bind = Ctl::Bind { mac: Hash([7; 32]) }.encode();
        if !self.done.0 {
            self.sender.handle_input(sender::Input::Reconnected, self.now)?;
            self.sender.handle_input(sender::Input::Ctl(bind.clone().into()), self.now)?;
        }
        if !self.done.1 {
            self.receiver.handle_input(receiver::Input::Reconnected, self.now)?;
            self.receiver.handle_input(receiver::Input::Ctl(bind.into()), self.now)?;
        }
        Ok(())
    }

    /// Lets both sides notice that nobody answers. The new channel begins with its own `bind`, said twice as it may be.
    fn fall_silent(&mut self) {
        self.now += SILENCE_MAX;
        if !self.done.0 {
            let silent = self.sender.handle_input(sender::Input::TimedOut, self.now);
            assert_eq!(silent, Err(TransferError::Silent));
        }
        if !self.done.1 {
            let silent = self.receiver.handle_input(receiver::Input::TimedOut, self.now);
            assert_eq!(silent, Err(TransferError::Silent));
        }
        let bind = Ctl::Bind { mac: Hash([0; 32]) }.encode();
        self.depart(Packet::CtlToSender(bind.clone()), self.ctl_delay);
        self.depart(Packet::CtlToReceiver(bind), self.ctl_delay);
    }

    fn arrive(&mut self, packet: Packet) -> Result<(), TransferError> {
        let Some(packet) = (self.tamper)(packet) else { return Ok(()) };
        match packet {
            Packet::CtlToSender(bytes) if !self.done.0 => {
                if let Ok(Ctl::Want { ranges }) = Ctl::decode(&bytes) {
                    self.wanted = self
                        .wanted
                        .saturating_add(ranges.iter().map(|(_, from, to)| to.saturating_sub(*from)).sum::<u64>());
                    self.outstanding_max = self.outstanding_max.max(self.wanted.saturating_sub(self.data_bytes));
                }
                self.sender.handle_input(sender::Input::Ctl(bytes.into()), self.now)
            }
            Packet::CtlToReceiver(bytes) if !self.done.1 => {
                self.receiver.handle_input(receiver::Input::Ctl(bytes.into()), self.now)
            }
            Packet::DataToReceiver(bytes) if !self.done.1 => {
                self.data_bytes += bytes.len() as u64 - 12;
                self.receiver.handle_input(receiver::Input::Data(bytes.into()), self.now)
            }
            Packet::CtlToSender(_) | Packet::CtlToReceiver(_) | Packet::DataToReceiver(_) => Ok(()),
        }
    }

    /// Does what the machines ask for, until both wait; returns until when.
    fn drain(&mut self) -> Result<Instant, TransferError> {
        loop {
            let sender_wait = self.drain_sender()?;
            let receiver_wait = self.drain_receiver()?;
            if let Some(frame) = self.sender.poll_data() {
                let message = [&frame.header()[..], &frame.bytes].concat();
                let delay = self.data_delay * (1 + self.sequence as u32 % self.connections);
                self.depart(Packet::DataToReceiver(message), delay);
            } else if self.sender.poll_output(self.now) == sender::Output::Wait(sender_wait) {
                return Ok(sender_wait.min(receiver_wait));
            } else {
                panic!("an output was lost");
            }
        }
    }

    fn drain_sender(&mut self) -> Result<Instant, TransferError> {
        loop {
            match self.sender.poll_output(self.now) {
                sender::Output::Send(bytes) => self.depart(Packet::CtlToReceiver(bytes), self.ctl_delay),
                sender::Output::Read { entry, chunk } => {
                    let result = self.read(entry, chunk);
                    self.sender.handle_input(sender::Input::Read { entry, chunk, result }, self.now)?;
                }
                sender::Output::ReadStream { entry } => {
                    let (content, at) = (&self.contents[entry.0 as usize], self.streams[&entry]);
                    let piece = &content[at..content.len().min(at + 100_000)];
                    self.streams.insert(entry, at + piece.len());
                    let result = Ok((!piece.is_empty()).then(|| Bytes::copy_from_slice(piece)));
                    self.sender.handle_input(sender::Input::StreamRead { entry, result }, self.now)?;
                }
                sender::Output::Connect(_) | sender::Output::Stripe(..) => panic!("no path was told of"),
                sender::Output::Report(event) => self.sender_events.push(event),
                sender::Output::Finish => self.done.0 = true,
                sender::Output::Wait(deadline) => return Ok(deadline),
            }
        }
    }

    fn read(&self, entry: EntryId, chunk: u64) -> Result<(Bytes, Hash), SkipReason> {
        if let Some(reason) = self.bad_reads.get(&(entry, chunk)) {
            return Err(*reason);
        }
        let content = &self.contents[entry.0 as usize];
        let range = chunk_range(chunk, content.len() as u64);
        let bytes = Bytes::copy_from_slice(&content[range.start as usize..range.end as usize]);
        let hash = Hash::of_chunk(&bytes);
        Ok((bytes, hash))
    }

    fn drain_receiver(&mut self) -> Result<Instant, TransferError> {
        loop {
            let output = self.receiver.poll_output(self.now);
            let input = match output {
                receiver::Output::Send(bytes) => {
                    self.depart(Packet::CtlToSender(bytes), self.ctl_delay);
                    continue;
                }
                receiver::Output::Report(receiver::Event::Offered(offer)) => {
                    let everything =
                        || Acceptance { entries: offer.iter().map(|(id, _)| id).collect(), ..Acceptance::default() };
                    receiver::Input::Accept(self.acceptance.clone().unwrap_or_else(everything))
                }
                receiver::Output::Stripe(..) => panic!("no path was told of"),
                receiver::Output::Report(event) => {
                    self.receiver_events.push(event);
                    continue;
                }
                receiver::Output::Write { entry, offset, pieces, hash } => {
                    self.write(entry, offset, &pieces.concat(), hash)
                }
                receiver::Output::Pass(bytes) => {
                    self.piped.extend_from_slice(&bytes);
                    receiver::Input::Passed(bytes.len() as u64)
                }
                receiver::Output::Commit(entry) => {
                    self.committed.push(entry);
                    receiver::Input::Committed(entry)
                }
                receiver::Output::Discard(entry) => {
                    self.discarded.push(entry);
                    continue;
                }
                receiver::Output::Settle => receiver::Input::Settled,
                receiver::Output::Finish => {
                    self.done.1 = true;
                    continue;
                }
                receiver::Output::Wait(deadline) => return Ok(deadline),
            };
            self.receiver.handle_input(input, self.now)?;
        }
    }

    fn write(&mut self, entry: EntryId, offset: u64, bytes: &[u8], hash: Hash) -> receiver::Input {
        if self.bad_writes.contains(&entry) {
            return receiver::Input::Failed(entry);
        }
        let damage = self.damage.entry((entry, offset / CHUNK_BYTES)).or_default();
        if *damage > 0 {
            *damage -= 1;
            return receiver::Input::Corrupt { entry, offset };
        }
        assert_eq!(Hash::of_chunk(bytes), hash, "the machine put a chunk together wrongly");
        let file = self.disk.entry(entry).or_default();
        let end = offset as usize + bytes.len();
        file.resize(file.len().max(end), 0);
        file[offset as usize..end].copy_from_slice(bytes);
        receiver::Input::Written { entry, offset }
    }

    pub(crate) fn depart(&mut self, packet: Packet, delay: Duration) {
        self.sequence += 1;
        self.packets.push(Reverse((self.now + delay, self.sequence, packet)));
    }

    /// Stops one side and lets its last words travel.
    pub(crate) fn stop_receiver(&mut self, code: AbortCode) -> Result<(), TransferError> {
        let stopped = self.receiver.handle_input(receiver::Input::Stop(code), self.now);
        assert!(stopped.is_err());
        self.run()
    }
}

pub(crate) fn hello() -> Hello {
    Hello {
        v: 1,
        role: Role::Sends,
        name: Untrusted("test".into()),
        agent: Untrusted("test/1".into()),
        features: vec![],
        streams: None,
    }
}

pub(crate) fn entry(number: u32, content: Option<&[u8]>) -> Entry {
    let path = EntryPath::new(vec![format!("entry {number}")]).expect("a path");
    let kind = if content.is_some() { EntryKind::File } else { EntryKind::Dir };
    Entry { path, kind, size: content.map_or(0, |c| c.len() as u64), mtime: None, mode: None }
}

/// Bytes that differ from place to place.
pub(crate) fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
