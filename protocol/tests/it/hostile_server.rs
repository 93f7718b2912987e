//! A server that does whatever it likes with what it relays: nothing of it is ever accepted.

use p2pshare_protocol::host_identity::HostIdentity;
use p2pshare_protocol::pairing::{
    Entropy, GuestSecret, HostPairing, HostSecret, Input, PairingError, Unverified, Violation,
};

use crate::pair::{Pair, SeededRng, Setup, Side};

use self::run::{Manipulation, Run, What};

mod run;

#[test]
fn ten_thousand_random_manipulations_are_refused() {
    for seed in 0..10_000 {
        let mut rng = SeededRng(seed);
        let manipulation = Manipulation::random(&mut rng);
        let mut run = Run::new(seed, manipulation);
        run.play(&mut rng);
        run.check();
    }
}

#[test]
fn a_flipped_bit_at_any_byte_of_any_message_is_refused() {
    let honest = Run::new(1, Manipulation { towards_host: true, nth: usize::MAX, what: What::Drop }).recorded();
    for (towards_host, messages) in [(false, &honest[0]), (true, &honest[1])] {
        for (nth, message) in messages.iter().enumerate() {
            for at in 0..message.len() {
                let mut run = Run::new(1, Manipulation { towards_host, nth, what: What::Flip { at, bit: at % 8 } });
                run.play(&mut SeededRng(0));
                run.check();
            }
        }
    }
}

#[test]
fn an_altered_hello_is_a_wrong_proof_or_another_version_but_never_a_session() {
    let hello_length = 1 + 16 + 32 + 6;
    for at in 1..hello_length {
        let what = What::Flip { at, bit: 0 };
        let mut run = Run::new(3, Manipulation { towards_host: false, nth: 0, what });
        run.play(&mut SeededRng(0));
        run.check();
        let host = run.pair.host.error;
        let expected =
            [Some(PairingError::WrongCode), Some(PairingError::Version), Some(Violation::ReportedByPeer.into())];
        assert!(expected.contains(&host), "byte {at}: {host:?}");
    }
}

#[test]
fn two_shares_with_the_same_secret_digits_cannot_be_spliced() {
    let (mut a, mut b) = (Setup::with_codes("125678", "125678").start(), Setup::with_codes("345678", "345678").start());
    std::mem::swap(&mut a.guest, &mut b.guest);
    for pair in [&mut a, &mut b] {
        pair.offer();
        pair.settle();
        assert_eq!(pair.host.error, Some(PairingError::WrongCode));
        assert_eq!(pair.guest.error, Some(PairingError::WrongCode));
    }
}

#[test]
fn a_code_does_not_work_as_a_link_nor_as_a_key_to_resume() {
    let mut setup = Setup::with_link(1);
    setup.guest_secret = GuestSecret::Resume([0; 32].into());
    let mut pair = setup.start();
    pair.offer();
    pair.settle();
    assert_eq!(pair.host.error, Some(PairingError::WrongCode));
}

#[test]
fn an_old_proof_of_the_right_guest_is_worth_nothing() {
    let mut old = Setup::with_codes("123456", "123456").start();
    old.offer();
    old.step();
    let (hello_of_old, proof_of_old) = (hello(&old), old.guest.sent[0].clone());
    let mut new = Setup { seed: 2, ..Setup::with_codes("123456", "123456") }.start();
    assert_ne!(hello_of_old, new.host.sent[0]);
    new.host.feed(Input::Received(proof_of_old), new.now);
    assert_eq!(new.host.error, Some(PairingError::WrongCode));
}

#[test]
fn an_old_hello_and_an_old_proof_of_the_right_host_are_worth_nothing() {
    let honest = Run::new(1, Manipulation { towards_host: true, nth: usize::MAX, what: What::Drop }).recorded();
    let mut new = Setup { seed: 2, ..Setup::with_codes("123456", "123456") }.start();
    new.offer();
    new.guest.feed(Input::Received(honest[0][0].clone()), new.now);
    new.guest.feed(Input::Received(honest[0][1].clone()), new.now);
    assert_eq!(new.guest.error, Some(PairingError::PeerNotVerified(Unverified::WrongProof)));
    assert!(new.guest.machine.is_exposed() && new.guest.remote_description.is_none());
}

#[test]
fn invalid_elements_are_violations_and_not_guesses() {
    let draft: serde_json::Value = serde_json::from_str(include_str!("../../vectors/cpace-draft.json")).unwrap();
    let mut elements: Vec<Vec<u8>> = draft["invalid"].as_array().unwrap().iter().map(hex).collect();
    elements.push(vec![0xff; 32]);
    elements.push([[0xed].as_slice(), &[0xff; 30], &[0x7f]].concat());
    for element in elements {
        let mut pair = Setup::with_codes("123456", "123456").start();
        pair.offer();
        let mut hello = pair.host.sent.pop_front().unwrap();
        let honest = hello.clone();
        hello[17..49].copy_from_slice(&element);
        pair.guest.feed(Input::Received(hello), pair.now);
        assert_eq!(pair.guest.error, Some(Violation::InvalidElement.into()), "{element:02x?}");
        assert!(!pair.guest.machine.is_exposed());

        let mut pair = Setup::with_codes("123456", "123456").start();
        pair.offer();
        pair.guest.feed(Input::Received(honest), pair.now);
        let mut proof = pair.guest.sent.pop_front().unwrap();
        proof[1..33].copy_from_slice(&element);
        pair.host.feed(Input::Received(proof), pair.now);
        assert_eq!(pair.host.error, Some(Violation::InvalidElement.into()), "{element:02x?}");
    }
}

