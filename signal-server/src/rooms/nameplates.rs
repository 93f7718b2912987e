//! Which nameplates are in use, resting, or free.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use p2pshare_protocol::limits::{NAMEPLATE_DIGITS_MAX, NAMEPLATE_DIGITS_MIN};
use p2pshare_protocol::room::{Nameplate, RoomId};
use rand_core::Rng;

/// The nameplates of a server.
///
/// They have two digits while up to 50 are taken, and one more with each factor of ten, so that at least four of ten
/// are always free and a stranger's guess at a nameplate mostly finds nothing. A nameplate rests for a while after its
/// room, and counts as taken until then.
#[derive(Debug)]
pub(super) struct Nameplates {
    rest: Duration,
    last_digit: Option<u8>,
    taken: HashSet<u32>,
    resting: VecDeque<(Instant, u32)>,
}

impl Nameplates {
    pub(super) fn new(rest: Duration) -> Self {
        Self { rest, last_digit: None, taken: HashSet::new(), resting: VecDeque::new() }
    }

    /// Gives out only nameplates that end in a digit, and grows the sooner.
    pub(super) fn set_last_digit(&mut self, digit: u8) {
        self.last_digit = Some(digit % 10);
    }

    /// Counts nameplates as taken for good.
    pub(super) fn avoid(&mut self, nameplates: &[Nameplate]) {
        self.taken.extend(nameplates.iter().filter_map(|nameplate| nameplate.as_str().parse::<u32>().ok()));
    }

    /// Takes a free nameplate at random; `None` if there are none left.
    pub(super) fn take(&mut self, rng: &mut impl Rng, now: Instant) -> Option<RoomId> {
        self.free_rested(now);
        let digits = self.digits()?;
        let count = self.count(digits);
        let start = rng.next_u64() % count;
        let random = std::iter::repeat_with(|| rng.next_u64() % count).take(RANDOM_DRAWS);
        let in_turn = (0..count).map(|i| (start + i) % count);
        let nameplate = random.chain(in_turn).map(|i| self.nameplate(digits, i)).find(|n| !self.taken.contains(n))?;
        self.taken.insert(nameplate);
        RoomId::parse(&nameplate.to_string()).ok()
    }

    /// Takes a nameplate that two people agreed on, whose room is not open. One that rests may be taken: who agreed on a
    /// code uses it again.
    pub(super) fn claim(&mut self, room: &RoomId) {
        if let Ok(nameplate) = room.as_str().parse() {
            self.resting.retain(|(_, resting)| *resting != nameplate);
            self.taken.insert(nameplate);
        }
    }

    /// Lets the nameplate of a room that ended rest. Other rooms have none, and nothing happens.
    pub(super) fn rest(&mut self, room: &RoomId, now: Instant) {
        if room.is_nameplate()
            && let Ok(nameplate) = room.as_str().parse()
        {
            self.resting.push_back((now + self.rest, nameplate));
        }
        if self.resting.len() > RESTING_MAX {
            self.free_oldest();
        }
    }

    fn free_rested(&mut self, now: Instant) {
        while self.resting.front().is_some_and(|(until, _)| *until <= now) {
            self.free_oldest();
        }
    }

    fn free_oldest(&mut self) {
        if let Some((_, nameplate)) = self.resting.pop_front() {
            self.taken.remove(&nameplate);
        }
    }

    /// The number of digits of the next nameplate.
    fn digits(&self) -> Option<u32> {
        let most = if self.last_digit.is_some() { TWO_DIGITS_TAKEN_MAX / 10 } else { TWO_DIGITS_TAKEN_MAX };
        (0..)
            .zip(NAMEPLATE_DIGITS_MIN..=NAMEPLATE_DIGITS_MAX)
            .find(|(growth, _)| self.taken.len() < most * 10_usize.pow(*growth))
            .and_then(|(_, digits)| digits.try_into().ok())
    }

    /// How many nameplates have that many digits.
    const fn count(&self, digits: u32) -> u64 {
        let count = 9 * 10_u64.pow(digits - 1);
        if self.last_digit.is_some() { count / 10 } else { count }
    }

