//! `Mailbox`: the messages of one pairing, whichever way the server carries them.

use p2pshare_protocol::envelope::{Body, Cid, ClientMessage, ErrorCode, Outcome, ServerMessage, Why};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::signaling::{Signaling, SignalingError, SignalingSender};
use crate::transport::IceServer;

/// What the server brings for one pairing.
#[derive(Debug)]
pub(super) enum Mail {
    /// A message of the peer.
    Body(Body),
    /// Access to the server's relay; `None` if it gives none.
    Relay(Option<IceServer>),
    /// The peer is gone.
    Left(Why),
    /// The server is gone.
    Lost(SignalingError),
}

/// What a mailbox hands out.
#[derive(Debug)]
pub(super) enum Letter {
    /// A message of the peer.
    Body(Vec<u8>),
    /// Access to the server's relay; `None` if it gives none.
    Relay(Option<IceServer>),
}

impl Mail {
    /// What a message of the server is for the pairing with `cid`, if it is anything.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what concerns no pairing is for others")]
    pub(super) fn of(message: ServerMessage) -> Result<(Cid, Self), ServerMessage> {
        match message {
            ServerMessage::From { cid, body } => Ok((cid, Self::Body(body))),
            ServerMessage::Left { cid, why } => Ok((cid, Self::Left(why))),
            ServerMessage::Turn { cid, urls, username, credential, .. } => {
                Ok((cid, Self::Relay(Some(IceServer { urls, username, credential }))))
            }
            other => Err(other),
        }
    }
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
                    message = receiver.next() => match message.map(Mail::of) {
                        Ok(Ok((from, mail))) if from == cid => mail,
                        Ok(Err(ServerMessage::Error { code: ErrorCode::NoRelay, .. })) => Mail::Relay(None),
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

    /// Asks for access to the server's relay. The answer comes once the server knows that the two have paired.
    pub(super) async fn ask_for_relay(&self) -> Result<(), Error> {
        Ok(self.outgoing.send(ClientMessage::Turn { cid: self.cid }).await?)
    }

    /// Tells the server that the guest is proven, as its host does.
    pub(super) async fn report_proof(&self) {
        let report = ClientMessage::Report { cid: self.cid, what: Outcome::Ok };
        // A server that went away meanwhile is not needed any more.
        let _ = self.outgoing.send(report).await;
    }

    /// Waits for the next message. Cancelling it loses nothing.
    pub(super) async fn next(&mut self) -> Result<Letter, Error> {
        match self.incoming.recv().await {
            Some(Mail::Body(body)) => Ok(Letter::Body(body.into_bytes())),
            Some(Mail::Relay(relay)) => Ok(Letter::Relay(relay)),
            Some(Mail::Left(why)) => Err(Error::PeerLeft(why)),
            Some(Mail::Lost(error)) => Err(error.into()),
            None => Err(SignalingError::Closed { code: None }.into()),
        }
    }
}

/// Messages that may wait; a handshake with candidates takes about 20.
const MAIL_MAX: usize = 64;
