//! Several connections that share the data of one.

use super::*;
use crate::transport::Channel;

const MESSAGES: usize = 512;

#[tokio::test(flavor = "multi_thread")]
async fn each_connection_carries_a_part_and_everything_arrives_before_the_end() {
    let (mut guest, mut host) = open().await;
    for _ in 0..3 {
        let (there, here) = open().await;
        guest.join(there);
        host.join(here);
    }
    assert_eq!((guest.connections(), host.path().await.unwrap().connections), (4, 4));
    let planes = guest.planes();
    let block: Bytes = (0..30_000_u32).flat_map(u32::to_le_bytes).collect();
    let slice = move |index: usize| block.slice(index..index + 64 * 1024 - 12);
    let expected = slice.clone();
    let sending = tokio::spawn(async move {
        let sender = guest.sender();
        for index in 0..MESSAGES {
            sender.send_data(header(index), slice(index)).await.unwrap();
        }
        guest.close().await;
    });
    let mut missing: Vec<bool> = vec![true; MESSAGES];
    for _ in 0..MESSAGES {
        let Incoming::Data(message) = next(&mut host).await else { panic!("the connection ended") };
        let index = u64::from_be_bytes(message[4..12].try_into().unwrap()) as usize;
        assert!(std::mem::take(&mut missing[index]), "message {index} comes again");
        assert!(message[12..] == expected(index), "message {index} is not what was sent");
    }
    assert_eq!(next(&mut host).await, Incoming::Lost(Lost::ClosedByPeer));
    sending.await.unwrap();
    for plane in planes {
        let most = plane.most_in_flight();
        assert!(most > 0, "a connection carried nothing");
        assert!(most <= (1 << 20) + 64 * 1024, "{most} bytes waited for one of them");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_lost_takes_the_others_along() {
    let (mut guest, mut host) = open().await;
    let (there, here) = open().await;
    guest.join(there);
    here.hang_up().await;
    assert_eq!(next(&mut guest).await, Incoming::Lost(Lost::ClosedByPeer));
    assert!(guest.broke_by_further());
    assert_eq!(guest.sender().send_data([0; 12], Bytes::new()).await, Err(Lost::ClosedByPeer));
    assert_eq!(next(&mut host).await, Incoming::Lost(Lost::ClosedByPeer));
    assert!(!host.broke_by_further());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_lost_while_nothing_comes_over_the_first_either_says_nothing_against_several() {
    let config = TransportConfig { disturbed_after: Duration::from_secs(1), ..loopback() };
    let (guest, host, _) = dial(&config).await;
    let wire = Arc::clone(&host.sockets);
    let (mut guest, _host) = (guest.into_channel().unwrap(), host.into_channel().unwrap());
    let (there, here) = open().await;
    guest.join(there);
    wire.faults.drop_checks();
    assert_eq!(next(&mut guest).await, Incoming::Disturbed);
    here.hang_up().await;
    assert_eq!(next(&mut guest).await, Incoming::Lost(Lost::ClosedByPeer));
    assert!(!guest.broke_by_further());
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_waits_for_what_a_further_connection_has_to_deliver() {
    let (mut guest, host) = open().await;
    let (there, here, _) = dial(&loopback()).await;
    let wire = Arc::clone(&here.sockets);
    guest.join(there.into_channel().unwrap());
    let _here = here.into_channel().unwrap();
    // Nothing is acknowledged.
    wire.faults.drop_dtls();
    let sender = guest.sender();
    for index in 0..16 {
        sender.send_data(header(index), Bytes::from(vec![0; 60_000])).await.unwrap();
    }
    let closed = tokio::time::timeout(Duration::from_secs(1), guest.close()).await;
    assert!(closed.is_err(), "it has left the rest behind");
    drop(host);
}

/// Nothing but its data stays away: the path is alive, so that ICE never says that it is lost.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_carries_nothing_any_more_while_others_do_counts_as_lost_within_seconds() {
    let (mut guest, mut host) = open().await;
    let (there, here, _) = dial(&loopback()).await;
    let wire = Arc::clone(&there.sockets);
    guest.join(there.into_channel().unwrap());
    host.join(here.into_channel().unwrap());
    wire.faults.drop_dtls();
    let (sender, start) = (guest.sender(), Instant::now());
    let sending = tokio::spawn(async move {
        // More at once than one of them takes.
        for index in 0..64 {
            sender.send_data(header(index), Bytes::from(vec![0; 60_000])).await.unwrap();
        }
    });
    let mut arrived = 0;
    let lost = loop {
        tokio::select! {
            incoming = next(&mut host) => arrived += u32::from(matches!(incoming, Incoming::Data(_))),
            incoming = next(&mut guest) => break incoming,
        }
    };
    assert_eq!(lost, Incoming::Lost(Lost::Unreachable));
    println!("lost after {:?}, {arrived} of 64 messages arrived", start.elapsed());
    assert!(arrived > 0 && arrived < 64 && guest.broke_by_further());
    sending.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn along_a_path_without_a_relay_a_further_one_asks_for_no_address_at_one() {
    let (guest, _host) = open().await;
    let recipe = guest.recipe().unwrap();
    assert_eq!(recipe.config.path_policy, PathPolicy::DirectOnly);
    assert_eq!(recipe.along(false).config.path_policy, PathPolicy::DirectOnly);
    let relayed = Recipe { config: loopback(), granted: Vec::new() }.along(false);
    assert_eq!(relayed.config.path_policy, PathPolicy::Any);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_end_with_the_first_one_which_has_the_last_word() {
    let (mut guest, mut host) = open().await;
    let (there, here) = open().await;
    let further = there.sender();
    guest.join(there);
    host.join(here);
    host.sender().send_ctl(Bytes::from_static(b"the reason")).await.unwrap();
    host.close().await;
    assert_eq!(next(&mut guest).await, Incoming::Ctl(Bytes::from_static(b"the reason")));
    assert_eq!(next(&mut guest).await, Incoming::Lost(Lost::ClosedByPeer));
    assert!(!guest.broke_by_further());
    guest.close().await;
    // Whichever side was first.
    tokio::time::timeout(Duration::from_secs(20), further.lost()).await.expect("it has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_data_is_taken_from_a_further_connection() {
    let (mut guest, host) = open().await;
    let (there, here) = open().await;
    guest.join(there);
    here.sender().send_ctl(Bytes::from_static(b"a word on the wrong lane")).await.unwrap();
    here.sender().send_data([0; 12], Bytes::from_static(b"x")).await.unwrap();
    assert!(matches!(next(&mut guest).await, Incoming::Data(_)));
    host.sender().send_ctl(Bytes::from_static(b"hello")).await.unwrap();
    assert_eq!(next(&mut guest).await, Incoming::Ctl(Bytes::from_static(b"hello")));
}

async fn open() -> (Channel, Channel) {
    let (guest, host, _) = dial(&loopback()).await;
    (guest.into_channel().unwrap(), host.into_channel().unwrap())
}
