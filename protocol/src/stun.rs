//! STUN messages (RFC 8489): reading what comes from anywhere, and writing answers.
//!
//! Reading never allocates, and looks at nothing behind the message's own integrity attribute, which nobody vouches for.
//! The server answers and relays with these, and `doctor` asks with them; WebRTC has its own.

use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;

/// A message, whole and well-formed.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    /// Where the integrity attribute begins, if there is one.
    integrity_at: Option<usize>,
}

/// Names a request, so that its answer is known.
pub type Transaction = [u8; 12];

impl<'a> Message<'a> {
    /// Reads a datagram; `None` if it is no STUN message, or a malformed one.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.get(..HEADER_BYTES)?;
        let length = usize::from(u16_at(header, 2)?);
        let is_stun = header[0] & 0xc0 == 0 && header[4..8] == COOKIE && length % 4 == 0;
        if !is_stun || length + HEADER_BYTES != bytes.len() {
            return None;
        }
        let mut message = Self { bytes, integrity_at: None };
        let mut at = HEADER_BYTES;
        while at < bytes.len() {
            let kind = u16_at(bytes, at)?;
            let end = at + 4 + usize::from(u16_at(bytes, at + 2)?);
            bytes.get(at + 4..end)?;
            if kind == attribute::MESSAGE_INTEGRITY {
                if end - at != INTEGRITY_BYTES {
                    return None;
                }
                message.integrity_at.get_or_insert(at);
            }
            at = end.next_multiple_of(4);
        }
        Some(message)
    }

    /// Its method and class.
    #[must_use]
    pub fn kind(&self) -> u16 {
        u16::from_be_bytes([self.bytes[0], self.bytes[1]])
    }

    /// Its transaction.
    #[must_use]
    pub fn transaction(&self) -> Transaction {
        let mut transaction = [0; 12];
        transaction.copy_from_slice(&self.bytes[8..HEADER_BYTES]);
        transaction
    }

    /// The attributes that count.
    pub fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let bytes = &self.bytes[..self.integrity_at.unwrap_or(self.bytes.len())];
        let mut at = HEADER_BYTES;
        std::iter::from_fn(move || {
            let kind = u16_at(bytes, at)?;
            let end = at + 4 + usize::from(u16_at(bytes, at + 2)?);
            let value = bytes.get(at + 4..end)?;
            at = end.next_multiple_of(4);
            Some((kind, value))
        })
    }

    /// The first attribute of a kind.
    #[must_use]
    pub fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes().find(|(k, _)| *k == kind).map(|(_, value)| value)
    }

    /// An attribute that is a text.
    #[must_use]
    pub fn text(&self, kind: u16) -> Option<&'a str> {
        std::str::from_utf8(self.attribute(kind)?).ok()
    }

    /// An attribute that is a number of four bytes.
    #[must_use]
    pub fn number(&self, kind: u16) -> Option<u32> {
        self.attribute(kind)?.try_into().map(u32::from_be_bytes).ok()
    }

    /// Whether the message says that it is vouched for.
    #[must_use]
    pub const fn has_integrity(&self) -> bool {
        self.integrity_at.is_some()
    }

    /// Whether the holder of `key` vouches for the message. Compared in constant time.
    #[must_use]
    pub fn is_vouched_for(&self, key: &[u8]) -> bool {
        let Some(at) = self.integrity_at else { return false };
        let mac = integrity(&self.bytes[..at], key);
        mac.verify_slice(&self.bytes[at + 4..at + INTEGRITY_BYTES]).is_ok()
    }

    /// An attribute of this kind that is an XOR-mapped address.
    pub fn addresses(&self, kind: u16) -> impl Iterator<Item = Option<SocketAddr>> + use<'a> {
        let transaction = self.transaction();
        self.attributes().filter(move |(k, _)| *k == kind).map(move |(_, value)| unmask(value, transaction))
    }
}

/// A message under construction.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    transaction: Transaction,
}

