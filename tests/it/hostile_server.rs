//! A signalling server that does what it likes with what it relays: nothing of it is ever accepted.
//!
//! ```text
//! FromHost 0: hello    FromGuest 0: proof + offer    FromHost 1: proof + answer
//! FromGuest 1: sealed nonce    then candidates on both ways
//! ```

mod tampering;

use crate::harness::proxy::Fate;
use crate::harness::tree::noise;
use crate::harness::{HostileGuest, HostileHost, Passing, Proxy, TestServer, Way, World};
use tampering::Place::{At, FromEnd};
use tampering::{
    Apart, attack, attacked, flip, host_notices, other_certificates, other_on_dtls, reflect, replace, replayed, twice,
};

#[test]
fn b_051_a_hello_with_a_flipped_bit() {
    // Type, sid, element, associated data.
    for at in [At(0), At(1), At(16), At(17), At(30), At(48), At(49), At(50), At(54), FromEnd(1)] {
        attacked(move |passing| flip(passing, (Way::FromHost, 0), at)).expect_one_of(&[3, 5]);
    }
}

#[test]
fn b_051_a_guests_proof_with_a_flipped_bit() {
    // Type, element, associated data, proof.
    for at in [At(0), At(1), At(32), At(33), At(34), At(36), At(60), At(68), At(69), At(80), At(100)] {
        attacked(move |passing| flip(passing, (Way::FromGuest, 0), at)).expect_one_of(&[3, 5]);
    }
}

#[test]
fn b_051_a_sealed_offer_with_a_flipped_bit() {
    for at in [At(101), At(102), At(500), FromEnd(300), FromEnd(17), FromEnd(16), FromEnd(1)] {
        let ended = attacked(move |passing| flip(passing, (Way::FromGuest, 0), at));
        ended.expect_exit(5).expect_says("SECURITY");
    }
}

#[test]
fn b_051_a_hosts_proof_with_a_flipped_bit() {
    // The proof, and the nonce that it covers.
    for at in [At(1), At(16), At(32), At(33), At(48)] {
        let ended = attacked(move |passing| flip(passing, (Way::FromHost, 1), at));
        ended.expect_exit(4).expect_says("could not verify the other side");
    }
    // The type, and the place of the signature.
    for at in [At(0), At(49)] {
        attacked(move |passing| flip(passing, (Way::FromHost, 1), at)).expect_exit(5);
    }
}

#[test]
fn b_051_a_sealed_answer_with_a_flipped_bit() {
    for at in [At(50), At(51), At(500), FromEnd(300), FromEnd(17), FromEnd(16), FromEnd(1)] {
        attacked(move |passing| flip(passing, (Way::FromHost, 1), at)).expect_exit(5).expect_says("SECURITY");
    }
}

#[test]
fn b_051_a_sealed_frame_with_a_flipped_bit() {
    for at in [At(0), At(1), At(100), FromEnd(16), FromEnd(1)] {
        let mut apart = Apart::default();
        host_notices(move |passing| apart.until_nonce(passing, |passing| flip(passing, (Way::FromGuest, 1), at)));
    }
}

#[test]
fn b_051_a_message_that_is_cut() {
    for (way, number) in [(Way::FromHost, 0), (Way::FromGuest, 0), (Way::FromHost, 1)] {
        for length in [0, 1, 33, 50] {
            attacked(move |mut passing| {
                if passing.is(way, number) {
                    passing.body.truncate(length);
                }
                passing.untouched()
            })
            .expect_one_of(&[3, 4, 5]);
        }
    }
}

#[test]
fn b_056_a_server_that_plays_host_gets_no_proof_accepted() {
    let ended = attacked(|passing| {
        if passing.is(Way::FromHost, 1) {
            let forged = [vec![3], noise(48, 1), vec![0], noise(1296, 2)].concat();
            return Fate { on: vec![forged], back: Vec::new() };
        }
        passing.untouched()
    });
    ended.expect_exit(4);
}

