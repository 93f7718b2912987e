//! Whole transfers over a simulated link.

use std::collections::BTreeMap;
use std::time::Duration;

use p2pshare_protocol::ctl::{AbortCode, Ctl, Hello, Role, SkipReason};
use p2pshare_protocol::error::{TransferError, Violation};
use p2pshare_protocol::hash::Hash;
use p2pshare_protocol::limits::{CHUNK_BYTES, PING_INTERVAL, STALL_MAX, WINDOW_BYTES_MAX, WINDOW_BYTES_START};
use p2pshare_protocol::offer::EntryId;
use p2pshare_protocol::receiver::{self, Acceptance};
use p2pshare_protocol::sender::{self, Sender};

use crate::link::{Link, Packet, content, hello};

const MIB: usize = CHUNK_BYTES as usize;

#[test]
fn files_and_folders_arrive_as_they_were() {
    let sizes = [0, 1, MIB - 1, MIB, MIB + 1, 9 * MIB + 77, 4096];
    let mut contents: Vec<_> = (0..).zip(sizes).map(|(n, size)| Some(content(n, size))).collect();
    contents.insert(3, None);
    let mut link = Link::new(&contents);
    assert_eq!(link.run(), Ok(()));
    for (id, content) in (0..).map(EntryId).zip(&contents) {
        let expected = content.as_deref().unwrap_or_default();
        assert_eq!(link.disk.get(&id).map_or(&[][..], Vec::as_slice), expected, "{id:?}");
        assert!(link.committed.contains(&id));
    }
    let total = sizes.iter().sum::<usize>() as u64;
    assert_eq!(link.data_bytes, total, "every byte travels once");
    assert!(link.sender_events.contains(&sender::Event::Progress { bytes: total, entries: 8 }));
}

#[test]
fn channels_may_overtake_each_other() {
    for (ctl, data) in [(1, 300), (300, 1)] {
        let mut link = Link::new(&[Some(content(1, 5 * MIB + 1)), Some(content(2, 100)), Some(content(3, MIB))]);
        (link.ctl_delay, link.data_delay) = (Duration::from_millis(ctl), Duration::from_millis(data));
        assert_eq!(link.run(), Ok(()));
        assert_eq!(link.committed.len(), 3);
    }
}

#[test]
fn many_small_files_need_no_round_trip_each() {
    let contents: Vec<_> = (0..2000).map(|n| Some(content(n, 4096))).collect();
    let mut link = Link::new(&contents);
    let start = link.now;
    assert_eq!(link.run(), Ok(()));
    assert_eq!(link.committed.len(), 2000);
    assert!(link.now - start < Duration::from_secs(2), "took {:?} at 40 ms a round trip", link.now - start);
}

#[test]
fn no_more_is_outstanding_than_the_window() {
    let mut link = Link::new(&[Some(content(1, 64 * MIB))]);
    link.data_delay = Duration::from_millis(200);
    assert_eq!(link.run(), Ok(()));
    assert!(link.outstanding_max >= WINDOW_BYTES_START);
    assert!(link.outstanding_max <= WINDOW_BYTES_MAX);
}

#[test]
fn an_empty_offer_is_done_at_once() {
    let mut link = Link::new(&[]);
    assert_eq!(link.run(), Ok(()));
}

#[test]
fn only_chosen_entries_travel() {
    let contents: Vec<_> = (0..5).map(|n| Some(content(n, 1000))).collect();
    let mut link = Link::new(&contents);
    let entries = [0, 2, 3].map(EntryId).to_vec();
    link.acceptance = Some(Acceptance { entries: entries.clone(), ..Acceptance::default() });
    assert_eq!(link.run(), Ok(()));
    assert_eq!(link.disk.keys().copied().collect::<Vec<_>>(), entries);
    assert_eq!(link.data_bytes, 3000);
}

#[test]
fn chunks_of_an_earlier_session_are_verified_and_not_sent_again() {
    let file = content(1, 10 * MIB);
    let hash = |chunk: usize| Hash::of_chunk(&file[chunk * MIB..(chunk + 1) * MIB]);
    let mut present: Vec<_> = [0, 1, 2, 5, 9].map(|chunk| (chunk as u64, hash(chunk))).to_vec();
    present[3].1 = Hash([7; 32]);
    let mut link = Link::new(&[Some(file.clone())]);
    let mut disk = file.clone();
    disk[3 * MIB..5 * MIB].fill(0);
    disk[5 * MIB..9 * MIB].fill(1);
    link.disk.insert(EntryId(0), disk);
    let present = BTreeMap::from([(EntryId(0), present)]);
    link.acceptance = Some(Acceptance { entries: vec![EntryId(0)], present, pass: None });
    assert_eq!(link.run(), Ok(()));
    assert_eq!(link.disk[&EntryId(0)], file);
    assert_eq!(link.data_bytes, 6 * MIB as u64, "four chunks were there, and a fifth with the wrong hash");
    assert!(link.sender_events.contains(&sender::Event::Present(5 << 20)), "as far as the sender is told");
}

