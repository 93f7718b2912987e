//! A handshake through a server that alters one of its messages.

use p2pshare_protocol::pairing::Input;
use p2pshare_protocol::sdp::SdpKind;

use crate::pair::{Pair, SeededRng, Setup, candidate, sdp};

/// What the server does to the `nth` message of one direction.
#[derive(Debug, Clone)]
pub(super) struct Manipulation {
    pub(super) towards_host: bool,
    pub(super) nth: usize,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Drop,
    Repeat,
    /// Delivers the next message of the direction first.
    Swap,
    Flip {
        at: usize,
        bit: usize,
    },
    Cut(usize),
    Append(u8),
    /// Back to its sender.
    Reflect,
    /// The same message of another handshake over the same code.
    Splice,
    /// An earlier message of the same direction.
    Replay,
    Garbage,
}

impl Manipulation {
    pub(super) fn random(rng: &mut SeededRng) -> Self {
        let towards_host = rng.below(2) == 0;
        let nth = rng.below(4);
        let what = match rng.below(10) {
            0 => What::Drop,
            1 => What::Repeat,
            2 => What::Swap,
            3 | 4 => What::Flip { at: rng.below(1000), bit: rng.below(8) },
            5 => What::Cut(1 + rng.below(300)),
            6 => What::Append(rng.next() as u8),
            7 => What::Reflect,
            8 if nth > 0 => What::Replay,
            8 => What::Garbage,
            _ => What::Splice,
        };
        Self { towards_host, nth, what }
    }
}

/// A handshake through the hostile server. Both sides send two candidates.
pub(super) struct Run {
    pub(super) pair: Pair,
    /// The same handshake with other randomness, for splicing.
    other: Option<[Vec<Vec<u8>>; 2]>,
    manipulation: Manipulation,
    relayed: [Vec<Vec<u8>>; 2],
    pub(super) is_altered: bool,
    held_back: Option<Vec<u8>>,
}

impl Run {
    pub(super) fn new(seed: u64, manipulation: Manipulation) -> Self {
        let start = |seed| {
            let mut pair = Setup { seed, ..Setup::with_codes("123456", "123456") }.start();
            pair.offer();
            pair.guest.feed(Input::LocalCandidate(candidate(1)), pair.now);
            pair.guest.feed(Input::LocalCandidate(candidate(2)), pair.now);
            pair
        };
        let is_splice = matches!(manipulation.what, What::Splice);
        let honest = Manipulation { towards_host: true, nth: usize::MAX, what: What::Drop };
        let other = is_splice.then(|| Self::new(seed ^ 0xffff_0000, honest).recorded());
        let relayed = [Vec::new(), Vec::new()];
        Self { pair: start(seed), other, manipulation, relayed, is_altered: false, held_back: None }
    }

    /// What an honest relay hands over: towards the guest, towards the host.
    pub(super) fn recorded(mut self) -> [Vec<Vec<u8>>; 2] {
        self.play(&mut SeededRng(0));
        assert!(!self.is_altered);
        self.pair.assert_paired();
        self.relayed
    }

    pub(super) fn play(&mut self, rng: &mut SeededRng) {
        let mut host_candidates = vec![candidate(11), candidate(12)];
        loop {
            if self.pair.host.is_paired()
                && self.pair.host.error.is_none()
                && let Some(candidate) = host_candidates.pop()
            {
                self.pair.host.feed(Input::LocalCandidate(candidate), self.pair.now);
            }
            let (to_guest, to_host) = (self.pair.host.sent.pop_front(), self.pair.guest.sent.pop_front());
            if to_guest.is_none() && to_host.is_none() {
                return;
            }
            if let Some(message) = to_guest {
                self.relay(message, false, rng);
            }
            if let Some(message) = to_host {
                self.relay(message, true, rng);
            }
        }
    }

    fn relay(&mut self, message: Vec<u8>, to_host: bool, rng: &mut SeededRng) {
        let nth = self.relayed[usize::from(to_host)].len();
        self.relayed[usize::from(to_host)].push(message.clone());
        if to_host != self.manipulation.towards_host || nth != self.manipulation.nth {
            self.deliver(message, to_host);
            if to_host == self.manipulation.towards_host
                && let Some(late) = self.held_back.take()
            {
                self.deliver(late, to_host);
            }
            return;
        }
        self.manipulate(message, to_host, nth, rng);
    }

    fn manipulate(&mut self, mut message: Vec<u8>, to_host: bool, nth: usize, rng: &mut SeededRng) {
        self.is_altered = true;
        match self.manipulation.what.clone() {
            What::Drop => return,
            What::Repeat => self.deliver(message.clone(), to_host),
            What::Swap => {
                self.held_back = Some(message);
                return;
            }
            What::Flip { at, bit } => {
                let at = at % message.len();
                message[at] ^= 1 << bit;
            }
            What::Cut(bytes) => message.truncate(message.len().saturating_sub(bytes)),
            What::Append(byte) => message.push(byte),
            What::Reflect => return self.deliver(message, !to_host),
            What::Splice => match self.other.as_ref().and_then(|other| other[usize::from(to_host)].get(nth)) {
                Some(spliced) => message = spliced.clone(),
                None => return,
            },
            What::Replay => message = self.relayed[usize::from(to_host)][rng.below(nth)].clone(),
            What::Garbage => message.iter_mut().for_each(|byte| *byte = rng.next() as u8),
        }
        self.deliver(message, to_host);
    }

    fn deliver(&mut self, message: Vec<u8>, to_host: bool) {
        if to_host {
            self.pair.host.feed(Input::Received(message), self.pair.now);
        } else {
            self.pair.guest.feed(Input::Received(message), self.pair.now);
        }
    }

    /// Nothing but what the other side said came out, and whatever was altered was noticed.
    pub(super) fn check(&self) {
        let Self { pair: Pair { host, guest, .. }, manipulation, .. } = self;
        let is_prefix = |got: &[String], of: [u16; 2]| {
            got.len() <= 2 && got.iter().zip(of).all(|(got, n)| got == candidate(n).as_str())
        };
        assert!(host.remote_description.as_ref().is_none_or(|d| *d == sdp(SdpKind::Offer)), "{manipulation:?}");
        assert!(guest.remote_description.as_ref().is_none_or(|d| *d == sdp(SdpKind::Answer)), "{manipulation:?}");
        assert!(is_prefix(&host.remote_candidates, [1, 2]), "{manipulation:?}");
        assert!(is_prefix(&guest.remote_candidates, [12, 11]), "{manipulation:?}");
        if let (Some(host), Some(guest)) = (&host.keys, &guest.keys) {
            assert_eq!(host.resume_key(), guest.resume_key(), "{manipulation:?}");
        }
        if !self.is_altered {
            return;
        }
        // A message that is only repeated has done its part the first time.
        let is_needed = manipulation.nth < if manipulation.towards_host { 1 } else { 2 };
        let is_early = is_needed && !matches!(manipulation.what, What::Repeat);
        assert!(!(is_early && host.is_paired() && guest.is_paired()), "{manipulation:?}: both are paired");
        let is_lost = matches!(manipulation.what, What::Drop) || self.held_back.is_some();
        assert!(is_lost || host.error.is_some() || guest.error.is_some(), "{manipulation:?}: nobody noticed");
    }
}
