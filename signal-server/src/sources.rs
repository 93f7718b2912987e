//! What each source address has used up of its limits.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::bucket::Bucket;
use crate::limits::{Rate, SourceLimits};

/// Where a connection comes from, as the limits see it: an IPv4 address, or an IPv6 network, since one subscriber has
/// a whole /64 of them and often a /48.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl Source {
    /// The source behind an address.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                let [a, b, c, d, ..] = address.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            address @ (IpAddr::V4(_) | IpAddr::V6(_)) => Self(address),
        }
    }

    /// The address that stands for all of it.
    pub(crate) const fn address(self) -> IpAddr {
        self.0
    }

    /// The counters that this source shares, each with the factor on its limits.
    fn counters(self) -> impl Iterator<Item = (Counter, u32)> {
        let (near, far) = match self.0 {
            IpAddr::V4(address) => (Counter::V4(address.octets()), None),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                (Counter::Net64([a, b, c, d]), Some((Counter::Net48([a, b, c]), NET48_FACTOR)))
            }
        };
        std::iter::once((near, 1)).chain(far)
    }
}

/// Which kind of request a source makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// To open a room.
    Create,
    /// To enter one.
    Join,
}

/// The table of sources. Bounded: those without a socket are forgotten, longest unseen first.
#[derive(Debug)]
pub(crate) struct Sources {
    limits: SourceLimits,
    used: HashMap<Counter, Used>,
    /// The counters without a socket, by when they were last touched.
    resting: BTreeMap<u64, Counter>,
    clock: u64,
}

impl Sources {
    /// Starts with nothing used.
    pub(crate) fn new(limits: SourceLimits) -> Self {
        Self { limits, used: HashMap::new(), resting: BTreeMap::new(), clock: 0 }
    }

    /// Counts a new socket.
    ///
    /// # Errors
    /// The source has too many.
    pub(crate) fn connect(&mut self, source: Source) -> Result<(), TooManySockets> {
        if self.is_exempt(source) {
            return Ok(());
        }
        let limit = self.limits.sockets_max;
        let is_full = |(counter, factor)| self.used.get(&counter).is_some_and(|u| u.sockets >= limit * factor);
        if source.counters().any(is_full) {
            return Err(TooManySockets);
        }
        for (counter, _) in source.counters() {
            self.touch(counter, |used| used.sockets += 1);
        }
        Ok(())
    }

    /// Gives a socket back.
    pub(crate) fn disconnect(&mut self, source: Source) {
        if !self.is_exempt(source) {
            for (counter, _) in source.counters() {
                self.touch(counter, |used| used.sockets = used.sockets.saturating_sub(1));
            }
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// There have been too many, or too many wrong proofs; says how long to wait.
    pub(crate) fn request(&mut self, source: Source, request: Request, now: Instant) -> Result<(), Duration> {
        if self.is_exempt(source) {
            return Ok(());
        }
        for (counter, factor) in source.counters() {
            let Some(used) = self.used.get(&counter) else { continue };
            match request {
                Request::Create => used.creates.check(self.limits.creates.times(factor), now)?,
                Request::Join => {
                    used.joins.check(self.limits.joins.times(factor), now)?;
                    used.bad_proofs.check(self.limits.bad_proofs.times(factor), now)?;
                }
            }
        }
        let (creates, joins) = (self.limits.creates, self.limits.joins);
        for (counter, factor) in source.counters() {
            self.touch(counter, |used| match request {
                Request::Create => used.creates.charge(creates.times(factor), now),
                Request::Join => used.joins.charge(joins.times(factor), now),
            });
        }
        Ok(())
    }

    /// Counts a wrong proof.
    pub(crate) fn bad_proof(&mut self, source: Source, now: Instant) {
        if !self.is_exempt(source) {
            let rate = self.limits.bad_proofs;
            for (counter, factor) in source.counters() {
                self.touch(counter, |used| used.bad_proofs.charge(rate.times(factor), now));
            }
        }
    }

    const fn is_exempt(&self, source: Source) -> bool {
        !self.limits.loopback && source.0.is_loopback()
    }

    /// Changes a counter and keeps the table within its bound.
    fn touch(&mut self, counter: Counter, change: impl FnOnce(&mut Used)) {
        self.clock += 1;
        let used = self.used.entry(counter).or_default();
        self.resting.remove(&used.touched);
        change(used);
        used.touched = self.clock;
        if used.sockets == 0 {
            self.resting.insert(self.clock, counter);
        }
        if self.resting.len() > self.limits.remembered_max
            && let Some((_, oldest)) = self.resting.pop_first()
        {
            self.used.remove(&oldest);
        }
    }
}

/// A source has as many sockets as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many sockets from this address")]
pub struct TooManySockets;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Counter {
    V4([u8; 4]),
    Net64([u16; 4]),
    Net48([u16; 3]),
}

#[derive(Debug, Default)]
struct Used {
    sockets: u32,
    creates: Bucket,
    joins: Bucket,
    bad_proofs: Bucket,
    touched: u64,
}

impl Rate {
    const fn times(self, factor: u32) -> Self {
        Self { count: self.count * factor, per: self.per }
    }
}

/// How much more a whole IPv6 /48 may do than one /64 of it.
const NET48_FACTOR: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(text.parse().unwrap())
    }

