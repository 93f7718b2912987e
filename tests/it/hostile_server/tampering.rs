//! What a hostile server can do to a message, and transfers in which it does.

use crate::harness::proxy::Fate;
use crate::harness::{Ended, Passing, Proxy, Running, TestServer, Tree, Way, World};

/// A transfer through a server with this hook. Nothing is written, and no side ends well. Returns how the receiver ended.
#[track_caller]
pub(super) fn attacked(hook: impl FnMut(Passing) -> Fate + Send + 'static) -> Ended {
    let (sender, receiver) = attack(hook);
    // Only a guest that was proven ends the share with it.
    sender.terminate().expect_one_of(&[5, 10, 143]);
    receiver
}

/// The same, and it is the sender that refuses. The receiver learns why, or finds nobody any more if it does not in time.
#[track_caller]
pub(super) fn host_notices(hook: impl FnMut(Passing) -> Fate + Send + 'static) {
    let (sender, receiver) = attack(hook);
    sender.end().expect_exit(5).expect_says("SECURITY: the other side broke the protocol");
    receiver.expect_one_of(&[5, 10]);
}

/// The same; the sender is left to itself.
#[track_caller]
pub(super) fn attack(hook: impl FnMut(Passing) -> Fate + Send + 'static) -> (Running, Ended) {
    let (world, server) = (World::new(), TestServer::start());
    let proxy = Proxy::start(server.address, hook);
    let sender = world.send(&proxy.url(), &[&world.file("film", "content")]);
    let receiver = world.recv(&proxy.url(), &sender.code()).end();
    world.expect_no_trace();
    (sender, receiver)
}

/// Two transfers from one sender, the first left alone: in the second a message is replaced by the same of the first.
#[track_caller]
pub(super) fn replayed(which: (Way, usize)) -> Ended {
    let (world, server) = (World::new(), TestServer::start());
    let (mut apart, mut old) = (Apart::default(), Vec::new());
    let proxy = Proxy::start(server.address, move |mut passing| {
        let is_it = (passing.way, passing.number) == which;
        if passing.pairing == 0 {
            if is_it {
                old.clone_from(&passing.body);
            }
            return passing.untouched();
        }
        if is_it {
            passing.body.clone_from(&old);
        }
        apart.until_nonce(passing, Passing::untouched)
    });
    let film = world.file("film", "content");
    let sender = world.run(&["send", "--max", "2", "--server", &proxy.url(), film.to_str().unwrap()]);
    world.recv(&proxy.url(), &sender.code()).end().expect_exit(0);
    let other = World::new();
    let ended = other.recv(&proxy.url(), &sender.code()).end();
    other.expect_no_trace();
    sender.terminate();
    assert_eq!(world.arrived(), Tree::of(&world.from()));
    ended
}

/// Keeps the host's addresses from the guest, so that the two cannot meet before the host has looked at the guest's first
/// sealed frame.
#[derive(Default)]
pub(super) struct Apart {
    nonce_passed: bool,
}

impl Apart {
    /// `tamper` decides on that frame; all others pass.
    pub(super) fn until_nonce(&mut self, passing: Passing, tamper: impl FnOnce(Passing) -> Fate) -> Fate {
        match (passing.way, passing.number) {
            (Way::FromHost, 2..) if !self.nonce_passed => Fate::default(),
            (Way::FromGuest, 1) => {
                self.nonce_passed = true;
                tamper(passing)
            }
            _ => passing.untouched(),
        }
    }
}

/// A place in a message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    At(usize),
    FromEnd(usize),
}

pub(super) fn flip(mut passing: Passing, which: (Way, usize), place: Place) -> Fate {
    if passing.is(which.0, which.1) {
        let at = match place {
            Place::At(at) => at,
            Place::FromEnd(behind) => passing.body.len() - behind,
        };
        passing.body[at] ^= 1;
    }
    passing.untouched()
}

pub(super) fn twice(passing: Passing, which: (Way, usize)) -> Fate {
    let copies = if passing.is(which.0, which.1) { 2 } else { 1 };
    Fate { on: vec![passing.body; copies], back: Vec::new() }
}

pub(super) fn replace(mut passing: Passing, which: (Way, usize), at: usize, with: &[u8]) -> Fate {
    if passing.is(which.0, which.1) {
        passing.body[at..at + with.len()].copy_from_slice(with);
    }
    passing.untouched()
}

pub(super) fn reflect(passing: Passing, which: (Way, usize)) -> Fate {
    if passing.is(which.0, which.1) {
        return Fate { on: Vec::new(), back: vec![passing.body] };
    }
    passing.untouched()
}

/// Describes certificates that nobody has.
pub(super) fn other_certificates(sdp: String) -> String {
    other_on_dtls(altered_behind(sdp, "a=p2pshare-quic:"))
}

/// Describes a certificate on DTLS that nobody has; the one on QUIC is right.
pub(super) fn other_on_dtls(sdp: String) -> String {
    altered_behind(sdp, "a=fingerprint:sha-256 ")
}

fn altered_behind(mut sdp: String, marker: &str) -> String {
    let at = sdp.find(marker).unwrap() + marker.len();
    let other = if sdp[at..].starts_with('0') { "1" } else { "0" };
    sdp.replace_range(at..=at, other);
    sdp
}
