//! `Code`: the digits that one person reads to another.

use std::fmt;
use std::str::FromStr;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::limits::{SECRET_DIGITS_DEFAULT, SECRET_DIGITS_MAX, SECRET_DIGITS_MIN};
use crate::room::{Nameplate, NameplateError, RoomId};

/// A nameplate, which the server knows, and secret digits, which never leave the two peers.
///
/// Typed without a dash the last four digits are the secret; with a dash it is everything behind it. Spaces
/// do not count.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    nameplate: Nameplate,
    secret: Zeroizing<String>,
}

impl Code {
    /// Makes a code of a nameplate that the server gave out and `secret_digits` random digits.
    ///
    /// # Errors
    /// When `secret_digits` is not 4 to 12.
    pub fn generate(nameplate: Nameplate, secret_digits: usize, rng: &mut impl CryptoRng) -> Result<Self, CodeError> {
        check_secret_length(secret_digits)?;
        let mut secret = Zeroizing::new(String::with_capacity(secret_digits));
        while secret.len() < secret_digits {
            let mut byte = [0];
            rng.fill_bytes(&mut byte);
            // 250 is the largest multiple of 10 in a byte: beyond it low digits would come up more often.
            if byte[0] < 250 {
                secret.push(char::from(b'0' + byte[0] % 10));
            }
        }
        Ok(Self { nameplate, secret })
    }

    /// The part that the server knows.
    #[must_use]
    pub const fn nameplate(&self) -> &Nameplate {
        &self.nameplate
    }

    /// The room at the server.
    #[must_use]
    pub fn room(&self) -> RoomId {
        self.nameplate.clone().into()
    }

    /// The secret digits.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The code in groups of three or four digits, for people: `123 456`. It parses to the same code.
    #[must_use]
    pub fn spaced(&self) -> String {
        if self.has_default_secret() {
            grouped(&format!("{}{}", self.nameplate, *self.secret))
        } else {
            format!("{}-{}", self.nameplate, grouped(&self.secret))
        }
    }

    fn has_default_secret(&self) -> bool {
        self.secret.len() == SECRET_DIGITS_DEFAULT
    }
}

/// The code in one piece, with a dash when the secret is longer than four digits.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dash = if self.has_default_secret() { "" } else { "-" };
        write!(f, "{}{dash}{}", self.nameplate, *self.secret)
    }
}

/// Shows the nameplate only.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({}, secret)", self.nameplate)
    }
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let typed: Zeroizing<String> = Zeroizing::new(text.chars().filter(|c| !c.is_whitespace()).collect());
        if typed.is_empty() {
            return Err(CodeError::Empty);
        }
        if let Some(other) = typed.chars().find(|c| !c.is_ascii_digit() && *c != '-') {
            return Err(CodeError::NotADigit(other));
        }
        let (nameplate, secret) = match typed.split_once('-') {
            Some((_, secret)) if secret.contains('-') => return Err(CodeError::SecondDash),
            Some(parts) => parts,
            None => typed
                .split_at_checked(typed.len().saturating_sub(SECRET_DIGITS_DEFAULT))
                .expect("only ASCII digits are left, so that every index is a character boundary"),
        };
        check_secret_length(secret.len())?;
        Ok(Self { nameplate: nameplate.parse()?, secret: Zeroizing::new(secret.to_owned()) })
    }
}

/// Why a text is no code. None of them holds digits of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Nothing but spaces.
    #[error("the code is empty")]
    Empty,
    /// A character other than 0 to 9, a dash or a space.
    #[error("{0:?} is not a digit from 0 to 9")]
    NotADigit(char),
    /// More than one dash.
    #[error("a code has one dash at most")]
    SecondDash,
    /// The part in front names no share.
    #[error(transparent)]
    Nameplate(#[from] NameplateError),
    /// Fewer secret digits than are safe.
    #[error("{0} secret digits are too few: a code has at least {SECRET_DIGITS_MIN}")]
    SecretTooShort(usize),
    /// More secret digits than any code has.
    #[error("{0} secret digits are too many: a code has at most {SECRET_DIGITS_MAX}")]
    SecretTooLong(usize),
}

