//! What two sides say to each other through a server's WebSocket when nothing else gets through: each message sealed with
//! keys of their pairing, so that the server carries bytes and knows no more.
//!
//! ChaCha20-Poly1305 with a key for each direction; the nonce is the number of the message, which is not on the wire. A
//! message that is lost, repeated, swapped or changed does not open, and the tunnel ends.

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use serde::{Deserialize, Serialize};

use crate::keys::SessionKeys;
use crate::limits::TUNNEL_BYTES_MAX;
use crate::role::Role;
use crate::seal::NotSealed;

/// What a side says first, in a text: the credential that the server granted it.
#[derive(Clone, Serialize, Deserialize)]
pub struct TunnelRequest {
    /// The user name.
    pub username: String,
    /// The password.
    pub credential: String,
}

/// What the server says, in a text, when both sides are there.
pub const READY: &str = "ready";

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// A control frame.
    Ctl = 0,
    /// A data frame.
    Data = 1,
    /// Asks for an echo: measures the way.
    Ping = 2,
    /// The echo.
    Pong = 3,
    /// The guest takes the tunnel, and no other path any more.
    Begin = 4,
}

/// Seals the messages of one side.
pub struct TunnelSealer(Direction);

/// Opens the messages of the other.
pub struct TunnelOpener(Direction);

/// Both ends of this side. One tunnel for each pairing: a second one would use the same nonces again.
#[must_use]
pub fn ends(keys: &SessionKeys) -> (TunnelSealer, TunnelOpener) {
    (TunnelSealer(Direction::new(keys, keys.role())), TunnelOpener(Direction::new(keys, keys.role().peer())))
}

impl TunnelSealer {
    /// Seals the next message, which is given in parts.
    #[must_use]
    pub fn seal(&mut self, lane: Lane, parts: &[&[u8]]) -> Vec<u8> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut message = Vec::with_capacity(1 + length + TAG_BYTES);
        message.push(lane as u8);
        parts.iter().for_each(|part| message.extend_from_slice(part));
        let (cipher, nonce) = self.0.next();
        cipher.encrypt_in_place(&nonce.into(), AAD, &mut message).expect("a message is within the reach of ChaCha20");
        message
    }
}

impl TunnelOpener {
    /// Opens the next message.
    ///
    /// # Errors
    /// When it is not exactly the next message of the other side; nothing after it can be trusted then.
    pub fn open(&mut self, mut message: Vec<u8>) -> Result<(Lane, Vec<u8>), NotSealed> {
        if message.len() > TUNNEL_BYTES_MAX {
            return Err(NotSealed);
        }
        let (cipher, nonce) = self.0.next();
        cipher.decrypt_in_place(&nonce.into(), AAD, &mut message).map_err(|_| NotSealed)?;
        let lane = match message.first() {
            Some(0) => Lane::Ctl,
            Some(1) => Lane::Data,
            Some(2) => Lane::Ping,
            Some(3) => Lane::Pong,
            Some(4) => Lane::Begin,
            Some(_) | None => return Err(NotSealed),
        };
        Ok((lane, message.split_off(1)))
    }
}

struct Direction {
    cipher: ChaCha20Poly1305,
    number: u64,
}

impl Direction {
    fn new(keys: &SessionKeys, role: Role) -> Self {
        Self { cipher: ChaCha20Poly1305::new(keys.tunnel_key(role).into()), number: 0 }
    }

    /// The cipher and the nonce of the next message. No number is used twice.
    fn next(&mut self) -> (&ChaCha20Poly1305, [u8; 12]) {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.number.to_be_bytes());
        self.number += 1;
        (&self.cipher, nonce)
    }
}

const AAD: &[u8] = b"p2pshare/1 tunnel";

const TAG_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::test_keys;

    fn ends_of(role: Role) -> (TunnelSealer, TunnelOpener) {
        ends(&test_keys(role))
    }

    #[test]
    fn each_side_opens_what_the_other_seals_and_nothing_of_its_own() {
        let ((mut host, mut at_host), (mut guest, mut at_guest)) = (ends_of(Role::Host), ends_of(Role::Guest));
        let first = host.seal(Lane::Data, &[b"head", b"body"]);
        assert!(!first.windows(4).any(|w| w == b"body"));
        assert_eq!(at_guest.open(first.clone()), Ok((Lane::Data, b"headbody".to_vec())));
        assert_eq!(at_host.open(guest.seal(Lane::Ctl, &[])), Ok((Lane::Ctl, Vec::new())));
        assert_eq!(at_host.open(first), Err(NotSealed), "reflected");
    }

    #[test]
    fn a_message_that_is_repeated_swapped_or_changed_does_not_open() {
        let sealed = || {
            let mut host = ends_of(Role::Host).0;
            [host.seal(Lane::Ctl, &[b"one"]), host.seal(Lane::Ctl, &[b"two"])]
        };
        let [one, two] = sealed();
        assert_eq!(ends_of(Role::Guest).1.open(two), Err(NotSealed));
        let mut opener = ends_of(Role::Guest).1;
        opener.open(one.clone()).unwrap();
        assert_eq!(opener.open(one.clone()), Err(NotSealed));
        for at in 0..one.len() {
            let mut changed = one.clone();
            changed[at] ^= 1;
            assert_eq!(ends_of(Role::Guest).1.open(changed), Err(NotSealed), "byte {at}");
        }
        for short in [Vec::new(), vec![0; 15], vec![0; TUNNEL_BYTES_MAX + 1]] {
            assert_eq!(ends_of(Role::Guest).1.open(short), Err(NotSealed));
        }
    }
}
