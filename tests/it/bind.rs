//! The first frame on a channel: without the proof that the channel belongs to the pairing nothing follows.

use p2pshare_protocol::ctl::Ctl;
use p2pshare_protocol::hash::Hash;

use crate::harness::{HostileGuest, HostileHost, Peer, TestServer, World};

#[test]
fn b_062_a_wrong_proof_ends_the_receiver() {
    refused_by_receiver(|peer| {
        let mut mac = peer.mac();
        mac[31] ^= 1;
        peer.say(&Ctl::Bind { mac: Hash(mac) });
    });
}

#[test]
fn b_062_a_reflected_proof_ends_the_receiver() {
    refused_by_receiver(|peer| {
        let theirs = peer.hear_mac();
        peer.say(&Ctl::Bind { mac: theirs });
    });
}

#[test]
fn b_062_no_proof_ends_the_receiver() {
    refused_by_receiver(|_| {});
}

#[test]
fn b_062_data_before_the_proof_ends_the_receiver() {
    refused_by_receiver(|peer| {
        peer.data(0, 0, b"too early");
        peer.say(&Ctl::Bind { mac: Hash(peer.mac()) });
    });
}

#[test]
fn b_062_an_offer_before_the_proof_ends_the_receiver() {
    refused_by_receiver(|peer| {
        peer.greet("sends");
        peer.offer(r#"{"path":["film"],"kind":"file","size":1}"#);
        peer.say(&Ctl::Bind { mac: Hash(peer.mac()) });
    });
}

#[test]
fn b_062_a_wrong_proof_ends_the_sender() {
    refused_by_sender(|peer| {
        let mut mac = peer.mac();
        mac[0] ^= 0x80;
        peer.say(&Ctl::Bind { mac: Hash(mac) });
    });
}

#[test]
fn b_062_a_reflected_proof_ends_the_sender() {
    refused_by_sender(|peer| {
        let theirs = peer.hear_mac();
        peer.say(&Ctl::Bind { mac: theirs });
    });
}

#[test]
fn b_062_no_proof_ends_the_sender() {
    refused_by_sender(|_| {});
}

#[test]
fn b_062_an_acceptance_before_the_proof_ends_the_sender() {
    refused_by_sender(|peer| {
        peer.greet("receives");
        peer.say_json(r#"{"t":"accept","last":true}"#);
        peer.say_json(r#"{"t":"want","ranges":[[0,0,7]]}"#);
        peer.say(&Ctl::Bind { mac: Hash(peer.mac()) });
    });
}

/// A host that misbehaves before it is bound gets no consent and stores nothing.
#[track_caller]
fn refused_by_receiver(misbehave: impl FnOnce(&mut Peer)) {
    let (world, server) = (World::new(), TestServer::start());
    let host = HostileHost::open(&server.url());
    let receiver = world.recv(&server.url(), &host.code());
    let mut host = host.pair();
    misbehave(&mut host);
    assert_no_frame_but_bind(&mut host);
    receiver.end().expect_exit(5);
    world.expect_no_trace();
}

/// A guest that misbehaves before it is bound learns nothing of what is shared.
#[track_caller]
fn refused_by_sender(misbehave: impl FnOnce(&mut Peer)) {
    let (world, server) = (World::new(), TestServer::start());
    let sender = world.send(&server.url(), &[&world.file("film", "content")]);
    let mut guest = HostileGuest::pair(&server.url(), &sender.code());
    misbehave(&mut guest);
    assert_no_frame_but_bind(&mut guest);
    sender.end().expect_exit(5);
}

#[track_caller]
fn assert_no_frame_but_bind(peer: &mut Peer) {
    let said = peer.hear_out();
    assert!(said.iter().all(|frame| matches!(frame, Ctl::Abort { .. } | Ctl::Hello(_))), "{said:?}");
}
