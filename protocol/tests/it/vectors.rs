//! The golden vectors of the pairing, which a TypeScript twin reads as well.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use p2pshare_protocol::cpace::Exchange;
use p2pshare_protocol::keys::{Connection, Endpoint, KeySchedule, Mode, Transcript};
use p2pshare_protocol::lv::lv_cat;
use p2pshare_protocol::role::Role;
use p2pshare_protocol::room::RoomId;
use p2pshare_protocol::seal::{Opener, Sealer};
use p2pshare_protocol::tunnel::{self, Lane};
use serde_json::Value;
use sha2::{Digest, Sha256};

#[test]
fn the_pairing_is_the_same_to_the_byte() {
    let v: Value = serde_json::from_str(include_str!("../../vectors/pairing.json")).unwrap();
    let expect = |name: &str, bytes: &[u8]| {
        assert_eq!(HEXLOWER.encode(bytes), v["outputs"][name].as_str().unwrap(), "{name}");
    };
    let sid: [u8; 16] = std::array::from_fn(|n| n as u8);
    let room: RoomId = "12".parse().unwrap();
    let (prs, ci) = (Mode::Code.prs(b"3456"), Mode::Code.ci(&room));
    let (n_h, n_g) = ([0x33; 16], [0x44; 16]);
    let commitment: [u8; 32] = Sha256::digest([b"p2pshare/1 sas-commit".as_slice(), &n_g].concat()).into();
    let (ad_a, ad_b) = (lv_cat(&[b"1", b"1", &[0]]), lv_cat(&[b"1", &commitment]));

    let host = Exchange::new(Role::Host, &prs, &ci, &sid, &scalar(0x11, 1));
    let guest = Exchange::new(Role::Guest, &prs, &ci, &sid, &scalar(0x22, 2));
    let (ya, yb) = (*host.element(), *guest.element());
    expect("Ya", &ya);
    expect("Yb", &yb);
    let isk = host.finish(&ad_a, &yb, &ad_b).unwrap();
    expect("isk", isk.as_bytes());
    expect("isk", guest.finish(&ad_b, &ya, &ad_a).unwrap().as_bytes());

    let keys = KeySchedule::new(&Transcript { sid: &sid, ci: &ci, host: (&ya, &ad_a), guest: (&yb, &ad_b) }, &isk);
    expect("th", keys.th());
    expect("Tg", &keys.guest_proof());
    expect("Th", &keys.host_proof(&n_h));
    expect("k_sig_h2g", &*keys.sealing_key(Role::Host));
    expect("k_sig_g2h", &*keys.sealing_key(Role::Guest));
    let session = keys.session_keys(Role::Host);
    expect("k_resume", &**session.resume_key());
    expect("resume_id", session.resume_id());
    let bind = HEXLOWER.decode(v["outputs"]["k_bind"].as_str().unwrap().as_bytes()).unwrap();
    let (local, remote) = (end(&[5; 32], "host"), end(&[6; 32], "guest"));
    let mut mac = Hmac::<Sha256>::new_from_slice(&bind).unwrap();
    mac.update(&[b"host", lv_cat(&[&[5; 32], &[6; 32], b"host", b"guest"]).as_slice()].concat());
    assert_eq!(session.bind_mac(&Connection { local, remote })[..], mac.finalize().into_bytes()[..]);
    assert_eq!(keys.short_number(&n_h, &n_g).digits(), v["outputs"]["sas"].as_str().unwrap());

    let json = br#"{"t":"offer"}"#;
    let sealed = Sealer::new(&keys, Role::Host, &sid).seal(json).unwrap();
    expect("sealed0_sha256", &Sha256::digest(&sealed));
    assert_eq!(v["outputs"]["sealed_len"], sealed.len());
    assert_eq!(Opener::new(&keys, Role::Host, &sid).open(&sealed).unwrap(), json);

    let (mut sealer, _) = tunnel::ends(&session);
    expect("tunnel_h2g_0", &sealer.seal(Lane::Ctl, &[br#"{"t":"ping"}"#]));
    expect("tunnel_h2g_1", &sealer.seal(Lane::Data, &[b"head", b"body"]));
    let (mut sealer, _) = tunnel::ends(&keys.session_keys(Role::Guest));
    expect("tunnel_g2h_0", &sealer.seal(Lane::Begin, &[]));
}

/// 31 times a byte and a last one, little-endian.
fn scalar(byte: u8, last: u8) -> [u8; 64] {
    let mut scalar = [0; 64];
    scalar[..31].fill(byte);
    scalar[31] = last;
    scalar
}

fn end<'a>(fingerprint: &'a [u8; 32], ice_ufrag: &'a str) -> Endpoint<'a> {
    Endpoint { fingerprint, ice_ufrag }
}
