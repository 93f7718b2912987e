//! A peer that knows the code and breaks the rules.

use p2pshare_protocol::device_identity::{DeviceIdentity, DeviceKey};
use p2pshare_protocol::keys::Mode;
use p2pshare_protocol::pairing::{HostDevice, HostOptions, Input, PairingError, PasswordGate, Violation};
use p2pshare_protocol::password::{PasswordCost, StretchedPassword};
use p2pshare_protocol::role::Role;
use p2pshare_protocol::room::RoomId;
use p2pshare_protocol::sdp::{SdpError, SdpKind};
use p2pshare_protocol::sealed_frame::{AbortCode, SealedFrame};

use crate::attacker::{Attacker, NONCE, Scene};
use crate::pair::{Pair, Setup, candidate, sdp};

#[test]
fn a_nonce_that_was_not_committed_to_is_refused() {
    let (mut pair, mut guest) = attack_host(&offer(), true);
    guest.say(&mut pair.host, &SealedFrame::Sas { n_g: [1; 16] }, pair.now);
    assert_eq!(pair.host.error, Some(PairingError::SecurityMismatch));
    assert!(pair.host.short_number.is_none());

    let (mut pair, mut guest) = attack_host(&offer(), false);
    guest.say(&mut pair.host, &SealedFrame::Sas { n_g: [1; 16] }, pair.now);
    assert_eq!(pair.host.error, Some(PairingError::SecurityMismatch), "also when nobody compares");
}

#[test]
fn a_nonce_cannot_be_opened_twice() {
    let (mut pair, mut guest) = attack_host(&offer(), true);
    guest.say(&mut pair.host, &SealedFrame::Sas { n_g: NONCE }, pair.now);
    assert!(pair.host.short_number.is_some());
    guest.say(&mut pair.host, &SealedFrame::Sas { n_g: NONCE }, pair.now);
    assert_eq!(pair.host.error, Some(Violation::Unexpected.into()));
}

#[test]
fn whoever_stands_between_with_the_right_code_shows_two_numbers() {
    let mut equal = 0;
    for seed in 0..20 {
        let numbers = [seed, seed + 1000].map(|seed| {
            let mut setup = Setup { seed, ..Setup::with_codes("123456", "123456") };
            setup.host.short_number = true;
            let mut pair = setup.start();
            pair.offer();
            pair.settle();
            pair.host.short_number.unwrap().digits()
        });
        equal += usize::from(numbers[0] == numbers[1]);
    }
    assert_eq!(equal, 0);
}

#[test]
fn a_hostile_description_never_reaches_the_own_stack() {
    let two = sdp(SdpKind::Offer) + "a=fingerprint:sha-256 " + &vec!["EE"; 32].join(":") + "\r\n";
    let audio = sdp(SdpKind::Offer) + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n";
    for (text, error) in [
        (two, SdpError::Fingerprint),
        (audio, SdpError::Media),
        (sdp(SdpKind::Answer), SdpError::Setup),
        ("v=0".to_owned(), SdpError::Media),
    ] {
        let frame = SealedFrame::Offer { sdp: text, verify: false, from: None, device: None };
        let (pair, _) = attack_host(&frame.to_json(), false);
        assert_eq!(pair.host.error, Some(Violation::Sdp(error).into()));
        assert!(pair.host.remote_description.is_none());
    }
    let (pair, _) = attack_guest(&SealedFrame::Answer { sdp: sdp(SdpKind::Offer) }.to_json(), false);
    assert_eq!(pair.guest.error, Some(Violation::Sdp(SdpError::Setup).into()));
}

#[test]
fn json_that_is_no_frame_is_a_violation_of_little_cost() {
    for json in [&b"{}"[..], b"null", b"{\"t\":\"shell\"}", &[b'['; 8000], b"{\"t\":\"offer\",\"sdp\":1e999}", b"\xff"]
    {
        let (pair, _) = attack_host(json, false);
        assert_eq!(pair.host.error, Some(Violation::Frame.into()));
        let (pair, _) = attack_guest(json, false);
        assert_eq!(pair.guest.error, Some(Violation::Frame.into()));
    }
}

