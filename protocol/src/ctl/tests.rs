//! Control frames: hostile ones, and how many fit.

use super::*;
use crate::entry_path::EntryPath;
use crate::offer::EntryKind;

#[test]
fn hostile_frames_are_refused_and_never_panic() {
    let deep = format!("{}1{}", "[".repeat(4000), "]".repeat(4000));
    let deep_field = format!(r#"{{"t":"ping","x":{deep}}}"#);
    let long = format!(r#"{{"t":"ping","x":"{}"}}"#, "a".repeat(CTL_FRAME_BYTES_MAX));
    for bad in [
        "",
        "1",
        "{}",
        "null",
        "nul",
        r#"{"t":"unknown"}"#,
        r#"{"t":"want","ranges":[[1,-1,2]]}"#,
        r#"{"t":"want","ranges":[[1,NaN,2]]}"#,
        r#"{"t":"want","ranges":[[1,1e300,2]]}"#,
        r#"{"t":"want","ranges":[[4294967296,1,2]]}"#,
        r#"{"t":"want","ranges":[[1,18446744073709551616,2]]}"#,
        r#"{"t":"eof","entry":1,"entry":2,"size":3}"#,
        r#"{"t":"done","root":"00"}"#,
        r#"{"t":"offer","page":0,"last":true,"entries":[{"path":["..","x"],"kind":"file"}]}"#,
        r#"{"t":"offer","page":0,"last":true,"entries":[{"path":["\ud800"],"kind":"file"}]}"#,
        &deep,
        &deep_field,
        &long,
    ] {
        assert!(Ctl::decode(bad.as_bytes()).is_err(), "accepted: {bad:.80}");
    }
    assert!(Ctl::decode(b"{\"t\":\"ping\",\"x\":\"\xff\"}").is_err(), "invalid UTF-8");
}

#[test]
fn keys_of_a_later_version_are_ignored() {
    assert_eq!(Ctl::decode(br#"{"t":"ping","since":7}"#), Ok(Ctl::Ping));
}

#[test]
fn long_lists_are_refused() {
    let want = Ctl::Want { ranges: vec![(EntryId(0), 0, 1); WANT_RANGES_MAX + 1] };
    assert_eq!(Ctl::decode(&want.encode()), Err(CtlError::TooMany));
}

#[test]
fn full_lists_fit_a_frame() {
    let id = EntryId(u32::MAX);
    let want = Ctl::Want { ranges: vec![(id, u64::MAX - 1, u64::MAX); WANT_RANGES_MAX] };
    let hashes = Ctl::Hashes { chunks: vec![(id, u64::MAX, Hash([255; 32])); HASHES_PER_FRAME_MAX] };
    for frame in [want, hashes] {
        assert_eq!(Ctl::decode(&frame.encode()).as_ref(), Ok(&frame));
    }
}

#[test]
fn every_page_of_an_offer_fits_a_frame() {
    let entry = |n: usize| Entry {
        path: EntryPath::new(vec!["\"".repeat(n % 255 + 1); 8]).expect("a path"),
        kind: EntryKind::File,
        size: u64::MAX >> 8,
        mtime: Some(i64::MIN),
        mode: Some(u32::MAX),
    };
    let entries: Vec<_> = (0..1000).map(entry).collect();
    let pages = offer_pages(&entries);
    let mut rebuilt = Vec::new();
    for (n, page) in pages.iter().enumerate() {
        let decoded = Ctl::decode(&page.encode()).expect("a page fits");
        let Ctl::Offer { page, entries, last } = decoded else { panic!("an offer") };
        assert_eq!((page as usize, last), (n, n == pages.len() - 1));
        rebuilt.extend(entries);
    }
    assert_eq!(rebuilt, entries);
}

#[test]
fn an_empty_offer_is_one_empty_page() {
    assert_eq!(offer_pages(&[]), [Ctl::Offer { page: 0, entries: vec![], last: true }]);
}