    /// One of them, by its place in order.
    fn nameplate(&self, digits: u32, place: u64) -> u32 {
        let place = u32::try_from(place).expect("a place is below 9 * 10^7");
        match self.last_digit {
            Some(digit) => (10_u32.pow(digits - 2) + place) * 10 + u32::from(digit),
            None => 10_u32.pow(digits - 1) + place,
        }
    }
}

/// How many nameplates may be taken before they get a third digit: of the 90 with two digits, roughly half.
const TWO_DIGITS_TAKEN_MAX: usize = 50;

/// How often a free nameplate is drawn before the rest is tried in turn; more than half are free.
const RANDOM_DRAWS: usize = 32;

/// How many nameplates may rest; beyond that the one that rested longest is free early.
const RESTING_MAX: usize = 500_000;

#[cfg(test)]
mod tests {
    use chacha20::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    const REST: Duration = Duration::from_secs(600);

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::from_seed([7; 32])
    }

    #[test]
    fn nameplates_grow_by_a_digit_with_each_factor_of_ten() {
        let (mut nameplates, mut rng, now) = (Nameplates::new(REST), rng(), Instant::now());
        let lengths: Vec<usize> = (0..5001).map(|_| nameplates.take(&mut rng, now).unwrap().as_str().len()).collect();
        assert!(lengths[..50].iter().all(|l| *l == 2));
        assert!(lengths[50..500].iter().all(|l| *l == 3));
        assert!(lengths[500..5000].iter().all(|l| *l == 4));
        assert_eq!(lengths[5000], 5);
    }

    #[test]
    fn no_nameplate_is_given_out_twice() {
        let (mut nameplates, mut rng, now) = (Nameplates::new(REST), rng(), Instant::now());
        let all: HashSet<RoomId> = (0..2000).map(|_| nameplates.take(&mut rng, now).unwrap()).collect();
        assert_eq!(all.len(), 2000);
    }

    #[test]
    fn nameplates_of_others_are_kept_clear_of() {
        let (mut nameplates, mut rng, now) = (Nameplates::new(REST), rng(), Instant::now());
        nameplates.set_last_digit(5);
        let elsewhere = ["15", "35", "95"].map(|nameplate| nameplate.parse().unwrap());
        nameplates.avoid(&elsewhere);
        let taken: HashSet<RoomId> = (0..20).map(|_| nameplates.take(&mut rng, now).unwrap()).collect();
        assert!(elsewhere.iter().all(|other| !taken.iter().any(|room| room.as_str() == other.as_str())));
    }

    #[test]
    fn a_nameplate_rests_before_it_is_free_again() {
        let (mut nameplates, mut rng, now) = (Nameplates::new(REST), rng(), Instant::now());
        let rooms: Vec<_> = (0..50).map(|_| nameplates.take(&mut rng, now).unwrap()).collect();
        for room in &rooms {
            nameplates.rest(room, now);
        }
        let before = now + REST - Duration::from_nanos(1);
        assert_eq!(nameplates.take(&mut rng, before).unwrap().as_str().len(), 3, "resting ones count as taken");
        assert_eq!(nameplates.take(&mut rng, now + REST).unwrap().as_str().len(), 2);
        assert_eq!(nameplates.taken.len(), 2);
    }

    #[test]
    fn a_last_digit_is_kept_at_every_length() {
        let (mut nameplates, mut rng, now) = (Nameplates::new(REST), rng(), Instant::now());
        nameplates.set_last_digit(7);
        let rooms: Vec<_> = (0..60).map(|_| nameplates.take(&mut rng, now).unwrap()).collect();
        assert!(rooms.iter().all(|r| r.as_str().ends_with('7') && !r.as_str().starts_with('0')));
        let lengths: Vec<usize> = rooms.iter().map(|r| r.as_str().len()).collect();
        assert!(lengths[..5].iter().all(|l| *l == 2));
        assert!(lengths[5..50].iter().all(|l| *l == 3));
        assert!(lengths[50..].iter().all(|l| *l == 4));
    }
}
