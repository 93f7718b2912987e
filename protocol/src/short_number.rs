//! `ShortNumber`: six digits that two people compare, so that nobody stands between their devices.

use std::fmt;

/// The short authentication string of a pairing: the same on both sides, unless somebody stands between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortNumber(u32);

impl ShortNumber {
    /// The short number of 64 uniform bits.
    #[must_use]
    pub const fn from_uniform(bits: u64) -> Self {
        Self((bits % 1_000_000) as u32)
    }

    /// The six digits without a space.
    #[must_use]
    pub fn digits(self) -> String {
        format!("{:06}", self.0)
    }
}

/// In two groups: `593 907`.
impl fmt::Display for ShortNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {:03}", self.0 / 1000, self.0 % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_zeros_are_kept() {
        let number = ShortNumber::from_uniform(3_000_007);
        assert_eq!((number.to_string(), number.digits()), ("000 007".to_owned(), "000007".to_owned()));
    }
}
