//! Sets up WebRTC connections and drives them.
//!
//! One task, the keeper, owns each connection: it hears of every state change, ends the connection when there is a reason
//! to, and closes the library's object on every path out. Two readers, one a lane, only move messages. Everybody else
//! holds handles.

mod answers;
mod description;
mod disturbance;
mod interfaces;
mod keeper;
mod lane;
mod live;
mod reader;
mod runtime;
mod settings;
mod socket;
mod stripes;
mod turns;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::mpsc;
use tracing::debug;
use webrtc::peer_connection::{PeerConnection, RTCIceCandidateInit, RTCSessionDescription};

use self::{description::Vetted, keeper::Described, live::Guard};
pub use self::{interfaces::local_ips, runtime::SocketBuffers};
pub(super) use self::{
    interfaces::{interface_mtu, is_own},
    lane::Lane,
    live::{Live, LiveSender},
};
use super::{
    candidate::Candidate,
    channel::{Channel, Identity},
    config::{IceServer, PathPolicy, TransportConfig},
    error::{Lost, TransportError},
    found::Found,
    inbox::Inbox,
    quic::Role,
    socket::Sockets,
};

/// What happens while a connection is being set up.
#[derive(Debug)]
pub enum DialEvent {
    /// An address of this side, for the other one to be told.
    LocalCandidate(Candidate),
    /// There will be no more of them.
    GatheringDone,
    /// It is open; [`Dialing::into_channel`] hands it out.
    Open,
    /// It will not open. Stays so.
    Failed(TransportError),
}

/// A connection that is being set up. Dropping it closes it.
#[derive(Debug)]
pub struct Dialing {
    guard: Guard,
    events: mpsc::UnboundedReceiver<DialEvent>,
    inbox: Inbox,
    /// Set once both sides have described themselves.
    agreed: Arc<OnceLock<Described>>,
    is_open: bool,
    fingerprint: [u8; 32],
    buffers: SocketBuffers,
    config: TransportConfig,
    /// This side's description, which has been said but not acted on: its candidates come afterwards.
    described: Option<RTCSessionDescription>,
    ufrag: String,
    remote: Remote,
    found: Found,
    /// The servers that were waited for.
    granted: Vec<IceServer>,
    sockets: Arc<Sockets>,
    /// This side's role with QUIC, if that may be used.
    quic: Option<Role>,
}

/// How a connection was made: what it takes to make another one to the same peer.
#[derive(Clone, Debug)]
pub struct Recipe {
    config: TransportConfig,
    granted: Vec<IceServer>,
}

impl Recipe {
    /// The same along a path of that sort: one that needs no relay takes no address there, of which each side may have few.
    fn along(&self, is_direct: bool) -> Self {
        let mut recipe = self.clone();
        if is_direct {
            recipe.config.path_policy = PathPolicy::DirectOnly;
        }
        recipe
    }

    /// Starts a further connection from the side that opens it: returns the offer, and looks for addresses at once.
    ///
    /// # Errors
    /// [`TransportError::Setup`].
    pub async fn offer(&self) -> Result<(Dialing, String), TransportError> {
        let (mut dialing, offer) = Dialing::offer(&self.further()).await?;
        dialing.begin(&self.granted).await?;
        Ok((dialing, offer))
    }

    /// Answers the offer of one.
    ///
    /// # Errors
    /// As [`Dialing::answer`].
    pub async fn answer(&self, offer: &str) -> Result<(Dialing, String), TransportError> {
        let mut dialing = Dialing::prepare(&self.further()).await?;
        let answer = dialing.answer(offer).await?;
        dialing.begin(&self.granted).await?;
        Ok((dialing, answer))
    }

    fn further(&self) -> TransportConfig {
        TransportConfig { quic: false, ..self.config.clone() }
    }
}

/// What is known of the other side.
#[derive(Debug)]
enum Remote {
    /// Nothing; candidates wait.
    Unknown(Vec<Candidate>),
    /// Its description has been applied, and this many candidates.
    Described(usize),
}

impl Dialing {
    /// Binds the sockets and makes a certificate, so that [`answer`](Self::answer) is quick once an offer comes.
    ///
    /// # Errors
    /// [`TransportError::Setup`].
    pub async fn prepare(config: &TransportConfig) -> Result<Self, TransportError> {
        let parts = keeper::start(config).await?;
        Ok(Self {
            guard: parts.guard,
            events: parts.events,
            inbox: parts.inbox,
            agreed: parts.described,
            is_open: false,
            fingerprint: parts.fingerprint,
            buffers: parts.buffers,
            config: config.clone(),
            described: None,
            ufrag: String::new(),
            remote: Remote::Unknown(Vec::new()),
            found: Found::default(),
            granted: Vec::new(),
            sockets: parts.sockets,
            // The host mostly sends, and a client may do that first.
            quic: config.quic.then_some(Role::Client),
        })
    }

