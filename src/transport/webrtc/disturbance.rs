//! `Disturbance`: whether the peer is silent, and what the owner of the connection is told of that.

use crate::transport::channel::Incoming;

/// What is, and what was told.
#[derive(Debug, Default)]
pub(super) struct Disturbance {
    is_disturbed: bool,
    is_told: bool,
}

impl Disturbance {
    /// Takes note of whether the peer has been silent for some seconds.
    pub(super) const fn note(&mut self, is_disturbed: bool) {
        self.is_disturbed = is_disturbed;
    }

    /// What is to be told, once the connection is open.
    pub(super) fn news(&mut self, is_open: bool) -> Option<Incoming> {
        if !is_open || self.is_told == self.is_disturbed {
            return None;
        }
        self.is_told = self.is_disturbed;
        Some(if self.is_disturbed { Incoming::Disturbed } else { Incoming::Recovered })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_began_before_the_connection_was_open_is_told_then_and_so_is_its_end() {
        let mut disturbance = Disturbance::default();
        disturbance.note(true);
        assert_eq!(disturbance.news(false), None);
        assert_eq!(disturbance.news(true), Some(Incoming::Disturbed));
        assert_eq!(disturbance.news(true), None);
        disturbance.note(false);
        assert_eq!(disturbance.news(true), Some(Incoming::Recovered));
    }

    #[test]
    fn one_that_was_over_when_the_connection_opened_is_not_told() {
        let mut disturbance = Disturbance::default();
        disturbance.note(true);
        assert_eq!(disturbance.news(false), None);
        disturbance.note(false);
        assert_eq!(disturbance.news(true), None);
    }
}
