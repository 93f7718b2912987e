//! What each side says beside its element, in the clear: versions, and the guest's commitment to its nonce.
//!
//! It is part of the transcript, so altering it makes every proof wrong.

use sha2::{Digest, Sha256};

use super::error::{PairingError, Violation};
use crate::lv::{lv_cat, lv_split};

/// `ADa`: the lowest and the highest version that the host speaks, and flags, none of which has a meaning.
pub(super) fn of_host() -> Vec<u8> {
    lv_cat(&[VERSION, VERSION, &[0]])
}

/// Checks that the host speaks this version.
pub(super) fn check_host(ad: &[u8]) -> Result<(), PairingError> {
    let parts = lv_split(ad).ok_or(Violation::Malformed)?;
    let [lowest, highest, ..] = parts[..] else { return Err(Violation::Malformed.into()) };
    let versions = number(lowest).zip(number(highest)).ok_or(Violation::Malformed)?;
    if !(versions.0..=versions.1).contains(&VERSION_NUMBER) {
        return Err(PairingError::Version);
    }
    if parts.len() == 3 && parts[2].len() == 1 { Ok(()) } else { Err(Violation::Malformed.into()) }
}

/// `ADb`: the version that the guest chose and its commitment.
pub(super) fn of_guest(commitment: &Commitment) -> Vec<u8> {
    lv_cat(&[VERSION, &commitment.0])
}

/// Parses what a guest said.
pub(super) fn parse_guest(ad: &[u8]) -> Result<Commitment, PairingError> {
    let parts = lv_split(ad).ok_or(Violation::Malformed)?;
    let [version, ref rest @ ..] = parts[..] else { return Err(Violation::Malformed.into()) };
    if number(version).ok_or(Violation::Malformed)? != VERSION_NUMBER {
        return Err(PairingError::Version);
    }
    let [commitment] = rest else { return Err(Violation::Malformed.into()) };
    Ok(Commitment((*commitment).try_into().map_err(|_| Violation::Malformed)?))
}

/// A hash that binds the guest to its nonce before it knows the host's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Commitment([u8; 32]);

impl Commitment {
    pub(super) fn to(nonce: &[u8; 16]) -> Self {
        Self(Sha256::new().chain_update(b"p2pshare/1 sas-commit").chain_update(nonce).finalize().into())
    }
}

fn number(text: &[u8]) -> Option<u32> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    if is_number { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

const VERSION: &[u8] = b"1";
const VERSION_NUMBER: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_any_range_around_this_version_is_taken() {
        assert_eq!(check_host(&of_host()), Ok(()));
        assert_eq!(check_host(&lv_cat(&[b"1", b"7", &[9]])), Ok(()));
        assert_eq!(check_host(&lv_cat(&[b"2", b"3", &[0], b"more"])), Err(PairingError::Version));
        for bad in [&[][..], &lv_cat(&[b"1"]), &lv_cat(&[b"1", b"1"]), &lv_cat(&[b"1", b"x", &[0]]), &[0x80]] {
            assert_eq!(check_host(bad), Err(Violation::Malformed.into()), "{bad:?}");
        }
    }

    #[test]
    fn a_guest_commits_to_exactly_one_nonce() {
        let commitment = Commitment::to(&[1; 16]);
        assert!(parse_guest(&of_guest(&commitment)).unwrap() == commitment);
        assert!(commitment != Commitment::to(&[2; 16]));
        assert!(parse_guest(&lv_cat(&[b"2", &[0; 32]])) == Err(PairingError::Version));
        for bad in [&[][..], &lv_cat(&[b"1"]), &lv_cat(&[b"1", &[0; 31]]), &lv_cat(&[b"1", &[0; 32], b""])] {
            assert!(parse_guest(bad) == Err(Violation::Malformed.into()), "{bad:?}");
        }
    }
}
