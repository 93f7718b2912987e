//! CPACE-RISTR255-SHA512, initiator-responder, after draft-irtf-cfrg-cpace-21.
//!
//! The host is the initiator. Whoever watches learns nothing that a guessed code could be tested with, and
//! whoever takes part tests one guess per exchange.

use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::traits::IsIdentity;
use curve25519_dalek::{RistrettoPoint, Scalar};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::lv::lv_cat;
use crate::role::Role;

/// One side of an exchange, before the other side's element is there.
pub struct Exchange {
    role: Role,
    sid: [u8; 16],
    scalar: Zeroizing<Scalar>,
    element: [u8; 32],
}

impl Exchange {
    /// Starts an exchange over the secret `prs` in the context `ci` and session `sid`.
    ///
    /// `scalar` is 64 uniform random bytes, reduced modulo the group's order; never use them twice.
    #[must_use]
    pub fn new(role: Role, prs: &[u8], ci: &[u8], sid: &[u8; 16], scalar: &[u8; 64]) -> Self {
        let scalar = Zeroizing::new(Scalar::from_bytes_mod_order_wide(scalar));
        let generator = Zeroizing::new(generator(prs, ci, sid));
        let element = (*generator * *scalar).compress().to_bytes();
        Self { role, sid: *sid, scalar, element }
    }

    /// The public element that goes to the other side.
    #[must_use]
    pub const fn element(&self) -> &[u8; 32] {
        &self.element
    }

    /// Finishes the exchange. `own_ad` and `peer_ad` are what each side said beside its element.
    ///
    /// Both sides have the same result exactly if secret, context, session, elements and associated data agree.
    ///
    /// # Errors
    /// When the peer's element is not canonical or leads to the identity: an attack, and no wrong guess.
    pub fn finish(self, own_ad: &[u8], peer: &[u8; 32], peer_ad: &[u8]) -> Result<Isk, InvalidElement> {
        let shared = shared_element(&self.scalar, peer)?;
        let (own, peer) = (lv_cat(&[&self.element, own_ad]), lv_cat(&[peer, peer_ad]));
        let (host, guest) = match self.role {
            Role::Host => (own, peer),
            Role::Guest => (peer, own),
        };
        let prefix = Zeroizing::new(lv_cat(&[DSI_ISK, &self.sid, &*shared]));
        let isk = Sha512::new().chain_update(&*prefix).chain_update(host).chain_update(guest).finalize();
        Ok(Isk(Zeroizing::new(isk.into())))
    }
}

/// The intermediate session key: input of the key schedule and of nothing else.
pub struct Isk(Zeroizing<[u8; 64]>);

impl Isk {
    /// The 64 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

/// An element that no honest peer sends: not canonical, or the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key exchange element is invalid")]
pub struct InvalidElement;

fn generator(prs: &[u8], ci: &[u8], sid: &[u8; 16]) -> RistrettoPoint {
    // The padding fills the first hash block, so that the secret is hashed alone (draft, section 7.1).
    let padding = SHA512_BLOCK_BYTES.saturating_sub(1 + lv_cat(&[prs]).len() + lv_cat(&[DSI]).len());
    let string = Zeroizing::new(lv_cat(&[DSI, prs, &vec![0; padding], ci, sid]));
    let hash: Zeroizing<[u8; 64]> = Zeroizing::new(Sha512::digest(&*string).into());
    RistrettoPoint::from_uniform_bytes(&hash)
}

/// `scalar_mult_vfy` of the draft.
fn shared_element(scalar: &Scalar, peer: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, InvalidElement> {
    let peer = CompressedRistretto(*peer).decompress().ok_or(InvalidElement)?;
    let shared = Zeroizing::new(peer * scalar);
    if shared.is_identity() { Err(InvalidElement) } else { Ok(Zeroizing::new(shared.compress().to_bytes())) }
}

const DSI: &[u8] = b"CPaceRistretto255";
const DSI_ISK: &[u8] = b"CPaceRistretto255_ISK";
const SHA512_BLOCK_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER_PERMISSIVE as HEX;

    use super::*;

    #[test]
    fn the_drafts_vectors_hold() {
        let v = vectors();
        let sid = hex::<16>(&v["sid"]);
        let (prs, ci) = (bytes(&v["prs"]), bytes(&v["ci"]));
        assert_eq!(generator(&prs, &ci, &sid).compress().to_bytes(), hex::<32>(&v["g"]));
        let a = Exchange::new(Role::Host, &prs, &ci, &sid, &wide(&v["ya"]));
        let b = Exchange::new(Role::Guest, &prs, &ci, &sid, &wide(&v["yb"]));
        let (ya, yb) = (*a.element(), *b.element());
        assert_eq!((ya, yb), (hex(&v["Ya"]), hex(&v["Yb"])));
        assert_eq!(*shared_element(&a.scalar, &yb).unwrap(), hex::<32>(&v["K"]));
        let (ad_a, ad_b) = (bytes(&v["ADa"]), bytes(&v["ADb"]));
        assert_eq!(*a.finish(&ad_a, &yb, &ad_b).unwrap().0, hex::<64>(&v["ISK_IR"]));
        assert_eq!(*b.finish(&ad_b, &ya, &ad_a).unwrap().0, hex::<64>(&v["ISK_IR"]));
    }

    #[test]
    fn the_drafts_invalid_elements_are_refused() {
        let v = vectors();
        let scalar = Scalar::from_bytes_mod_order(hex(&v["valid"]["s"]));
        let valid = shared_element(&scalar, &hex(&v["valid"]["X"])).unwrap();
        assert_eq!(*valid, hex::<32>(&v["valid"]["scalar_mult_vfy"]));
        for invalid in v["invalid"].as_array().unwrap() {
            assert!(shared_element(&scalar, &hex(invalid)).is_err(), "{invalid} was accepted");
        }
    }

    fn vectors() -> serde_json::Value {
        serde_json::from_str(include_str!("../vectors/cpace-draft.json")).unwrap()
    }

    fn bytes(value: &serde_json::Value) -> Vec<u8> {
        HEX.decode(value.as_str().unwrap().as_bytes()).unwrap()
    }

    fn hex<const N: usize>(value: &serde_json::Value) -> [u8; N] {
        bytes(value).try_into().unwrap()
    }

    fn wide(value: &serde_json::Value) -> [u8; 64] {
        let mut wide = [0; 64];
        wide[..32].copy_from_slice(&bytes(value));
        wide
    }
}