#[test]
fn a_changed_source_ends_only_its_own_entry() {
    let contents: Vec<_> = [3, 24, 3].map(|size| Some(content(size as u64, size * MIB))).to_vec();
    let mut link = Link::new(&contents);
    link.bad_reads.insert((EntryId(1), 23), SkipReason::Changed);
    assert_eq!(link.run(), Ok(()));
    assert_eq!(link.committed, [EntryId(0), EntryId(2)]);
    assert_eq!(link.discarded, [EntryId(1)]);
    let skipped = receiver::Event::Skipped { entry: EntryId(1), reason: SkipReason::Changed };
    assert!(link.receiver_events.contains(&skipped));
    let counted = sender::Event::Progress { bytes: 6 << 20, entries: 2 };
    let last = link.sender_events.iter().rfind(|event| matches!(event, sender::Event::Progress { .. }));
    assert_eq!(last, Some(&counted), "nothing of the one that was given up");
}

#[test]
fn what_is_on_its_way_of_the_last_entry_when_it_changes_is_ignored() {
    let mut link = Link::new(&[Some(content(1, 24 * MIB))]);
    link.bad_reads.insert((EntryId(0), 12), SkipReason::Changed);
    // The word that it has changed overtakes what was sent before, which arrives before the two have said goodbye.
    (link.ctl_delay, link.data_delay) = (Duration::from_millis(20), Duration::from_millis(40));
    assert_eq!(link.run(), Ok(()));
    assert_eq!(link.discarded, [EntryId(0)]);
}

#[test]
fn an_entry_that_is_given_up_after_it_got_its_name_ends_only_itself() {
    let mut link = Link::new(&[Some(Vec::new()), Some(content(1, 24 * MIB))]);
    // Far away the second one is under way for longer than that.
    link.data_delay = Duration::from_millis(500);
    let skip = Ctl::Skip { entry: EntryId(0), reason: SkipReason::Changed }.encode();
    link.depart(Packet::CtlToReceiver(skip.clone()), Duration::from_millis(300));
    link.depart(Packet::CtlToSender(skip), Duration::from_millis(300));
    assert_eq!(link.run(), Ok(()));
    assert_eq!(link.committed, [EntryId(0), EntryId(1)]);
    assert_eq!(link.disk[&EntryId(1)].len(), 24 * MIB);
    let last = link.receiver_events.iter().rfind(|event| matches!(event, receiver::Event::Progress { .. }));
    assert_eq!(last, Some(&receiver::Event::Progress { bytes: 24 << 20, entries: 1 }));
}

#[test]
fn an_entry_that_cannot_be_stored_ends_only_itself() {
    let contents: Vec<_> = (0..3).map(|n| Some(content(n, 3 * MIB))).collect();
    let mut link = Link::new(&contents);
    link.bad_writes.push(EntryId(0));
    assert_eq!(link.run(), Ok(()));
    assert_eq!(link.committed, [EntryId(1), EntryId(2)]);
    assert!(link.sender.skipped().contains_key(&EntryId(0)));
}

#[test]
fn a_stream_arrives_whatever_its_length() {
    for length in [0, 1, MIB, MIB + 1, 5 * MIB + 12_345] {
        let stream = content(1, length);
        let mut link = Link::of_stream(stream.clone());
        assert_eq!(link.run(), Ok(()), "{length}");
        assert_eq!(link.disk.get(&EntryId(0)).map_or(&[][..], Vec::as_slice), stream);
        assert_eq!(link.committed, [EntryId(0)]);
    }
}

#[test]
fn a_stream_can_be_passed_on() {
    for length in [0, 1, MIB, 5 * MIB + 12_345] {
        let stream = content(1, length);
        let mut link = Link::of_stream(stream.clone());
        link.acceptance = Some(to_a_pipe());
        assert_eq!(link.run(), Ok(()), "{length}");
        assert!(link.piped == stream && link.committed.is_empty());
    }
}

#[test]
fn a_file_can_be_passed_on() {
    let file = content(1, 5 * MIB + 12_345);
    let mut link = Link::new(&[Some(file.clone())]);
    link.acceptance = Some(to_a_pipe());
    assert_eq!(link.run(), Ok(()));
    assert!(link.piped == file && link.disk.is_empty());
}