#[test]
fn b_056_a_host_that_never_proves_itself_is_not_verified() {
    let ended = attacked(|passing| match (passing.way, passing.number) {
        (Way::FromHost, 1..) => Fate::default(),
        _ => passing.untouched(),
    });
    ended.expect_exit(4).expect_says("no proof came in time");
}

#[test]
fn b_057_an_old_hello() {
    replayed((Way::FromHost, 0)).expect_exit(3);
}

#[test]
fn b_057_an_old_proof_of_a_guest() {
    replayed((Way::FromGuest, 0)).expect_exit(3);
}

#[test]
fn b_057_an_old_proof_of_the_host() {
    replayed((Way::FromHost, 1)).expect_exit(4);
}

#[test]
fn b_057_an_old_sealed_frame() {
    replayed((Way::FromGuest, 1)).expect_one_of(&[5, 10]);
}

#[test]
fn b_058_what_the_host_says_comes_back_to_it() {
    for number in [0, 1] {
        attacked(move |passing| reflect(passing, (Way::FromHost, number))).expect_exit(5);
    }
}

#[test]
fn b_058_what_the_guest_says_comes_back_to_it() {
    for number in [0, 1] {
        attacked(move |passing| reflect(passing, (Way::FromGuest, number))).expect_exit(5);
    }
}

#[test]
fn b_058_a_candidate_of_the_host_comes_back_to_it() {
    // The host has not heard the guest's nonce, which it waits for, when its own sealed frame comes.
    let (sender, _) = attack(|passing| match (passing.way, passing.number) {
        (Way::FromHost, 2) => Fate { on: Vec::new(), back: vec![passing.body] },
        (Way::FromHost, _) | (Way::FromGuest, 0) => passing.untouched(),
        (Way::FromGuest, _) => Fate::default(),
    });
    sender.end().expect_exit(5).expect_says("SECURITY");
}

#[test]
fn b_058_a_candidate_of_the_guest_comes_back_to_it() {
    // Without the host's candidates the two cannot meet before.
    let ended = attacked(|passing| match (passing.way, passing.number) {
        (Way::FromGuest, 2) => Fate { on: Vec::new(), back: vec![passing.body] },
        (Way::FromHost, 2..) => Fate::default(),
        _ => passing.untouched(),
    });
    ended.expect_exit(5).expect_says("SECURITY");
}

#[test]
fn b_058_a_refusal_of_the_host_comes_back_to_it() {
    let (world, server) = (World::new(), TestServer::start());
    let proxy = Proxy::start(server.address, |passing| {
        let is_refusal = passing.way == Way::FromHost && passing.body.first() == Some(&4);
        if is_refusal { Fate { on: Vec::new(), back: vec![passing.body] } } else { passing.untouched() }
    });
    let sender = world.send(&proxy.url(), &[&world.file("film", "content")]);
    let code = sender.code();
    let (kept, last) = code.split_at(code.len() - 1);
    let wrong = format!("{kept}{}", (last.parse::<u32>().unwrap() + 1) % 10);
    world.recv(&proxy.url(), &wrong).end().expect_one_of(&[3, 4]);
    // Once counted, and not again for the echo.
    sender.until_says("2 tries left");
    let ended = sender.terminate().expect_exit(143);
    assert_eq!(ended.stderr.matches("somebody tried a wrong code").count(), 1, "{}", ended.stderr);
    world.expect_no_trace();
}

#[test]
fn b_059_a_message_of_the_host_that_comes_twice() {
    for number in [0, 1] {
        let ended = attacked(move |passing| match (passing.way, passing.number) {
            // Without the guest's addresses the two cannot meet before the guest has looked at the second one.
            (Way::FromGuest, 2..) => Fate::default(),
            _ => twice(passing, (Way::FromHost, number)),
        });
        ended.expect_exit(5).expect_says("a message out of place");
    }
}

