//! `Streams`: how many connections carry file data, and `Stripes`: what the two sides say about those beside the first.
//!
//! ```text
//!   sender                                receiver
//!     pc_offer {n, sdp}        ──▶
//!                              ◀──        pc_answer {n, sdp}
//!     pc_candidate {n, …}      ◀─▶        pc_candidate {n, …}
//!             the connection opens, and both prove it as they did the first
//!                              ◀──        pc_open {n}: data may come over it
//! ```
//!
//! Only the side that sends files offers, so no two offers cross. A side that says nothing of `streams` in its greeting is never offered any.

use std::num::NonZeroU8;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::ctl::{Ctl, Hello, Role};
use crate::error::Violation;
use crate::limits::{
    STREAM_UNDER_WAY_BYTES, STREAMS_AUTO_FIRST, STREAMS_AUTO_MAX, STREAMS_FAR_FROM, STREAMS_LOOKS, STREAMS_MAX,
    STREAMS_RELAYED_MAX, TRICKLED_CANDIDATES_MAX,
};
use crate::sdp::{Candidate, Sdp, SdpKind};

/// How many connections a side wants file data to go over, where no other transport carries it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Streams {
    /// As many as help on the path in use.
    #[default]
    Auto,
    /// So many, on any path; through a relay two at most.
    Exactly(NonZeroU8),
}

impl Streams {
    /// So many, 1 to [`STREAMS_MAX`].
    #[must_use]
    pub fn exactly(count: u8) -> Option<Self> {
        NonZeroU8::new(count).filter(|count| count.get() <= STREAMS_MAX).map(Self::Exactly)
    }

    /// Says so in a greeting.
    pub fn announce(self, hello: &mut Hello) {
        match self {
            Self::Exactly(NonZeroU8::MIN) => {}
            Self::Exactly(count) => {
                hello.features.push(FEATURE.to_owned());
                hello.streams = Some(count.get().into());
            }
            Self::Auto => hello.features.push(FEATURE.to_owned()),
        }
    }

    /// What a greeting says; one of a side that knows nothing of this wants one.
    #[must_use]
    pub fn of(hello: &Hello) -> Self {
        if !hello.features.iter().any(|feature| feature == FEATURE) {
            return Self::Exactly(NonZeroU8::MIN);
        }
        let count = hello.streams.map(|count| u8::try_from(count).unwrap_or(u8::MAX).min(STREAMS_MAX));
        count.and_then(Self::exactly).unwrap_or_default()
    }

    /// How many are to be used for certain when the sender wants so many and the receiver `theirs`; `None` where both leave it to the path.
    #[must_use]
    pub fn agree(self, theirs: Self) -> Option<NonZeroU8> {
        match (self, theirs) {
            (Self::Exactly(ours), Self::Exactly(theirs)) => Some(ours.min(theirs)),
            (Self::Exactly(count), Self::Auto) | (Self::Auto, Self::Exactly(count)) => Some(count),
            (Self::Auto, Self::Auto) => None,
        }
    }
}

/// What is seen of the path, about once a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The latest round trip.
    pub round_trip: Duration,
    /// Whether bytes wait to be acknowledged.
    pub is_busy: bool,
    /// The bytes of file data that left in a second.
    pub rate: u64,
    /// Whether a relay passes them on.
    pub is_relayed: bool,
}

/// What is said about a further connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stripe {
    /// The sender's description.
    Offer(Sdp),
    /// The receiver's.
    Answer(Sdp),
    /// An address of the speaker.
    Candidate(Candidate),
    /// The receiver takes data from it.
    Open,
}

impl Stripe {
    /// The frame that says it of connection `n`.
    #[must_use]
    pub fn of(self, n: u8) -> Ctl {
        let n = n.into();
        match self {
            Self::Offer(sdp) => Ctl::PcOffer { n, sdp: sdp.as_str().to_owned() },
            Self::Answer(sdp) => Ctl::PcAnswer { n, sdp: sdp.as_str().to_owned() },
            Self::Candidate(candidate) => Ctl::PcCandidate { n, candidate },
            Self::Open => Ctl::PcOpen { n },
        }
    }
}

/// What was said on a channel about the connections beside it, on one side.
#[derive(Debug)]
pub(crate) struct Stripes {
    role: Role,
    ours: Streams,
    /// Once the peer has greeted on the present channel.
    theirs: Option<Streams>,
    /// How many connections there are, with those that are being opened.
    connections: u8,
    spare: Spare,
    /// What was said of each, from the first.
    said: [Said; STREAMS_MAX as usize - 1],
}

#[derive(Debug, Default)]
struct Said {
    is_offered: bool,
    is_answered: bool,
    is_open: bool,
    candidates: usize,
}

impl Stripes {
    /// Nothing was said yet.
    pub(crate) fn new(role: Role, hello: &Hello) -> Self {
        Self {
            role,
            ours: Streams::of(hello),
            theirs: None,
            connections: 1,
            spare: Spare::default(),
            said: Default::default(),
        }
    }

    /// Takes note of what the peer wants.
    pub(crate) fn greet(&mut self, hello: &Hello) {
        self.theirs = Some(Streams::of(hello));
    }

