//! STUN messages (RFC 8489): reading what comes from anywhere, and writing answers.
//!
//! Reading never allocates, and looks at nothing behind the message's own integrity attribute, which nobody vouches for.

use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// A message, whole and well-formed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    bytes: &'a [u8],
    /// Where the integrity attribute begins, if there is one.
    integrity_at: Option<usize>,
}

/// Names a request, so that its answer is known.
pub(crate) type Transaction = [u8; 12];

impl<'a> Message<'a> {
    /// Reads a datagram; `None` if it is no STUN message, or a malformed one.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
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
    pub(crate) fn kind(&self) -> u16 {
        u16::from_be_bytes([self.bytes[0], self.bytes[1]])
    }

    /// Its transaction.
    pub(crate) fn transaction(&self) -> Transaction {
        let mut transaction = [0; 12];
        transaction.copy_from_slice(&self.bytes[8..HEADER_BYTES]);
        transaction
    }

    /// The attributes that count.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
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
    pub(crate) fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes().find(|(k, _)| *k == kind).map(|(_, value)| value)
    }

    /// An attribute that is a text.
    pub(crate) fn text(&self, kind: u16) -> Option<&'a str> {
        std::str::from_utf8(self.attribute(kind)?).ok()
    }

    /// An attribute that is a number of four bytes.
    pub(crate) fn number(&self, kind: u16) -> Option<u32> {
        self.attribute(kind)?.try_into().map(u32::from_be_bytes).ok()
    }

    /// Whether the message says that it is vouched for.
    pub(crate) const fn has_integrity(&self) -> bool {
        self.integrity_at.is_some()
    }

    /// Whether the holder of `key` vouches for the message. Compared in constant time.
    pub(crate) fn is_vouched_for(&self, key: &[u8]) -> bool {
        let Some(at) = self.integrity_at else { return false };
        let mac = integrity(&self.bytes[..at], key);
        mac.verify_slice(&self.bytes[at + 4..at + INTEGRITY_BYTES]).is_ok()
    }

    /// An attribute of this kind that is an XOR-mapped address.
    pub(crate) fn addresses(&self, kind: u16) -> impl Iterator<Item = Option<SocketAddr>> + use<'a> {
        let transaction = self.transaction();
        self.attributes().filter(move |(k, _)| *k == kind).map(move |(_, value)| unmask(value, transaction))
    }
}

/// A message under construction.
#[derive(Debug)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    transaction: Transaction,
}

