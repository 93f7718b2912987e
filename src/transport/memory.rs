//! A connection inside one process, for tests of everything above the transport.

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    DATA_HEADER_BYTES, MAX_SENT_MESSAGE_BYTES,
    channel::{Channel, Identity, Incoming},
    error::Lost,
    inbox::{Ending, Inbox, InboxSender, inbox},
};

/// Makes two connected channels with mirrored identities.
pub fn pair() -> (Channel, Channel) {
    let identity = Identity {
        local_fingerprint: [1; 32],
        remote_fingerprint: [2; 32],
        local_ufrag: "left".to_owned(),
        remote_ufrag: "right".to_owned(),
    };
    let mirrored = identity.mirrored();
    let (left, right, _cutter) = pair_with(identity, mirrored);
    (left, right)
}

/// Makes two connected channels with the identities each is to report, honest or not, and a handle to break them.
pub fn pair_with(left: Identity, right: Identity) -> (Channel, Channel, Cutter) {
    let (to_left, left_inbox) = inbox(QUEUE_MESSAGES, usize::MAX);
    let (to_right, right_inbox) = inbox(QUEUE_MESSAGES, usize::MAX);
    let (left_ending, right_ending) = (Ending::new(), Ending::new());
    let cutter =
        Cutter { endings: [left_ending.clone(), right_ending.clone()], inboxes: [to_left.clone(), to_right.clone()] };
    let end = |identity, inbox, to_peer, ending: &Ending, peer_ending: &Ending| End {
        identity,
        inbox,
        to_peer,
        closing: Closing { ending: ending.clone(), peer_ending: peer_ending.clone() },
    };
    (
        Channel::memory(end(left, left_inbox, to_right, &left_ending, &right_ending)),
        Channel::memory(end(right, right_inbox, to_left, &right_ending, &left_ending)),
        cutter,
    )
}

/// Breaks a pair from outside.
#[derive(Clone, Debug)]
pub struct Cutter {
    endings: [Ending; 2],
    inboxes: [InboxSender; 2],
}

impl Cutter {
    /// Loses the connection on both sides, as if the path were gone for good.
    pub fn cut(&self) {
        for ending in &self.endings {
            ending.end(Lost::Unreachable);
        }
    }

    /// Lets both sides report [`Incoming::Disturbed`] or, with `false`, [`Incoming::Recovered`].
    pub async fn disturb(&self, disturbed: bool) {
        for inbox in &self.inboxes {
            let incoming = if disturbed { Incoming::Disturbed } else { Incoming::Recovered };
            // A side that is gone has nothing to be told.
            let _ = inbox.send(incoming).await;
        }
    }
}

/// One end of a pair.
#[derive(Debug)]
pub(super) struct End {
    identity: Identity,
    inbox: Inbox,
    to_peer: InboxSender,
    closing: Closing,
}

impl End {
    pub(super) async fn next(&mut self) -> Incoming {
        tokio::select! {
            biased;
            incoming = self.inbox.recv() => match incoming {
                Some(incoming) => incoming,
                None => Incoming::Lost(self.closing.ending.wait().await),
            },
            lost = self.closing.ending.wait() => Incoming::Lost(lost),
        }
    }

    pub(super) fn sender(&self) -> EndSender {
        EndSender { to_peer: self.to_peer.clone(), ending: self.closing.ending.clone() }
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What was sent lies in the other side's queue already.
    pub(super) fn close(self) {
        drop(self);
    }
}

/// Tells both sides when one is dropped.
#[derive(Debug)]
struct Closing {
    ending: Ending,
    peer_ending: Ending,
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.ending.end(Lost::ClosedHere);
        self.peer_ending.end(Lost::ClosedByPeer);
    }
}

/// Sends into the other end's queue.
#[derive(Clone, Debug)]
pub(super) struct EndSender {
    to_peer: InboxSender,
    ending: Ending,
}

impl EndSender {
    pub(super) async fn send_ctl(&self, message: Bytes) -> Result<(), Lost> {
        self.send(Incoming::Ctl(message)).await
    }

    pub(super) async fn send_data(&self, header: [u8; DATA_HEADER_BYTES], payload: Bytes) -> Result<(), Lost> {
        let mut message = BytesMut::with_capacity(header.len() + payload.len());
        message.put_slice(&header);
        message.put_slice(&payload);
        self.send(Incoming::Data(message.freeze())).await
    }

    pub(super) fn max_payload_bytes(&self) -> usize {
        MAX_SENT_MESSAGE_BYTES - DATA_HEADER_BYTES
    }

    pub(super) async fn lost(&self) -> Lost {
        self.ending.wait().await
    }

    async fn send(&self, incoming: Incoming) -> Result<(), Lost> {
        tokio::select! {
            biased;
            lost = self.ending.wait() => Err(lost),
            sent = self.to_peer.send(incoming) => sent,
        }
    }
}

/// Messages in each direction before sending waits.
const QUEUE_MESSAGES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_lanes_arrive_in_order() {
        let (left, mut right) = pair();
        let sender = left.sender();
        sender.send_ctl(Bytes::from_static(b"one")).await.unwrap();
        sender.send_data([7; 12], Bytes::from_static(b"two")).await.unwrap();
        assert_eq!(right.next().await, Incoming::Ctl(Bytes::from_static(b"one")));
        assert_eq!(
            right.next().await,
            Incoming::Data(Bytes::from_static(b"\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07two"))
        );
    }

    #[tokio::test]
    async fn what_was_sent_before_closing_arrives_and_then_the_loss_stays() {
        let (left, mut right) = pair();
        left.sender().send_ctl(Bytes::from_static(b"last")).await.unwrap();
        left.close().await;
        assert_eq!(right.next().await, Incoming::Ctl(Bytes::from_static(b"last")));
        assert_eq!(right.next().await, Incoming::Lost(Lost::ClosedByPeer));
        assert_eq!(right.next().await, Incoming::Lost(Lost::ClosedByPeer));
        assert_eq!(right.sender().send_ctl(Bytes::new()).await, Err(Lost::ClosedByPeer));
    }

    #[tokio::test]
    async fn a_sender_that_waits_for_room_ends_when_the_pair_is_cut() {
        let (left, right) = (Identity { local_ufrag: "x".into(), ..identity() }, identity());
        let (left, mut right, cutter) = pair_with(left, right);
        assert_eq!(left.identity().local_ufrag, "x");
        let sender = left.sender();
        let blocked = tokio::spawn(async move {
            loop {
                if let Err(lost) = sender.send_data([0; 12], Bytes::new()).await {
                    return lost;
                }
            }
        });
        assert!(matches!(right.next().await, Incoming::Data(_)));
        cutter.cut();
        assert_eq!(blocked.await.unwrap(), Lost::Unreachable);
    }

    #[tokio::test]
    async fn a_disturbance_is_reported_on_both_sides() {
        let (mut left, mut right, cutter) = pair_with(identity(), identity());
        cutter.disturb(true).await;
        cutter.disturb(false).await;
        for end in [&mut left, &mut right] {
            assert_eq!(end.next().await, Incoming::Disturbed);
            assert_eq!(end.next().await, Incoming::Recovered);
        }
    }

    fn identity() -> Identity {
        Identity {
            local_fingerprint: [1; 32],
            remote_fingerprint: [2; 32],
            local_ufrag: "l".into(),
            remote_ufrag: "r".into(),
        }
    }
}
