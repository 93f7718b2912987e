//! The relay as its clients and their peers see it, without a socket. `b_09x` are the cases of what it must refuse.

mod quotas;

use std::time::{Duration, UNIX_EPOCH};

use p2pshare_protocol::stun::long_term_key;

use super::credentials::Credential;
use super::request::REALM;
use super::*;

/// A relay, a clock, and the addresses that its sockets get.
struct World {
    relay: Relay,
    now: Time,
    next_port: u16,
    /// What left the machine.
    left: Vec<(SocketAddr, Vec<u8>)>,
    heard: Vec<(Client, Vec<u8>)>,
    is_full: bool,
    requests: u8,
}

const SECRET: &[u8] = b"a secret of the operator";

const RELAY_IP: [u8; 4] = [9, 9, 9, 9];

impl World {
    fn new(limits: RelayLimits) -> Self {
        let relay = Relay::new(RelaySetup {
            limits,
            secret: RelaySecret::new(SECRET),
            nonce_key: [3; 32],
            allowed: vec!["192.168.0.0/16".parse().unwrap()],
            is_own: |ip| ip == IpAddr::from([8, 8, 4, 4]) || ip == IpAddr::from([192, 168, 0, 1]),
        });
        let now = Time { at: Instant::now(), wall: UNIX_EPOCH + Duration::from_secs(1_700_000_000) };
        Self { relay, now, next_port: 50_000, left: Vec::new(), heard: Vec::new(), is_full: false, requests: 0 }
    }

    fn pass(&mut self, time: Duration) {
        self.now = Time { at: self.now.at + time, wall: self.now.wall + time };
        self.relay.handle_timeout(self.now);
        self.perform();
    }

    fn perform(&mut self) {
        while let Some(output) = self.relay.next_output() {
            match output {
                Output::Answer { to, bytes } => self.heard.push((to, bytes)),
                Output::Forward { to, bytes, .. } => self.left.push((to, bytes)),
                Output::Open { id, is_v6, .. } => {
                    self.next_port += 1;
                    let ip = if is_v6 { "2600::9".parse().unwrap() } else { IpAddr::from(RELAY_IP) };
                    let relayed = (!self.is_full).then(|| SocketAddr::new(ip, self.next_port));
                    self.relay.opened(id, relayed, self.now);
                }
                Output::Close(_) => {}
            }
        }
    }

    fn say(&mut self, from: Client, datagram: &[u8]) {
        self.relay.handle_client(from, datagram, self.now);
        self.perform();
    }

    /// Asks, and returns the code of a refusal, 0 if there is none, and the whole answer.
    fn ask(&mut self, user: &User, kind: u16, write: impl Fn(Writer) -> Writer) -> (u16, Vec<u8>) {
        let nonce = self.nonce(user.client);
        self.requests = self.requests.wrapping_add(1);
        let request = write(Writer::new(kind, [self.requests; 12]))
            .attribute(attribute::USERNAME, user.credential.username.as_bytes())
            .attribute(attribute::REALM, REALM.as_bytes())
            .attribute(attribute::NONCE, nonce.as_bytes())
            .finish(Some(&user.key()));
        self.say(user.client, &request);
        let (to, answer) = self.heard.pop().expect("a request is answered");
        assert_eq!(to, user.client);
        (code(&answer), answer)
    }

    /// The nonce that a first request without credentials is refused with.
    fn nonce(&mut self, client: Client) -> String {
        self.say(client, &Writer::new(kind::ALLOCATE, [9; 12]).finish(None));
        let (_, refusal) = self.heard.pop().unwrap();
        assert_eq!(code(&refusal), 401);
        Message::parse(&refusal).unwrap().text(attribute::NONCE).unwrap().to_owned()
    }

    fn allocate(&mut self, user: &User) -> Result<SocketAddr, u16> {
        let (code, answer) = self.ask(user, kind::ALLOCATE, udp);
        let relayed = || Message::parse(&answer)?.addresses(attribute::XOR_RELAYED_ADDRESS).next()?;
        relayed().ok_or(code)
    }

    fn permit(&mut self, user: &User, peer: &str) -> u16 {
        self.ask(user, kind::CREATE_PERMISSION, to_peer(peer)).0
    }