#[test]
fn elements_of_another_length_are_violations_and_not_guesses() {
    for lengthen in [true, false] {
        let mut pair = Setup::with_codes("123456", "123456").start();
        pair.offer();
        pair.step();
        let mut proof = pair.guest.sent.pop_front().unwrap();
        if lengthen {
            proof.insert(33, 0);
        } else {
            proof.remove(32);
        }
        pair.host.feed(Input::Received(proof), pair.now);
        assert_eq!(pair.host.error, Some(Violation::Malformed.into()));
    }
}

#[test]
fn the_hosts_own_element_is_no_guest() {
    let mut pair = Setup::with_codes("123456", "123456").start();
    pair.offer();
    let hello = hello(&pair);
    pair.step();
    let mut proof = pair.guest.sent.pop_front().unwrap();
    proof[1..33].copy_from_slice(&hello[17..49]);
    pair.host.feed(Input::Received(proof), pair.now);
    assert_eq!(pair.host.error, Some(Violation::Reflected.into()));
}

#[test]
fn two_hosts_or_two_guests_do_not_pair() {
    let (a, b) = (
        Setup::with_codes("123456", "123456").start(),
        Setup { seed: 2, ..Setup::with_codes("123456", "123456") }.start(),
    );
    let (mut a_host, b_hello) = (a.host, hello(&b));
    a_host.feed(Input::Received(b_hello), a.now);
    assert_eq!(a_host.error, Some(Violation::Unexpected.into()));
    let (mut guest, mut other) = (a.guest, b);
    other.offer();
    other.step();
    guest.feed(Input::Received(other.guest.sent[0].clone()), a.now);
    assert_eq!(guest.error, Some(Violation::Unexpected.into()));
}

#[test]
fn a_guest_of_a_link_cannot_play_its_host_to_another() {
    let setup = Setup::with_link(5);
    let GuestSecret::Link(link) = &setup.guest_secret else { panic!("no link") };
    let mut rng = SeededRng(99);
    let secret = HostSecret::Link { link: link.clone(), identity: HostIdentity::generate(&mut rng) };
    let room = setup.room.clone();
    let mut pair = setup.start();
    let impostor = HostPairing::new(&secret, &room, Default::default(), Entropy::generate(&mut rng), pair.now);
    pair.host = Side::new(impostor, true);
    pair.offer();
    pair.settle();
    assert_eq!(pair.guest.error, Some(PairingError::HostKeyMismatch));
    assert!(pair.guest.remote_description.is_none());
}

#[test]
fn a_host_without_the_links_key_is_refused() {
    let mut setup = Setup::with_link(5);
    let room = setup.room.clone();
    let GuestSecret::Link(link) = &setup.guest_secret else { panic!("no link") };
    let identity = HostIdentity::generate(&mut SeededRng(1));
    setup.host_secret = HostSecret::Link { link: link.clone(), identity };
    assert_eq!(link.room(), room);
    let mut pair = setup.start();
    pair.offer();
    pair.step();
    pair.step();
    // The signature is cut out; the proof itself is right.
    let mut proof = pair.host.sent.pop_front().unwrap();
    assert_eq!((proof[0], proof[49]), (0x03, 96));
    proof[49] = 0;
    proof.drain(50..146);
    pair.guest.feed(Input::Received(proof), pair.now);
    assert_eq!(pair.guest.error, Some(Violation::HostAuth.into()));
}

#[test]
fn what_the_server_sees_holds_no_secret_no_description_and_no_address() {
    let honest = Run::new(1, Manipulation { towards_host: true, nth: usize::MAX, what: What::Drop }).recorded();
    let seen = honest.concat().concat();
    for needle in ["3456", "v=0", "fingerprint", "candidate", "192.0.2.1", "oFFr", "aNSw"] {
        assert!(!seen.windows(needle.len()).any(|w| w == needle.as_bytes()), "the server sees {needle:?}");
    }
}

#[test]
fn sealed_messages_differ_in_length_by_whole_blocks_only() {
    let honest = Run::new(1, Manipulation { towards_host: true, nth: usize::MAX, what: What::Drop }).recorded();
    for message in honest.concat().iter().filter(|m| m[0] == 0x10) {
        assert_eq!((message.len() - 1 - 16) % 256, 0);
    }
}

fn hello(pair: &Pair) -> Vec<u8> {
    pair.host.sent.front().cloned().unwrap_or_default()
}

fn hex(value: &serde_json::Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}
