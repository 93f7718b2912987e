//! Whole conversations, to the byte: `vectors/pairing-conversations.json`, which a TypeScript twin replays.
//!
//! Both machines draw all their randomness at the start, so that the same inputs in the same order give the same
//! messages. The order is: the offer; then, again and again, the host's next message and the guest's next
//! message; then the person's password; then the persons' words on the short number.

use data_encoding::HEXLOWER;
use p2pshare_protocol::device_identity::DeviceIdentity;
use p2pshare_protocol::keys::{Connection, Endpoint};
use p2pshare_protocol::pairing::{GuestOptions, GuestSecret, HostDevice, HostOptions, HostSecret, Input, PasswordGate};
use p2pshare_protocol::password::{PasswordCost, StretchedPassword};
use p2pshare_protocol::sdp::SdpKind;
use rand_core::Rng;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::pair::{Pair, SeededRng, Setup, candidate, sdp};

#[test]
fn whole_conversations_are_the_same_to_the_byte() {
    let expected: Value = serde_json::from_str(include_str!("../../vectors/pairing-conversations.json")).unwrap();
    let actual = conversations();
    assert_eq!(actual, expected, "{}", serde_json::to_string_pretty(&actual).unwrap());
}

fn conversations() -> Value {
    let mut code = Setup::with_codes("12-345678", "12-345678");
    code.seed = 11;
    let link = Setup::with_link(12);
    let mut password = Setup { seed: 13, ..Setup::with_codes("123456", "123456") };
    let cost = PasswordCost { memory_kib: 64, passes: 2, lanes: 1 };
    let stretched = StretchedPassword::stretch("pass\u{e9} mot", [9; 16], cost).unwrap();
    let password_key = HEXLOWER.encode(&**stretched.key());
    password.host = HostOptions {
        password: Some(PasswordGate { password: stretched, attempts: 3 }),
        short_number: true,
        device: None,
    };
    let resume_key: Zeroizing<[u8; 32]> = random(14, 32).try_into().map(Zeroizing::new).unwrap();
    let again = Setup {
        seed: 15,
        room: HEXLOWER.encode(&random(16, 16)).parse().unwrap(),
        host_secret: HostSecret::Resume(resume_key.clone()),
        guest_secret: GuestSecret::Resume(resume_key),
        ..Setup::with_codes("123456", "123456")
    };
    let mut devices = Setup { seed: 17, ..Setup::with_link(17) };
    let host = HostDevice { identity: DeviceIdentity::from_seed([2; 32]), seen_by: None };
    devices.host = HostOptions { password: None, short_number: true, device: Some(host) };
    let guest = Some(DeviceIdentity::from_seed([1; 32]));
    devices.guest = GuestOptions { short_number: true, name: "ann".parse().ok(), device: guest };
    json!({
        "offer": sdp(SdpKind::Offer),
        "answer": sdp(SdpKind::Answer),
        "guest_candidate": candidate(1).as_str(),
        "conversations": [
            converse("a code", code, &[]),
            converse("a link", link, &[]),
            converse("a code, a password that is wrong at first, and the short number", password, &["pass", "passe\u{301}\u{a0}mot"]),
            converse("again, after an earlier pairing", again, &[]),
            converse("devices that show each other their keys", devices, &[]),
        ],
        "password": { "salt": HEXLOWER.encode(&[9; 16]), "m": 64, "t": 2, "p": 1, "stretched": password_key },
    })
}

fn converse(name: &str, setup: Setup, passwords: &[&str]) -> Value {
    let (seed, room) = (setup.seed, setup.room.clone());
    let secret = match (&setup.host_secret, &setup.guest_secret) {
        (HostSecret::Code(code), _) => json!({ "code": code.to_string() }),
        (HostSecret::Link { .. }, GuestSecret::Link(link)) => {
            json!({ "link": link.to_string(), "host_key_seed": HEXLOWER.encode(&random(seed ^ 0xabc, 32)) })
        }
        (HostSecret::Resume(key), _) => json!({ "resume_key": HEXLOWER.encode(&**key) }),
        (HostSecret::Link { .. }, _) => unreachable!("no such conversation"),
    };
    let entropy = random(seed, 2 * ENTROPY_BYTES);
    let mut pair = setup.start();
    let mut messages = Vec::new();
    pair.offer();
    pair.guest.feed(Input::LocalCandidate(candidate(1)), pair.now);
    record(&mut pair, &mut messages);
    for password in passwords {
        pair.guest.give_password(password, pair.now);
        record(&mut pair, &mut messages);
    }
    let short_number = pair.guest.short_number.map(|number| number.digits());
    if short_number.is_some() {
        pair.host.feed(Input::Confirmed(true), pair.now);
        pair.guest.feed(Input::Confirmed(true), pair.now);
        record(&mut pair, &mut messages);
    }
    pair.assert_paired();
    let (host, guest) = (pair.host.keys.as_ref().unwrap(), pair.guest.keys.as_ref().unwrap());
    let (a, b) = ([0xcd; 32], [0xab; 32]);
    let a = Endpoint { fingerprint: &a, ice_ufrag: "aNSw" };
    let b = Endpoint { fingerprint: &b, ice_ufrag: "oFFr" };
    let met = [pair.host.met, pair.guest.met].map(|key| key.map(|key| HEXLOWER.encode(&key.0)));
    json!({
        "met_by_host": met[0],
        "met_by_guest": met[1],
        "name": name,
        "room": room.as_str(),
        "secret": secret,
        "host_random": HEXLOWER.encode(&entropy[..ENTROPY_BYTES]),
        "guest_random": HEXLOWER.encode(&entropy[ENTROPY_BYTES..]),
        "passwords": passwords,
        "messages": messages,
        "short_number": short_number,
        "resume_key": HEXLOWER.encode(&**host.resume_key()),
        "resume_id": HEXLOWER.encode(host.resume_id()),
        "host_bind": HEXLOWER.encode(&host.bind_mac(&Connection { local: a, remote: b })),
        "guest_bind": HEXLOWER.encode(&guest.bind_mac(&Connection { local: b, remote: a })),
    })
}

/// Hands messages over until nobody says anything, and keeps each.
fn record(pair: &mut Pair, messages: &mut Vec<Value>) {
    loop {
        let (to_guest, to_host) = (pair.host.sent.front().cloned(), pair.guest.sent.front().cloned());
        messages.extend(to_guest.map(|bytes| json!({ "from": "host", "hex": HEXLOWER.encode(&bytes) })));
        messages.extend(to_host.map(|bytes| json!({ "from": "guest", "hex": HEXLOWER.encode(&bytes) })));
        if !pair.step() {
            return;
        }
    }
}

fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    SeededRng(seed).fill_bytes(&mut bytes);
    bytes
}

/// Session identifier, scalar, nonce, and a scalar for each attempt at a password.
const ENTROPY_BYTES: usize = 16 + 64 + 16 + 3 * 64;
