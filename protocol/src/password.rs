//! `StretchedPassword`: a share's password after argon2id, as the key exchange takes it.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::limits::{
    PASSWORD_BYTES_MAX, PASSWORD_LANES, PASSWORD_LANES_MAX, PASSWORD_MEMORY_KIB, PASSWORD_MEMORY_KIB_MAX,
    PASSWORD_PASSES, PASSWORD_PASSES_MAX,
};

/// A password, stretched with the salt and at the cost of its share.
///
/// The key exchange alone keeps the network from guessing; stretching protects what is stored of a share.
#[derive(Clone)]
pub struct StretchedPassword {
    key: Zeroizing<[u8; 32]>,
    salt: [u8; 16],
    cost: PasswordCost,
}

impl StretchedPassword {
    /// Stretches the password of a share with a random salt: once a share, for about 50 ms.
    ///
    /// # Errors
    /// When the text is no password.
    pub fn generate(password: &str, rng: &mut impl CryptoRng) -> Result<Self, PasswordError> {
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        Self::stretch(password, salt, PasswordCost::default())
    }

    /// Stretches a password with a given salt and cost.
    ///
    /// # Errors
    /// When the text is no password, or the cost is more than a device should bear.
    pub fn stretch(password: &str, salt: [u8; 16], cost: PasswordCost) -> Result<Self, PasswordError> {
        let password = prepare(password)?;
        if !cost.is_bearable() {
            return Err(PasswordError::Cost);
        }
        let params =
            Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(|_| PasswordError::Cost)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password.as_bytes(), &salt, &mut *key)
            .map_err(|_| PasswordError::Cost)?;
        Ok(Self { key, salt, cost })
    }

    /// The salt.
    #[must_use]
    pub const fn salt(&self) -> &[u8; 16] {
        &self.salt
    }

    /// The cost.
    #[must_use]
    pub const fn cost(&self) -> PasswordCost {
        self.cost
    }

    /// The stretched key: the secret of the second key exchange.
    #[must_use]
    pub const fn key(&self) -> &Zeroizing<[u8; 32]> {
        &self.key
    }
}

impl fmt::Debug for StretchedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StretchedPassword(secret)")
    }
}

/// The cost of argon2id, as the host of a share chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordCost {
    /// Memory in KiB.
    #[serde(rename = "m")]
    pub memory_kib: u32,
    /// Passes over the memory.
    #[serde(rename = "t")]
    pub passes: u32,
    /// Lanes.
    #[serde(rename = "p")]
    pub lanes: u32,
}

impl PasswordCost {
    /// Tells whether a guest may be asked for it: more would let a hostile host exhaust the guest's device.
    #[must_use]
    pub const fn is_bearable(&self) -> bool {
        self.memory_kib <= PASSWORD_MEMORY_KIB_MAX
            && self.passes >= 1
            && self.passes <= PASSWORD_PASSES_MAX
            && self.lanes >= 1
            && self.lanes <= PASSWORD_LANES_MAX
            && self.memory_kib >= 8 * self.lanes
    }
}

impl Default for PasswordCost {
    fn default() -> Self {
        Self { memory_kib: PASSWORD_MEMORY_KIB, passes: PASSWORD_PASSES, lanes: PASSWORD_LANES }
    }
}

/// Why a text is no password. None of them holds a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Nothing was given.
    #[error("the password is empty")]
    Empty,
    /// More bytes than the limit.
    #[error("the password has {0} bytes, more than {PASSWORD_BYTES_MAX}")]
    TooLong(usize),
    /// A line break, tab or other control character.
    #[error("the password holds a control character")]
    ControlCharacter,
    /// The cost is out of bounds.
    #[error("stretching the password would take too much memory or time")]
    Cost,
}

/// `OpaqueString` of RFC 8265: the same password typed on another keyboard is the same bytes.
fn prepare(password: &str) -> Result<Zeroizing<String>, PasswordError> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::TooLong(password.len()));
    }
    if password.chars().any(char::is_control) {
        return Err(PasswordError::ControlCharacter);
    }
    let is_space = |c: char| c.is_whitespace() && !matches!(c, '\u{2028}' | '\u{2029}');
    let prepared: String = password.chars().map(|c| if is_space(c) { ' ' } else { c }).nfc().collect();
    if prepared.is_empty() { Err(PasswordError::Empty) } else { Ok(Zeroizing::new(prepared)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_password_typed_differently_is_the_same() {
        let composed = stretch("pass\u{e9} mot").unwrap();
        let decomposed = stretch("passe\u{301}\u{a0}mot").unwrap();
        assert_eq!(composed.key(), decomposed.key());
        assert_ne!(composed.key(), stretch("Pass\u{e9} mot").unwrap().key());
    }

    #[test]
    fn salt_and_cost_change_the_key() {
        let key = |salt, passes| {
            let cost = PasswordCost { passes, ..CHEAP };
            StretchedPassword::stretch("a", [salt; 16], cost).unwrap().key().clone()
        };
        assert_ne!(key(1, 1), key(2, 1));
        assert_ne!(key(1, 1), key(1, 2));
    }

    #[test]
    fn what_is_no_password_says_why() {
        assert_eq!(stretch("").unwrap_err(), PasswordError::Empty);
        assert_eq!(stretch("a\n").unwrap_err(), PasswordError::ControlCharacter);
        assert_eq!(stretch(&"x".repeat(1025)).unwrap_err(), PasswordError::TooLong(1025));
    }

    #[test]
    fn an_excessive_cost_is_refused_before_any_memory_is_taken() {
        let default = PasswordCost::default();
        assert!(default.is_bearable());
        for cost in [
            PasswordCost { memory_kib: 4 << 20, ..default },
            PasswordCost { memory_kib: 64 * 1024 + 1, ..default },
            PasswordCost { passes: 1000, ..default },
            PasswordCost { passes: 0, ..default },
            PasswordCost { lanes: 0, ..default },
            PasswordCost { lanes: u32::MAX, ..default },
            PasswordCost { memory_kib: 7, ..default },
        ] {
            assert_eq!(StretchedPassword::stretch("a", [0; 16], cost).unwrap_err(), PasswordError::Cost, "{cost:?}");
        }
    }

    const CHEAP: PasswordCost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1 };

    fn stretch(password: &str) -> Result<StretchedPassword, PasswordError> {
        StretchedPassword::stretch(password, [7; 16], CHEAP)
    }
}
