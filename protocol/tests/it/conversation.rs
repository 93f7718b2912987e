//! Host and guest agree, over whatever order of events an honest world has.

use std::time::Duration;

use p2pshare_protocol::keys::{Connection, Endpoint};
use p2pshare_protocol::limits::{HANDSHAKE_MAX, PERSON_MAX};
use p2pshare_protocol::pairing::{GuestSecret, HostOptions, HostSecret, Input, PairingError, PasswordGate, Unverified};
use p2pshare_protocol::password::{PasswordCost, StretchedPassword};
use p2pshare_protocol::sdp::SdpKind;

use crate::pair::{Pair, Setup, candidate, guest_of, sdp};

#[test]
fn the_right_code_pairs_in_one_and_a_half_round_trips() {
    let mut pair = Setup::with_codes("123456", "12-3456").start();
    pair.offer();
    let hello = pair.host.sent.pop_front().unwrap();
    pair.guest.feed(Input::Received(hello), pair.now);
    let proof = pair.guest.sent.pop_front().unwrap();
    pair.host.feed(Input::Received(proof), pair.now);
    assert!(pair.host.is_paired(), "the host is paired when its answer leaves");
    let proof = pair.host.sent.pop_front().unwrap();
    pair.guest.feed(Input::Received(proof), pair.now);
    pair.settle();
    pair.assert_paired();
    assert_eq!((pair.host.deadline, pair.guest.deadline), (None, None));
}

/// A hello that was left at the server before the guest came.
#[test]
fn a_hello_may_wait_for_its_guest_for_an_hour() {
    let mut pair = Setup::with_codes("123456", "12-3456").start();
    pair.now += Duration::from_secs(3600);
    let (secret, room) =
        (GuestSecret::Code("12-3456".parse().unwrap()), p2pshare_protocol::room::RoomId::parse("12").unwrap());
    pair.guest = guest_of(&secret, &room, pair.now);
    pair.host.machine.meet(HostOptions { short_number: true, ..HostOptions::default() }, pair.now);
    pair.offer();
    pair.settle();
    assert_eq!((pair.host.error, pair.guest.error), (None, None));
    let numbers = (pair.host.short_number, pair.guest.short_number);
    assert!(
        numbers.0.is_some() && numbers.0 == numbers.1,
        "what is asked of the guest was decided when it came: {numbers:?}"
    );
}

#[test]
fn a_link_pairs() {
    let mut pair = Setup::with_link(7).start();
    pair.offer();
    pair.settle();
    pair.assert_paired();
}

#[test]
fn the_offer_may_come_after_the_hello() {
    let mut pair = Setup::with_codes("123456", "123456").start();
    pair.settle();
    assert!(pair.guest.error.is_none() && !pair.guest.is_paired());
    pair.offer();
    pair.settle();
    pair.assert_paired();
}