    /// Begins anew on another channel.
    pub(crate) fn reset(&mut self) {
        (self.theirs, self.connections, self.said) = (None, 1, Default::default());
        self.spare = Spare::default();
    }

    /// Wants one from here on, and says so the next time.
    pub(crate) fn refuse(&mut self, hello: &mut Hello) {
        self.ours = Streams::Exactly(NonZeroU8::MIN);
        hello.features.retain(|feature| feature != FEATURE);
        hello.streams = None;
    }

    /// Says which further connections the sender is to open, once the peer has greeted.
    pub(crate) fn look(&mut self, look: Look) -> RangeInclusive<u8> {
        let wanted = match self.theirs.map(|theirs| self.ours.agree(theirs)) {
            Some(Some(count)) => count.get(),
            Some(None) if self.spare.look(look, self.connections) => {
                (2 * self.connections).clamp(STREAMS_AUTO_FIRST, STREAMS_AUTO_MAX)
            }
            Some(None) | None => 1,
        };
        // Of more that ask for addresses at once each side would get some for other ones.
        let most = if look.is_relayed { STREAMS_RELAYED_MAX } else { STREAMS_MAX };
        let before = self.connections;
        self.connections = before.max(wanted.min(most));
        let opened = before..=self.connections - 1;
        for n in opened.clone() {
            self.said[usize::from(n) - 1].is_offered = true;
        }
        opened
    }

    /// Checks what the peer says; returns the number of the connection and what is said of it.
    pub(crate) fn hear(&mut self, frame: Ctl) -> Result<(u8, Stripe), Violation> {
        let refused = Violation::Unexpected(frame.name());
        let (n, stripe) = parse(frame, &refused)?;
        let (is_sender, takes_any) = (self.role == Role::Sends, self.ours != Streams::Exactly(NonZeroU8::MIN));
        let Some(said) = usize::from(n).checked_sub(1).and_then(|at| self.said.get_mut(at)) else {
            return Err(refused);
        };
        let is_expected = match stripe {
            // Each is described as soon as it can be, so they come in any order.
            Stripe::Offer(_) => !is_sender && takes_any && !std::mem::replace(&mut said.is_offered, true),
            Stripe::Answer(_) => is_sender && said.is_offered && !std::mem::replace(&mut said.is_answered, true),
            Stripe::Open => is_sender && said.is_answered && !std::mem::replace(&mut said.is_open, true),
            Stripe::Candidate(_) => {
                said.candidates += usize::from(said.is_offered);
                said.is_offered && said.candidates <= TRICKLED_CANDIDATES_MAX
            }
        };
        if is_expected { Ok((n, stripe)) } else { Err(refused) }
    }
}

/// Finds out whether a path has room that the connections on it do not use.
///
/// Where bytes wait and the round trip is as short as ever, nothing waits on the way: what holds the bytes up is that some of
/// them were lost. That happens on a path without losses of its own, too, but there each connection has more on its way.
#[derive(Debug, Default)]
struct Spare {
    /// The shortest round trip.
    lowest: Option<Duration>,
    /// How often in a row there was room.
    looks: u32,
}

impl Spare {
    /// Takes in a look; returns whether there has been room for a while. Counts from the beginning then.
    fn look(&mut self, Look { round_trip, is_busy, rate, .. }: Look, connections: u8) -> bool {
        let lowest = self.lowest.map_or(round_trip, |lowest| lowest.min(round_trip));
        self.lowest = Some(lowest);
        let is_idle = round_trip <= lowest + lowest / 4 + JITTER;
        let under_way = rate as f64 * lowest.as_secs_f64() / f64::from(connections);
        let has_room = is_busy && is_idle && lowest >= STREAMS_FAR_FROM && under_way < STREAM_UNDER_WAY_BYTES as f64;
        self.looks = if has_room { self.looks + 1 } else { 0 };
        let has_been = self.looks == STREAMS_LOOKS;
        if has_been {
            self.looks = 0;
        }
        has_been
    }
}

/// By how much more than a quarter the round trip of an empty path may vary.
const JITTER: Duration = Duration::from_millis(5);

fn parse(frame: Ctl, refused: &Violation) -> Result<(u8, Stripe), Violation> {
    let sdp = |text: &str, kind| Sdp::parse(text, kind).map_err(|_| refused.clone());
    #[expect(clippy::wildcard_enum_match_arm, reason = "only these four speak of further connections")]
    let (n, stripe) = match frame {
        Ctl::PcOffer { n, sdp: text } => (n, Stripe::Offer(sdp(&text, SdpKind::Offer)?)),
        Ctl::PcAnswer { n, sdp: text } => (n, Stripe::Answer(sdp(&text, SdpKind::Answer)?)),
        Ctl::PcCandidate { n, candidate } => (n, Stripe::Candidate(candidate)),
        Ctl::PcOpen { n } => (n, Stripe::Open),
        _ => return Err(refused.clone()),
    };
    Ok((u8::try_from(n).map_err(|_| refused.clone())?, stripe))
}

/// The feature of who can do this, and wants more than one.
const FEATURE: &str = "streams";

#[cfg(test)]
mod tests;
