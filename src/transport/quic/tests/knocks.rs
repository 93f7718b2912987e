//! QUIC that comes before a path is nominated, and before the client has proven to be the peer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use noq::{Endpoint, PathId, ServerConfig, TokioRuntime};

use super::{
    super::{Credentials, carrier, config, config::Configs, credentials},
    pair::{Way, connect_by, hash_of, loopback, meet, next, prepare, receive_file, send_file, up},
    *,
};
use crate::transport::{DialEvent, Dialing, Incoming, TransportError, socket::Route};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_first_comes_first_and_once_whatever_carries_it() {
    let forged = [true, false].map(|is_guest| Way::Forged { is_guest });
    for way in [Way::Any, Way::QuicOnly, Way::DataChannel].into_iter().chain(forged) {
        let (mut host, mut guest) = prepare(&loopback(), way).await;
        for (side, name) in [(&mut host, "host"), (&mut guest, "guest")] {
            assert!(side.say_first(|_| Bytes::from(name)), "{way:?}");
            assert!(!side.say_first(|_| Bytes::from("again")), "{way:?}");
        }
        let (mut guest, mut host) = meet(guest, host, |_| true).await;
        let (from_guest, from_host) = (guest.sender(), host.sender());
        for (from, to, name) in [(from_guest, &mut host, "guest"), (from_host, &mut guest, "host")] {
            from.send_ctl(Bytes::from_static(b"second")).await.unwrap();
            assert_eq!(next(to).await, Incoming::Ctl(Bytes::from(name)), "{way:?}");
            assert_eq!(next(to).await, Incoming::Ctl(Bytes::from_static(b"second")), "{way:?}");
        }
        guest.close().await;
        assert_eq!(next(&mut host).await, Incoming::Lost(Lost::ClosedByPeer), "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_the_peer_alone_is_not_said_to_who_has_not_proven_to_be_it() {
    let (guest, _host) = connect_by(&loopback(), |_| true, Way::QuicOnly).await;
    up(&guest).await;
    let ctl = &guest.plane().ctl;
    // What the peer has not heard by then is kept.
    ctl.quic_lost();
    assert!(ctl.early_words().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_quic_knocked_at_the_wrong_address_it_comes_up_on_the_nominated_path() {
    for is_guest_wrong in [true, false] {
        let (host, guest) = prepare(&loopback(), Way::Any).await;
        let wrong = if is_guest_wrong { &guest } else { &host };
        // Nobody is there.
        wrong.sockets().lead_to("127.0.0.1:9".parse().unwrap());
        let (guest, mut host) = meet(guest, host, |_| true).await;
        up(&guest).await;
        up(&host).await;
        let sending = send_file(&guest, 0, 8 << 20);
        assert_eq!(receive_file(&mut host, 8 << 20, |_| {}).await, hash_of(8 << 20));
        sending.await.unwrap();
        let remote = guest.plane().sockets.routes().borrow().clone().unwrap().remote;
        assert_eq!(guest.path().await.unwrap().remote.map(|remote| remote.port()), Some(remote.port()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn quic_that_came_up_elsewhere_starts_over_on_the_nominated_path() {
    let (host, guest) = prepare(&loopback(), Way::Any).await;
    come_up_early(&guest, &host, Ipv6Addr::LOCALHOST.into()).await;
    let (guest, mut host) = meet(guest, host, |candidate| candidate.contains(" 127.0.0.1 ")).await;
    up(&guest).await;
    up(&host).await;
    for side in [&guest, &host] {
        let quic = side.plane().quic.borrow().clone().unwrap();
        let remote = quic.path(PathId::ZERO).unwrap().remote_address().unwrap();
        assert!(remote.ip().to_canonical().is_ipv4(), "{remote}");
    }
    let sending = send_file(&guest, 0, 8 << 20);
    assert_eq!(receive_file(&mut host, 8 << 20, |_| {}).await, hash_of(8 << 20));
    sending.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn quic_that_came_up_early_carries_nothing_where_a_relay_is_nominated() {
    let (host, guest) = prepare(&loopback(), Way::Any).await;
    for (side, other) in [(&guest, &host), (&host, &guest)] {
        for address in other.sockets().locals() {
            side.sockets().note_announced(Some(address), true);
        }
    }
    come_up_early(&guest, &host, Ipv4Addr::LOCALHOST.into()).await;
    let (guest, mut host) = meet(guest, host, |_| true).await;
    // What is large does not wait for QUIC.
    let sending = send_file(&guest, 0, 8 << 20);
    assert_eq!(receive_file(&mut host, 8 << 20, |_| {}).await, hash_of(8 << 20));
    sending.await.unwrap();
    for side in [&guest, &host] {
        assert_eq!(side.data_plane(), DataPlane::DataChannel);
        assert!(side.plane().is_alone());
    }
    guest.close().await;
    assert_eq!(next(&mut host).await, Incoming::Lost(Lost::ClosedByPeer));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_path_is_nominated_each_side_finds_so_itself_whoever_is_first() {
    tokio::join!(find_no_path(true), find_no_path(false));
}

async fn find_no_path(is_guest_first: bool) {
    let (disturbed_after, lost_after) = (Duration::from_secs(1), Duration::from_secs(3));
    let config = TransportConfig { disturbed_after, lost_after, ..loopback() };
    let (host, guest) = prepare(&config, Way::Any).await;
    come_up_early(&guest, &host, Ipv4Addr::LOCALHOST.into()).await;
    let (first, mut second) = if is_guest_first { (guest, host) } else { (host, guest) };
    first.close().await;
    let failed = loop {
        if let DialEvent::Failed(error) = timeout(LONG, second.next_event()).await.expect("it fails") {
            break error;
        }
    };
    assert!(matches!(failed, TransportError::Lost(Lost::Unreachable)), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_no_further_than_hello_holds_up_no_other() {
    let (channel, _other) = connect_by(&loopback(), |_| true, Way::Any).await;
    let plane = channel.planes().remove(0);
    let [server, client] = [(); 2].map(|()| Credentials::generate().unwrap());
    let route = Route { socket: std::sync::Weak::new(), local: ANY, remote: ANY, is_nominated: true };
    let mut patient = config::transport(1200);
    // One that does not answer is never given up.
    patient.max_idle_timeout(None);
    let mut taking = Configs::new(&server, &client.sha256()).unwrap().server(&route);
    taking.transport_config(Arc::new(patient));
    let server_hash = server.sha256();
    let (server, knocking) = (endpoint(Some(taking)), endpoint(None));
    let calling = Configs::new(&client, &server_hash).unwrap().client(&route);

    // It says hello by way of somebody who passes nothing on after that.
    let between = tokio::net::UdpSocket::bind(ANY).await.unwrap();
    let half = knocking.connect_with(calling.clone(), between.local_addr().unwrap(), credentials::NAME).unwrap();
    let mut hello = [0; 2048];
    let bytes = between.recv(&mut hello).await.unwrap();
    between.send_to(&hello[..bytes], server.local_addr().unwrap()).await.unwrap();
    let accepting = {
        let server = server.clone();
        tokio::spawn(async move { carrier::accept(&server, &plane).await.unwrap() })
    };
    let from_server = async { while between.recv_from(&mut hello).await.unwrap().1 != server.local_addr().unwrap() {} };
    timeout(LONG, from_server).await.expect("the hello is answered");

    let whole = knocking.connect_with(calling, server.local_addr().unwrap(), credentials::NAME).unwrap();
    let whole = timeout(LONG, whole).await.expect("it is let in").unwrap();
    let (accepted, _) = timeout(LONG, accepting).await.expect("it is let in").unwrap();
    assert_eq!(accepted.path(PathId::ZERO).unwrap().remote_address().unwrap(), knocking.local_addr().unwrap());
    drop((half, whole));
}

fn endpoint(server: Option<ServerConfig>) -> Endpoint {
    let socket = std::net::UdpSocket::bind(ANY).unwrap();
    Endpoint::new(config::endpoint(), server, socket, Arc::new(TokioRuntime)).unwrap()
}

/// Has QUIC come up between two sides that know of no path.
async fn come_up_early(guest: &Dialing, host: &Dialing, ip: IpAddr) {
    for (side, other) in [(guest, host), (host, guest)] {
        let there = other.sockets().locals().into_iter().find(|local| local.ip() == ip);
        side.sockets().lead_to(there.unwrap());
    }
    let start = Instant::now();
    while [guest, host].iter().any(|side| side.sockets().faults.opened() == 0) {
        assert!(start.elapsed() < LONG, "QUIC does not come up");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Any port of this machine.
const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
