//! What kind of network a machine is behind, from what STUN servers see of it (RFC 5780, in the words of RFC 4787).

use std::net::SocketAddr;

/// What was seen of a socket, in one address family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reflections {
    /// The socket's own address.
    pub local: SocketAddr,
    /// What each that was asked saw of it; `None` for those that did not answer.
    pub seen: Vec<Option<SocketAddr>>,
    /// Whether an answer came through from a port that was never spoken to; `None` if that could not be tried.
    pub lets_in_strangers: Option<bool>,
}

/// How hard a network makes it for others to reach a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nat {
    /// No translation, and nothing is kept out.
    None,
    /// No translation, but only those are let in who were spoken to.
    Firewall,
    /// The same public address towards everybody, open for others once it is in use: endpoint-independent mapping, and
    /// filtering that does not look at ports.
    Open,
    /// The same public address towards everybody, open only for those who were spoken to: endpoint-independent mapping,
    /// address and port-dependent filtering.
    Moderate,
    /// Another public address towards each: address and port-dependent mapping.
    Strict,
    /// There is one, and what kind it is cannot be told: who was asked has one port.
    Untold,
}

impl Reflections {
    /// Whether anybody answered.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.seen.iter().any(Option::is_some)
    }

    /// The public address, as the first saw it that answered.
    #[must_use]
    pub fn public(&self) -> Option<SocketAddr> {
        self.seen.iter().flatten().next().copied()
    }

    /// What kind of network it is; `None` if nobody answered.
    #[must_use]
    pub fn nat(&self) -> Option<Nat> {
        let first = self.public()?;
        let answers = self.seen.iter().flatten().count();
        let is_same = self.seen.iter().flatten().all(|seen| *seen == first);
        Some(match (first == self.local, is_same, answers, self.lets_in_strangers) {
            (_, false, _, _) => Nat::Strict,
            (true, true, _, Some(true) | None) => Nat::None,
            (true, true, _, Some(false)) => Nat::Firewall,
            (false, true, 1, _) | (false, true, _, None) => Nat::Untold,
            (false, true, _, Some(true)) => Nat::Open,
            (false, true, _, Some(false)) => Nat::Moderate,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seen: &[Option<&str>], lets_in_strangers: Option<bool>, expected: Option<Nat>) {
        let seen = seen.iter().map(|seen| seen.map(|seen| seen.parse().unwrap())).collect();
        let reflections = Reflections { local: "10.0.0.7:4000".parse().unwrap(), seen, lets_in_strangers };
        assert_eq!(reflections.nat(), expected);
    }

    const PUBLIC: Option<&str> = Some("203.0.113.9:50000");

    #[test]
    fn the_kinds_are_told_apart() {
        check(&[PUBLIC, PUBLIC], Some(true), Some(Nat::Open));
        check(&[PUBLIC, PUBLIC], Some(false), Some(Nat::Moderate));
        check(&[PUBLIC, Some("203.0.113.9:50001")], Some(false), Some(Nat::Strict));
        check(&[PUBLIC, Some("203.0.113.8:50000")], None, Some(Nat::Strict));
        let own = Some("10.0.0.7:4000");
        check(&[own, own], Some(true), Some(Nat::None));
        check(&[own, own], Some(false), Some(Nat::Firewall));
    }

    #[test]
    fn what_was_not_seen_is_not_guessed() {
        check(&[None, None], Some(false), None);
        check(&[PUBLIC], None, Some(Nat::Untold));
        check(&[PUBLIC, None], Some(false), Some(Nat::Untold));
    }
}