#[test]
fn the_first_frame_of_a_guest_is_its_offer() {
    for frame in frames().into_iter().filter(|frame| !matches!(frame, SealedFrame::Offer { .. })) {
        let (pair, _) = attack_host(&frame.to_json(), false);
        assert_eq!(pair.host.error, Some(Violation::Frame.into()), "{frame:?}");
    }
}

#[test]
fn frames_out_of_place_end_the_pairing_at_the_host() {
    for frame in frames() {
        let (mut pair, mut guest) = attack_host(&offer(), false);
        assert!(pair.host.is_paired());
        guest.say(&mut pair.host, &frame, pair.now);
        let is_in_place = matches!(frame, SealedFrame::Cand(_) | SealedFrame::Sas { .. });
        assert_eq!(pair.host.error.is_none(), is_in_place, "{frame:?}");
    }
}

#[test]
fn frames_out_of_place_end_the_pairing_at_the_guest() {
    for frame in frames() {
        let (mut pair, mut host) = attack_guest(&answer(), false);
        assert!(pair.guest.is_paired());
        host.say(&mut pair.guest, &frame, pair.now);
        assert_eq!(pair.guest.error.is_none(), matches!(frame, SealedFrame::Cand(_)), "{frame:?}");
    }
}

#[test]
fn a_devices_proof_of_another_handshake_ends_this_one() {
    let device = |role| Some(DeviceIdentity::from_seed([1; 32]).prove(role, &[3; 64]));
    let offer = SealedFrame::Offer { sdp: sdp(SdpKind::Offer), verify: true, from: None, device: device(Role::Guest) };
    let (pair, _) = attack_host(&offer.to_json(), false);
    assert_eq!((pair.host.error, pair.host.met), (Some(PairingError::SecurityMismatch), None));
    let (pair, _) = attack_guest(&SealedFrame::Verify { device: device(Role::Host) }.to_json(), false);
    assert_eq!((pair.guest.error, pair.guest.met), (Some(PairingError::SecurityMismatch), None));
    assert!(pair.guest.short_number.is_none());
}

#[test]
fn a_host_shows_its_key_only_to_those_that_it_is_for() {
    let (ann, bob) = (DeviceIdentity::from_seed([1; 32]), DeviceIdentity::from_seed([2; 32]));
    let key = |device: &DeviceIdentity| device.prove(Role::Host, &[0; 64]).key;
    let meet = |guest: Option<&DeviceIdentity>, seen_by: Option<Vec<DeviceKey>>| {
        let mut setup = Setup::with_codes("123456", "123456");
        setup.host.short_number = true;
        setup.host.device = Some(HostDevice { identity: bob.clone(), seen_by });
        setup.guest.device = guest.cloned();
        let mut pair = setup.start();
        pair.offer();
        pair.settle();
        assert_eq!(pair.host.short_number, pair.guest.short_number);
        (pair.host.met, pair.guest.met)
    };
    assert_eq!(meet(Some(&ann), Some(vec![key(&ann)])), (Some(key(&ann)), Some(key(&bob))));
    assert_eq!(meet(Some(&ann), None), (Some(key(&ann)), Some(key(&bob))));
    assert_eq!(meet(Some(&ann), Some(vec![key(&bob)])), (Some(key(&ann)), None), "a stranger");
    assert_eq!(meet(None, None), (None, None), "somebody who does not say who it is");
}

