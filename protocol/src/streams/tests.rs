//! How many connections there are, and what may be said of further ones.

use super::*;
use crate::untrusted::Untrusted;

const FAR: Look = Look { round_trip: Duration::from_millis(40), is_busy: false, rate: 0, is_relayed: false };

fn hello(streams: Option<u32>, features: &[&str]) -> Hello {
    let features = features.iter().map(|&feature| feature.to_owned()).collect();
    Hello { v: 1, role: Role::Sends, name: Untrusted::default(), agent: Untrusted::default(), features, streams }
}

fn announced(streams: Streams) -> Hello {
    let mut hello = hello(None, &[]);
    streams.announce(&mut hello);
    hello
}

fn stripes(role: Role) -> Stripes {
    let mut stripes = Stripes::new(role, &announced(Streams::exactly(3).unwrap()));
    stripes.greet(&announced(Streams::Auto));
    stripes
}

fn opened(stripes: &mut Stripes, look: Look) -> Vec<u8> {
    stripes.look(look).collect()
}

fn sdp(setup: &str) -> String {
    format!(
        "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
         a=fingerprint:sha-256 {}\r\na=setup:{setup}\r\n",
        ["00"; 32].join(":")
    )
}

fn offer(n: u32) -> Ctl {
    Ctl::PcOffer { n, sdp: sdp("actpass") }
}

fn answer(n: u32) -> Ctl {
    Ctl::PcAnswer { n, sdp: sdp("active") }
}

fn candidate(n: u32) -> Ctl {
    Ctl::PcCandidate { n, candidate: "".parse().unwrap() }
}

#[test]
fn what_a_person_wants_survives_the_greeting() {
    for streams in [Streams::Auto, Streams::exactly(1).unwrap(), Streams::exactly(STREAMS_MAX).unwrap()] {
        assert_eq!(Streams::of(&announced(streams)), streams);
    }
    assert_eq!(Streams::exactly(0), None);
    assert_eq!(Streams::exactly(STREAMS_MAX + 1), None);
}

#[test]
fn a_strange_number_is_cut_down_and_who_says_nothing_wants_one() {
    assert_eq!(Streams::of(&hello(Some(u32::MAX), &["streams"])), Streams::exactly(STREAMS_MAX).unwrap());
    assert_eq!(Streams::of(&hello(Some(0), &["streams"])), Streams::Auto);
    assert_eq!(Streams::of(&hello(Some(4), &["quic"])), Streams::exactly(1).unwrap());
}

#[test]
fn what_one_person_decides_holds_for_both_and_of_two_the_lower() {
    let (auto, three, eight) = (Streams::Auto, Streams::exactly(3).unwrap(), Streams::exactly(8).unwrap());
    let agreed = [auto.agree(auto), auto.agree(three), three.agree(auto), eight.agree(three)];
    assert_eq!(agreed.map(|count| count.map(NonZeroU8::get)), [None, Some(3), Some(3), Some(3)]);
}

#[test]
fn what_was_decided_is_opened_once_on_each_channel() {
    let mut stripes = stripes(Role::Sends);
    assert_eq!([opened(&mut stripes, FAR), opened(&mut stripes, FAR)], [vec![1, 2], vec![]]);
    stripes.reset();
    assert!(opened(&mut stripes, FAR).is_empty(), "the peer has not greeted");
    stripes.greet(&announced(Streams::Auto));
    assert_eq!(opened(&mut stripes, FAR), [1, 2]);
}

#[test]
fn nothing_of_one_channel_is_known_on_the_next() {
    let mut receiver = stripes(Role::Receives);
    assert!(receiver.hear(offer(1)).is_ok() && receiver.hear(offer(1)).is_err());
    receiver.reset();
    assert!(receiver.hear(offer(1)).is_ok());

    let mut sender = Stripes::new(Role::Sends, &announced(Streams::Auto));
    for round_trip in [20, 80].map(Duration::from_millis) {
        sender.reset();
        sender.greet(&announced(Streams::Auto));
        let look = Look { round_trip, is_busy: true, ..FAR };
        let opened: usize = (0..3).map(|_| sender.look(look).count()).sum();
        assert_eq!(opened, 3, "{round_trip:?} is as short as it was here");
    }
}

#[test]
fn through_a_relay_there_are_two_whatever_a_person_says() {
    let mut sender = stripes(Role::Sends);
    assert_eq!(opened(&mut sender, Look { is_relayed: true, ..FAR }), [1]);
    assert!(opened(&mut sender, Look { is_relayed: true, ..FAR }).is_empty());
}

