//! Two connections in one process whose file data moves over QUIC, or tries to.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout};

use super::*;
use crate::transport::{Channel, DialEvent, Dialing, Incoming, TransportConfig};

#[tokio::test(flavor = "multi_thread")]
async fn much_data_arrives_whole_over_quic_and_in_order_within_each_block() {
    let (guest, mut host) = connect().await;
    start(&guest, &host).await;
    up(&guest).await;
    let sent = send_file(&guest, 0, 64 << 20);
    let received = receive_file(&mut host, 64 << 20);
    let ((), (hash, _)) = tokio::join!(async { sent.await.unwrap() }, received);
    assert_eq!(hash, hash_of(64 << 20));
    assert_eq!(guest.data_plane(), DataPlane::Quic);
    assert_eq!(guest.path().await.unwrap().data_plane, DataPlane::Quic);
    guest.close().await;
    assert_eq!(next(&mut host).await, Incoming::Lost(Lost::ClosedByPeer));
}

async fn connect() -> (Channel, Channel) {
    connect_with(&TransportConfig { loopback: true, ..TransportConfig::default() }).await
}

async fn connect_with(config: &TransportConfig) -> (Channel, Channel) {
    let mut host = Dialing::prepare(config).await.unwrap();
    let (mut guest, offer) = Dialing::offer(config).await.unwrap();
    let answer = host.answer(&offer).await.unwrap();
    guest.accept_answer(&answer).await.unwrap();
    let (mut guest_open, mut host_open) = (false, false);
    while !(guest_open && host_open) {
        let (from_guest, event) = tokio::select! {
            event = guest.next_event() => (true, event),
            event = host.next_event() => (false, event),
            () = tokio::time::sleep(Duration::from_secs(20)) => panic!("not open after 20 s"),
        };
        match event {
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

async fn start(guest: &Channel, host: &Channel) {
    let (from_guest, from_host) = (guest.quic_offer().await.unwrap(), host.quic_offer().await.unwrap());
    guest.start_quic(from_host);
    host.start_quic(from_guest);
}

async fn up(channel: &Channel) {
    let start = Instant::now();
    while channel.data_plane() != DataPlane::Quic {
        assert!(start.elapsed() < Duration::from_secs(10), "QUIC does not come up");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// The byte at a place of the file that is sent.
fn block(offset: u64) -> Bytes {
    let seed = (offset / PAYLOAD) as u8;
    (0..PAYLOAD as usize).map(|index| (index as u8).wrapping_mul(31) ^ seed).collect()
}

fn hash_of(bytes: u64) -> [u8; 32] {
    let mut hash = Sha256::new();
    for offset in (0..bytes).step_by(PAYLOAD as usize) {
        hash.update(block(offset));
    }
    hash.finalize().into()
}

fn send_file(channel: &Channel, from: u64, to: u64) -> JoinHandle<()> {
    let sender = channel.sender();
    tokio::spawn(async move {
        for offset in (from..to).step_by(PAYLOAD as usize) {
            let mut header = [0; DATA_HEADER_BYTES];
            header[4..].copy_from_slice(&offset.to_be_bytes());
            sender.send_data(header, block(offset)).await.unwrap();
        }
    })
}

/// Receives a file whose frames must come in order within each block, each once; returns its hash and when each tenth came.
async fn receive_file(channel: &mut Channel, bytes: u64) -> ([u8; 32], Vec<Instant>) {
    let mut file = vec![0; bytes as usize];
    let mut next_of_block: std::collections::HashMap<u64, u64> = std::collections::HashMap::new();
    let (mut left, mut times) = (bytes, Vec::new());
    while left > 0 {
        let Incoming::Data(message) = next(channel).await else { panic!("the connection ended with {left} to go") };
        let offset = u64::from_be_bytes(message[4..12].try_into().unwrap());
        let payload = &message[DATA_HEADER_BYTES..];
        let expected = next_of_block.entry(offset >> 20).or_insert(offset >> 20 << 20);
        assert_eq!(offset, *expected, "out of order, or twice");
        *expected += payload.len() as u64;
        file[offset as usize..][..payload.len()].copy_from_slice(payload);
        left -= payload.len() as u64;
        if left % (bytes / 10) < PAYLOAD {
            times.push(Instant::now());
        }
    }
    (Sha256::digest(&file).into(), times)
}

async fn next(channel: &mut Channel) -> Incoming {
    timeout(Duration::from_secs(30), channel.next()).await.expect("nothing arrived within 30 s")
}

/// A divisor of the block, so that frames start where blocks do.
const PAYLOAD: u64 = 32 << 10;