#[test]
fn a_host_cannot_give_candidates_before_its_answer() {
    let (pair, _) = attack_guest(&SealedFrame::Cand(candidate(1)).to_json(), false);
    assert_eq!(pair.guest.error, Some(Violation::Unexpected.into()));
    let (mut pair, mut host) = attack_guest(&SealedFrame::Verify { device: None }.to_json(), false);
    host.say(&mut pair.guest, &SealedFrame::Cand(candidate(1)), pair.now);
    assert_eq!(pair.guest.error, Some(Violation::Unexpected.into()));
}

#[test]
fn a_host_cannot_skip_the_number_that_the_guest_asked_for() {
    let (pair, _) = attack_guest(&answer(), true);
    assert_eq!(pair.guest.error, Some(Violation::SkippedShortNumber.into()));
    assert!(pair.guest.remote_description.is_none());
}

#[test]
fn a_host_cannot_exhaust_the_guest_with_the_cost_of_a_password() {
    let costs = [(4 << 20, 2, 1), (19_456, 1000, 1), (19_456, 2, 64), (65_537, 1, 1), (0, 0, 0)];
    for (memory_kib, passes, lanes) in costs {
        let frame = SealedFrame::Auth { salt: [0; 16], cost: PasswordCost { memory_kib, passes, lanes } };
        let (pair, _) = attack_guest(&frame.to_json(), false);
        assert_eq!(pair.guest.error, Some(Violation::PasswordCost.into()));
        assert!(pair.guest.passwords_asked.is_empty());
    }
}

#[test]
fn a_host_gets_three_guesses_at_the_guests_password_and_no_more() {
    let cost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1 };
    let (mut pair, mut host) = attack_guest(&SealedFrame::Auth { salt: [0; 16], cost }.to_json(), false);
    let element = *p2pshare_protocol::cpace::Exchange::new(Role::Host, b"", b"", &[0; 16], &[3; 64]).element();
    for asked in 1..=3 {
        host.say(&mut pair.guest, &SealedFrame::PwA { y: element, left: 255 }, pair.now);
        assert_eq!(pair.guest.passwords_asked.len(), asked);
        pair.guest.give_password("a", pair.now);
    }
    assert_eq!(pair.guest.passwords_asked, [3, 2, 1], "whatever the host says");
    host.say(&mut pair.guest, &SealedFrame::PwA { y: element, left: 255 }, pair.now);
    assert_eq!(pair.guest.error, Some(Violation::Unexpected.into()));
}

#[test]
fn a_host_that_does_not_know_the_password_cannot_say_that_it_was_right() {
    let cost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1 };
    let (mut pair, mut host) = attack_guest(&SealedFrame::Auth { salt: [0; 16], cost }.to_json(), false);
    host.say(&mut pair.guest, &SealedFrame::Answer { sdp: sdp(SdpKind::Answer) }, pair.now);
    assert_eq!(pair.guest.error, Some(Violation::Unexpected.into()), "nor leave it out after it asked");
    let (mut pair, mut host) = attack_guest(&SealedFrame::Auth { salt: [0; 16], cost }.to_json(), false);
    let y = [
        0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51, 0x5f, 0x58, 0xe3,
        0x0b, 0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76,
    ];
    host.say(&mut pair.guest, &SealedFrame::PwA { y, left: 3 }, pair.now);
    pair.guest.give_password("a", pair.now);
    host.say(&mut pair.guest, &SealedFrame::PwC { tag: [0; 32] }, pair.now);
    assert!(matches!(pair.guest.error, Some(PairingError::PeerNotVerified(_))));
    assert!(!pair.guest.is_paired());
}

#[test]
fn a_flood_of_candidates_is_a_violation() {
    let (mut pair, mut guest) = attack_host(&offer(), false);
    for n in 0..64 {
        guest.say(&mut pair.host, &SealedFrame::Cand(candidate(n)), pair.now);
    }
    assert_eq!(pair.host.error, None);
    guest.say(&mut pair.host, &SealedFrame::Cand(candidate(64)), pair.now);
    assert_eq!(pair.host.error, Some(Violation::TooManyCandidates.into()));
    assert_eq!(pair.host.remote_candidates.len(), 64);
}