#[test]
fn what_each_connection_has_under_way_decides() {
    let mut sender = Stripes::new(Role::Sends, &announced(Streams::Auto));
    sender.greet(&announced(Streams::Auto));
    let opened = [1_600_000, 6_000_000].map(|rate| {
        let look = Look { round_trip: Duration::from_millis(80), is_busy: true, rate, is_relayed: false };
        (0..3).map(|_| sender.look(look).count()).sum::<usize>()
    });
    assert_eq!(opened, [3, 4], "four of them have less than 128 KiB each");
}

#[track_caller]
fn check_auto(round_trips_ms: &[u64], is_busy: bool, rate: u64, expected: &[u8]) {
    check_path(round_trips_ms, Look { is_busy, rate, ..FAR }, expected);
}

#[track_caller]
fn check_path(round_trips_ms: &[u64], path: Look, expected: &[u8]) {
    let mut stripes = Stripes::new(Role::Sends, &announced(Streams::Auto));
    stripes.greet(&announced(Streams::Auto));
    let look = |&ms| stripes.look(Look { round_trip: Duration::from_millis(ms), ..path }).count() as u8;
    let opened: Vec<u8> = round_trips_ms.iter().map(look).filter(|count| *count > 0).collect();
    assert_eq!(opened, expected, "{round_trips_ms:?}");
}

#[test]
fn left_to_the_path_more_are_opened_as_long_as_it_has_room() {
    let slow = 200_000;
    check_auto(&[80, 82, 85], true, slow, &[3]);
    check_auto(&[80; 6], true, slow, &[3, 4]);
    check_auto(&[80; 100], true, slow, &[3, 4]);
    check_auto(&[80; 100], false, slow, &[]);
    check_auto(&[2; 100], true, slow, &[]);
    check_auto(&[80, 80, 120, 80, 80, 160, 80, 80], true, slow, &[]);
    check_auto(&[40; 100], true, 8_000_000, &[]);
    check_auto(&[80; 100], true, 1_600_000, &[3, 4]);
    check_auto(&[80; 6], true, 1_700_000, &[]);
    check_path(&[80; 100], Look { is_busy: true, rate: slow, is_relayed: true, ..FAR }, &[1]);
}

#[test]
fn each_connection_is_answered_and_opened_once() {
    let mut sender = stripes(Role::Sends);
    assert!(sender.hear(answer(1)).is_err(), "none is offered");
    opened(&mut sender, FAR);
    assert!(sender.hear(Ctl::PcOpen { n: 1 }).is_err(), "before the answer");
    assert_eq!(sender.hear(answer(1)).unwrap().0, 1);
    assert!(sender.hear(answer(1)).is_err());
    assert_eq!(sender.hear(Ctl::PcOpen { n: 1 }), Ok((1, Stripe::Open)));
    assert!(sender.hear(Ctl::PcOpen { n: 1 }).is_err());
    for wrong in [answer(0), answer(3), answer(257), offer(5), candidate(9), Ctl::Ping] {
        assert!(sender.hear(wrong).is_err());
    }
}

#[test]
fn a_receiver_takes_each_offer_once_and_no_more_than_the_limits_say() {
    let mut receiver = stripes(Role::Receives);
    assert!(receiver.hear(candidate(1)).is_err() && receiver.hear(answer(1)).is_err());
    for n in (1..STREAMS_MAX).rev() {
        assert_eq!(receiver.hear(offer(n.into())).unwrap().0, n);
    }
    assert!(receiver.hear(offer(STREAMS_MAX.into())).is_err());
    assert!(receiver.hear(offer(1)).is_err());
    for _ in 0..TRICKLED_CANDIDATES_MAX {
        assert!(receiver.hear(candidate(1)).is_ok());
    }
    assert!(receiver.hear(candidate(1)).is_err());
    assert!(receiver.hear(Ctl::PcOffer { n: 16, sdp: "v=0".to_owned() }).is_err());
}

#[test]
fn after_one_broke_no_more_are_wanted() {
    let mut hello = announced(Streams::exactly(3).unwrap());
    let mut receiver = stripes(Role::Receives);
    receiver.refuse(&mut hello);
    assert_eq!((Streams::of(&hello), hello.streams), (Streams::exactly(1).unwrap(), None));
    assert!(receiver.hear(offer(1)).is_err());
}

#[test]
fn who_did_not_say_that_it_can_is_offered_none() {
    let mut receiver = Stripes::new(Role::Receives, &hello(None, &[]));
    receiver.greet(&announced(Streams::Auto));
    assert!(receiver.hear(offer(1)).is_err());
}
