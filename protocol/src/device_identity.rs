//! `DeviceIdentity`: the key by which a device is known again to those that remember it.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::base64url;
use crate::role::Role;

/// An Ed25519 key that a device made for itself.
#[derive(Clone)]
pub struct DeviceIdentity(Zeroizing<[u8; 32]>);

/// Its public half, by which others know the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceKey(#[serde(with = "base64url")] pub [u8; 32]);

/// A device's key with its signature over one handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceProof {
    /// The key.
    pub key: DeviceKey,
    /// The signature over the transcript hash and the side.
    #[serde(with = "base64url")]
    pub sig: [u8; 64],
}

impl DeviceIdentity {
    /// Makes a key.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self(seed)
    }

    /// The key that was made from these bytes.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(seed))
    }

    /// The bytes to keep.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        &self.0
    }

    /// Proves to the other side of one handshake that this device holds the key.
    #[must_use]
    pub fn prove(&self, role: Role, th: &[u8; 64]) -> DeviceProof {
        let key = SigningKey::from_bytes(&self.0);
        let sig = key.sign(&signed(role, th)).to_bytes();
        DeviceProof { key: DeviceKey(key.verifying_key().to_bytes()), sig }
    }
}

impl fmt::Debug for DeviceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceIdentity(secret)")
    }
}

impl DeviceProof {
    /// Tells whether the holder of the key signed this very handshake, on this side of it.
    #[must_use]
    pub fn is_valid(&self, role: Role, th: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.key.0)
            .is_ok_and(|key| key.verify_strict(&signed(role, th), &Signature::from_bytes(&self.sig)).is_ok())
    }
}

fn signed(role: Role, th: &[u8; 64]) -> Vec<u8> {
    let side: &[u8] = match role {
        Role::Host => b"p2pshare/1 device host",
        Role::Guest => b"p2pshare/1 device guest",
    };
    [side, th].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_key_over_this_handshake_on_this_side_is_valid() {
        let (ann, bob) = (DeviceIdentity::from_seed([1; 32]), DeviceIdentity::from_seed([2; 32]));
        let proof = ann.prove(Role::Guest, &[3; 64]);
        assert!(proof.is_valid(Role::Guest, &[3; 64]));
        assert!(!proof.is_valid(Role::Host, &[3; 64]), "thrown back at who said it");
        assert!(!proof.is_valid(Role::Guest, &[4; 64]), "passed on into another handshake");
        let mixed = DeviceProof { key: bob.prove(Role::Guest, &[3; 64]).key, sig: proof.sig };
        assert!(!mixed.is_valid(Role::Guest, &[3; 64]), "another device's key");
    }
}