impl Writer {
    pub(crate) fn new(kind: u16, transaction: Transaction) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&COOKIE);
        bytes.extend_from_slice(&transaction);
        Self { bytes, transaction }
    }

    pub(crate) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len()).expect("what we write fits a datagram");
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// An address, masked as its attribute wants it.
    pub(crate) fn address(self, kind: u16, address: SocketAddr) -> Self {
        let value = mask(address, self.transaction);
        self.attribute(kind, &value)
    }

    /// Why a request is refused.
    pub(crate) fn error(self, code: u16, reason: &str) -> Self {
        let [class, number] = [code / 100, code % 100].map(|part| u8::try_from(part).unwrap_or(0));
        self.attribute(attribute::ERROR_CODE, &[&[0, 0, class, number], reason.as_bytes()].concat())
    }

    /// Ends the message; `key` vouches for it.
    pub(crate) fn finish(mut self, key: Option<&[u8]>) -> Vec<u8> {
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

/// Answers the question "which address do you see?".
pub(crate) fn reflect(request: &Message<'_>, from: SocketAddr) -> Option<Vec<u8>> {
    let is_asked = request.kind() == kind::BINDING && !request.has_integrity();
    is_asked.then(|| {
        let answer = Writer::new(kind::BINDING | kind::SUCCESS, request.transaction());
        answer.address(attribute::XOR_MAPPED_ADDRESS, canonical(from)).finish(None)
    })
}

/// An address that is mapped into IPv6, as the IPv4 one that it is.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
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
pub(crate) mod kind {
    pub(crate) const BINDING: u16 = 0x0001;
    pub(crate) const ALLOCATE: u16 = 0x0003;
    pub(crate) const REFRESH: u16 = 0x0004;
    pub(crate) const SEND_INDICATION: u16 = 0x0016;
    pub(crate) const DATA_INDICATION: u16 = 0x0017;
    pub(crate) const CREATE_PERMISSION: u16 = 0x0008;
    pub(crate) const CHANNEL_BIND: u16 = 0x0009;
    /// Set in the answer to a request that was granted.
    pub(crate) const SUCCESS: u16 = 0x0100;
    /// Set in the answer to a request that was refused.
    pub(crate) const ERROR: u16 = 0x0110;
}

/// Kinds of attribute.
pub(crate) mod attribute {
    pub(crate) const USERNAME: u16 = 0x0006;
    pub(crate) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(crate) const ERROR_CODE: u16 = 0x0009;
    pub(crate) const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    pub(crate) const CHANNEL_NUMBER: u16 = 0x000c;
    pub(crate) const LIFETIME: u16 = 0x000d;
    pub(crate) const XOR_PEER_ADDRESS: u16 = 0x0012;
    pub(crate) const DATA: u16 = 0x0013;
    pub(crate) const REALM: u16 = 0x0014;
    pub(crate) const NONCE: u16 = 0x0015;
    pub(crate) const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    pub(crate) const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    pub(crate) const REQUESTED_TRANSPORT: u16 = 0x0019;
    pub(crate) const DONT_FRAGMENT: u16 = 0x001a;
    pub(crate) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub(crate) const FINGERPRINT: u16 = 0x8028;
}

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

const FINGERPRINT_MASK: u32 = 0x5354_554e;

const HEADER_BYTES: usize = 20;

/// The integrity attribute with its header.
const INTEGRITY_BYTES: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769, section 2.1: a request with a short-term credential.
    const SAMPLE_REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn the_sample_of_rfc_5769_is_understood() {
        let request = bytes(SAMPLE_REQUEST);
        let message = Message::parse(&request).unwrap();
        assert_eq!(message.text(attribute::USERNAME), Some("evtj:h6vY"));
        assert!(message.is_vouched_for(b"VOkJxbRl1RmTxUk/WvJxBt"));
        assert!(!message.is_vouched_for(b"another password"));
        let checksum = crc32(&request[..request.len() - 8]) ^ FINGERPRINT_MASK;
        assert_eq!(checksum, 0xe57a_3bcf);
    }

    #[test]
    fn addresses_are_masked_as_rfc_5769_has_them() {
        let transaction: Transaction = bytes("b7e7a701bc34d686fa87dfae").try_into().unwrap();
        for (address, masked) in [
            ("192.0.2.1:32853", "0001a147e112a643"),
            ("[2001:db8:1234:5678:11:2233:4455:6677]:32853", "0002a1470113a9faa5d3f179bc25f4b5bed2b9d9"),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(mask(address, transaction), bytes(masked));
            assert_eq!(unmask(&bytes(masked), transaction), Some(address));
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let written = Writer::new(kind::ALLOCATE, [7; 12])
            .attribute(attribute::USERNAME, b"odd")
            .address(attribute::XOR_PEER_ADDRESS, "[::1]:9".parse().unwrap())
            .error(486, "Quota")
            .finish(Some(b"key"));
        let read = Message::parse(&written).unwrap();
        assert!(read.is_vouched_for(b"key"));
        assert_eq!((read.kind(), read.transaction()), (kind::ALLOCATE, [7; 12]));
        assert_eq!(read.text(attribute::USERNAME), Some("odd"));
        assert_eq!(read.addresses(attribute::XOR_PEER_ADDRESS).next(), Some("[::1]:9".parse().ok()));
        assert_eq!(read.attribute(attribute::ERROR_CODE), Some(b"\0\0\x04\x56Quota".as_slice()));
    }

    #[test]
    fn nothing_behind_the_integrity_counts() {
        let mut written = Writer::new(kind::ALLOCATE, [7; 12]).finish(Some(b"key"));
        written.extend_from_slice(&[0, 0x0d, 0, 4, 0, 0, 0, 9]);
        let length = u16::try_from(written.len() - HEADER_BYTES).unwrap();
        written[2..4].copy_from_slice(&length.to_be_bytes());
        assert_eq!(Message::parse(&written).unwrap().number(attribute::LIFETIME), None);
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_survived() {
        let request = bytes(SAMPLE_REQUEST);
        for end in 0..request.len() {
            assert!(Message::parse(&request[..end]).is_none(), "cut at {end}");
        }
        for at in 0..request.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = request.clone();
                changed[at] = value;
                if let Some(message) = Message::parse(&changed) {
                    let _ = (message.attributes().count(), message.is_vouched_for(b"key"));
                    let _ = message.addresses(attribute::XOR_PEER_ADDRESS).count();
                }
            }
        }
    }

    #[test]
    fn only_a_bare_binding_request_is_reflected() {
        let from = "[::ffff:198.51.100.7]:5000".parse().unwrap();
        let ask = Writer::new(kind::BINDING, [1; 12]).finish(None);
        let answer = reflect(&Message::parse(&ask).unwrap(), from).unwrap();
        let seen = Message::parse(&answer).unwrap().addresses(attribute::XOR_MAPPED_ADDRESS).next();
        assert_eq!(seen, Some("198.51.100.7:5000".parse().ok()));
        let answer = Message::parse(&answer).unwrap();
        assert!(reflect(&answer, from).is_none(), "two servers would answer each other for ever");
    }
}
