//! Two connections to each other, and a file that one sends the other.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::transport::{
    Channel, DATA_HEADER_BYTES, DataPlane, DialEvent, Dialing, Incoming, TransportConfig, quic::Faults,
};

pub(super) fn loopback() -> TransportConfig {
    TransportConfig { loopback: true, ..TransportConfig::default() }
}

pub(super) fn faults(channel: &Channel) -> &Faults {
    &channel.plane().sockets.faults
}

pub(super) async fn connect() -> (Channel, Channel) {
    connect_by(&loopback(), |_| true, Way::Any).await
}

/// How two sides come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Any,
    /// Datagrams of QUIC that the guest sends are dropped, until that is ended.
    DataChannel,
    /// Those of DTLS are dropped.
    QuicOnly,
    /// One side announces another certificate for QUIC than it has.
    Forged {
        is_guest: bool,
    },
}

/// Connects by those candidates that are `wanted`.
pub(super) async fn connect_by(
    config: &TransportConfig,
    wanted: impl Fn(&str) -> bool,
    way: Way,
) -> (Channel, Channel) {
    let (host, guest) = prepare(config, way).await;
    meet(guest, host, wanted).await
}

/// Two sides that have described themselves to each other.
pub(super) async fn prepare(config: &TransportConfig, way: Way) -> (Dialing, Dialing) {
    let mut host = Dialing::prepare(config).await.unwrap();
    let (mut guest, mut offer) = Dialing::offer(config).await.unwrap();
    match way {
        Way::Any => {}
        Way::DataChannel => guest.sockets().faults.drop_after(0),
        // It has said hello by then, and so knows the path.
        Way::QuicOnly => guest.sockets().faults.drop_dtls(),
        Way::Forged { is_guest: true } => forge(&mut offer),
        Way::Forged { is_guest: false } => {}
    }
    let mut answer = host.answer(&offer).await.unwrap();
    if way == (Way::Forged { is_guest: false }) {
        forge(&mut answer);
    }
    guest.accept_answer(&answer).await.unwrap();
    (host, guest)
}

/// Changes the hash of the certificate in a description.
pub(super) fn forge(description: &mut String) {
    let at = description.find("quic:").unwrap() + "quic:".len();
    let other = if description[at..].starts_with('0') { "1" } else { "0" };
    description.replace_range(at..=at, other);
}

pub(super) async fn meet(mut guest: Dialing, mut host: Dialing, wanted: impl Fn(&str) -> bool) -> (Channel, Channel) {
    let (mut guest_open, mut host_open) = (false, false);
    while !(guest_open && host_open) {
        let (from_guest, event) = tokio::select! {
            event = guest.next_event() => (true, event),
            event = host.next_event() => (false, event),
            () = tokio::time::sleep(Duration::from_secs(20)) => panic!("not open after 20 s"),
        };
        match event {
            DialEvent::LocalCandidate(candidate) if !wanted(&candidate.candidate) => {}
            DialEvent::LocalCandidate(candidate) if from_guest => host.add_candidate(&candidate).await,
            DialEvent::LocalCandidate(candidate) => guest.add_candidate(&candidate).await,
            DialEvent::GatheringDone => {}
            DialEvent::Open if from_guest => guest_open = true,
            DialEvent::Open => host_open = true,
            DialEvent::Failed(error) => panic!("{error}"),
        }
    }
    (guest.into_channel().unwrap(), host.into_channel().unwrap())
}

pub(super) async fn up(channel: &Channel) {
    let start = Instant::now();
    while channel.data_plane() != DataPlane::Quic {
        assert!(start.elapsed() < Duration::from_secs(10), "QUIC does not come up");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The byte at a place of the file that is sent.
pub(super) fn block(offset: u64) -> Bytes {
    let seed = (offset / PAYLOAD) as u8;
    (0..PAYLOAD as usize).map(|index| (index as u8).wrapping_mul(31) ^ seed).collect()
}

pub(super) fn hash_of(bytes: u64) -> [u8; 32] {
    hash_of_part(0, bytes)
}

pub(super) fn hash_of_part(from: u64, bytes: u64) -> [u8; 32] {
    let mut hash = Sha256::new();
    for offset in (from..from + bytes).step_by(PAYLOAD as usize) {
        hash.update(block(offset));
    }
    hash.finalize().into()
}

pub(super) fn send_file(channel: &Channel, from: u64, to: u64) -> JoinHandle<()> {
    let sender = channel.sender();
    tokio::spawn(async move {
        for offset in (from..to).step_by(PAYLOAD as usize) {
            let mut header = [0; DATA_HEADER_BYTES];
            header[4..].copy_from_slice(&offset.to_be_bytes());
            sender.send_data(header, block(offset)).await.unwrap();
        }
    })
}

pub(super) async fn receive_file(channel: &mut Channel, bytes: u64, progress: impl FnMut(u64)) -> [u8; 32] {
    receive_part(channel, 0, bytes, progress).await
}

/// Receives a part of a file whose frames must come in order within each block, each once; returns its hash.
pub(super) async fn receive_part(
    channel: &mut Channel,
    from: u64,
    bytes: u64,
    mut progress: impl FnMut(u64),
) -> [u8; 32] {
    let mut part = vec![0; bytes as usize];
    let mut next_of_block: HashMap<u64, u64> = HashMap::new();
    let mut left = bytes;
    while left > 0 {
        let incoming = next(channel).await;
        // Where the machine is busy for some seconds.
        if matches!(incoming, Incoming::Disturbed | Incoming::Recovered) {
            continue;
        }
        let Incoming::Data(message) = incoming else { panic!("{incoming:?} with {left} to go") };
        let offset = u64::from_be_bytes(message[4..12].try_into().unwrap());
        let payload = &message[DATA_HEADER_BYTES..];
        let expected = next_of_block.entry(offset >> 20).or_insert(offset >> 20 << 20);
        assert_eq!(offset, *expected, "out of order, or twice");
        *expected += payload.len() as u64;
        part[(offset - from) as usize..][..payload.len()].copy_from_slice(payload);
        left -= payload.len() as u64;
        progress(left);
    }
    Sha256::digest(&part).into()
}

pub(super) async fn next(channel: &mut Channel) -> Incoming {
    timeout(Duration::from_secs(30), channel.next()).await.expect("nothing arrived within 30 s")
}

/// A divisor of the block, so that frames start where blocks do.
pub(super) const PAYLOAD: u64 = 32 << 10;