#[test]
fn candidates_wait_until_the_peer_is_proven_and_then_flow_both_ways() {
    let mut pair = Setup::with_codes("123456", "123456").start();
    pair.guest.feed(Input::LocalCandidate(candidate(1)), pair.now);
    let offer = sdp(SdpKind::Offer) + "a=candidate:1 1 udp 2130706431 192.0.2.1 2 typ host\r\na=end-of-candidates\r\n";
    pair.guest.feed(Input::LocalDescription(offer), pair.now);
    pair.guest.feed(Input::LocalCandidate(candidate(2)), pair.now);
    pair.guest.feed(Input::LocalCandidate(candidate(3)), pair.now);
    pair.settle();
    pair.assert_paired();
    assert!(!pair.host.remote_description.as_ref().unwrap().contains("candidate"), "the offer carries no address");
    pair.host.feed(Input::LocalCandidate(candidate(4)), pair.now);
    pair.guest.feed(Input::LocalCandidate(candidate(5)), pair.now);
    pair.settle();
    let texts = |ports: &[u16]| ports.iter().map(|&n| candidate(n).as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(pair.host.remote_candidates, texts(&[1, 2, 3, 5]));
    assert_eq!(pair.guest.remote_candidates, texts(&[4]));
}

#[test]
fn a_wrong_code_is_told_to_both_and_exposes_nothing_of_the_host() {
    let mut pair = Setup::with_codes("123456", "123457").start();
    pair.offer();
    pair.settle();
    assert_eq!(pair.host.error, Some(PairingError::WrongCode));
    assert_eq!(pair.guest.error, Some(PairingError::WrongCode));
    assert!(pair.host.remote_description.is_none() && !pair.host.is_paired() && !pair.guest.is_paired());
}

#[test]
fn a_guest_that_vanishes_before_its_proof_is_no_wrong_code() {
    let mut pair = Setup::with_codes("123456", "123456").start();
    let deadline = pair.host.deadline.unwrap();
    assert_eq!(deadline, pair.now + HANDSHAKE_MAX);
    pair.host.feed(Input::TimedOut, deadline - Duration::from_millis(1));
    assert_eq!(pair.host.error, None, "a timer that fires early is harmless");
    pair.host.feed(Input::TimedOut, deadline);
    assert_eq!(pair.host.error, Some(PairingError::TimedOut));
}

#[test]
fn a_host_that_does_not_prove_itself_in_time_is_not_verified() {
    let mut pair = Setup::with_codes("123456", "123456").start();
    pair.offer();
    assert!(!pair.guest.machine.is_exposed());
    pair.step();
    assert!(pair.guest.machine.is_exposed(), "whoever said hello can test a guess");
    let deadline = pair.guest.deadline.unwrap();
    pair.guest.feed(Input::TimedOut, deadline);
    assert_eq!(pair.guest.error, Some(PairingError::PeerNotVerified(Unverified::Silence)));
    assert!(pair.guest.machine.is_exposed());
}

#[test]
fn a_handshake_that_succeeds_exposes_nothing() {
    let mut pair = Setup::with_codes("123456", "123456").start();
    pair.offer();
    pair.settle();
    assert!(!pair.guest.machine.is_exposed());
}

#[test]
fn stopping_is_told_to_the_other_side_at_every_point() {
    for steps in 0..4 {
        for host_stops in [true, false] {
            let mut pair = Setup::with_codes("123456", "123456").start();
            pair.offer();
            for _ in 0..steps {
                pair.step();
            }
            if host_stops {
                pair.host.feed(Input::Canceled, pair.now);
            } else {
                pair.guest.feed(Input::Canceled, pair.now);
            }
            pair.settle();
            let told = if host_stops { pair.guest.error } else { pair.host.error };
            assert_eq!(told, Some(PairingError::Canceled), "after {steps} steps, host stops: {host_stops}");
        }
    }
}

#[test]
fn two_paired_sides_find_each_other_again() {
    let mut pair = Setup::with_codes("123456", "123456").start();
    pair.offer();
    pair.settle();
    pair.assert_paired();
    let (host, guest) = (pair.host.keys.unwrap(), pair.guest.keys.unwrap());
    let again = Setup {
        room: host.resume_room(),
        host_secret: HostSecret::Resume(host.resume_key().clone()),
        guest_secret: GuestSecret::Resume(guest.resume_key().clone()),
        seed: 2,
        ..Setup::with_codes("123456", "123456")
    };
    let mut pair = again.start();
    pair.offer();
    pair.settle();
    pair.assert_paired();
    assert_ne!(pair.host.keys.unwrap().resume_key(), host.resume_key(), "the key moved on");
}

#[test]
fn the_bind_step_ties_the_keys_to_the_connection() {
    let mut pair = Setup::with_codes("123456", "123456").start();
    pair.offer();
    pair.settle();
    let (host, guest) = (pair.host.keys.unwrap(), pair.guest.keys.unwrap());
    let (a, b) = ([0xcd; 32], [0xab; 32]);
    let a = Endpoint { fingerprint: &a, ice_ufrag: "aNSw" };
    let b = Endpoint { fingerprint: &b, ice_ufrag: "oFFr" };
    let mac = guest.bind_mac(&Connection { local: b, remote: a });
    assert!(host.verify_bind_mac(&Connection { local: a, remote: b }, &mac).is_ok());
    assert!(host.verify_bind_mac(&Connection { local: b, remote: a }, &mac).is_err());
}

#[test]
fn both_sides_show_the_same_number_and_nothing_flows_before_both_confirm() {
    for (host_asks, guest_asks) in [(true, false), (false, true), (true, true)] {
        let mut setup = Setup::with_codes("123456", "123456");
        (setup.host.short_number, setup.guest.short_number) = (host_asks, guest_asks);
        let mut pair = setup.start();
        pair.offer();
        pair.guest.feed(Input::LocalCandidate(candidate(1)), pair.now);
        pair.settle();
        assert_eq!(pair.host.short_number.unwrap(), pair.guest.short_number.unwrap());
        assert!(pair.host.remote_description.is_none() && pair.guest.remote_description.is_none());
        pair.host.feed(Input::Confirmed(true), pair.now);
        pair.settle();
        assert!(pair.guest.remote_description.is_none() && !pair.guest.is_paired(), "the guest's person is asked too");
        assert!(pair.host.remote_candidates.is_empty());
        pair.guest.feed(Input::Confirmed(true), pair.now);
        pair.settle();
        pair.assert_paired();
        assert_eq!(pair.host.remote_candidates.len(), 1);
    }
}

#[test]
fn the_guest_may_confirm_first() {
    let mut setup = Setup::with_codes("123456", "123456");
    setup.host.short_number = true;
    let mut pair = setup.start();
    pair.offer();
    pair.settle();
    pair.guest.feed(Input::Confirmed(true), pair.now);
    pair.settle();
    assert!(!pair.host.is_paired() && !pair.guest.is_paired());
    pair.host.feed(Input::Confirmed(true), pair.now);
    pair.settle();
    pair.assert_paired();
}

#[test]
fn a_number_that_one_person_rejects_ends_both() {
    for host_rejects in [true, false] {
        let mut setup = Setup::with_codes("123456", "123456");
        setup.host.short_number = true;
        let mut pair = setup.start();
        pair.offer();
        pair.settle();
        pair.host.feed(Input::Confirmed(!host_rejects), pair.now);
        pair.guest.feed(Input::Confirmed(host_rejects), pair.now);
        pair.settle();
        assert_eq!(pair.host.error, Some(PairingError::ShortNumberRejected));
        assert_eq!(pair.guest.error, Some(PairingError::ShortNumberRejected));
        assert!(!pair.guest.is_paired());
    }
}

#[test]
fn the_right_password_pairs_and_changes_every_key() {
    let mut pair = with_password("pass mot", 3);
    assert_eq!(pair.guest.passwords_asked, [3]);
    assert!(pair.host.remote_description.is_none() && !pair.host.is_paired(), "nothing before the password");
    assert!(pair.host.machine.is_guest_proven(), "who types takes longer than the server gives for a proof");
    pair.give_password("pass mot");
    pair.assert_paired();
    let mut plain = Setup::with_codes("123456", "123456").start();
    plain.offer();
    plain.settle();
    assert_ne!(pair.host.keys.unwrap().resume_key(), plain.host.keys.unwrap().resume_key());
}

#[test]
fn a_wrong_password_may_be_corrected_twice() {
    let mut pair = with_password("pass mot", 3);
    pair.give_password("pass mou");
    pair.give_password("");
    pair.give_password("pass moi");
    assert_eq!(pair.guest.passwords_asked, [3, 2, 2, 1], "an empty password is not sent");
    assert_eq!(pair.host.wrong_passwords, [2, 1]);
    pair.give_password("pass mot");
    pair.assert_paired();
}

#[test]
fn the_last_wrong_password_ends_both_sides() {
    let mut pair = with_password("pass mot", 2);
    assert_eq!(pair.guest.passwords_asked, [2]);
    pair.give_password("a");
    pair.give_password("b");
    assert_eq!(pair.host.wrong_passwords, [1, 0]);
    assert_eq!(pair.host.error, Some(PairingError::PasswordWrong));
    assert_eq!(pair.guest.error, Some(PairingError::PasswordWrong));
    assert!(pair.host.remote_description.is_none() && !pair.guest.is_paired());
}

#[test]
fn a_locked_share_says_so_to_who_has_the_code() {
    let pair = with_password("pass mot", 0);
    assert_eq!(pair.host.error, Some(PairingError::PasswordLocked));
    assert_eq!(pair.guest.error, Some(PairingError::PasswordLocked));
    assert!(!pair.guest.machine.is_exposed(), "the host has proven itself");
    let mut pair = with_password("pass mot", 3);
    pair.host.machine.lock_password();
    pair.give_password("pass mot");
    assert_eq!(pair.guest.error, Some(PairingError::PasswordLocked), "even the right one, once the share is locked");
}

#[test]
fn the_short_number_comes_after_the_password() {
    let mut setup = password_setup("pass mot", 3);
    setup.guest.short_number = true;
    let mut pair = setup.start();
    pair.offer();
    pair.settle();
    assert!(pair.host.short_number.is_none());
    pair.give_password("pass mot");
    assert_eq!(pair.host.short_number.unwrap(), pair.guest.short_number.unwrap());
    pair.host.feed(Input::Confirmed(true), pair.now);
    pair.guest.feed(Input::Confirmed(true), pair.now);
    pair.settle();
    pair.assert_paired();
}

#[test]
fn stopping_while_the_password_is_on_its_way_is_told() {
    let mut pair = with_password("pass mot", 3);
    pair.guest.give_password("pass mot", pair.now);
    pair.guest.feed(Input::Canceled, pair.now);
    pair.settle();
    assert_eq!(pair.host.error, Some(PairingError::Canceled));
}

#[test]
fn a_person_has_two_minutes_for_each_answer() {
    let mut pair = with_password("pass mot", 3);
    let (host, guest) = (pair.host.deadline.unwrap(), pair.guest.deadline.unwrap());
    assert!(host > pair.now + HANDSHAKE_MAX && guest > pair.now + HANDSHAKE_MAX);
    pair.guest.feed(Input::TimedOut, guest);
    pair.settle();
    assert_eq!(pair.guest.error, Some(PairingError::TimedOut));
    assert_eq!(pair.host.error, Some(PairingError::TimedOut));
}

#[test]
fn a_guest_whose_program_says_nothing_is_not_waited_for_as_long_as_people_are() {
    let mut setup = Setup::with_codes("123456", "123456");
    setup.host.short_number = true;
    let mut pair = setup.start();
    pair.offer();
    // Up to the word that the short number is due, which the guest does not answer.
    while pair.guest.short_number.is_none() {
        pair.step();
    }
    assert!(pair.host.short_number.is_none());
    assert_eq!(pair.host.deadline, Some(pair.now + HANDSHAKE_MAX));
    pair.settle();
    assert!(pair.host.short_number.is_some());
    for deadline in [pair.host.deadline, pair.guest.deadline] {
        assert!(deadline.unwrap() > pair.now + PERSON_MAX / 2, "people may take their time");
    }
}

#[test]
fn a_retired_code_ends_the_handshakes_in_flight() {
    let mut pair = Setup::with_codes("123456", "123456").start();
    pair.offer();
    pair.step();
    pair.host.machine.retire();
    pair.settle();
    assert!(!pair.host.is_paired());
    pair.host.feed(Input::TimedOut, pair.now);
    pair.settle();
    assert_eq!(pair.guest.error, Some(PairingError::NotActive));
}

#[test]
fn a_failure_elsewhere_demands_the_short_number_of_a_handshake_in_flight() {
    let mut pair = Setup::with_codes("123456", "123456").start();
    pair.host.machine.demand_short_number();
    pair.offer();
    pair.settle();
    assert!(pair.host.short_number.is_some() && !pair.host.is_paired());
}

fn with_password(password: &str, attempts: u8) -> Pair {
    let mut pair = password_setup(password, attempts).start();
    pair.offer();
    pair.settle();
    pair
}

fn password_setup(password: &str, attempts: u8) -> Setup {
    let cost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1 };
    let password = StretchedPassword::stretch(password, [9; 16], cost).unwrap();
    let mut setup = Setup::with_codes("123456", "123456");
    setup.host.password = Some(PasswordGate { password, attempts });
    setup
}
