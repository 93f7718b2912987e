//! Who sees whom: only devices of one network, only those that show themselves, and only as long as they are there.

use std::time::Duration;

use p2pshare_protocol::envelope::{ClientMessage, ErrorCode, ServerMessage};
use p2pshare_protocol::limits::NEARBY_DEVICES_MAX;
use p2pshare_protocol::nearby::{Device, DeviceKind, OpenLink};
use p2pshare_protocol::room::RoomId;
use p2pshare_signal::rooms::{Command, ConnectionId};
use p2pshare_signal::{Limits, Neighbourhood};

use crate::net::{Net, code, hex, join, link};

const PAUSE: Duration = Duration::from_secs(1);

fn device(room: &RoomId, name: &str) -> Device {
    let link = OpenLink::try_from(format!("v1.{}", "A".repeat(43))).unwrap();
    Device { room: room.clone(), name: name.parse().unwrap(), kind: DeviceKind::Terminal, link }
}

fn at(net: &mut Net, address: &str) -> ConnectionId {
    let connection = net.connect_from(address);
    let address = address.parse().unwrap();
    net.rooms.place(connection, Neighbourhood::of(address), address);
    connection
}

/// The names that a connection was told last, and nobody else anything.
#[track_caller]
fn told(net: &mut Net, to: ConnectionId) -> Option<Vec<String>> {
    let mut names = None;
    for command in net.drain() {
        let Command::Send { to: whom, message: ServerMessage::Nearby { devices } } = command else {
            panic!("{command:?}")
        };
        assert_eq!(whom, to);
        names = Some(devices.into_iter().map(|device| device.name.to_string()).collect());
    }
    names
}

#[test]
fn devices_of_one_network_see_each_other_and_nobody_else_does() {
    let mut net = Net::new();
    let (host, near, far) = (at(&mut net, "203.0.113.7"), at(&mut net, "203.0.113.7"), at(&mut net, "203.0.113.8"));
    let room = net.create(host, link('a'));
    net.receive(near, ClientMessage::Look {});
    assert_eq!(told(&mut net, near), Some(vec![]));
    net.receive(far, ClientMessage::Look {});
    assert_eq!(told(&mut net, far), Some(vec![]));
    net.receive(host, ClientMessage::Show(device(&room, "ann")));
    assert_eq!(told(&mut net, near), None, "changes are told together");
    net.pass(PAUSE);
    assert_eq!(told(&mut net, near), Some(vec!["ann".to_owned()]));
    // Another name for the same room.
    net.receive(host, ClientMessage::Show(device(&room, "bob")));
    net.pass(PAUSE);
    assert_eq!(told(&mut net, near), Some(vec!["bob".to_owned()]));
    net.receive(host, ClientMessage::Show(device(&room, "bob")));
    net.pass(PAUSE);
    assert_eq!(told(&mut net, near), None, "nothing has changed");
}

#[test]
fn a_device_is_gone_when_it_hides_when_its_room_ends_and_when_its_socket_is_lost() {
    let ends: [fn(&mut Net, ConnectionId, &RoomId); 3] = [
        |net, host, room| net.receive(host, ClientMessage::Hide { room: room.clone() }),
        |net, host, room| net.receive(host, ClientMessage::Bye { room: Some(room.clone()) }),
        |net, host, _| net.disconnect(host),
    ];
    for end in ends {
        let mut net = Net::new();
        let (host, near) = (at(&mut net, "192.168.1.7"), at(&mut net, "127.0.0.1"));
        let room = net.create(host, link('a'));
        net.receive(host, ClientMessage::Show(device(&room, "ann")));
        net.pass(PAUSE);
        net.receive(near, ClientMessage::Look {});
        assert_eq!(told(&mut net, near), Some(vec!["ann".to_owned()]));
        end(&mut net, host, &room);
        net.pass(PAUSE);
        assert_eq!(told(&mut net, near), Some(vec![]));
    }
}

#[test]
fn only_ones_own_rooms_can_be_shown_and_only_those_with_a_link() {
    let mut net = Net::new();
    let (host, other) = (at(&mut net, "127.0.0.1"), at(&mut net, "127.0.0.1"));
    let (by_code, by_link) = (net.create(host, code()), net.create(host, link('a')));
    net.receive(other, ClientMessage::Show(device(&by_link, "mallory")));
    net.expect_error(other, ErrorCode::NotActive, None, None);
    net.receive(host, ClientMessage::Show(device(&by_code, "ann")));
    net.expect_error(host, ErrorCode::NotActive, None, None);
    net.receive(host, ClientMessage::Show(device(&by_link, "ann")));
    net.receive(other, ClientMessage::Hide { room: by_link });
    net.receive(other, ClientMessage::Look {});
    assert_eq!(told(&mut net, other), Some(vec!["ann".to_owned()]));
}

