//! `Further`: opens further connections beside a line's channel, each in a task of its own.
//!
//! They are described over the channel itself, which is authenticated, and prove like the first one that they belong to the
//! pairing. One that does not come up in time is given up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use p2pshare_protocol::keys::SessionKeys;
use p2pshare_protocol::limits::TRICKLED_CANDIDATES_MAX;
use p2pshare_protocol::sdp::{Sdp, SdpKind};
use p2pshare_protocol::streams::Stripe;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::bind::{Own, bind};
use super::pair::{into_protocol, into_transport};
use crate::error::Error;
use crate::transport::{Candidate, Channel, DialEvent, Dialing, Recipe, TransportError};

/// Connections that are being opened.
#[derive(Debug)]
pub(super) struct Further {
    /// What the peer says, by the number of the connection.
    peers: HashMap<u8, mpsc::UnboundedSender<Stripe>>,
    tasks: JoinSet<(u8, Result<Channel, Error>)>,
    say: mpsc::UnboundedSender<(u8, Stripe)>,
    said: mpsc::UnboundedReceiver<(u8, Stripe)>,
}

/// What there is to tell of them.
#[derive(Debug)]
pub(super) enum News {
    /// The peer is to be told this.
    Say(u8, Stripe),
    /// It can be used: data may come over it, and on the sender's side leave.
    Ready(u8, Box<Channel>),
}

impl Further {
    pub(super) fn new() -> Self {
        let (say, said) = mpsc::unbounded_channel();
        Self { peers: HashMap::new(), tasks: JoinSet::new(), say, said }
    }

    /// Takes in what the peer says of one. An offer has it opened, with what that takes.
    pub(super) fn hear(&mut self, n: u8, said: Stripe, recipe: Option<&Recipe>, keys: &Arc<SessionKeys>) {
        match (said, recipe) {
            (Stripe::Offer(offer), Some(recipe)) => self.open(n, Some(offer), recipe, keys),
            // QUIC has come up meanwhile; the peer finds that nobody answers.
            (Stripe::Offer(_), None) => {}
            (said @ (Stripe::Answer(_) | Stripe::Candidate(_) | Stripe::Open), _) => {
                // One that was given up hears nothing.
                if let Some(peer) = self.peers.get(&n) {
                    let _ = peer.send(said);
                }
            }
        }
    }

    /// Opens one; the receiver of files does so when it gets an offer.
    pub(super) fn open(&mut self, n: u8, offer: Option<Sdp>, recipe: &Recipe, keys: &Arc<SessionKeys>) {
        // Unbounded, as the machines bound what is said of each.
        let (peer, peer_says) = mpsc::unbounded_channel();
        self.peers.insert(n, peer);
        let opening = Opening { n, peer_says, say: self.say.clone(), candidates: 0 };
        let (recipe, keys) = (recipe.clone(), Arc::clone(keys));
        let limit = if offer.is_some() { ANSWER_MAX } else { OPEN_MAX };
        self.tasks.spawn(async move {
            let opened = timeout(limit, opening.run(offer, &recipe, &keys)).await;
            (n, opened.unwrap_or(Err(Error::BindMissing)))
        });
    }

    /// Waits for news; for ever if nothing is being opened. Cancel-safe.
    pub(super) async fn news(&mut self) -> News {
        loop {
            let ended = tokio::select! {
                Some((n, said)) = self.said.recv() => return News::Say(n, said),
                Some(ended) = self.tasks.join_next() => ended,
            };
            let (n, opened) = ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
            self.peers.remove(&n);
            match opened {
                Ok(channel) => return News::Ready(n, Box::new(channel)),
                Err(error) => tracing::debug!(%error, n, "a further connection is given up"),
            }
        }
    }
}

/// One that is being opened.
struct Opening {
    n: u8,
    peer_says: mpsc::UnboundedReceiver<Stripe>,
    say: mpsc::UnboundedSender<(u8, Stripe)>,
    /// How many addresses the peer was told.
    candidates: usize,
}

impl Opening {
    async fn run(mut self, offer: Option<Sdp>, recipe: &Recipe, keys: &SessionKeys) -> Result<Channel, Error> {
        let is_answered = offer.is_some();
        let mut dialing = self.describe(offer, recipe).await?;
        while !self.step(&mut dialing).await? {}
        let mut channel = dialing.into_channel()?;
        bind(&mut channel, keys, Own::Due).await?;
        while !is_answered && self.hears().await? != Stripe::Open {}
        Ok(channel)
    }

    async fn describe(&self, offer: Option<Sdp>, recipe: &Recipe) -> Result<Dialing, Error> {
        let (dialing, sdp, kind) = match offer {
            None => {
                let (dialing, sdp) = recipe.offer().await?;
                (dialing, sdp, SdpKind::Offer)
            }
            Some(offer) => {
                let (dialing, sdp) = recipe.answer(offer.as_str()).await?;
                (dialing, sdp, SdpKind::Answer)
            }
        };
        let sdp = Sdp::parse(&sdp, kind).map_err(|error| TransportError::Setup(error.to_string()))?;
        self.say(match kind {
            SdpKind::Offer => Stripe::Offer(sdp),
            SdpKind::Answer => Stripe::Answer(sdp),
        });
        Ok(dialing)
    }