    fn bind(&mut self, user: &User, peer: &str, number: u16) -> u16 {
        let number = u32::from(number) << 16;
        self.ask(user, kind::CHANNEL_BIND, |w| {
            to_peer(peer)(w).attribute(attribute::CHANNEL_NUMBER, &number.to_be_bytes())
        })
        .0
    }

    fn send(&mut self, user: &User, peer: &str, data: &[u8]) {
        let indication = to_peer(peer)(Writer::new(kind::SEND_INDICATION, [1; 12]));
        self.say(user.client, &indication.attribute(attribute::DATA, data).finish(None));
    }
}

#[derive(Clone)]
struct User {
    client: Client,
    credential: Credential,
}

impl User {
    fn new(world: &World, address: &str, session: &str) -> Self {
        let credential = RelaySecret::new(SECRET).issue(session, world.now.wall);
        Self { client: Client { socket: 0, address: address.parse().unwrap() }, credential }
    }

    fn at(&self, address: &str) -> Self {
        Self { client: Client { socket: 0, address: address.parse().unwrap() }, ..self.clone() }
    }

    fn key(&self) -> [u8; 16] {
        long_term_key(&self.credential.username, REALM, &self.credential.password)
    }
}

fn udp(writer: Writer) -> Writer {
    writer.attribute(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
}

fn to_peer(peer: &str) -> impl Fn(Writer) -> Writer + use<> {
    let peer = peer.parse().unwrap();
    move |writer| writer.address(attribute::XOR_PEER_ADDRESS, peer)
}

fn code(answer: &[u8]) -> u16 {
    let value = Message::parse(answer).unwrap().attribute(attribute::ERROR_CODE);
    value.map_or(0, |v| u16::from(v[2]) * 100 + u16::from(v[3]))
}

fn world_and_user() -> (World, User) {
    let world = World::new(RelayLimits::default());
    let user = User::new(&world, "5.5.5.5:6000", "one");
    (world, user)
}

#[test]
fn data_passes_both_ways_by_indication_and_by_channel() {
    let (mut world, user) = world_and_user();
    let relayed = world.allocate(&user).unwrap();
    assert_eq!(world.permit(&user, "1.2.3.4:7000"), 0);
    world.send(&user, "1.2.3.4:7000", b"out");
    assert_eq!(world.left.pop(), Some(("1.2.3.4:7000".parse().unwrap(), b"out".to_vec())));
    let id = world.relay.by_relayed[&relayed];
    world.relay.handle_peer(id, "1.2.3.4:7001".parse().unwrap(), b"in", world.now);
    world.perform();
    let (_, indication) = world.heard.pop().unwrap();
    let indication = Message::parse(&indication).unwrap();
    assert_eq!(indication.attribute(attribute::DATA), Some(b"in".as_slice()));
    assert_eq!(indication.addresses(attribute::XOR_PEER_ADDRESS).next(), Some("1.2.3.4:7001".parse().ok()));
    assert_eq!(world.bind(&user, "1.2.3.4:7000", 0x4000), 0);
    world.say(user.client, b"\x40\x00\x00\x03out+padding");
    assert_eq!(world.left.pop(), Some(("1.2.3.4:7000".parse().unwrap(), b"out".to_vec())));
    world.relay.handle_peer(id, "1.2.3.4:7000".parse().unwrap(), b"in", world.now);
    world.perform();
    assert_eq!(world.heard.pop().unwrap().1, b"\x40\x00\x00\x02in");
}

#[test]
fn two_clients_of_the_relay_meet_without_leaving_the_machine() {
    let (mut world, ann) = world_and_user();
    let bob = User::new(&world, "6.6.6.6:6000", "one");
    let (at_ann, at_bob) = (world.allocate(&ann).unwrap(), world.allocate(&bob).unwrap());
    assert_eq!(world.permit(&ann, &at_bob.to_string()), 0);
    world.send(&ann, &at_bob.to_string(), b"too early");
    assert!(world.heard.is_empty(), "bob has not let ann through");
    assert_eq!(world.permit(&bob, &at_ann.to_string()), 0);
    world.send(&ann, &at_bob.to_string(), b"hello");
    let (to, indication) = world.heard.pop().unwrap();
    assert_eq!(to, bob.client);
    assert_eq!(Message::parse(&indication).unwrap().attribute(attribute::DATA), Some(b"hello".as_slice()));
    assert!(world.left.is_empty());
}

/// Asks in every way to reach `peer`, without and with a permission for a neighbour, and expects that nothing leaves.
#[track_caller]
fn check_unreachable(peer: &str) {
    let (mut world, user) = world_and_user();
    world.allocate(&user).unwrap();
    let is_v6 = peer.starts_with('[');
    let refusals = [403, 443];
    let (permission, channel) = (world.permit(&user, peer), world.bind(&user, peer, 0x4000));
    assert!(refusals.contains(&permission) && refusals.contains(&channel), "{peer}: {permission} and {channel}");
    if !is_v6 {
        assert_eq!((permission, channel), (403, 403), "{peer}");
    }
    world.send(&user, peer, b"x");
    world.say(user.client, b"\x40\x00\x00\x01x");
    assert!(world.left.is_empty(), "{peer}: a datagram left");
    // The same from an IPv6 allocation, which no difference of families protects.
    let user = User::new(&world, "[2600::5]:6000", "two");
    let family = |w| udp(w).attribute(attribute::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]);
    assert_eq!(world.ask(&user, kind::ALLOCATE, family).0, 0);
    assert_eq!((world.permit(&user, peer), world.bind(&user, peer, 0x4000)), (403, 403), "{peer} from IPv6");
    world.send(&user, peer, b"x");
    assert!(world.left.is_empty(), "{peer}: a datagram left");
}

