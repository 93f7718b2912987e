//! Whatever bytes come in: parsers answer, and what they accept they write the same way again.

use p2pshare_protocol::code::Code;
use p2pshare_protocol::link::Link;
use p2pshare_protocol::lv::{lv_cat, lv_split};
use p2pshare_protocol::peer_message::PeerMessage;
use p2pshare_protocol::room::RoomId;
use p2pshare_protocol::sdp::{Sdp, SdpKind};
use p2pshare_protocol::sealed_frame::SealedFrame;
use proptest::prelude::*;

use crate::pair::sdp;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn any_text_is_a_code_or_is_not(text in "[0-9 -]{0,24}|\\PC{0,24}") {
        if let Ok(code) = text.parse::<Code>() {
            prop_assert_eq!(code.to_string().parse(), Ok(code.clone()));
            prop_assert_eq!(code.spaced().parse(), Ok(code));
        }
    }

    #[test]
    fn any_text_is_a_link_or_is_not(text in "https?://[a-z.\\[\\]:0-9/]{0,20}#v1.[A-Za-z0-9_-]{43}|\\PC{0,80}") {
        if let Ok(link) = text.parse::<Link>() {
            prop_assert_eq!(link.to_string().parse(), Ok(link));
        }
    }

    #[test]
    fn any_text_is_a_room_or_is_not(text in "[0-9a-f]{0,34}|\\PC{0,34}") {
        if let Ok(room) = text.parse::<RoomId>() {
            prop_assert_eq!(room.as_str(), text);
        }
    }

    #[test]
    fn any_bytes_are_a_message_or_are_not(kind in 0u8..0x12, body in prop::collection::vec(any::<u8>(), 0..300)) {
        let bytes = [vec![kind], body].concat();
        if let Ok(message) = PeerMessage::parse(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }

    #[test]
    fn any_bytes_are_a_concatenation_or_are_not(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Some(parts) = lv_split(&bytes) {
            prop_assert_eq!(lv_cat(&parts), bytes);
        }
    }

    #[test]
    fn any_json_is_a_frame_or_is_not(
        json in "\\{\"t\":\"(offer|answer|cand|auth|pw_a|pw_b|pw_c|verify|sas|abort)\"(,\"(sdp|y|tag|n_g|code|left|cost)\":(1|\"\"|null|\\[\\]))*\\}|\\PC{0,60}",
    ) {
        if let Ok(frame) = SealedFrame::parse(json.as_bytes()) {
            prop_assert_eq!(SealedFrame::parse(&frame.to_json()), Ok(frame));
        }
    }

    /// One character of a good description is replaced.
    #[test]
    fn an_altered_description_is_safe_or_refused(at in any::<prop::sample::Index>(), with in any::<char>()) {
        let good = sdp(SdpKind::Offer);
        let at = at.index(good.len());
        let altered = format!("{}{with}{}", &good[..at], &good[at + 1..]);
        if let Ok(parsed) = Sdp::parse(&altered, SdpKind::Offer) {
            let text = parsed.as_str();
            prop_assert_eq!(text.matches("\r\nm=").count(), 1);
            prop_assert_eq!(text.to_ascii_lowercase().matches("\r\na=fingerprint:sha-256 ").count(), 1);
            prop_assert!(text.bytes().all(|b| (0x20..0x7f).contains(&b) || b == b'\r' || b == b'\n'));
            prop_assert_eq!(Sdp::parse(text, SdpKind::Offer), Ok(parsed.clone()));
        }
    }
}
