//! Routes, and who is known.

use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn transmit(contents: &[u8], destination: SocketAddr) -> Transmit<'_> {
    Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None }
}

/// The sockets of a connection, and the only one of them.
fn registered() -> (Arc<Sockets>, Arc<SharedSocket>) {
    let sockets = Sockets::new();
    let socket = SharedSocket::new(std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), Arc::clone(&sockets)).unwrap();
    sockets.register(&socket);
    (sockets, socket)
}

#[tokio::test]
async fn the_route_is_where_dtls_goes() {
    let (sockets, socket) = registered();
    let mut routes = sockets.routes();
    sockets.note_sent(&socket, &transmit(&[0, 1], address("192.0.2.1:1")));
    sockets.note_sent(&socket, &transmit(&[22, 254], address("192.0.2.2:2")));
    sockets.note_sent(&socket, &transmit(&[0, 1], address("192.0.2.3:3")));
    let route = routes.borrow_and_update().clone().unwrap();
    assert_eq!((route.local, route.remote), (socket.local(), address("192.0.2.2:2")));
    sockets.note_sent(&socket, &transmit(&[23, 254], address("192.0.2.2:2")));
    assert!(!routes.has_changed().unwrap());
    sockets.note_sent(&socket, &transmit(&[23, 254], address("192.0.2.4:2")));
    assert!(routes.has_changed().unwrap());
    assert!(!sockets.is_relayed() && sockets.may_use_quic());
    routes.mark_unchanged();
    sockets.note_announced(Some(address("192.0.2.5:2")), true);
    sockets.note_sent(&socket, &transmit(&[23, 254], address("192.0.2.5:2")));
    assert!(!routes.has_changed().unwrap() && !sockets.may_use_quic());
    sockets.note_sent(&socket, &transmit(&[23, 254], address("192.0.2.4:2")));
    assert!(sockets.may_use_quic());
    sockets.note_sent(&socket, &transmit(&[64, 0], address("192.0.2.9:3478")));
    assert!(sockets.is_relayed());
}

#[tokio::test]
async fn quic_may_knock_where_the_peer_was_heard_from_until_dtls_goes_somewhere() {
    let (sockets, socket) = registered();
    let routes = sockets.routes();
    let route = || routes.borrow().as_ref().map(|route| (route.remote, route.is_nominated));
    let (relay, first, second) = (address("192.0.2.1:1"), address("192.0.2.2:2"), address("192.0.2.3:3"));
    sockets.note_sent(&socket, &transmit(&[1, 1], first));
    assert_eq!(route(), None, "QUIC is not expected");
    sockets.expect_quic();
    sockets.note_announced(Some(relay), true);
    sockets.note_sent(&socket, &transmit(&[1, 1], relay));
    assert_eq!(route(), None, "its relay passes no QUIC on");
    sockets.note_sent(&socket, &transmit(&[1, 1], first));
    sockets.note_sent(&socket, &transmit(&[1, 1], second));
    assert_eq!(route(), Some((first, false)));
    sockets.note_sent(&socket, &transmit(&[22, 254], first));
    assert_eq!(route(), Some((first, true)));
    sockets.note_sent(&socket, &transmit(&[1, 1], second));
    sockets.note_sent(&socket, &transmit(&[22, 254], second));
    assert_eq!(route(), Some((second, true)));
}

#[tokio::test]
async fn who_was_told_that_its_check_is_right_is_known_and_nobody_else() {
    let sockets = Sockets::new();
    let socket = SharedSocket::new(std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), Arc::clone(&sockets)).unwrap();
    let (peer, stranger) = (address("192.0.2.1:1"), address("192.0.2.1:2"));
    sockets.note_sent(&socket, &transmit(&[0, 1], peer));
    assert!(!sockets.is_known(peer), "it has not proven anything");
    // A request and an answer in one batch.
    let batch = Transmit { segment_size: Some(2), ..transmit(&[0, 1, 1, 1], peer) };
    sockets.note_sent(&socket, &batch);
    assert!(sockets.is_known(peer) && !sockets.is_known(stranger));
    for port in 100..300 {
        sockets.note_sent(&socket, &transmit(&[1, 1], SocketAddr::new(peer.ip(), port)));
    }
    assert_eq!(sockets.peers.lock().unwrap().len(), MAX_PEERS);
}

#[tokio::test]
async fn a_check_from_a_relay_waits_for_the_peers_word_that_it_is_there() {
    let sockets = Sockets::new();
    let socket = SharedSocket::new(std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), Arc::clone(&sockets)).unwrap();
    let (relay, relayed, peer) = (address("192.0.2.9:3478"), address("192.0.2.9:50000"), address("192.0.2.1:1"));
    assert!(!sockets.is_unannounced_relay(relayed), "no relay is known");
    sockets.note_sent(&socket, &transmit(&[0, 3, 0], relay));
    assert!(sockets.is_unannounced_relay(relayed));
    assert!(!sockets.is_unannounced_relay(relay) && !sockets.is_unannounced_relay(peer));
    sockets.note_announced(Some(relayed), true);
    assert!(!sockets.is_unannounced_relay(relayed));
    assert!(sockets.is_unannounced_relay(address("192.0.2.9:50001")));
    sockets.note_announced(None, false);
    assert!(!sockets.is_unannounced_relay(address("192.0.2.9:50001")), "it may be the one behind the name");
}

#[tokio::test]
async fn kinds_are_told_apart_by_the_first_byte_and_relays_by_their_address() {
    let sockets = Sockets::new();
    let socket = SharedSocket::new(std::net::UdpSocket::bind("127.0.0.1:0").unwrap(), Arc::clone(&sockets)).unwrap();
    let (peer, relay) = (address("192.0.2.1:1"), address("192.0.2.9:3478"));
    assert!(!sockets.is_quic(&[0xc0], peer), "before it is expected");
    sockets.expect_quic();
    sockets.note_sent(&socket, &transmit(&[0, 3, 0], relay));
    for (first, quic) in [(0, false), (3, false), (20, false), (63, false), (64, true), (79, true), (80, true)] {
        assert_eq!(sockets.is_quic(&[first], peer), quic, "{first}");
    }
    for (first, quic) in [(127, true), (128, false), (191, false), (192, true), (255, true)] {
        assert_eq!(sockets.is_quic(&[first], peer), quic, "{first}");
    }
    assert!(!sockets.is_quic(&[64], relay) && !sockets.is_quic(&[79], relay));
    assert!(!sockets.is_quic(&[], peer));
}