    /// Starts a connection from the guest's side: returns the offer. Looks for addresses at once, unless servers follow.
    ///
    /// # Errors
    /// [`TransportError::Setup`].
    pub async fn offer(config: &TransportConfig) -> Result<(Self, String), TransportError> {
        let mut dialing = Self::prepare(config).await?;
        dialing.quic = config.quic.then_some(Role::Server);
        let offer = dialing.pc().create_offer(None).await.map_err(setup)?;
        let sdp = dialing.describe(offer, true)?;
        if !config.servers_follow {
            dialing.begin(&[]).await?;
        }
        Ok((dialing, sdp))
    }

    /// Answers an offer from the host's side. For a connection that was [prepared](Self::prepare) and not yet used. Looks
    /// for addresses at once, unless servers follow.
    ///
    /// # Errors
    /// [`TransportError::Description`] when the offer is unusable, [`TransportError::OutOfOrder`] the second time.
    pub async fn answer(&mut self, offer: &str) -> Result<String, TransportError> {
        let peer = self.describe_remote(offer, RTCSessionDescription::offer).await?;
        let answer = self.pc().create_answer(None).await.map_err(setup)?;
        let sdp = self.describe(answer, peer.quic.is_some())?;
        self.agree(peer);
        if !self.config.servers_follow {
            self.begin(&[]).await?;
        }
        Ok(sdp)
    }

    /// Looks for addresses, with the help of the servers that were waited for. Does nothing the second time.
    ///
    /// # Errors
    /// [`TransportError::Setup`], or [`TransportError::NoRelay`] when only a relay may be used and none was given.
    pub async fn begin(&mut self, granted: &[IceServer]) -> Result<(), TransportError> {
        let Some(description) = self.described.take() else { return Ok(()) };
        self.found.servers(&self.config, granted);
        settings::add_servers(self.guard.pc(), &self.config, granted).await?;
        self.granted = granted.to_vec();
        self.pc().set_local_description(description).await.map_err(setup)
    }

    /// Takes the answer to an offer; [begins](Self::begin) with what there is if that has not been done.
    ///
    /// # Errors
    /// [`TransportError::Description`] when it is unusable, [`TransportError::OutOfOrder`] the second time.
    pub async fn accept_answer(&mut self, answer: &str) -> Result<(), TransportError> {
        self.begin(&[]).await?;
        let peer = self.describe_remote(answer, RTCSessionDescription::answer).await?;
        self.agree(peer);
        Ok(())
    }

    /// Takes this side's description; returns it as it is for the other side, with the certificate for QUIC where both may use that.
    fn describe(&mut self, description: RTCSessionDescription, with_quic: bool) -> Result<String, TransportError> {
        let sdp = description.sdp.clone();
        self.ufrag = description::vet(&sdp)?.ufrag;
        self.described = Some(description);
        if !with_quic {
            self.quic = None;
        }
        let hash = self.quic.and_then(|_| self.guard.plane().offer());
        Ok(match hash {
            Some(hash) => description::with_quic(sdp, &hash),
            None => sdp,
        })
    }

    /// Takes note of what both descriptions say.
    fn agree(&self, peer: Vetted) {
        let identity = Identity {
            local_fingerprint: self.fingerprint,
            remote_fingerprint: peer.fingerprint,
            local_ufrag: self.ufrag.clone(),
            remote_ufrag: peer.ufrag,
        };
        // Set once: there is one description of each side.
        let _ = self.agreed.set(Described { identity, max_message_bytes: peer.max_message_bytes });
        if let Some((role, hash)) = self.quic.zip(peer.quic) {
            self.guard.plane().start(role, &hash);
        }
    }

    /// Takes an address of the other side, before or after its description. One that is malformed or one too many is
    /// logged and ignored, an empty one means that there are no more.
    pub async fn add_candidate(&mut self, candidate: &Candidate) {
        self.learn(candidate);
        match &mut self.remote {
            Remote::Unknown(waiting) if waiting.len() < MAX_REMOTE_CANDIDATES => waiting.push(candidate.clone()),
            Remote::Described(added) if *added < MAX_REMOTE_CANDIDATES => {
                *added += 1;
                self.apply(candidate).await;
            }
            Remote::Unknown(_) | Remote::Described(_) => debug!("ignoring a candidate beyond the limit"),
        }
    }