impl Writer {
    /// Begins a message of a method and class.
    #[must_use]
    pub fn new(kind: u16, transaction: Transaction) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&COOKIE);
        bytes.extend_from_slice(&transaction);
        Self { bytes, transaction }
    }

    /// Adds an attribute.
    ///
    /// # Panics
    /// The value is longer than any datagram.
    #[must_use]
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len()).expect("what we write fits a datagram");
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// An address, masked as its attribute wants it.
    #[must_use]
    pub fn address(self, kind: u16, address: SocketAddr) -> Self {
        let value = mask(address, self.transaction);
        self.attribute(kind, &value)
    }

    /// Why a request is refused.
    #[must_use]
    pub fn error(self, code: u16, reason: &str) -> Self {
        let [class, number] = [code / 100, code % 100].map(|part| u8::try_from(part).unwrap_or(0));
        self.attribute(attribute::ERROR_CODE, &[&[0, 0, class, number], reason.as_bytes()].concat())
    }

    /// Ends the message; `key` vouches for it.
    #[must_use]
    pub fn finish(mut self, key: Option<&[u8]>) -> Vec<u8> {
        if let Some(key) = key {
            let mac = integrity(&self.bytes, key).finalize().into_bytes();
            self = self.attribute(attribute::MESSAGE_INTEGRITY, &mac);
        }
        self.set_length(self.bytes.len() + 8);
        let fingerprint = crc32(&self.bytes) ^ FINGERPRINT_MASK;
        self.attribute(attribute::FINGERPRINT, &fingerprint.to_be_bytes()).bytes
    }

    fn set_length(&mut self, total: usize) {
        let length = u16::try_from(total - HEADER_BYTES).expect("what we write fits a datagram");
        self.bytes[2..4].copy_from_slice(&length.to_be_bytes());
    }
}

/// Asks "which address do you see?".
#[must_use]
pub fn ask(transaction: Transaction, from_other_port: bool) -> Vec<u8> {
    let request = Writer::new(kind::BINDING, transaction);
    let change = [0, 0, 0, CHANGE_PORT];
    let request = if from_other_port { request.attribute(attribute::CHANGE_REQUEST, &change) } else { request };
    request.finish(None)
}

/// An answer to that question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reflection {
    /// The answer.
    pub answer: Vec<u8>,
    /// Whether it is to leave from the server's other port: then it is heard only where a network lets in strangers (RFC
    /// 5780, section 4.4).
    pub from_other_port: bool,
}

/// Answers the question, at a server that has another port or none.
#[must_use]
pub fn reflect(request: &Message<'_>, from: SocketAddr, has_other_port: bool) -> Option<Reflection> {
    if request.kind() != kind::BINDING || request.has_integrity() {
        return None;
    }
    let from_other_port = match request.number(attribute::CHANGE_REQUEST) {
        None | Some(0) => false,
        Some(change) if change == u32::from(CHANGE_PORT) && has_other_port => true,
        // Another address of ours, or a port that is not there. Silence would be taken for a firewall.
        Some(_) => {
            let refusal = Writer::new(kind::BINDING | kind::ERROR, request.transaction());
            let refusal = refusal.error(UNKNOWN_ATTRIBUTE, "Unknown Attribute");
            let unknown = attribute::CHANGE_REQUEST.to_be_bytes();
            let answer = refusal.attribute(attribute::UNKNOWN_ATTRIBUTES, &unknown).finish(None);
            return Some(Reflection { answer, from_other_port: false });
        }
    };
    let answer = Writer::new(kind::BINDING | kind::SUCCESS, request.transaction());
    let answer = answer.address(attribute::XOR_MAPPED_ADDRESS, canonical(from)).finish(None);
    Some(Reflection { answer, from_other_port })
}

/// The key of a long-term credential (RFC 8489, section 9.2.2).
#[must_use]
pub fn long_term_key(username: &str, realm: &str, password: &str) -> [u8; 16] {
    Md5::digest(format!("{username}:{realm}:{password}")).into()
}