#[test]
fn a_cut_at_any_moment_loses_nothing() {
    for every in 1..150 {
        let contents = [Some(content(1, 2 * MIB + 7)), None, Some(content(2, 100)), Some(Vec::new())];
        let mut link = Link::new(&contents);
        link.cut_every = Some(every.max(12));
        link.ctl_delay = Duration::from_millis(1 + u64::from(every % 7) * 10);
        assert_eq!(link.run(), Ok(()), "cut after every {every} arrivals");
        assert_eq!(link.committed.len(), 4);
        assert!(link.disk[&EntryId(0)] == *contents[0].as_ref().unwrap());
    }
}

#[test]
fn a_cut_at_any_moment_loses_nothing_of_a_stream() {
    for every in 12..100 {
        for acceptance in [None, Some(to_a_pipe())] {
            let stream = content(1, 2 * MIB + 7);
            let mut link = Link::of_stream(stream.clone());
            link.cut_every = Some(every);
            link.ctl_delay = Duration::from_millis(1 + u64::from(every % 7) * 10);
            let is_piped = acceptance.is_some();
            link.acceptance = acceptance;
            assert_eq!(link.run(), Ok(()), "cut after every {every} arrivals");
            let arrived = if is_piped { &link.piped } else { &link.disk[&EntryId(0)] };
            assert!(*arrived == stream, "cut after every {every} arrivals");
        }
    }
}

#[test]
fn a_side_that_was_suspended_goes_on_over_a_new_connection() {
    for every in 12..60 {
        let contents = [Some(content(1, 2 * MIB + 7)), None, Some(content(2, 100))];
        let mut link = Link::new(&contents);
        (link.cut_every, link.falls_silent) = (Some(every), true);
        assert_eq!(link.run(), Ok(()), "silence after every {every} arrivals");
        assert_eq!(link.committed.len(), 3);
        assert!(link.disk[&EntryId(0)] == *contents[0].as_ref().unwrap());
    }
}

#[test]
fn a_source_that_takes_its_time_is_waited_for_and_a_receiver_that_asks_for_nothing_is_not() {
    let Link { mut sender, mut now, .. } = Link::of_stream(Vec::new());
    let mut say = |frame: &Ctl, now| sender.handle_input(sender::Input::Ctl(frame.encode().into()), now);
    say(&Ctl::Hello(Hello { role: Role::Receives, ..hello() }), now).unwrap();
    say(&Ctl::Accept { select: None, last: true }, now).unwrap();
    say(&Ctl::Want { ranges: vec![(EntryId(0), 0, 1000)] }, now).unwrap();
    let lives = |sender: &mut Sender, now| {
        sender.handle_input(sender::Input::Ctl(Ctl::Ping.encode().into()), now).unwrap();
        sender.handle_input(sender::Input::TimedOut, now)
    };
    for _ in 0..100 {
        now += PING_INTERVAL;
        assert_eq!(lives(&mut sender, now), Ok(()));
    }
    let read = sender::Input::StreamRead { entry: EntryId(0), result: Ok(Some(vec![0; 1000].into())) };
    sender.handle_input(read, now).unwrap();
    while sender.poll_data().is_some() {}
    assert_eq!(lives(&mut sender, now), Ok(()));
    assert_eq!(lives(&mut sender, now + STALL_MAX), Err(TransferError::Stalled));
}

#[test]
fn a_receiver_that_waits_tells_the_sender_that_it_still_wants() {
    let mut link = Link::new(&[Some(content(1, 8 * MIB))]);
    let mut pings_left = 30;
    link.tamper = Box::new(move |packet| match packet {
        // Everything is late, as over a link that carries next to nothing.
        Packet::DataToReceiver(_) => None,
        Packet::CtlToReceiver(bytes) if matches!(Ctl::decode(&bytes), Ok(Ctl::Ping)) => {
            pings_left -= 1;
            let end = Ctl::Abort { code: AbortCode::Canceled }.encode();
            Some(Packet::CtlToReceiver(if pings_left == 0 { end } else { bytes }))
        }
        other @ (Packet::CtlToSender(_) | Packet::CtlToReceiver(_)) => Some(other),
    });
    assert_eq!(link.run(), Err(TransferError::Aborted(AbortCode::Canceled)));
}

#[test]
fn a_damaged_chunk_is_asked_for_once_more() {
    let mut link = Link::new(&[Some(content(1, 4 * MIB))]);
    link.damage.insert((EntryId(0), 2), 1);
    assert_eq!(link.run(), Ok(()));
    assert_eq!(link.data_bytes, 5 * MIB as u64);
}