    /// Says a message, made of the certificates and names that were described, on the control lane before all others. It leaves with the first packets of QUIC, which the peer may not have answered by
    /// then: whoever has seen its handshake may read it. Returns whether it will be said, which it is only between two sides that may use
    /// QUIC, and while the connection is not open.
    pub fn say_first(&self, message: impl FnOnce(&Identity) -> Bytes) -> bool {
        let plane = self.guard.plane();
        self.agreed.get().is_some_and(|described| plane.say_first(|| message(&described.identity)))
    }

    /// Waits for the next event. Cancel-safe.
    pub async fn next_event(&mut self) -> DialEvent {
        let event = match self.events.recv().await {
            Some(event) => event,
            None => DialEvent::Failed(self.guard.ending().wait().await.into()),
        };
        match &event {
            DialEvent::LocalCandidate(candidate) => self.found.local(candidate),
            DialEvent::Open => self.is_open = true,
            DialEvent::GatheringDone | DialEvent::Failed(_) => {}
        }
        event
    }

    /// Which paths may be used.
    pub const fn policy(&self) -> PathPolicy {
        self.config.path_policy
    }

    /// Whether servers are waited for: nothing happens before [`begin`](Self::begin).
    pub const fn servers_follow(&self) -> bool {
        self.config.servers_follow
    }

    /// What was found on the way to a path, for the reason why there is none.
    pub const fn found(&self) -> Found {
        self.found
    }

    /// Hands out the channel.
    ///
    /// # Errors
    /// [`TransportError::OutOfOrder`] before [`DialEvent::Open`].
    pub fn into_channel(self) -> Result<Channel, TransportError> {
        let Some(agreed) = self.agreed.get().filter(|_| self.is_open).cloned() else {
            return Err(TransportError::OutOfOrder("the connection is not open yet"));
        };
        let recipe = Recipe { config: self.config, granted: self.granted };
        Ok(Channel::webrtc(Live::new(self.guard, self.inbox, agreed, self.buffers, recipe)))
    }

    /// Gives up. Waits until the sockets are closed, two seconds at most.
    pub async fn close(self) {
        self.guard.ending().end(Lost::ClosedHere);
        self.guard.finished().await;
    }

    #[cfg(test)]
    pub(super) fn sockets(&self) -> &Arc<Sockets> {
        &self.sockets
    }

    fn pc(&self) -> &dyn PeerConnection {
        self.guard.pc()
    }

    /// Applies the other side's description and the candidates that came before it.
    async fn describe_remote(
        &mut self,
        sdp: &str,
        parse: fn(String) -> webrtc::error::Result<RTCSessionDescription>,
    ) -> Result<Vetted, TransportError> {
        let Remote::Unknown(waiting) = &mut self.remote else {
            return Err(TransportError::OutOfOrder("the other side has described itself already"));
        };
        let mut candidates = std::mem::take(waiting);
        let mut vetted = description::vet(sdp)?;
        candidates.append(&mut vetted.candidates);
        candidates.truncate(MAX_REMOTE_CANDIDATES);
        candidates.iter().for_each(|candidate| self.learn(candidate));
        self.remote = Remote::Described(candidates.len());
        let description = parse(vetted.sdp.clone()).map_err(unusable)?;
        self.pc().set_remote_description(description).await.map_err(unusable)?;
        for candidate in &candidates {
            self.apply(candidate).await;
        }
        Ok(vetted)
    }

    /// Takes note of an address of the other side.
    fn learn(&mut self, candidate: &Candidate) {
        self.found.remote(candidate);
        // An empty one says that there are no more.
        if !candidate.candidate.is_empty() {
            self.sockets.note_announced(candidate.address(), candidate.is_of_relay());
        }
    }

    async fn apply(&self, candidate: &Candidate) {
        if candidate.candidate.is_empty() {
            return;
        }
        if !candidate.is_usable() {
            debug!(candidate = %candidate.candidate.escape_debug(), "ignoring a candidate");
            return;
        }
        let init = RTCIceCandidateInit {
            candidate: candidate.candidate.clone(),
            sdp_mid: Some("0".to_owned()),
            sdp_mline_index: Some(0),
            ..RTCIceCandidateInit::default()
        };
        if let Err(error) = self.pc().add_ice_candidate(init).await {
            debug!(%error, "the library refused a candidate");
        }
    }
}

fn setup(error: webrtc::error::Error) -> TransportError {
    TransportError::Setup(error.to_string())
}

fn unusable(error: webrtc::error::Error) -> TransportError {
    TransportError::Description(error.to_string())
}

/// Addresses of one peer that are tried. Each is paired with each of ours and sent checks to, wherever it points.
const MAX_REMOTE_CANDIDATES: usize = 64;

#[cfg(test)]
mod tests;
