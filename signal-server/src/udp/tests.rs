//! A server's UDP on loopback: STUN, and the relay's life there.

use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::limits::RelayLimits;
use crate::relay::RelaySetup;
use crate::relay::credentials::RelaySecret;
use p2pshare_protocol::stun::{Writer, ask, attribute, kind, long_term_key};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A server on loopback, with a relay; ends when the set is dropped.
fn start() -> (SocketAddr, JoinSet<()>) {
    let socket = open(SocketAddr::new(LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let others = vec![open(SocketAddr::new(LOCALHOST, 0)).unwrap()];
    let (limits, secret) = (RelayLimits::default(), RelaySecret::new(b"north"));
    let relay = Relay::new(RelaySetup { limits, secret, nonce_key: [1; 32], allowed: Vec::new(), is_own });
    let place = RelayPlace { addresses: Vec::new(), ports: crate::config::RELAY_PORTS };
    let mut running = JoinSet::new();
    running.spawn(Udp::new(vec![socket], others, Some((relay, place))).serve());
    (address, running)
}

struct TestClient {
    socket: UdpSocket,
    username: String,
    key: [u8; 16],
    nonce: String,
}

impl TestClient {
    async fn connect(server: SocketAddr, session: &str) -> Self {
        let socket = UdpSocket::bind((LOCALHOST, 0)).await.unwrap();
        socket.connect(server).await.unwrap();
        let credential = RelaySecret::new(b"north").issue(session, SystemTime::now());
        let key = long_term_key(&credential.username, "p2pshare", &credential.password);
        Self { socket, username: credential.username, key, nonce: String::new() }
    }

    async fn exchange(&self, datagram: &[u8]) -> Vec<u8> {
        self.socket.send(datagram).await.unwrap();
        self.hear().await
    }

    async fn hear(&self) -> Vec<u8> {
        let mut buffer = vec![0; 2048];
        let heard = timeout(Duration::from_secs(20), self.socket.recv(&mut buffer)).await;
        let length = heard.expect("the server answers").unwrap();
        buffer.truncate(length);
        buffer
    }

    async fn ask(&self, kind: u16, number: u8, write: impl FnOnce(Writer) -> Writer) -> Vec<u8> {
        let request = write(Writer::new(kind, [number; 12]))
            .attribute(attribute::USERNAME, self.username.as_bytes())
            .attribute(attribute::REALM, b"p2pshare")
            .attribute(attribute::NONCE, self.nonce.as_bytes());
        self.exchange(&request.finish(Some(&self.key))).await
    }

    async fn allocate(&mut self) -> SocketAddr {
        let refusal = self.exchange(&Writer::new(kind::ALLOCATE, [1; 12]).finish(None)).await;
        self.nonce = Message::parse(&refusal).unwrap().text(attribute::NONCE).unwrap().to_owned();
        let udp = |w: Writer| w.attribute(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        let answer = self.ask(kind::ALLOCATE, 2, udp).await;
        let answer = Message::parse(&answer).unwrap();
        answer.addresses(attribute::XOR_RELAYED_ADDRESS).next().unwrap().unwrap()
    }
}

#[tokio::test]
async fn stun_tells_a_client_its_address() {
    let (server, _running) = start();
    let client = TestClient::connect(server, "one").await;
    let answer = client.exchange(&Writer::new(kind::BINDING, [1; 12]).finish(None)).await;
    let seen = Message::parse(&answer).unwrap().addresses(attribute::XOR_MAPPED_ADDRESS).next().unwrap();
    assert_eq!(seen, client.socket.local_addr().ok());
}

#[tokio::test]
async fn an_answer_comes_from_the_other_port_where_that_is_asked_for() {
    let (server, _running) = start();
    let client = UdpSocket::bind((LOCALHOST, 0)).await.unwrap();
    client.send_to(&ask([1; 12], true), server).await.unwrap();
    let mut buffer = [0; 128];
    let (length, other) = timeout(Duration::from_secs(20), client.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert_ne!(other, server);
    let seen = Message::parse(&buffer[..length]).unwrap().addresses(attribute::XOR_MAPPED_ADDRESS).next();
    assert_eq!(seen, Some(client.local_addr().ok()));
    client.send_to(&ask([2; 12], true), other).await.unwrap();
    assert_eq!(client.recv_from(&mut buffer).await.unwrap().1, server, "the two are each other's other");
}

#[tokio::test]
async fn b_095_the_server_itself_and_what_else_runs_here_is_not_reached_and_a_neighbour_is() {
    let (server, _running) = start();
    let (mut ann, mut bob) = (TestClient::connect(server, "a").await, TestClient::connect(server, "b").await);
    let (at_ann, at_bob) = (ann.allocate().await, bob.allocate().await);
    let service = UdpSocket::bind((LOCALHOST, 0)).await.unwrap();
    for peer in [server, service.local_addr().unwrap()] {
        let refusal = ann.ask(kind::CREATE_PERMISSION, 3, |w| w.address(attribute::XOR_PEER_ADDRESS, peer)).await;
        assert_eq!(Message::parse(&refusal).unwrap().kind(), kind::CREATE_PERMISSION | kind::ERROR, "{peer}");
    }
    ann.ask(kind::CREATE_PERMISSION, 4, |w| w.address(attribute::XOR_PEER_ADDRESS, at_bob)).await;
    bob.ask(kind::CREATE_PERMISSION, 4, |w| w.address(attribute::XOR_PEER_ADDRESS, at_ann)).await;
    let send = |to| Writer::new(kind::SEND_INDICATION, [5; 12]).address(attribute::XOR_PEER_ADDRESS, to);
    // With the permission for a neighbour at the same address, the service is not reached either.
    let astray = send(service.local_addr().unwrap()).attribute(attribute::DATA, b"astray").finish(None);
    ann.socket.send(&astray).await.unwrap();
    let indication = send(at_bob).attribute(attribute::DATA, b"hello").finish(None);
    ann.socket.send(&indication).await.unwrap();
    let heard = bob.hear().await;
    assert_eq!(Message::parse(&heard).unwrap().attribute(attribute::DATA), Some(b"hello".as_slice()));
    let mut buffer = [0; 16];
    assert!(service.try_recv(&mut buffer).is_err(), "a datagram left");
}
