//! What client and server say to each other, against the vectors.

use data_encoding::BASE64URL_NOPAD;

use super::*;
use crate::limits::BODY_BYTES_MAX;

const VECTORS: &str = include_str!("../../vectors/envelope.json");

#[derive(Deserialize)]
struct Vectors {
    client: Vec<serde_json::Value>,
    server: Vec<serde_json::Value>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Refused {
    why: String,
    text: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(VECTORS).unwrap()
}

#[test]
fn every_golden_message_survives_decoding_and_encoding() {
    for value in vectors().client {
        let again = ClientMessage::decode(&value.to_string()).unwrap().encode();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&again).unwrap(), value);
    }
    for value in vectors().server {
        let again = ServerMessage::decode(&value.to_string()).unwrap().encode();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&again).unwrap(), value);
    }
}

#[test]
fn every_golden_malformed_message_is_refused() {
    for Refused { why, text } in vectors().refused {
        assert!(ClientMessage::decode(&text).is_err(), "{why}");
        assert!(ServerMessage::decode(&text).is_err(), "{why}");
    }
}

#[test]
fn a_greeting_is_left_and_told_of() {
    let greet = r#"{"type":"greet","room":"41","body":"AQ"}"#;
    let room = RoomId::parse("41").unwrap();
    assert_eq!(ClientMessage::decode(greet).unwrap(), ClientMessage::Greet { room, body: Body::new(vec![1]).unwrap() });
    assert_eq!(ClientMessage::decode(greet).unwrap().encode(), greet);
    assert_eq!(ServerMessage::Greeted { cid: Cid(3) }.encode(), r#"{"type":"greeted","cid":3}"#);
}

#[test]
fn unknown_keys_are_ignored() {
    let text = r#"{"type":"join","v":1,"room":"12","colour":{"deep":[1]}}"#;
    let room = RoomId::parse("12").unwrap();
    assert_eq!(ClientMessage::decode(text).unwrap(), ClientMessage::Join { v: 1, room });
}

#[test]
fn a_guest_need_not_name_the_host() {
    let message = ClientMessage::decode(r#"{"type":"to","body":"AAE"}"#).unwrap();
    assert_eq!(message, ClientMessage::To { cid: Cid::HOST, body: Body::new(vec![0, 1]).unwrap() });
}

#[test]
fn the_longest_body_fits_into_a_message_and_one_byte_more_does_not() {
    let body = Body::new(vec![7; BODY_BYTES_MAX]).unwrap();
    let text = ClientMessage::To { cid: Cid(u32::MAX), body }.encode();
    assert!(text.len() <= ENVELOPE_BYTES_MAX);
    assert!(ClientMessage::decode(&text).is_ok());
    let longer = format!(r#"{{"type":"to","body":"{}"}}"#, BASE64URL_NOPAD.encode(&[7; BODY_BYTES_MAX + 1]));
    assert!(matches!(ClientMessage::decode(&longer), Err(EnvelopeError::Malformed(_))));
}

#[test]
fn long_and_deep_texts_are_refused_before_they_are_parsed() {
    let long = format!(r#"{{"type":"bye","pad":"{}"}}"#, "x".repeat(ENVELOPE_BYTES_MAX));
    assert!(matches!(ClientMessage::decode(&long), Err(EnvelopeError::TooLong)));
    let deep = "[".repeat(10_000);
    assert!(matches!(ClientMessage::decode(&deep), Err(EnvelopeError::TooDeep)));
    let brackets_in_text = r#"{"type":"bye","pad":"[[[[[[[[[[[\"[[[["}"#;
    assert!(ClientMessage::decode(brackets_in_text).is_ok());
}

#[test]
fn secrets_and_bodies_are_not_printed() {
    assert_eq!(format!("{:?}", Token::new([0xab; 16])), "Token(..)");
    assert_eq!(format!("{:?}", Body::new(vec![0xab; 3]).unwrap()), "Body(3 bytes)");
}
