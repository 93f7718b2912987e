//! `HostIdentity`: the key by which the guests of a link know their host.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// An Ed25519 key that lives as long as its share. Its hash is part of the link, so that one guest of a link
/// cannot play host to another.
#[derive(Clone)]
pub struct HostIdentity(Zeroizing<[u8; 32]>);

impl HostIdentity {
    /// Makes a key.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self(seed)
    }

    /// The first 16 bytes of SHA-256 of the public key: what a link carries.
    #[must_use]
    pub fn public_key_hash(&self) -> [u8; 16] {
        hash(self.key().verifying_key().as_bytes())
    }

    /// Proves to a guest that this host holds the key of the link, for one handshake only.
    #[must_use]
    pub fn prove(&self, th: &[u8; 64], host_nonce: &[u8; 16]) -> HostAuth {
        let key = self.key();
        HostAuth { public_key: key.verifying_key().to_bytes(), signature: key.sign(&signed(th, host_nonce)).to_bytes() }
    }

    fn key(&self) -> SigningKey {
        SigningKey::from_bytes(&self.0)
    }
}

impl fmt::Debug for HostIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostIdentity(secret)")
    }
}

/// A host's public key with its signature over one handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAuth {
    /// The Ed25519 public key.
    pub public_key: [u8; 32],
    /// The signature over the transcript hash and the host's nonce.
    pub signature: [u8; 64],
}

impl HostAuth {
    /// Tells whether the key is the one of the link and signed this very handshake.
    #[must_use]
    pub fn is_valid(&self, key_hash: &[u8; 16], th: &[u8; 64], host_nonce: &[u8; 16]) -> bool {
        hash(&self.public_key) == *key_hash
            && VerifyingKey::from_bytes(&self.public_key).is_ok_and(|key| {
                key.verify_strict(&signed(th, host_nonce), &Signature::from_bytes(&self.signature)).is_ok()
            })
    }
}

fn hash(public_key: &[u8; 32]) -> [u8; 16] {
    let mut hash = [0; 16];
    hash.copy_from_slice(&Sha256::digest(public_key)[..16]);
    hash
}

fn signed(th: &[u8; 64], host_nonce: &[u8; 16]) -> Vec<u8> {
    [b"p2pshare/1 host-auth".as_slice(), th, host_nonce].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scripted_rng::ScriptedRng;

    #[test]
    fn only_the_links_key_over_this_handshake_is_valid() {
        let (host, other) = (identity(1), identity(2));
        let (key_hash, th, nonce) = (host.public_key_hash(), [3; 64], [4; 16]);
        let auth = host.prove(&th, &nonce);
        assert!(auth.is_valid(&key_hash, &th, &nonce));
        assert!(!auth.is_valid(&key_hash, &[9; 64], &nonce), "another handshake");
        assert!(!auth.is_valid(&key_hash, &th, &[9; 16]), "another nonce");
        assert!(!other.prove(&th, &nonce).is_valid(&key_hash, &th, &nonce), "another key");
        let mixed = HostAuth { public_key: auth.public_key, signature: other.prove(&th, &nonce).signature };
        assert!(!mixed.is_valid(&key_hash, &th, &nonce), "the right key without its signature");
    }

    fn identity(seed: u8) -> HostIdentity {
        HostIdentity::generate(&mut ScriptedRng::new(&[seed; 32]))
    }
}