#[test]
fn nothing_is_answered_to_a_peer_that_has_left() {
    let (mut pair, mut guest) = attack_host(&offer(), false);
    pair.host.sent.clear();
    guest.say(&mut pair.host, &SealedFrame::Abort { code: AbortCode::Canceled }, pair.now);
    assert_eq!(pair.host.error, Some(PairingError::Canceled));
    pair.host.feed(Input::LocalCandidate(candidate(1)), pair.now);
    pair.host.feed(Input::Confirmed(true), pair.now);
    assert!(pair.host.sent.is_empty());
}

#[test]
fn a_guest_cannot_open_its_nonce_before_the_password() {
    let mut setup = Setup::with_codes("123456", "123456");
    let cost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1 };
    let password = StretchedPassword::stretch("a", [0; 16], cost).unwrap();
    setup.host =
        HostOptions { password: Some(PasswordGate { password, attempts: 3 }), short_number: true, device: None };
    let (mut pair, mut guest) = attack_host_of(setup, &offer());
    guest.say(&mut pair.host, &SealedFrame::Sas { n_g: NONCE }, pair.now);
    assert_eq!(pair.host.error, Some(Violation::Unexpected.into()));
}

/// A host whose guest is the attacker, with the right code and this first frame.
fn attack_host(first: &[u8], short_number: bool) -> (Pair, Attacker) {
    let mut setup = Setup::with_codes("123456", "123456");
    setup.host.short_number = short_number;
    attack_host_of(setup, first)
}

fn attack_host_of(setup: Setup, first: &[u8]) -> (Pair, Attacker) {
    let mut pair = setup.start();
    let hello = pair.host.sent.pop_front().unwrap();
    let (attacker, proof) = Attacker::as_guest(&scene(&"12".parse().unwrap()), &hello, first);
    pair.host.feed(Input::Received(proof), pair.now);
    (pair, attacker)
}

/// A guest whose host is the attacker, with the right code and this first frame.
fn attack_guest(first: &[u8], short_number: bool) -> (Pair, Attacker) {
    let mut setup = Setup::with_codes("123456", "123456");
    setup.guest.short_number = short_number;
    let mut pair = setup.start();
    pair.offer();
    let answer_to = |hello| {
        pair.guest.feed(Input::Received(hello), pair.now);
        pair.guest.sent.pop_front().unwrap()
    };
    let (attacker, proof) = Attacker::as_host(&scene(&"12".parse().unwrap()), answer_to, first);
    pair.guest.feed(Input::Received(proof), pair.now);
    (pair, attacker)
}

fn scene(room: &RoomId) -> Scene<'_> {
    Scene { mode: Mode::Code, secret: b"3456", room }
}

fn offer() -> Vec<u8> {
    SealedFrame::Offer { sdp: sdp(SdpKind::Offer), verify: false, from: None, device: None }.to_json()
}

fn answer() -> Vec<u8> {
    SealedFrame::Answer { sdp: sdp(SdpKind::Answer) }.to_json()
}

/// One frame of every type.
fn frames() -> Vec<SealedFrame> {
    vec![
        SealedFrame::Offer { sdp: sdp(SdpKind::Offer), verify: false, from: None, device: None },
        SealedFrame::Answer { sdp: sdp(SdpKind::Answer) },
        SealedFrame::Cand(candidate(1)),
        SealedFrame::Auth { salt: [0; 16], cost: PasswordCost::default() },
        SealedFrame::PwA { y: [1; 32], left: 3 },
        SealedFrame::PwB { y: [1; 32], tag: [2; 32] },
        SealedFrame::PwC { tag: [2; 32] },
        SealedFrame::Verify { device: None },
        SealedFrame::Sas { n_g: NONCE },
        SealedFrame::IceRestart {},
        SealedFrame::Abort { code: AbortCode::Canceled },
    ]
}
