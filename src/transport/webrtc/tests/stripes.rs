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
        assert!(plane.most_in_flight() > 0, "a connection carried nothing");
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
    further.lost().await;
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