/// An address that is mapped into IPv6, as the IPv4 one that it is.
#[must_use]
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn mask(address: SocketAddr, transaction: Transaction) -> Vec<u8> {
    let family = if address.is_ipv4() { 1 } else { 2 };
    let port = (address.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]])).to_be_bytes();
    let pad = COOKIE.into_iter().chain(transaction);
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    [0, family].into_iter().chain(port).chain(ip.into_iter().zip(pad).map(|(a, b)| a ^ b)).collect()
}

fn unmask(value: &[u8], transaction: Transaction) -> Option<SocketAddr> {
    let port = u16_at(value, 2)? ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]]);
    let pad = COOKIE.into_iter().chain(transaction);
    let ip: Vec<u8> = value[4..].iter().zip(pad).map(|(a, b)| a ^ b).collect();
    let ip: IpAddr = match (value.get(1)?, value.len()) {
        (1, 8) => <[u8; 4]>::try_from(ip).ok()?.into(),
        (2, 20) => <[u8; 16]>::try_from(ip).ok()?.into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The MAC over a message up to where its integrity attribute begins; the header counts that attribute in.
fn integrity(before: &[u8], key: &[u8]) -> Hmac<Sha1> {
    let length = u16::try_from(before.len() - HEADER_BYTES + INTEGRITY_BYTES).unwrap_or(u16::MAX);
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(&before[..2]);
    mac.update(&length.to_be_bytes());
    mac.update(&before[4..]);
    mac
}

/// The checksum of Ethernet and zip. Messages are short, so no table.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// Methods and classes.
pub mod kind {
    /// Which address do you see?
    pub const BINDING: u16 = 0x0001;
    /// Give me a relayed address.
    pub const ALLOCATE: u16 = 0x0003;
    /// Let me keep it, or take it back.
    pub const REFRESH: u16 = 0x0004;
    /// Pass this on to a peer.
    pub const SEND_INDICATION: u16 = 0x0016;
    /// A peer said this.
    pub const DATA_INDICATION: u16 = 0x0017;
    /// Let a peer speak to me.
    pub const CREATE_PERMISSION: u16 = 0x0008;
    /// Call a peer by a number.
    pub const CHANNEL_BIND: u16 = 0x0009;
    /// Set in the answer to a request that was granted.
    pub const SUCCESS: u16 = 0x0100;
    /// Set in the answer to a request that was refused.
    pub const ERROR: u16 = 0x0110;
}

/// Kinds of attribute.
pub mod attribute {
    /// From where an answer shall come (RFC 5780).
    pub const CHANGE_REQUEST: u16 = 0x0003;
    /// Who asks.
    pub const USERNAME: u16 = 0x0006;
    /// The proof that it is so.
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    /// Why a request is refused.
    pub const ERROR_CODE: u16 = 0x0009;
    /// Which attributes were not understood.
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    /// The number of a channel.
    pub const CHANNEL_NUMBER: u16 = 0x000c;
    /// How long something lasts, in seconds.
    pub const LIFETIME: u16 = 0x000d;
    /// The address of a peer.
    pub const XOR_PEER_ADDRESS: u16 = 0x0012;
    /// What is passed on.
    pub const DATA: u16 = 0x0013;
    /// Where a credential is good.
    pub const REALM: u16 = 0x0014;
    /// What a proof is made for.
    pub const NONCE: u16 = 0x0015;
    /// The relayed address.
    pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    /// Whether it shall be of IPv4 or IPv6.
    pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    /// What shall be relayed: UDP.
    pub const REQUESTED_TRANSPORT: u16 = 0x0019;
    /// Whether datagrams may be taken apart.
    pub const DONT_FRAGMENT: u16 = 0x001a;
    /// The address that is seen.
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    /// A checksum.
    pub const FINGERPRINT: u16 = 0x8028;
}

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// "Answer from another port", in a change request.
const CHANGE_PORT: u8 = 2;

/// An attribute is not understood.
const UNKNOWN_ATTRIBUTE: u16 = 420;

const FINGERPRINT_MASK: u32 = 0x5354_554e;

const HEADER_BYTES: usize = 20;

/// The integrity attribute with its header.
const INTEGRITY_BYTES: usize = 24;

#[cfg(test)]
mod tests;
