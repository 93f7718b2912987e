//! `Mailbox`: the messages of one pairing, whichever way the server carries them.

use p2pshare_protocol::envelope::{Body, Cid, ClientMessage, ServerMessage, Why};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::signaling::{Signaling, SignalingError, SignalingSender};

/// What the server brings for one pairing.
#[derive(Debug)]
pub(super) enum Mail {
    /// A message of the peer.
    Body(Body),
    /// The peer is gone.
    Left(Why),
    /// The server is gone.
    Lost(SignalingError),
}

/// The letter box of one pairing.
#[derive(Debug)]
pub(super) struct Mailbox {
    cid: Cid,
    outgoing: SignalingSender,
    incoming: mpsc::Receiver<Mail>,
    /// Keeps a connection of its own, if the mailbox has one.
    keeper: Option<JoinHandle<()>>,
}

impl Mailbox {
    /// A mailbox on a connection that others use as well; what arrives for `cid` is to be put into the sender.
    pub(super) fn shared(cid: Cid, outgoing: SignalingSender) -> (Self, mpsc::Sender<Mail>) {
        let (sender, incoming) = mpsc::channel(MAIL_MAX);
        (Self { cid, outgoing, incoming, keeper: None }, sender)
    }

    /// A mailbox with a connection of its own, which it ends when it is dropped.
    pub(super) fn over(signaling: Signaling, cid: Cid) -> Self {
        let (outgoing, mut receiver) = signaling.split();
        let (mailbox, sender) = Self::shared(cid, outgoing.clone());
        let keeper = tokio::spawn(async move {
            loop {
                let mail = tokio::select! {
                    () = sender.closed() => break,
                    message = receiver.next() => match message {
                        Ok(ServerMessage::From { cid: from, body }) if from == cid => Mail::Body(body),
                        Ok(ServerMessage::Left { cid: from, why }) if from == cid => Mail::Left(why),
                        Ok(_) => continue,
                        Err(error) => Mail::Lost(error),
                    },
                };
                let is_last = matches!(mail, Mail::Lost(_));
                if sender.send(mail).await.is_err() || is_last {
                    break;
                }
            }
            // A server that is gone needs no goodbye.
            let _ = outgoing.send(ClientMessage::Bye { room: None }).await;
            receiver.close().await;
        });
        Self { keeper: Some(keeper), ..mailbox }
    }

    /// Waits until what was sent has left, before a program ends that has more to say than goodbye.
    pub(super) async fn close(self) {
        let Self { incoming, keeper, .. } = self;
        drop(incoming);
        if let Some(keeper) = keeper {
            // A panic in it has been reported.
            let _ = keeper.await;
        }
    }

    /// Sends a message to the peer.
    pub(super) async fn send(&self, body: Vec<u8>) -> Result<(), Error> {
        let body = Body::new(body).expect("a message of a pairing keeps to the limit of a body");
        Ok(self.outgoing.send(ClientMessage::To { cid: self.cid, body }).await?)
    }

    /// Waits for the next message of the peer. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, Error> {
        match self.incoming.recv().await {
            Some(Mail::Body(body)) => Ok(body.into_bytes()),
            Some(Mail::Left(why)) => Err(Error::PeerLeft(why)),
            Some(Mail::Lost(error)) => Err(error.into()),
            None => Err(SignalingError::Closed { code: None }.into()),
        }
    }
}

/// Messages that may wait; a handshake with candidates takes about 20.
const MAIL_MAX: usize = 64;
