//! Time-limited credentials after the REST scheme that coturn uses too: the user name says until when, and its MAC under
//! a secret of the operator is the password. Nobody has to remember them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use p2pshare_protocol::stun::long_term_key;
use sha1::Sha1;

/// What credentials for a relay are made with.
#[derive(Clone)]
pub struct RelaySecret(Vec<u8>);

impl std::fmt::Debug for RelaySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RelaySecret(..)")
    }
}

/// What a client shows to the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) username: String,
    pub(crate) password: String,
}

impl RelaySecret {
    /// Takes the bytes that the relay has as well.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(secret.to_vec())
    }

    /// A credential for one side of a session.
    pub(crate) fn issue(&self, session: &str, now: SystemTime) -> Credential {
        let username = format!("{}:{session}", seconds(now + CREDENTIAL_LIFETIME));
        let password = self.password(&username);
        Credential { username, password }
    }

    /// The key with which the holder of a user name's credential vouches for its requests.
    pub(crate) fn key(&self, username: &str, realm: &str) -> [u8; 16] {
        long_term_key(username, realm, &self.password(username))
    }

    /// Whether a password belongs to a user name. Compared in constant time.
    pub(crate) fn is_password(&self, username: &str, password: &str) -> bool {
        BASE64.decode(password.as_bytes()).is_ok_and(|tag| self.mac(username).verify_slice(&tag).is_ok())
    }

    fn password(&self, username: &str) -> String {
        BASE64.encode(&self.mac(username).finalize().into_bytes())
    }

    fn mac(&self, username: &str) -> Hmac<Sha1> {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(username.as_bytes());
        mac
    }
}

/// Whether a user name's time is over; a name without a time is none of ours.
pub(crate) fn is_expired(username: &str, now: SystemTime) -> bool {
    let until = username.split_once(':').and_then(|(until, _)| until.parse::<u64>().ok());
    until.is_none_or(|until| until < seconds(now))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// How long a credential can be used to begin with. What it began lives on within the relay's own limits.
pub(crate) const CREDENTIAL_LIFETIME: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_what_coturn_would_expect() {
        // echo -n 1700000600:abc | openssl dgst -sha1 -hmac north -binary | base64
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let credential = RelaySecret::new(b"north").issue("abc", now);
        assert_eq!(credential.username, "1700000600:abc");
        assert_eq!(credential.password, "cn17rOcIFYzHsN4D2xqDw8sMqrc=");
    }

    #[test]
    fn a_credential_lasts_ten_minutes() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let username = RelaySecret::new(b"north").issue("abc", now).username;
        assert!(!is_expired(&username, now + Duration::from_secs(600)));
        assert!(is_expired(&username, now + Duration::from_secs(601)));
        for other in ["", "abc", "abc:1700000600", "-1:abc", "17000006001700000600170000:abc"] {
            assert!(is_expired(other, now), "{other}");
        }
    }
}
