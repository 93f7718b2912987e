//! Two connections in one process, over real sockets and without QUIC.

mod stripes;

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::transport::{ChannelSender, Incoming, MAX_ACCEPTED_MESSAGE_BYTES, PathKind};

#[tokio::test(flavor = "multi_thread")]
async fn both_lanes_open_quickly_and_carry_messages_both_ways() {
    let (guest, host, took) = dial(&loopback()).await;
    let (mut guest, mut host) = (guest.into_channel().unwrap(), host.into_channel().unwrap());
    println!("open after {took:?}");
    // 40 ms on an idle machine; 400 ms and more when the driver is not hurried.
    assert!(took < Duration::from_millis(300), "{took:?}");
    let senders = [guest.sender(), host.sender()];
    for (from, to) in senders.iter().zip([&mut host, &mut guest]) {
        from.send_ctl(Bytes::from_static(b"hello")).await.unwrap();
        assert_eq!(next(to).await, Incoming::Ctl(Bytes::from_static(b"hello")));
        from.send_data(*b"the header: ", Bytes::from_static(b"payload")).await.unwrap();
        assert_eq!(next(to).await, Incoming::Data(Bytes::from_static(b"the header: payload")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn identities_are_mirrored_and_those_of_the_descriptions() {
    let (guest, host, _) = dial(&loopback()).await;
    let offer = guest.pc().local_description().await.unwrap().sdp;
    let (guest, host) = (guest.into_channel().unwrap(), host.into_channel().unwrap());
    assert_eq!(guest.identity(), host.identity().mirrored());
    let identity = guest.identity();
    let fingerprint: Vec<String> = identity.local_fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(offer.to_lowercase().contains(&format!("a=fingerprint:sha-256 {}", fingerprint.join(":"))));
    assert!(offer.contains(&format!("a=ice-ufrag:{}\r\n", identity.local_ufrag)));
    assert_ne!(identity.local_fingerprint, identity.remote_fingerprint);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_is_known() {
    let (guest, host, _) = dial(&loopback()).await;
    let (guest, host) = (guest.into_channel().unwrap(), host.into_channel().unwrap());
    let (from_guest, from_host) = (guest.path().await.unwrap(), host.path().await.unwrap());
    assert_eq!(from_guest.kind, PathKind::Lan);
    assert_eq!((from_guest.local, from_guest.remote), (from_host.remote, from_host.local));
    assert!(from_guest.round_trip.unwrap() < Duration::from_secs(1));
    assert!(guest.socket_buffers().unwrap().granted > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn much_data_arrives_whole_and_in_order_even_when_the_sender_closes_at_once() {
    const MESSAGES: usize = 1024;
    let (guest, host, _) = dial(&loopback()).await;
    let (guest, mut host) = (guest.into_channel().unwrap(), host.into_channel().unwrap());
    let block: Bytes = (0..60_000_u32).flat_map(u32::to_le_bytes).collect();
    let slice = move |index: usize| block.slice(index..index + 64 * 1024 - 12);
    let expected = slice.clone();
    let sending = tokio::spawn(async move {
        let sender = guest.sender();
        assert_eq!(sender.max_payload_bytes(), 64 * 1024 - 12);
        for index in 0..MESSAGES {
            sender.send_data(header(index), slice(index)).await.unwrap();
        }
        guest.close().await;
    });
    for index in 0..MESSAGES {
        let Incoming::Data(message) = next(&mut host).await else { panic!("the connection ended at {index}") };
        assert_eq!(message[..12], header(index));
        assert!(message[12..] == expected(index), "message {index} is not what was sent");
    }
    assert_eq!(next(&mut host).await, Incoming::Lost(Lost::ClosedByPeer));
    assert_eq!(next(&mut host).await, Incoming::Lost(Lost::ClosedByPeer));
    sending.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_connection_ends_the_other_one_at_once() {
    let (guest, host, _) = dial(&loopback()).await;
    let mut host = host.into_channel().unwrap();
    let start = Instant::now();
    drop(guest.into_channel().unwrap());
    assert_eq!(next(&mut host).await, Incoming::Lost(Lost::ClosedByPeer));
    assert_eq!(host.sender().send_ctl(Bytes::new()).await, Err(Lost::ClosedByPeer));
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_side_that_hangs_up_ends_the_connection_for_both() {
    let (guest, host, _) = dial(&loopback()).await;
    let (guest, mut host) = (guest.into_channel().unwrap(), host.into_channel().unwrap());
    let sender = guest.sender();
    guest.hang_up().await;
    assert_eq!(sender.lost().await, Lost::ClosedHere);
    assert_eq!(next(&mut host).await, Incoming::Lost(Lost::ClosedByPeer));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_outlives_its_channel_only_as_an_error() {
    let (guest, _host, _) = dial(&loopback()).await;
    let channel = guest.into_channel().unwrap();
    let sender = channel.sender();
    channel.close().await;
    assert_eq!(sender.send_ctl(Bytes::new()).await, Err(Lost::ClosedHere));
    assert_eq!(sender.lost().await, Lost::ClosedHere);
}

#[test]
fn a_peer_that_vanishes_is_noticed_by_readers_and_by_senders_that_wait() {
    let config = TransportConfig {
        disturbed_after: Duration::from_millis(1500),
        lost_after: Duration::from_millis(500),
        ..loopback()
    };
    let (here, there) = (runtime(), runtime());
    let (guest, host) = here.block_on(async {
        let (guest, host, _) = dial_across(&config, &there).await;
        (guest, host)
    });
    let host_channel = there.block_on(async { host.into_channel().unwrap() });
    here.block_on(async move {
        let mut channel = guest.into_channel().unwrap();
        let blocked = tokio::spawn(send_for_ever(channel.sender(), 60_000));
        // Its tasks and sockets go without a word, as in a crash.
        there.shutdown_background();
        std::mem::forget(host_channel);
        assert_eq!(next(&mut channel).await, Incoming::Disturbed);
        assert_eq!(next(&mut channel).await, Incoming::Lost(Lost::Unreachable));
        assert_eq!(blocked.await.unwrap(), Lost::Unreachable);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_other_than_the_described_one_is_refused_by_either_side() {
    let config = TransportConfig { handshake_limit: Duration::from_millis(1500), ..loopback() };
    for forge_offer in [true, false] {
        let mut host = Dialing::prepare(&config).await.unwrap();
        let (mut guest, offer) = Dialing::offer(&config).await.unwrap();
        let answer = host.answer(&if forge_offer { forged(&offer) } else { offer }).await.unwrap();
        guest.accept_answer(&if forge_offer { answer } else { forged(&answer) }).await.unwrap();
        let refused = Box::pin(meet(&mut guest, &mut host)).await.unwrap_err();
        println!("{refused}");
        let cheated = if forge_offer { host } else { guest };
        assert!(cheated.into_channel().is_err(), "opened with a certificate that was not described");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_may_come_before_the_description_and_bad_ones_do_no_harm() {
    let mut host = Dialing::prepare(&loopback()).await.unwrap();
    for junk in
        ["candidate:", "junk", "candidate:1 1 udp 1 0.0.0.0 5 typ host", "candidate:1 1 udp 1 1.2.3.4 x typ host"]
    {
        host.add_candidate(&Candidate::new(junk.to_owned())).await;
    }
    let (mut guest, offer) = Dialing::offer(&loopback()).await.unwrap();
    let mut candidates = 0;
    loop {
        match guest.next_event().await {
            DialEvent::LocalCandidate(candidate) => {
                assert_eq!(candidate.sdp_mid.as_deref(), Some("0"));
                assert!(candidate.is_usable(), "{candidate:?}");
                candidates += 1;
                host.add_candidate(&candidate).await;
            }
            DialEvent::GatheringDone => break,
            event @ (DialEvent::Open | DialEvent::Failed(_)) => panic!("{event:?}"),
        }
    }
    assert!(candidates > 0);
    let answer = host.answer(&offer).await.unwrap();
    guest.accept_answer(&answer).await.unwrap();
    host.add_candidate(&Candidate::new("candidate:junk".to_owned())).await;
    host.add_candidate(&Candidate::new(String::new())).await;
    meet(&mut guest, &mut host).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn descriptions_out_of_order_or_unusable_are_errors() {
    let mut host = Dialing::prepare(&loopback()).await.unwrap();
    assert!(matches!(host.answer("v=0").await, Err(TransportError::Description(_))));
    let mut host = Dialing::prepare(&loopback()).await.unwrap();
    let (mut guest, offer) = Dialing::offer(&loopback()).await.unwrap();
    let answer = host.answer(&offer).await.unwrap();
    assert!(matches!(host.answer(&offer).await, Err(TransportError::OutOfOrder(_))));
    guest.accept_answer(&answer).await.unwrap();
    assert!(matches!(guest.accept_answer(&answer).await, Err(TransportError::OutOfOrder(_))));
    assert!(matches!(guest.into_channel(), Err(TransportError::OutOfOrder(_))));
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_opens_channels_of_its_own_is_cut_off() {
    let (guest, host, _) = dial(&loopback()).await;
    let mut channel = host.into_channel().unwrap();
    let _foreign = guest.pc().create_data_channel("mine", None).await.unwrap();
    assert!(matches!(next(&mut channel).await, Incoming::Lost(Lost::Violation(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_floods_is_cut_off() {
    let (guest, host, _) = dial(&loopback()).await;
    let (guest, host) = (guest.into_channel().unwrap(), host.into_channel().unwrap());
    let flood = tokio::spawn(send_for_ever(guest.sender(), 2048));
    let lost = tokio::time::timeout(Duration::from_secs(60), host.sender().lost()).await.unwrap();
    assert!(matches!(lost, Lost::Violation(_)), "{lost}");
    assert_eq!(flood.await.unwrap(), Lost::ClosedByPeer);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_up_to_the_announced_size_are_accepted() {
    let (guest, host, _) = dial(&loopback()).await;
    let (guest, mut host) = (guest.into_channel().unwrap(), host.into_channel().unwrap());
    let payload = Bytes::from(vec![7; MAX_ACCEPTED_MESSAGE_BYTES - 12]);
    guest.sender().send_data([7; 12], payload.clone()).await.unwrap();
    let Incoming::Data(message) = next(&mut host).await else { panic!("it was not accepted") };
    assert!(message.len() == MAX_ACCEPTED_MESSAGE_BYTES && message[12..] == payload);
}

#[test]
fn nothing_is_left_of_a_dropped_connection_while_a_sender_lives() {
    let runtime = runtime();
    let senders = runtime.block_on(async {
        let (guest, host, _) = dial(&loopback()).await;
        drop(Dialing::prepare(&loopback()).await.unwrap());
        let (guest, host) = (guest.into_channel().unwrap(), host.into_channel().unwrap());
        [guest.sender(), host.sender()]
    });
    let start = Instant::now();
    while runtime.metrics().num_alive_tasks() > 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "{} tasks left", runtime.metrics().num_alive_tasks());
        std::thread::yield_now();
    }
    for sender in senders {
        assert!(runtime.block_on(sender.send_ctl(Bytes::new())).is_err());
    }
}

fn loopback() -> TransportConfig {
    TransportConfig { loopback: true, quic: false, ..TransportConfig::default() }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn header(index: usize) -> [u8; 12] {
    let mut header = [0; 12];
    header[4..].copy_from_slice(&(index as u64).to_be_bytes());
    header
}

/// A description with another certificate's fingerprint.
fn forged(sdp: &str) -> String {
    let (before, after) = sdp.split_once("sha-256 ").unwrap();
    let flipped = if after.starts_with('0') { "1" } else { "0" };
    format!("{before}sha-256 {flipped}{}", &after[1..])
}

async fn send_for_ever(sender: ChannelSender, bytes: usize) -> Lost {
    let payload = Bytes::from(vec![0; bytes]);
    loop {
        if let Err(lost) = sender.send_data([0; 12], payload.clone()).await {
            return lost;
        }
    }
}

/// Dials two connections to each other; returns guest and host, and the time from the answer to both being open.
async fn dial(config: &TransportConfig) -> (Dialing, Dialing, Duration) {
    let host = Dialing::prepare(config).await.unwrap();
    finish(config, host).await
}

/// The same with the host's tasks and sockets on another runtime.
async fn dial_across(config: &TransportConfig, there: &tokio::runtime::Runtime) -> (Dialing, Dialing, Duration) {
    let their_config = config.clone();
    let host = there.spawn(async move { Dialing::prepare(&their_config).await.unwrap() }).await.unwrap();
    finish(config, host).await
}

async fn finish(config: &TransportConfig, mut host: Dialing) -> (Dialing, Dialing, Duration) {
    let (mut guest, offer) = Dialing::offer(config).await.unwrap();
    let answer = host.answer(&offer).await.unwrap();
    let start = Instant::now();
    guest.accept_answer(&answer).await.unwrap();
    meet(&mut guest, &mut host).await.unwrap();
    (guest, host, start.elapsed())
}

/// Passes candidates between two sides until both are open or one has failed.
async fn meet(guest: &mut Dialing, host: &mut Dialing) -> Result<(), TransportError> {
    let (mut guest_open, mut host_open) = (false, false);
    while !(guest_open && host_open) {
        tokio::select! {
            event = guest.next_event() => match event {
                DialEvent::LocalCandidate(candidate) => host.add_candidate(&candidate).await,
                DialEvent::GatheringDone => {}
                DialEvent::Open => guest_open = true,
                DialEvent::Failed(error) => return Err(error),
            },
            event = host.next_event() => match event {
                DialEvent::LocalCandidate(candidate) => guest.add_candidate(&candidate).await,
                DialEvent::GatheringDone => {}
                DialEvent::Open => host_open = true,
                DialEvent::Failed(error) => return Err(error),
            },
            () = tokio::time::sleep(Duration::from_secs(20)) => panic!("neither open nor failed after 20 s"),
        }
    }
    Ok(())
}

async fn next(channel: &mut Channel) -> Incoming {
    tokio::time::timeout(Duration::from_secs(20), channel.next()).await.expect("nothing arrived within 20 s")
}