    /// Waits for one thing to happen; returns whether it is open.
    async fn step(&mut self, dialing: &mut Dialing) -> Result<bool, Error> {
        tokio::select! {
            event = dialing.next_event() => match event {
                DialEvent::LocalCandidate(candidate) => self.tell(candidate),
                DialEvent::GatheringDone => {}
                DialEvent::Open => return Ok(true),
                DialEvent::Failed(error) => return Err(error.into()),
            },
            said = self.hears() => match said? {
                Stripe::Answer(answer) => dialing.accept_answer(answer.as_str()).await?,
                Stripe::Candidate(candidate) => dialing.add_candidate(&into_transport(&candidate)).await,
                Stripe::Offer(_) | Stripe::Open => {}
            },
        }
        Ok(false)
    }

    /// What the peer says next; an error when the channel is another one meanwhile.
    async fn hears(&mut self) -> Result<Stripe, Error> {
        self.peer_says.recv().await.ok_or(Error::BindMissing)
    }

    fn tell(&mut self, candidate: Candidate) {
        self.candidates += 1;
        if let Some(candidate) = into_protocol(candidate).filter(|_| self.candidates <= TRICKLED_CANDIDATES_MAX) {
            self.say(Stripe::Candidate(candidate));
        }
    }

    fn say(&self, said: Stripe) {
        // Fails when the channel is another one meanwhile, and this ends.
        let _ = self.say.send((self.n, said));
    }
}

/// How long one may take: by then it is of little use.
const OPEN_MAX: Duration = Duration::from_secs(15);

/// How long for the side that answers and says that it is open. The other one still waits when it hears of that: if it had given up, one
/// that is lost would be told, and take the whole line along.
const ANSWER_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use p2pshare_protocol::cpace::Exchange;
    use p2pshare_protocol::keys::{KeySchedule, Transcript};
    use p2pshare_protocol::role::Role;
    use tokio::time::Instant;

    use super::*;
    use crate::transport::TransportConfig;

    #[tokio::test]
    async fn the_side_that_answers_gives_up_first() {
        let (guest, host) = connected().await;
        let (offering_recipe, answering_recipe) = (guest.recipe().unwrap(), host.recipe().unwrap());
        let (mut offering, mut answering, keys) = (Further::new(), Further::new(), Arc::new(keys()));
        offering.open(1, None, &offering_recipe, &keys);
        let News::Say(1, offer) = offering.news().await else { panic!("it is not described first") };
        answering.hear(1, offer, Some(&answering_recipe), &keys);
        let News::Say(1, Stripe::Answer(_)) = answering.news().await else { panic!("it is not answered") };
        // Nothing of that is passed on.
        tokio::time::pause();
        let (offered, answered) = tokio::join!(until_given_up(&mut offering), until_given_up(&mut answering));
        assert!(answered + Duration::from_secs(3) < offered, "{answered:?}, {offered:?}");
    }

    async fn until_given_up(further: &mut Further) -> Duration {
        let start = Instant::now();
        while !further.peers.is_empty() {
            let _ = timeout(Duration::from_millis(100), further.news()).await;
        }
        start.elapsed()
    }

    fn keys() -> SessionKeys {
        let exchange = Exchange::new(Role::Host, b"", b"", &[0; 16], &[7; 64]);
        let element = *exchange.element();
        let transcript = Transcript { sid: &[0; 16], ci: b"", host: (&element, b""), guest: (&element, b"") };
        let schedule = KeySchedule::new(&transcript, &exchange.finish(b"", &element, b"").unwrap());
        schedule.session_keys(Role::Host)
    }

    async fn connected() -> (Channel, Channel) {
        let config = TransportConfig { loopback: true, quic: false, ..TransportConfig::default() };
        let mut host = Dialing::prepare(&config).await.unwrap();
        let (mut guest, offer) = Dialing::offer(&config).await.unwrap();
        guest.accept_answer(&host.answer(&offer).await.unwrap()).await.unwrap();
        let mut open = (false, false);
        while open != (true, true) {
            tokio::select! {
                event = guest.next_event() => match event {
                    DialEvent::LocalCandidate(candidate) => host.add_candidate(&candidate).await,
                    DialEvent::Open => open.0 = true,
                    DialEvent::GatheringDone | DialEvent::Failed(_) => {}
                },
                event = host.next_event() => match event {
                    DialEvent::LocalCandidate(candidate) => guest.add_candidate(&candidate).await,
                    DialEvent::Open => open.1 = true,
                    DialEvent::GatheringDone | DialEvent::Failed(_) => {}
                },
            }
        }
        (guest.into_channel().unwrap(), host.into_channel().unwrap())
    }
}
