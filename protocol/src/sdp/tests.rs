//! Descriptions, honest and hostile.

use super::*;

#[test]
fn what_browsers_and_command_lines_write_is_accepted() {
    let sdp = Sdp::parse(&offer(), SdpKind::Offer).unwrap();
    assert_eq!((sdp.fingerprint(), sdp.ice_ufrag()), (&[0xab; 32], "uF+r"));
    let firefox = offer()
        .replace("a=mid:0\r\n", "a=mid:0\r\na=sendrecv\r\na=ice-options:trickle\r\na=max-message-size:1073741823\r\n");
    assert!(Sdp::parse(&firefox, SdpKind::Offer).is_ok());
    let unix = offer().replace("\r\n", "\n");
    assert_eq!(Sdp::parse(&unix, SdpKind::Offer).unwrap().as_str(), offer(), "lines end with CRLF afterwards");
    assert!(Sdp::parse(&offer().replace("actpass", "active"), SdpKind::Answer).is_ok());
}

#[test]
fn other_descriptions_are_refused() {
    let fingerprint = format!("a=fingerprint:sha-256 {}\r\n", vec!["AB"; 32].join(":"));
    let candidates = "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n".repeat(33);
    for (text, error) in [
        (String::new(), SdpError::NotSdp),
        (offer().replace("v=0", "v=1"), SdpError::NotSdp),
        (offer() + "a=x\u{0}\r\n", SdpError::NotSdp),
        (offer() + "a=\u{202e}\r\n", SdpError::NotSdp),
        (offer() + "\r\n", SdpError::NotSdp),
        (offer() + &"a=x\r\n".repeat(2000), SdpError::TooLong(offer().len() + 10_000)),
        (offer() + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", SdpError::Media),
        (offer() + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", SdpError::Media),
        (offer().replace("application", "video"), SdpError::Media),
        (without("m="), SdpError::Media),
        (offer() + &fingerprint, SdpError::Fingerprint),
        (offer() + &fingerprint.replace("sha-256", "SHA-256"), SdpError::Fingerprint),
        (without("a=fingerprint"), SdpError::Fingerprint),
        (offer().replace("AB:AB:", "AB:"), SdpError::Fingerprint),
        (offer().replace("AB:AB:", "AB:AG:"), SdpError::Fingerprint),
        (offer().replace("sha-256", "sha-1"), SdpError::Fingerprint),
        (offer() + "a=ice-ufrag:zzzz\r\n", SdpError::IceCredentials),
        (offer() + "a=ice-pwd:abcdefghijklmnopqrstuvwx\r\n", SdpError::IceCredentials),
        (offer().replace("uF+r", "u r."), SdpError::IceCredentials),
        (without("a=ice-pwd"), SdpError::IceCredentials),
        (offer().replace("actpass", "active"), SdpError::Setup),
        (offer() + "a=setup:actpass\r\n", SdpError::Setup),
        (without("a=setup"), SdpError::Setup),
        (offer() + &candidates, SdpError::Candidates),
        (offer() + "a=candidate:nonsense\r\n", SdpError::Candidates),
    ] {
        assert_eq!(Sdp::parse(&text, SdpKind::Offer), Err(error), "{text}");
    }
    assert_eq!(Sdp::parse(&offer(), SdpKind::Answer), Err(SdpError::Setup));
    assert_eq!(Sdp::parse(&offer().replace("actpass", "holdconn"), SdpKind::Answer), Err(SdpError::Setup));
}

#[test]
fn fingerprints_by_other_hash_functions_are_taken_out() {
    let both = offer().replace("a=setup", "a=fingerprint:sha-1 AB:CD\r\na=setup");
    let sdp = Sdp::parse(&both, SdpKind::Offer).unwrap();
    assert_eq!(sdp.as_str(), offer());
}

#[test]
fn an_offer_can_be_freed_of_every_address() {
    let gathered =
        offer().replace("m=application 9", "m=application 50123").replace("IP4 0.0.0.0\r\na", "IP4 192.0.2.7\r\na")
            + "a=candidate:1 1 udp 1 192.0.2.7 50123 typ host\r\na=end-of-candidates\r\n";
    assert!(gathered.contains("c=IN IP4 192.0.2.7"));
    let (sdp, candidates) = Sdp::parse(&gathered, SdpKind::Offer).unwrap().split_addresses();
    assert_eq!(sdp.as_str(), offer());
    assert_eq!(candidates[0].as_str(), "candidate:1 1 udp 1 192.0.2.7 50123 typ host");
    assert_eq!((candidates.len(), candidates[0].sdp_m_line_index()), (1, Some(0)));
}

#[test]
fn candidates_have_their_form() {
    for good in [
        "",
        "candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag x network-cost 999",
        "candidate:0 1 UDP 2122252543 4b1c-2f.local 51472 typ host",
        "candidate:2 1 tcp 1518280447 2001:db8::1 9 typ host tcptype active",
    ] {
        assert!(good.parse::<Candidate>().is_ok(), "{good:?} was refused");
    }
    for bad in [
        "candidate:",
        "a=candidate:1 1 udp 1 192.0.2.1 1 typ host",
        "candidate:1 1 udp 1 192.0.2.1 70000 typ host",
        "candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=fingerprint:sha-256 00",
        "candidate:1 1 udp 1 192.0.2.1 1 typ guest",
        &format!("candidate:1 1 udp 1 192.0.2.1 1 typ host {}", "x".repeat(512)),
    ] {
        assert!(bad.parse::<Candidate>().is_err(), "{bad:?} was accepted");
    }
    let text = "candidate:1 1 udp 1 192.0.2.1 1 typ host".to_owned();
    assert!(Candidate::new(text, Some("0\r\n".to_owned()), None).is_err());
}

fn offer() -> String {
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:uF+r\r\n\
         a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=mid:0\r\n\
         a=sctp-port:5000\r\n",
        vec!["AB"; 32].join(":")
    )
}

fn without(prefix: &str) -> String {
    offer().lines().filter(|line| !line.starts_with(prefix)).map(|line| format!("{line}\r\n")).collect()
}