#[test]
fn b_090_loopback_is_not_reached() {
    for peer in ["127.0.0.1:5000", "127.1.2.3:5000", "127.0.0.1:80"] {
        check_unreachable(peer);
    }
}

#[test]
fn b_091_the_unspecified_address_is_not_reached() {
    check_unreachable("0.0.0.0:5000");
    check_unreachable("0.1.2.3:5000");
}

#[test]
fn b_092_loopback_of_ipv6_is_not_reached() {
    check_unreachable("[::1]:5000");
    check_unreachable("[::]:5000");
}

#[test]
fn b_093_mapped_addresses_are_what_they_map() {
    for peer in ["[::ffff:127.0.0.1]:5000", "[::ffff:10.0.0.1]:5000", "[::127.0.0.1]:5000"] {
        check_unreachable(peer);
    }
}

#[test]
fn b_094_translated_and_tunnelled_addresses_are_what_they_hold() {
    for peer in ["[64:ff9b::7f00:1]:5000", "[64:ff9b:1::7f00:1]:5000", "[2002:7f00:1::]:5000", "[2001::80ff:fffe]:5000"]
    {
        check_unreachable(peer);
    }
}

#[test]
fn b_095_networks_inside_and_the_server_itself_are_not_reached() {
    for peer in ["169.254.169.254:5000", "10.1.2.3:5000", "100.64.0.1:5000", "224.0.0.251:5353", "255.255.255.255:5000"]
    {
        check_unreachable(peer);
    }
    // The server's own addresses, allowed networks or not, and the relay's address where nothing is relayed.
    for peer in ["8.8.4.4:8765", "192.168.0.1:8765", "9.9.9.9:8765"] {
        check_unreachable(peer);
    }
}

#[test]
fn what_the_operator_allows_is_reached_but_not_its_services() {
    let (mut world, user) = world_and_user();
    world.allocate(&user).unwrap();
    assert_eq!(world.permit(&user, "192.168.3.3:5000"), 0);
    world.send(&user, "192.168.3.3:5000", b"x");
    assert_eq!(world.left.len(), 1);
    world.send(&user, "192.168.3.3:53", b"x");
    assert_eq!(world.left.len(), 1, "a port below 1024");
    assert_eq!(world.bind(&user, "192.168.3.3:53", 0x4000), 403);
}

#[test]
fn a_peer_that_is_not_permitted_is_neither_heard_nor_reached() {
    let (mut world, user) = world_and_user();
    let relayed = world.allocate(&user).unwrap();
    assert_eq!(world.permit(&user, "1.2.3.4:7000"), 0);
    let id = world.relay.by_relayed[&relayed];
    world.relay.handle_peer(id, "1.2.3.5:7000".parse().unwrap(), b"in", world.now);
    world.send(&user, "1.2.3.5:7000", b"out");
    world.pass(Duration::from_secs(301));
    world.send(&user, "1.2.3.4:7000", b"late");
    assert!(world.heard.is_empty() && world.left.is_empty());
}