fn check_secret_length(digits: usize) -> Result<(), CodeError> {
    match digits {
        short if short < SECRET_DIGITS_MIN => Err(CodeError::SecretTooShort(short)),
        long if long > SECRET_DIGITS_MAX => Err(CodeError::SecretTooLong(long)),
        _ => Ok(()),
    }
}

/// Groups of three or four digits, the shorter ones first.
fn grouped(digits: &str) -> String {
    let groups = digits.len().div_ceil(4);
    let mut out = String::with_capacity(digits.len() + groups);
    let mut from = 0;
    for group in 0..groups {
        let to = from + (digits.len() - from) / (groups - group);
        if from > 0 {
            out.push(' ');
        }
        out.push_str(&digits[from..to]);
        from = to;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted_rng::ScriptedRng;

    #[test]
    fn without_a_dash_the_last_four_digits_are_the_secret() {
        let code = parse("123456").unwrap();
        assert_eq!((code.nameplate().as_str(), code.secret()), ("12", "3456"));
        let code = parse(" 1234 5678 ").unwrap();
        assert_eq!((code.nameplate().as_str(), code.secret()), ("1234", "5678"));
    }

    #[test]
    fn a_dash_splits() {
        let code = parse("12-345 678").unwrap();
        assert_eq!((code.nameplate().as_str(), code.secret()), ("12", "345678"));
        assert_eq!(parse("12-3456"), parse("123456"));
    }

    #[test]
    fn what_is_no_code_says_why() {
        for (text, error) in [
            ("", CodeError::Empty),
            ("  ", CodeError::Empty),
            ("12345", CodeError::Nameplate(NameplateError::TooShort(1))),
            ("1234", CodeError::Nameplate(NameplateError::TooShort(0))),
            ("123", CodeError::SecretTooShort(3)),
            ("12-345", CodeError::SecretTooShort(3)),
            ("12-1234567890123", CodeError::SecretTooLong(13)),
            ("12-34-56", CodeError::SecondDash),
            ("-123456", CodeError::Nameplate(NameplateError::TooShort(0))),
            ("12345a", CodeError::NotADigit('a')),
            ("12345٦", CodeError::NotADigit('٦')),
            ("123456\u{ff11}", CodeError::NotADigit('\u{ff11}')),
            ("012345", CodeError::Nameplate(NameplateError::LeadingZero)),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn what_is_shown_parses_to_the_same_code() {
        for (text, plain, spaced) in [
            ("123456", "123456", "123 456"),
            ("1234567", "1234567", "123 4567"),
            ("12345678", "12345678", "1234 5678"),
            ("12-345678", "12-345678", "12-345 678"),
        ] {
            let code = parse(text).unwrap();
            assert_eq!((code.to_string().as_str(), code.spaced().as_str()), (plain, spaced));
            assert_eq!(parse(&code.to_string()), Ok(code.clone()));
            assert_eq!(parse(&code.spaced()), Ok(code));
        }
    }

    #[test]
    fn the_secret_is_not_in_the_debug_output() {
        assert!(!format!("{:?}", parse("12-987654").unwrap()).contains("987654"));
    }

    #[test]
    fn random_digits_are_drawn_without_bias() {
        let bytes = [255, 250, 249, 0, 10, 21];
        let code = Code::generate("12".parse().unwrap(), 4, &mut ScriptedRng::new(&bytes)).unwrap();
        assert_eq!(code.secret(), "9001", "bytes from 250 on are thrown away");
        assert_eq!(
            Code::generate("12".parse().unwrap(), 3, &mut ScriptedRng::new(&bytes)),
            Err(CodeError::SecretTooShort(3))
        );
    }

    fn parse(text: &str) -> Result<Code, CodeError> {
        text.parse()
    }
}