#[test]
fn a_chunk_that_stays_damaged_ends_the_transfer() {
    let mut link = Link::new(&[Some(content(1, 4 * MIB))]);
    link.damage.insert((EntryId(0), 2), 2);
    assert_eq!(link.run(), Err(TransferError::Corrupt));
    assert_eq!(link.committed, []);
}

#[test]
fn stopping_one_side_tells_the_other() {
    let mut link = Link::new(&[Some(content(1, 100))]);
    assert_eq!(link.stop_receiver(AbortCode::Canceled), Err(TransferError::Aborted(AbortCode::Canceled)));
}

#[test]
fn a_silent_peer_is_noticed() {
    let mut link = Link::new(&[Some(content(1, 8 * MIB))]);
    let mut left = 100;
    link.tamper = Box::new(move |packet| {
        left -= i32::from(left > 0);
        (left > 0).then_some(packet)
    });
    assert_eq!(link.run(), Err(TransferError::Silent));
}

#[test]
fn a_sender_serves_nothing_that_was_not_offered_and_accepted() {
    let outside = [(1, 0, 1), (u32::MAX, 0, 1), (0, 0, 101), (0, 100, 100), (0, 5, 4), (0, u64::MAX - 1, u64::MAX)];
    for (entry, from, to) in outside {
        let want = Ctl::Want { ranges: vec![(EntryId(entry), from, to)] };
        assert_eq!(inject_to_sender(&want), Err(Violation::OutOfOffer("want").into()), "{want:?}");
    }
    let accept = Ctl::Accept { select: None, last: true };
    assert_eq!(inject_to_sender(&accept), Err(Violation::Unexpected("accept").into()), "an offer is taken once");
}

#[test]
fn a_receiver_takes_nothing_that_it_did_not_ask_for() {
    let data = |entry: u32, offset: u64, length: usize| {
        let mut message = entry.to_be_bytes().to_vec();
        message.extend(offset.to_be_bytes());
        message.resize(12 + length, 7);
        Packet::DataToReceiver(message)
    };
    // The first frame of the honest sender is 100 bytes at 0 of entry 0.
    for bad in [data(0, 1, 100), data(0, 0, 101), data(1, 0, 1), data(7, 0, 1), data(0, u64::MAX - 5, 2)] {
        assert_eq!(inject_data(bad.clone()), Err(Violation::Unrequested.into()), "{bad:?}");
    }
}

#[test]
fn what_comes_over_several_connections_is_put_together() {
    let bytes = content(9, 5_000_000);
    let mut stored = Link::new(&[Some(bytes.clone()), Some(content(8, 100))]);
    let mut streamed = Link::of_stream(bytes.clone());
    let mut passed = Link::of_stream(bytes.clone());
    passed.acceptance = Some(to_a_pipe());
    for link in [&mut stored, &mut streamed, &mut passed] {
        link.connections = 4;
        link.receiver.handle_input(receiver::Input::Spread(4), link.now).unwrap();
        link.run().unwrap();
    }
    assert_eq!(stored.disk[&EntryId(0)], bytes);
    assert_eq!(streamed.disk[&EntryId(0)], bytes);
    assert_eq!(passed.piped, bytes);
}

/// Takes the one entry and passes it on.
fn to_a_pipe() -> Acceptance {
    Acceptance { entries: vec![EntryId(0)], pass: Some(EntryId(0)), ..Acceptance::default() }
}

/// What the sender says to a frame that arrives instead of the receiver's first `want`.
fn inject_to_sender(frame: &Ctl) -> Result<(), TransferError> {
    let mut link = Link::new(&[Some(content(1, 100)), None]);
    let frame = frame.encode();
    link.tamper = Box::new(move |packet| match packet {
        Packet::CtlToSender(bytes) if matches!(Ctl::decode(&bytes), Ok(Ctl::Want { .. })) => {
            Some(Packet::CtlToSender(frame.clone()))
        }
        other @ (Packet::CtlToSender(_) | Packet::CtlToReceiver(_) | Packet::DataToReceiver(_)) => Some(other),
    });
    link.run()
}

/// What the receiver says to a data frame that arrives instead of the first one.
fn inject_data(bad: Packet) -> Result<(), TransferError> {
    let mut link = Link::new(&[Some(content(1, 100)), None]);
    link.tamper = Box::new(move |packet| match packet {
        Packet::DataToReceiver(_) => Some(bad.clone()),
        other @ (Packet::CtlToSender(_) | Packet::CtlToReceiver(_)) => Some(other),
    });
    link.run()
}