#[test]
fn b_096_only_credentials_that_were_given_out_and_still_last_are_taken() {
    let (mut world, user) = world_and_user();
    let other = User::new(&world, "5.5.5.5:6000", "two");
    let forged = Credential { password: "AAAAAAAAAAAAAAAAAAAAAAAAAAA=".into(), ..user.credential.clone() };
    let mixed = Credential { password: other.credential.password.clone(), ..user.credential.clone() };
    let longer =
        Credential { username: user.credential.username.replace("17000006", "19000006"), ..user.credential.clone() };
    for credential in [forged, mixed, longer] {
        assert_eq!(world.allocate(&User { credential, ..user.clone() }), Err(401));
    }
    world.allocate(&user).unwrap();
    assert_eq!(world.ask(&other, kind::REFRESH, |w| w).0, 441, "an allocation of another session");
    world.pass(Duration::from_secs(601));
    assert_eq!(world.allocate(&user.at("5.5.5.5:6001")), Err(401), "expired");
}

#[test]
fn an_allocation_outlives_its_credential_but_not_its_session() {
    let (mut world, user) = world_and_user();
    world.allocate(&user).unwrap();
    for _ in 0..3 {
        world.pass(Duration::from_secs(590));
        assert_eq!(world.ask(&user, kind::REFRESH, |w| w).0, 0);
    }
    world.pass(Duration::from_secs(30));
    assert_eq!(world.relay.allocations.len(), 0);
}

#[test]
fn a_request_that_comes_again_is_answered_again() {
    let (mut world, user) = world_and_user();
    let nonce = world.nonce(user.client);
    let request = udp(Writer::new(kind::ALLOCATE, [5; 12]))
        .attribute(attribute::USERNAME, user.credential.username.as_bytes())
        .attribute(attribute::REALM, REALM.as_bytes())
        .attribute(attribute::NONCE, nonce.as_bytes())
        .finish(Some(&user.key()));
    world.say(user.client, &request);
    world.say(user.client, &request);
    let [(_, first), (_, again)] = world.heard.as_slice() else { panic!("two answers") };
    assert_eq!(first, again);
    assert_eq!(world.allocate(&user), Err(437), "another request on the same socket");
}

#[test]
fn a_nonce_serves_one_address_for_two_hours_at_most() {
    let (mut world, user) = world_and_user();
    let nonce = world.nonce(user.client);
    let refused = |world: &mut World, client: Client| {
        let request = udp(Writer::new(kind::ALLOCATE, [5; 12]))
            .attribute(attribute::USERNAME, user.credential.username.as_bytes())
            .attribute(attribute::REALM, REALM.as_bytes())
            .attribute(attribute::NONCE, nonce.as_bytes())
            .finish(Some(&user.key()));
        world.say(client, &request);
        code(&world.heard.pop().unwrap().1)
    };
    assert_eq!(refused(&mut world, user.at("5.5.5.6:6000").client), 438);
    world.pass(Duration::from_secs(7200));
    assert_eq!(refused(&mut world, user.client), 438);
}

#[test]
fn a_server_without_a_socket_to_spare_says_so_and_forgets_the_request() {
    let (mut world, user) = world_and_user();
    world.is_full = true;
    assert_eq!(world.allocate(&user), Err(508));
    assert_eq!(world.relay.allocations.len(), 0);
    world.is_full = false;
    world.allocate(&user).unwrap();
}

#[test]
fn junk_is_neither_answered_nor_does_it_hurt() {
    let (mut world, user) = world_and_user();
    world.allocate(&user).unwrap();
    world.bind(&user, "1.2.3.4:7000", 0x4000);
    for seed in 0..20_000_u32 {
        let bytes: Vec<u8> =
            (0..seed % 64).map(|i| (seed.wrapping_mul(2_654_435_761).wrapping_add(i * 97) >> 13) as u8).collect();
        world.relay.handle_client(user.client, &bytes, world.now);
        world.relay.handle_client(user.at("7.7.7.7:7").client, &bytes, world.now);
    }
    world.left.clear();
    world.say(user.client, b"\x40\x00\xff\xffshort");
    assert!(world.left.is_empty(), "a length beyond the datagram");
}