#[test]
fn b_059_a_message_of_the_guest_that_comes_twice() {
    for number in [0, 1] {
        let (mut apart, mut said) = (Apart::default(), Vec::new());
        host_notices(move |passing| {
            if passing.way == Way::FromGuest {
                said.push(passing.body.clone());
            }
            apart
                .until_nonce(passing, |passing| Fate { on: vec![passing.body, said[number].clone()], back: Vec::new() })
        });
    }
}

#[test]
fn b_059_a_sealed_frame_that_is_missing() {
    let mut apart = Apart::default();
    host_notices(move |passing| apart.until_nonce(passing, |_| Fate::default()));
}

#[test]
fn b_059_two_sealed_frames_that_change_places() {
    let (mut held, mut are_swapped) = (Vec::new(), false);
    host_notices(move |passing| match (passing.way, passing.number) {
        (Way::FromGuest, 1) => {
            held = passing.body;
            Fate::default()
        }
        (Way::FromGuest, 2) => {
            are_swapped = true;
            Fate { on: vec![passing.body, held.clone()], back: Vec::new() }
        }
        // Without the host's addresses the two cannot meet before.
        (Way::FromHost, 2..) if !are_swapped => Fate::default(),
        _ => passing.untouched(),
    });
}

#[test]
fn b_066_an_element_that_is_none() {
    for element in [[0; 32], [0xff; 32], INVALID_ELEMENT] {
        attacked(move |passing| replace(passing, (Way::FromHost, 0), 17, &element)).expect_exit(5);
        let (sender, receiver) = attack(move |passing| replace(passing, (Way::FromGuest, 0), 1, &element));
        receiver.expect_exit(5);
        let sender = sender.terminate().expect_one_of(&[5, 10, 143]);
        assert!(!sender.stderr.contains("wrong code"), "it counted as a guess: {}", sender.stderr);
    }
}

#[test]
fn b_066_an_element_of_another_length() {
    for length in [48, 49 + 300] {
        attacked(move |mut passing| {
            if passing.is(Way::FromHost, 0) {
                passing.body.resize(length, 1);
            }
            passing.untouched()
        })
        .expect_exit(5);
    }
}

#[test]
fn b_067_other_versions_and_flags_in_the_clear() {
    for (at, value) in [(50, b"9"), (52, b"9"), (54, b"\x01")] {
        let ended = attacked(move |passing| replace(passing, (Way::FromHost, 0), at, value));
        ended.expect_one_of(&[3, 5, 7]);
    }
    attacked(|passing| replace(passing, (Way::FromGuest, 0), 35, b"9")).expect_one_of(&[3, 5, 7]);
}

#[test]
fn b_060_a_guest_whose_certificate_is_not_the_described_one() {
    let (world, server) = (World::new(), TestServer::start());
    let sender = world.send(&server.url(), &[&world.file("film", "content")]);
    assert!(HostileGuest::try_pair(&server.url(), &sender.code(), other_certificates).is_err());
    sender.end().expect_one_of(&[5, 10]);
}

#[test]
fn b_060_a_host_whose_certificate_is_not_the_described_one() {
    let (world, server) = (World::new(), TestServer::start());
    let host = HostileHost::open(&server.url());
    let receiver = world.recv(&server.url(), &host.code());
    // A client of QUIC is done before its certificate is looked at.
    let _peer = host.try_pair(other_certificates);
    receiver.end().expect_one_of(&[5, 10]);
    world.expect_no_trace();
}

#[test]
fn b_060_a_certificate_on_dtls_that_is_not_the_described_one_beside_quic() {
    let (world, server) = (World::new(), TestServer::start());
    let sender = world.send(&server.url(), &[&world.file("film", "content")]);
    let _peer = HostileGuest::try_pair(&server.url(), &sender.code(), other_on_dtls);
    sender.end().expect_one_of(&[5, 10]);
}

