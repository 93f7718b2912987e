//! The samples of RFC 5769, and messages that are malformed.

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
    let asked = ask([1; 12], false);
    let Reflection { answer, from_other_port } = reflect(&Message::parse(&asked).unwrap(), from, true).unwrap();
    let answer = Message::parse(&answer).unwrap();
    let seen = answer.addresses(attribute::XOR_MAPPED_ADDRESS).next();
    assert_eq!((seen, from_other_port), (Some("198.51.100.7:5000".parse().ok()), false));
    assert!(reflect(&answer, from, true).is_none(), "two servers would answer each other for ever");
}

#[test]
fn the_other_port_answers_where_there_is_one_and_nothing_else_can_be_changed() {
    let from = "198.51.100.7:5000".parse().unwrap();
    let asked = ask([1; 12], true);
    let asked = Message::parse(&asked).unwrap();
    assert!(reflect(&asked, from, true).unwrap().from_other_port);
    let other_address = Writer::new(kind::BINDING, [1; 12]).attribute(attribute::CHANGE_REQUEST, &[0, 0, 0, 6]);
    let other_address = other_address.finish(None);
    for (request, has_other_port) in [(asked, false), (Message::parse(&other_address).unwrap(), true)] {
        let refused = reflect(&request, from, has_other_port).unwrap();
        let answer = Message::parse(&refused.answer).unwrap();
        assert_eq!((answer.kind(), refused.from_other_port), (kind::BINDING | kind::ERROR, false));
    }
}

#[test]
fn the_key_of_rfc_8489_comes_out() {
    assert_eq!(
        long_term_key("user", "realm", "pass"),
        [0x84, 0x93, 0xfb, 0xc5, 0x3b, 0xa5, 0x82, 0xfb, 0x4c, 0x04, 0x4c, 0x45, 0x6b, 0xdc, 0x40, 0xeb]
    );
}
