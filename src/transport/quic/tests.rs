//! Two connections in one process that move over QUIC, or try to.

use std::{collections::HashSet, time::Duration};

use tokio::time::{Instant, timeout};

use self::pair::{
    Way, connect, connect_by, faults, hash_of, hash_of_part, loopback, meet, next, receive_file, receive_part,
    send_file, up,
};
use super::{
    parts::{FLIGHT_PACKETS, PART_PACKETS},
    *,
};
use crate::transport::{Dialing, Incoming, TransportConfig};

mod knocks;
mod pair;

#[tokio::test(flavor = "multi_thread")]
async fn much_data_arrives_whole_over_quic_and_in_order_within_each_block() {
    let (guest, mut host) = connect().await;
    up(&guest).await;
    let bytes = 256 << 20;
    let sending = send_file(&guest, 0, bytes);
    assert_eq!(receive_file(&mut host, bytes, |_| {}).await, hash_of(bytes));
    sending.await.unwrap();
    assert_eq!(guest.path().await.unwrap().data_plane, DataPlane::Quic);
    guest.close().await;
    assert_eq!(next(&mut host).await, Incoming::Lost(Lost::ClosedByPeer));
}

#[tokio::test(flavor = "multi_thread")]
async fn quic_comes_up_over_either_family_while_the_data_channel_carries_data_already() {
    for family in ["127.0.0.1", "::1"] {
        let by_family = |candidate: &str| candidate.contains(&format!(" {family} "));
        let (mut guest, mut host) = connect_by(&loopback(), by_family, Way::DataChannel).await;
        // Both directions at once, each from one side's first byte.
        let sending = send_file(&host, 0, 8 << 20);
        faults(&guest).drop_after(usize::MAX);
        assert_eq!(receive_file(&mut guest, 8 << 20, |_| {}).await, hash_of(8 << 20));
        sending.await.unwrap();
        up(&guest).await;
        up(&host).await;
        let sending = send_file(&guest, 0, 8 << 20);
        assert_eq!(receive_file(&mut host, 8 << 20, |_| {}).await, hash_of(8 << 20));
        sending.await.unwrap();
        let path = guest.path().await.unwrap();
        // Of the same family, though it need not be this address: a machine reaches itself from each of its addresses.
        assert_eq!(path.remote.unwrap().is_ipv4(), family == "127.0.0.1");
        assert!(path.round_trip.unwrap() < Duration::from_secs(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_large_waits_for_quic() {
    let (guest, mut host) = connect_by(&loopback(), |_| true, Way::DataChannel).await;
    guest.plane().awaited.send_replace(Some(Instant::now() + LONG));
    let sending = send_file(&guest, 0, 8 << 20);
    faults(&guest).drop_after(usize::MAX);
    assert_eq!(receive_file(&mut host, 8 << 20, |_| {}).await, hash_of(8 << 20));
    sending.await.unwrap();
    assert_eq!(guest.plane().sending.lock().await.streams(), 8, "each block went by a stream of its own");
    // Although the words of the control lane go by the data channel.
    timeout(LONG, guest.plane().drained()).await.expect("each of them is said to have arrived");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_small_does_not_wait_for_quic() {
    let (guest, mut host) = connect_by(&loopback(), |_| true, Way::DataChannel).await;
    guest.plane().awaited.send_replace(Some(Instant::now() + LONG));
    guest.sender().send_data([0; DATA_HEADER_BYTES], Bytes::from_static(b"small")).await.unwrap();
    assert!(matches!(next(&mut host).await, Incoming::Data(_)));
    assert_eq!(guest.plane().early_bytes.load(Ordering::Relaxed), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_open_as_soon_as_quic_is() {
    let (guest, mut host) = connect_by(&loopback(), |_| true, Way::QuicOnly).await;
    let sender = guest.sender();
    sender.send_ctl(Bytes::from_static(b"early")).await.unwrap();
    assert_eq!(next(&mut host).await, Incoming::Ctl(Bytes::from_static(b"early")));
    assert!(!guest.plane().ctl.is_ready(), "the data channels are not open");
    host.sender().send_ctl(Bytes::from_static(b"answer")).await.unwrap();
    let mut guest = guest;
    assert_eq!(next(&mut guest).await, Incoming::Ctl(Bytes::from_static(b"answer")));
    // Said by QUIC alone, and after everything that was sent before.
    sender.send_ctl(Bytes::from_static(b"last")).await.unwrap();
    guest.close().await;
    assert_eq!(next(&mut host).await, Incoming::Ctl(Bytes::from_static(b"last")));
    assert_eq!(next(&mut host).await, Incoming::Lost(Lost::ClosedByPeer));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_lane_loses_and_repeats_nothing_when_quic_is_cut() {
    let (guest, mut host) = connect().await;
    up(&guest).await;
    let (sender, cut) = (guest.sender(), [&guest, &host].map(|side| Arc::clone(&side.plane().sockets)));
    let sending = tokio::spawn(async move {
        for number in 0..2_000_u32 {
            sender.send_ctl(Bytes::copy_from_slice(&number.to_be_bytes())).await.unwrap();
        }
    });
    for number in 0..2_000_u32 {
        if number == 300 {
            cut.iter().for_each(|sockets| sockets.faults.drop_after(0));
        }
        assert_eq!(next(&mut host).await, Incoming::Ctl(Bytes::copy_from_slice(&number.to_be_bytes())));
    }
    sending.await.unwrap();
    host.sender().send_ctl(Bytes::from_static(b"answer")).await.unwrap();
    let mut guest = guest;
    assert_eq!(next(&mut guest).await, Incoming::Ctl(Bytes::from_static(b"answer")));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_frames_arrive_each_once() {
    let (guest, mut host) = connect().await;
    up(&guest).await;
    let sender = guest.sender();
    let sending = tokio::spawn(async move {
        for entry in 0..40_000_u32 {
            let mut header = [0; DATA_HEADER_BYTES];
            header[..4].copy_from_slice(&entry.to_be_bytes());
            sender.send_data(header, Bytes::from_static(b"x")).await.unwrap();
        }
        guest
    });
    let mut seen = HashSet::new();
    while seen.len() < 40_000 {
        let Incoming::Data(message) = next(&mut host).await else { panic!("the connection ended") };
        assert!(seen.insert(message[..4].to_vec()));
    }
    assert_eq!(sending.await.unwrap().data_plane(), DataPlane::Quic);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_does_not_read_stops_the_sender_and_loses_nothing() {
    let (guest, mut host) = connect().await;
    up(&guest).await;
    let bytes = 160 << 20;
    let sending = send_file(&guest, 0, bytes);
    // Windows and buffers together hold less than half of it.
    assert!(
        timeout(Duration::from_secs(3), async {
            while !sending.is_finished() {
                tokio::task::yield_now().await
            }
        })
        .await
        .is_err()
    );
    assert_eq!(receive_file(&mut host, bytes, |_| {}).await, hash_of(bytes));
    sending.await.unwrap();
    assert_eq!(guest.data_plane(), DataPlane::Quic);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_certificate_than_the_announced_one_is_refused_by_either_side() {
    for forge_guest in [true, false] {
        let way = Way::Forged { is_guest: forge_guest };
        let (guest, mut host) = connect_by(&loopback(), |_| true, way).await;
        let sending = send_file(&guest, 0, 32 << 20);
        assert_eq!(receive_file(&mut host, 32 << 20, |_| {}).await, hash_of(32 << 20));
        sending.await.unwrap();
        // A client learns of the refusal only after it believes to be connected; the other side never does.
        assert_eq!(guest.data_plane(), DataPlane::DataChannel);
        if forge_guest {
            assert_eq!(host.data_plane(), DataPlane::DataChannel);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_quic_is_blocked_the_data_channel_carries_everything() {
    let (guest, mut host) = connect_by(&loopback(), |_| true, Way::DataChannel).await;
    guest.sender().send_ctl(Bytes::from_static(b"before it")).await.unwrap();
    assert_eq!(next(&mut host).await, Incoming::Ctl(Bytes::from_static(b"before it")));
    let sending = send_file(&guest, 0, 16 << 20);
    assert_eq!(receive_file(&mut host, 16 << 20, |_| {}).await, hash_of(16 << 20));
    sending.await.unwrap();
    assert_eq!(guest.data_plane(), DataPlane::DataChannel);
    guest.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_quic_is_cut_in_the_middle_the_data_channel_goes_on_and_nothing_is_lost() {
    let (guest, mut host) = connect().await;
    up(&guest).await;
    let bytes = 96 << 20;
    let sending = send_file(&guest, 0, bytes);
    let cut = faults(&guest);
    assert_eq!(
        receive_file(&mut host, bytes, |left| if left == bytes / 2 {
            cut.drop_after(0)
        })
        .await,
        hash_of(bytes)
    );
    sending.await.unwrap();
    assert_eq!(guest.data_plane(), DataPlane::DataChannel);
}

#[tokio::test(flavor = "multi_thread")]
async fn quic_comes_back_when_the_way_is_free_again() {
    let (guest, mut host) = connect().await;
    up(&guest).await;
    let bytes = 96 << 20;
    for (from, by_sender) in [(0, true), (bytes, false)] {
        let sending = send_file(&guest, from, from + bytes);
        let killed = if by_sender { guest.plane() } else { host.plane() }.quic.borrow().clone().unwrap();
        let kill = |left| {
            if left == bytes / 2 {
                killed.close(noq::VarInt::from_u32(0), b"test")
            }
        };
        assert_eq!(receive_part(&mut host, from, bytes, kill).await, hash_of_part(from, bytes));
        sending.await.unwrap();
        up(&guest).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn corrupted_datagrams_cost_time_only() {
    let (guest, mut host) = connect().await;
    up(&guest).await;
    faults(&guest).corrupt();
    let sending = send_file(&guest, 0, 16 << 20);
    assert_eq!(receive_file(&mut host, 16 << 20, |_| {}).await, hash_of(16 << 20));
    sending.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_arrives_even_when_the_sender_closes_at_once() {
    let (guest, mut host) = connect().await;
    up(&guest).await;
    send_file(&guest, 0, 8 << 20).await.unwrap();
    let closing = tokio::spawn(guest.close());
    assert_eq!(receive_file(&mut host, 8 << 20, |_| {}).await, hash_of(8 << 20));
    assert_eq!(next(&mut host).await, Incoming::Lost(Lost::ClosedByPeer));
    closing.await.unwrap();
}

#[test]
fn nothing_is_left_of_a_connection_however_it_ends() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let addresses = runtime.block_on(async {
        let (guest, host) = connect().await;
        up(&guest).await;
        let path = guest.path().await.unwrap();
        drop(guest);
        host.close().await;
        // While the data channels are about to open.
        drop(connect().await);
        [path.local.unwrap(), path.remote.unwrap()]
    });
    let start = std::time::Instant::now();
    while runtime.metrics().num_alive_tasks() > 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "{} tasks left", runtime.metrics().num_alive_tasks());
        std::thread::yield_now();
    }
    for address in addresses {
        std::net::UdpSocket::bind(address).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quic_that_is_switched_off_on_one_side_is_not_used() {
    for is_guest in [true, false] {
        let (with, without) = (loopback(), TransportConfig { quic: false, ..loopback() });
        let (guest_config, host_config) = if is_guest { (&without, &with) } else { (&with, &without) };
        let mut host = Dialing::prepare(host_config).await.unwrap();
        let (mut guest, offer) = Dialing::offer(guest_config).await.unwrap();
        let answer = host.answer(&offer).await.unwrap();
        assert_eq!(offer.contains("quic"), !is_guest);
        assert!(!answer.contains("quic"));
        guest.accept_answer(&answer).await.unwrap();
        let (guest, host) = meet(guest, host, |_| true).await;
        assert!(!guest.plane().is_started() && !host.plane().is_started());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_has_never_more_to_acknowledge_than_its_socket_holds() {
    const BYTES: u64 = 4 << 20;
    let (guest, mut host) = connect_by(&TransportConfig { quic: false, ..loopback() }, |_| true, Way::Any).await;
    guest.pace();
    let sending = send_file(&guest, 0, BYTES);
    let lane = guest.plane().lane.clone();
    let hash = receive_part(&mut host, 0, BYTES, |_| {}).await;
    assert_eq!(hash, hash_of(BYTES));
    sending.await.unwrap();
    let most = guest.plane().sockets.bytes_of(FLIGHT_PACKETS + PART_PACKETS);
    assert!((1..=most).contains(&lane.most_in_flight()), "{} of {most}", lane.most_in_flight());
}

/// Longer than anything takes that is to happen.
const LONG: Duration = Duration::from_secs(60);