#[test]
fn who_cannot_be_placed_neither_sees_nor_is_seen() {
    let mut net = Net::new();
    let host = net.connect();
    let room = net.create(host, link('a'));
    net.receive(host, ClientMessage::Show(device(&room, "ann")));
    net.expect_error(host, ErrorCode::NoNearby, None, None);
    net.receive(host, ClientMessage::Look {});
    net.expect_error(host, ErrorCode::NoNearby, None, None);
}

#[test]
fn a_network_lists_so_many_devices_and_tells_so_many_sockets() {
    let mut net = Net::with(Limits { looking_max: 2, ..Limits::default() });
    for number in 0..=NEARBY_DEVICES_MAX {
        let host = at(&mut net, "127.0.0.1");
        let room = RoomId::parse(&format!("{number:032x}")).unwrap();
        let mut create = link('a');
        create.room = Some(room.clone());
        net.create(host, create);
        net.receive(host, ClientMessage::Show(device(&room, &"电".repeat(32))));
        if number == NEARBY_DEVICES_MAX {
            net.expect_error(host, ErrorCode::ServerFull, None, None);
        }
    }
    let looking = [(); 3].map(|()| at(&mut net, "127.0.0.1"));
    for one in &looking[..2] {
        net.receive(*one, ClientMessage::Look {});
        let Some(Command::Send { message, .. }) = net.drain().pop() else { panic!("nothing was said") };
        assert!(ServerMessage::decode(&message.encode()).is_ok(), "the longest list fits a message");
    }
    net.receive(looking[2], ClientMessage::Look {});
    net.expect_error(looking[2], ErrorCode::ServerFull, None, None);
    // One that leaves makes a place.
    net.disconnect(looking[0]);
    net.receive(looking[2], ClientMessage::Look {});
    assert!(told(&mut net, looking[2]).is_some_and(|names| names.len() == NEARBY_DEVICES_MAX));
}

#[test]
fn a_socket_that_took_a_room_over_shows_it_anew() {
    let mut net = Net::new();
    let (old, new) = (at(&mut net, "127.0.0.1"), at(&mut net, "127.0.0.1"));
    let (room, token) = net.create_with_token(old, link('a'));
    net.receive(old, ClientMessage::Show(device(&room, "ann")));
    net.pass(PAUSE);
    let mut again = link('a');
    again.token = Some(token);
    net.receive(new, again);
    net.drain();
    net.receive(new, ClientMessage::Look {});
    assert_eq!(told(&mut net, new), Some(vec![]));
    net.receive(new, ClientMessage::Show(device(&hex('a'), "ann")));
    net.pass(PAUSE);
    assert_eq!(told(&mut net, new), Some(vec!["ann".to_owned()]));
}

#[test]
fn a_neighbour_that_keeps_knocking_leaves_the_door_to_others() {
    let mut net = Net::new();
    let host = at(&mut net, "192.168.1.7");
    let (by_link, hidden) = (net.create(host, link('a')), net.create(host, link('b')));
    net.receive(host, ClientMessage::Show(device(&by_link, "ann")));
    for _ in 0..2 {
        let knocker = at(&mut net, "192.168.1.8");
        net.join(knocker, &by_link);
    }
    let again = at(&mut net, "192.168.1.8");
    net.receive(again, join(&by_link));
    net.expect_error(again, ErrorCode::RateLimited, Some(by_link.clone()), Some(30));
    let other = at(&mut net, "192.168.1.9");
    net.join(other, &by_link);
    // What is not shown has no door that strangers come to.
    net.join(again, &hidden);
    net.pass(Duration::from_secs(30));
    net.drain();
    let later = at(&mut net, "192.168.1.8");
    net.join(later, &by_link);
}

#[test]
fn devices_that_share_an_address_share_no_bound_at_a_door() {
    let mut net = Net::new();
    let host = at(&mut net, "203.0.113.7");
    let room = net.create(host, link('a'));
    net.receive(host, ClientMessage::Show(device(&room, "ann")));
    for _ in 0..4 {
        let neighbour = at(&mut net, "203.0.113.7");
        net.join(neighbour, &room);
    }
    let apart = at(&mut net, "2001:db8:0:1::7");
    let own = net.create(apart, link('c'));
    net.receive(apart, ClientMessage::Show(device(&own, "bob")));
    for (address, is_let_in) in
        [("2001:db8:0:1::8", true), ("2001:db8:0:1::8", true), ("2001:db8:0:1::8", false), ("2001:db8:0:1::9", true)]
    {
        let neighbour = at(&mut net, address);
        net.receive(neighbour, join(&own));
        let joined = net
            .drain()
            .iter()
            .any(|command| matches!(command, Command::Send { message: ServerMessage::Joined { .. }, .. }));
        assert_eq!(joined, is_let_in, "{address}");
    }
}