#[test]
fn b_068_who_knows_the_link_cannot_play_its_host() {
    let (world, server) = (World::new(), TestServer::start());
    let sender = world.send(&server.url(), &[&world.file("film", "content")]);
    let link = sender.link();
    sender.terminate().expect_exit(143);
    let impostor = HostileHost::impersonate(&server.url(), &link);
    let receiver = world.run(&["recv", "--yes", &link]);
    assert!(impostor.try_pair(|sdp| sdp).is_err());
    receiver.end().expect_exit(5).expect_says("the host is not the one that the link was made for");
    world.expect_no_trace();
}

#[test]
fn b_069_the_server_learns_nothing() {
    let (world, server) = (World::new(), TestServer::start());
    let proxy = Proxy::start(server.address, Passing::untouched);
    let secret = world.file("secret-name.txt", "secret-content");
    let sender = world.run(&["send", "--max", "2", "--server", &proxy.url(), secret.to_str().unwrap()]);
    let (code, link) = (sender.code(), sender.link());
    world.recv(&proxy.url(), &code).end().expect_exit(0);
    world.run(&["recv", "--yes", &link]).end().expect_exit(0);
    sender.end().expect_exit(0);
    let seen = proxy.seen();
    assert!(seen.len() > 15, "both pairings went through the server");
    let fragment = link.split_once("#v1.").unwrap().1;
    let addresses = own_addresses();
    for text in seen {
        // What is base64url inside is searched as bytes as well.
        let texts = decoded(&text).into_iter().chain([text.into_bytes()]);
        for text in texts {
            for secret in
                ["secret-name", "secret-content", "candidate:", "a=ice", "fingerprint", "ufrag", "v=0\r\n", fragment]
            {
                assert!(!holds(&text, secret), "{secret:?} is in {:?}", String::from_utf8_lossy(&text));
            }
            for address in &addresses {
                assert!(!holds(&text, address), "{address} is in {:?}", String::from_utf8_lossy(&text));
            }
            assert!(!holds(&text, &code), "the code is in {:?}", String::from_utf8_lossy(&text));
        }
    }
}

#[test]
fn b_069_the_secret_digits_do_not_travel() {
    let (world, server) = (World::new(), TestServer::start());
    let proxy = Proxy::start(server.address, Passing::untouched);
    let film = world.file("film", "content");
    // Twelve of them do not come up by chance.
    let sender = world.run(&["send", "--secret-digits", "12", "--server", &proxy.url(), film.to_str().unwrap()]);
    let code = sender.code();
    world.recv(&proxy.url(), &code).end().expect_exit(0);
    sender.end().expect_exit(0);
    let digits = code.split_once('-').unwrap().1;
    for text in proxy.seen() {
        assert!(!text.contains(digits) && !text.contains(&digits[..6]), "{text}");
    }
}

/// The bytes behind every string of a JSON text that is base64url.
fn decoded(text: &str) -> Vec<Vec<u8>> {
    let strings = text.split('"').filter(|part| part.len() > 20);
    strings.filter_map(|part| data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).ok()).collect()
}

fn holds(text: &[u8], what: &str) -> bool {
    text.windows(what.len()).any(|window| window == what.as_bytes())
}

/// This machine's addresses on its networks.
fn own_addresses() -> Vec<String> {
    let probes = ["192.0.2.77:9", "[2001:db8::77]:9"].map(|target| {
        let socket = std::net::UdpSocket::bind(if target.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" }).ok()?;
        socket.connect(target).ok()?;
        Some(socket.local_addr().ok()?.ip().to_string())
    });
    probes.into_iter().flatten().collect()
}

/// No point of the group: of the vectors of draft-irtf-cfrg-cpace-21.
const INVALID_ELEMENT: [u8; 32] = [
    0x2b, 0x3c, 0x6b, 0x8c, 0x4f, 0x38, 0x00, 0xe7, 0xae, 0xf6, 0x86, 0x40, 0x25, 0xb4, 0xed, 0x79, 0xbd, 0x59, 0x91,
    0x17, 0xe4, 0x27, 0xc4, 0x1b, 0xd4, 0x7d, 0x93, 0xd6, 0x54, 0xb4, 0xa5, 0x1c,
];
