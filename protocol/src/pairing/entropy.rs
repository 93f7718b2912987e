//! All randomness of one handshake, drawn at its start.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::limits::PASSWORD_ATTEMPTS_MAX;

/// The random values of one side of one handshake.
pub struct Entropy {
    pub(super) sid: [u8; 16],
    pub(super) scalar: Zeroizing<[u8; 64]>,
    pub(super) nonce: [u8; 16],
    pub(super) password_scalars: Zeroizing<[[u8; 64]; PASSWORD_ATTEMPTS_MAX as usize]>,
}

impl Entropy {
    /// Draws session identifier (16 bytes, used by a host), scalar (64), nonce (16) and a scalar (64) for each
    /// attempt at a password, in this order.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut entropy = Self {
            sid: [0; 16],
            scalar: Zeroizing::new([0; 64]),
            nonce: [0; 16],
            password_scalars: Zeroizing::new([[0; 64]; PASSWORD_ATTEMPTS_MAX as usize]),
        };
        rng.fill_bytes(&mut entropy.sid);
        rng.fill_bytes(&mut *entropy.scalar);
        rng.fill_bytes(&mut entropy.nonce);
        for scalar in &mut *entropy.password_scalars {
            rng.fill_bytes(scalar);
        }
        entropy
    }
}
