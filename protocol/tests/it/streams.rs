//! Further connections, as both machines of a transfer hear and speak of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use p2pshare_protocol::ctl::{Ctl, Hello, Role};
use p2pshare_protocol::offer::Offer;
use p2pshare_protocol::receiver::{self, Receiver};
use p2pshare_protocol::sdp::SdpKind;
use p2pshare_protocol::sender::{self, Sender};
use p2pshare_protocol::streams::{Look, Streams};

use crate::link::entry;
use crate::pair::sdp;

#[test]
fn on_another_channel_they_are_opened_again_once_the_peer_has_greeted_there() {
    let mut sender = sender();
    let hear = |sender: &mut Sender, frame: Ctl| feed(sender, sender::Input::Ctl(frame.encode().into()));
    hear(&mut sender, Ctl::Hello(hello(Role::Receives)));
    hear(&mut sender, Ctl::Accept { select: None, last: true });
    assert_eq!([opened(&mut sender), opened(&mut sender)], [vec![1, 2], vec![]]);
    feed(&mut sender, sender::Input::Reconnected);
    assert!(opened(&mut sender).is_empty(), "the peer may be another program");
    hear(&mut sender, Ctl::Hello(hello(Role::Receives)));
    assert_eq!(opened(&mut sender), [1, 2]);
}

#[test]
fn on_another_channel_they_are_offered_again() {
    let now = now();
    let mut receiver = Receiver::new(hello(Role::Receives), now);
    let hear = |receiver: &mut Receiver, frame: Ctl| {
        receiver.handle_input(receiver::Input::Ctl(frame.encode().into()), now).is_ok()
    };
    let offer = || Ctl::PcOffer { n: 1, sdp: sdp(SdpKind::Offer) };
    assert!(hear(&mut receiver, Ctl::Hello(hello(Role::Sends))));
    assert!(hear(&mut receiver, offer()));
    receiver.handle_input(receiver::Input::Reconnected, now).unwrap();
    assert!(hear(&mut receiver, Ctl::Hello(hello(Role::Sends))));
    assert!(hear(&mut receiver, offer()));
    assert!(!hear(&mut receiver, offer()), "once on each");
}

#[test]
fn after_one_broke_each_side_says_that_it_wants_one() {
    let mut sender = sender();
    feed(&mut sender, sender::Input::Broken);
    feed(&mut sender, sender::Input::Reconnected);
    let mut receiver = Receiver::new(hello(Role::Receives), now());
    receiver.handle_input(receiver::Input::Broken, now()).unwrap();
    receiver.handle_input(receiver::Input::Reconnected, now()).unwrap();
    let mut greetings = Vec::new();
    while let sender::Output::Send(frame) = sender.poll_output(now()) {
        greetings.extend(greeting(&frame));
    }
    while let receiver::Output::Send(frame) = receiver.poll_output(now()) {
        greetings.extend(greeting(&frame));
    }
    let one = Streams::exactly(1).unwrap();
    assert_eq!(greetings.iter().map(Streams::of).collect::<Vec<_>>(), [one, one]);
}

fn hello(role: Role) -> Hello {
    let mut hello = Hello { role, ..crate::link::hello() };
    Streams::exactly(3).unwrap().announce(&mut hello);
    hello
}

fn sender() -> Sender {
    let offer = Arc::new(Offer::new(vec![entry(0, Some(&[1, 2, 3]))]).unwrap());
    Sender::new(offer, hello(Role::Sends), 64 * 1024, now())
}

fn feed(sender: &mut Sender, input: sender::Input) {
    sender.handle_input(input, now()).unwrap();
}

/// Which connections a look at the path has opened.
fn opened(sender: &mut Sender) -> Vec<u8> {
    let look = Look { round_trip: Duration::from_millis(40), is_busy: false, rate: 0, is_relayed: false };
    feed(sender, sender::Input::Path(look));
    let mut opened = Vec::new();
    loop {
        let output = sender.poll_output(now());
        if let sender::Output::Connect(n) = output {
            opened.push(n);
        } else if matches!(output, sender::Output::Wait(_)) {
            return opened;
        }
    }
}

fn greeting(frame: &[u8]) -> Option<Hello> {
    if let Ctl::Hello(hello) = Ctl::decode(frame).unwrap() { Some(hello) } else { None }
}

#[expect(clippy::disallowed_methods, reason = "a test has to begin at some time")]
fn now() -> Instant {
    Instant::now()
}