    fn used_up_joins(sources: &mut Sources, source: Source, now: Instant) -> u32 {
        (0..10_000).take_while(|_| sources.request(source, Request::Join, now).is_ok()).count().try_into().unwrap()
    }

    #[test]
    fn an_ipv4_address_has_its_own_limits() {
        let (mut sources, now) = (Sources::new(SourceLimits::default()), Instant::now());
        assert_eq!(used_up_joins(&mut sources, source("192.0.2.1"), now), 30);
        assert_eq!(used_up_joins(&mut sources, source("::ffff:192.0.2.1"), now), 0, "the same address, mapped");
        assert_eq!(used_up_joins(&mut sources, source("192.0.2.2"), now), 30);
    }

    #[test]
    fn b_085_a_whole_ipv6_64_is_one_source() {
        let (mut sources, now) = (Sources::new(SourceLimits::default()), Instant::now());
        let refused = (0..1000).filter(|i| {
            let address = source(&format!("2001:db8:0:1::{i:x}"));
            sources.request(address, Request::Join, now).is_err()
        });
        assert_eq!(refused.count(), 1000 - 30);
    }

    #[test]
    fn a_whole_ipv6_48_has_four_times_as_much() {
        let (mut sources, now) = (Sources::new(SourceLimits::default()), Instant::now());
        let passed: u32 =
            (0..100).map(|net| used_up_joins(&mut sources, source(&format!("2001:db8:0:{net:x}::1")), now)).sum();
        assert_eq!(passed, 4 * 30);
        assert_eq!(used_up_joins(&mut sources, source("2001:db8:1::1"), now), 30, "another network");
    }

    #[test]
    fn wrong_proofs_close_the_door_for_joins_only() {
        let (mut sources, now, guesser) = (Sources::new(SourceLimits::default()), Instant::now(), source("192.0.2.1"));
        for _ in 0..10 {
            sources.request(guesser, Request::Join, now).unwrap();
            sources.bad_proof(guesser, now);
        }
        assert_eq!(sources.request(guesser, Request::Join, now), Err(Duration::from_secs(360)));
        assert!(sources.request(guesser, Request::Create, now).is_ok());
        assert!(sources.request(guesser, Request::Join, now + Duration::from_secs(360)).is_ok());
    }

    #[test]
    fn sockets_are_counted_until_they_close() {
        let (mut sources, address) = (Sources::new(SourceLimits::default()), source("192.0.2.1"));
        for _ in 0..32 {
            sources.connect(address).unwrap();
        }
        assert_eq!(sources.connect(address), Err(TooManySockets));
        sources.disconnect(address);
        assert_eq!(sources.connect(address), Ok(()));
    }

    #[test]
    fn this_machine_is_bounded_only_when_asked_for() {
        let now = Instant::now();
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            let mut free = Sources::new(SourceLimits::default());
            assert_eq!(used_up_joins(&mut free, source(address), now), 10_000);
            let mut bounded = Sources::new(SourceLimits { loopback: true, ..SourceLimits::default() });
            assert_eq!(used_up_joins(&mut bounded, source(address), now), 30);
        }
    }

    #[test]
    fn the_table_cannot_be_filled_and_never_forgets_an_open_socket() {
        let limits = SourceLimits { remembered_max: 100, sockets_max: 1, ..SourceLimits::default() };
        let (mut sources, now, loyal) = (Sources::new(limits), Instant::now(), source("192.0.2.1"));
        sources.connect(loyal).unwrap();
        for i in 0..1000 {
            let [.., a, b] = u32::to_be_bytes(i);
            sources.request(source(&format!("198.51.{a}.{b}")), Request::Join, now).unwrap();
        }
        assert_eq!(sources.used.len(), 101);
        assert_eq!(sources.connect(loyal), Err(TooManySockets));
    }
}
