//! Names as they get here.

use proptest::prelude::*;

use super::*;

#[test]
fn b_002_a_drive_letter_is_an_ordinary_name_except_where_it_is_not() {
    check("C:x", "C:x", "C_x");
}

#[test]
fn a_name_that_a_disk_holds_is_kept() {
    for name in ["x".repeat(255), format!("{}.mp4", "🎬".repeat(62)), format!("a.{}", "x".repeat(253))] {
        check(&name, &name, &name);
    }
}

#[test]
fn b_006_long_names_are_cut_between_characters_and_keep_their_extension() {
    let long = format!("{}.mp4", "🎬".repeat(62));
    check_offer(Naming::Unix, &[&[&long], &[&long]], &[&long, &format!("{} (1).mp4", "🎬".repeat(61))]);
    let is = |name: &str, number, role, end: &str| {
        let numbered = numbered(name, number, role);
        assert!(numbered.len() == 255 && numbered.ends_with(end), "{numbered}");
    };
    is(&"x".repeat(255), u32::MAX, Role::File, "xxx (4294967295)");
    is(&format!("{}.tar", "x".repeat(251)), 2, Role::File, "xxx (2).tar");
    is(&format!("{}.tar", "x".repeat(251)), 2, Role::Folder, "xxx (2)");
    is(&format!("a.{}", "x".repeat(253)), 2, Role::File, "xxx (2)");
    is(&format!("{}.tar", "x".repeat(247)), 2, Role::File, "xxx (2).tar");
}

#[test]
fn names_that_are_cut_to_the_same_stem_differ_in_the_hash() {
    let name = |end: &str| local_name(&format!(".p2pshare-{}{end}", "x".repeat(244)), Naming::Unix).into_owned();
    let (one, other) = (name("1"), name("2"));
    assert!(one.len() == 255 && one.starts_with("_.p2pshare-xxx"), "{one}");
    assert_ne!(one, other);
}

#[test]
fn b_007_names_reserved_by_windows_are_avoided_only_when_portable() {
    check("CON", "CON", "_CON");
    check("nul.txt", "nul.txt", "_nul.txt");
    check("COM1.tar.gz", "COM1.tar.gz", "_COM1.tar.gz");
    check("COM¹", "COM¹", "_COM¹");
    check("conin$", "conin$", "_conin$");
    check("aux ", "aux_", "aux_");
    check("aux .txt", "aux .txt", "_aux .txt");
    check("x.", "x.", "x_");
    check("x. .", "x. .", "x___");
    check("a:b", "a:b", "a_b");
    check("CONSOLE", "CONSOLE", "CONSOLE");
    check("COM10", "COM10", "COM10");
}

#[test]
fn b_008_control_characters_become_underscores() {
    check("\u{1b}[1A\rharmless", "_[1A_harmless", "_[1A_harmless");
    check("\u{9b}31m", "_31m", "_31m");
    check("a\u{7}\nb", "a__b", "a__b");
    check("\u{1b}]52;c;eA==\u{7}", "_]52;c;eA==_", "_]52;c;eA==_");
}

#[test]
fn b_009_bidi_and_zero_width_characters_become_underscores_and_emoji_stay() {
    check("invoice\u{202e}fdp.exe", "invoice_fdp.exe", "invoice_fdp.exe");
    check("a\u{200b}b\u{2060}c\u{feff}d\u{61c}e", "a_b_c_d_e", "a_b_c_d_e");
    check("👩\u{200d}🚀 🏳\u{fe0f}\u{200d}🌈", "👩\u{200d}🚀 🏳\u{fe0f}\u{200d}🌈", "👩\u{200d}🚀 🏳\u{fe0f}\u{200d}🌈");
}

#[test]
fn b_010_names_that_differ_in_case_or_composition_are_the_same_only_when_portable() {
    let offered = [&["é"][..], &["e\u{301}"], &["README"], &["readme"], &["ß"], &["SS"]];
    check_offer(Naming::Unix, &offered, &["é", "e\u{301}", "README", "readme", "ß", "SS"]);
    check_offer(Naming::Portable, &offered, &["é", "e\u{301} (1)", "README", "readme (1)", "ß", "SS (1)"]);
}

#[test]
fn b_024_names_that_mean_something_to_a_shell_are_names() {
    for name in ["-rf", "--help", "~", "$(id)", ";reboot", "...", "a'b\"c"] {
        assert_eq!(local_name(name, Naming::Unix), name);
    }
    check(" ", "_", "_");
    check(" a  b ", "_a  b_", "_a  b_");
}

#[test]
fn the_same_name_twice_is_two_files_but_one_folder() {
    check_offer(Naming::Unix, &[&["x.txt"], &["x.txt"], &["x.txt"]], &["x.txt", "x (1).txt", "x (2).txt"]);
    check_offer(Naming::Unix, &[&["d", "x"], &["d", "y"]], &["d/x", "d/y"]);
    check_offer(Naming::Unix, &[&["x (1)"], &["x"], &["x"]], &["x (1)", "x", "x (2)"]);
}

#[test]
fn a_folder_that_clashes_with_a_file_moves_with_all_it_holds() {
    check_offer(Naming::Unix, &[&["a"], &["a", "x"], &["a", "y"]], &["a", "a (1)/x", "a (1)/y"]);
    check_offer(Naming::Unix, &[&["a", "x"], &["a"]], &["a/x", "a (1)"]);
    check_offer(Naming::Portable, &[&["D", "x"], &["d", "x"]], &["D/x", "d (1)/x"]);
    check_offer(Naming::Unix, &[&["a\n", "x"], &["a\r", "x"]], &["a_/x", "a_ (1)/x"]);
}

#[test]
fn what_lies_on_the_disk_is_avoided() {
    let mut mapper = Mapper::new(Naming::Unix);
    let on_disk = ["d", "d (1)/x.txt"];
    let got = mapper.map(&path(&["d", "x.txt"]), Role::File, |path, _| on_disk.contains(&path.as_str()));
    assert_eq!(got.as_str(), "d (1)/x (1).txt");
}

#[test]
fn no_entry_gets_a_name_of_our_own_files() {
    check(".p2pshare-0123456789abcdef.part", "_.p2pshare-0123456789abcdef.part", "_.p2pshare-0123456789abcdef.part");
    check(".P2PShare-x", "_.P2PShare-x", "_.P2PShare-x");
}

#[test]
fn a_hundred_thousand_equal_names_take_no_square_of_time() {
    let mut mapper = Mapper::new(Naming::Unix);
    let offered = path(&["x"]);
    let mut asked = 0;
    for _ in 0..100_000 {
        mapper.map(&offered, Role::File, |_, _| {
            asked += 1;
            false
        });
    }
    assert_eq!(asked, 100_000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 7_000, ..ProptestConfig::default() })]

    #[test]
    fn mapped_paths_lie_beneath_the_root_and_show_what_they_are(offered in offered_paths(), portable: bool) {
        let naming = if portable { Naming::Portable } else { Naming::Unix };
        let mut mapper = Mapper::new(naming);
        let mut seen = HashMap::new();
        for (components, is_folder) in offered {
            let Ok(entry) = EntryPath::new(components) else { continue };
            let role = if is_folder { Role::Folder } else { Role::File };
            let local = mapper.map(&entry, role, |_, _| false);
            prop_assert_eq!(local.components().count(), entry.components().len());
            for name in local.components() {
                prop_assert!(!name.is_empty() && name != "." && name != "..");
                prop_assert!(!name.contains(['/', '\\']) && !name.contains(is_deceptive));
                prop_assert!(name.len() <= 255, "{} bytes", name.len());
                prop_assert!(!name.starts_with(OWN_FILES_PREFIX));
            }
            let local_key: Vec<_> = local.components().map(|name| key(name, naming)).collect();
            if let Some((earlier, earlier_role)) = seen.insert(local_key, (entry.clone(), role)) {
                prop_assert!(earlier == entry && role == Role::Folder && earlier_role == role,
                    "{:?} and {:?} both became {}", earlier, entry, local);
            }
        }
    }

    #[test]
    fn a_local_name_is_its_own_local_name(offered in component(), portable: bool) {
        let naming = if portable { Naming::Portable } else { Naming::Unix };
        let once = local_name(&offered, naming).into_owned();
        prop_assert_eq!(local_name(&once, naming), once.as_str());
    }
}

fn component() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[aA ._()1]{1,6}",
        2 => "[\\x00-\\x20\u{7f}-\u{9f}\u{200b}-\u{2069}é\u{301}ßſ]{1,8}",
        1 => "(con|AUX|nul|com1|lpt²|CONIN\\$)[ .]{0,2}[a-z]{0,3}",
        1 => "\\PC{1,20}",
        1 => "[🎬x.]{50,90}",
        1 => Just(".p2pshare-00.part".to_owned()),
    ]
}

fn offered_paths() -> impl Strategy<Value = Vec<(Vec<String>, bool)>> {
    proptest::collection::vec((proptest::collection::vec(component(), 1..4), any::<bool>()), 1..30)
}

fn check(offered: &str, unix: &str, portable: &str) {
    assert_eq!(local_name(offered, Naming::Unix), unix);
    assert_eq!(local_name(offered, Naming::Portable), portable);
}

fn check_offer(naming: Naming, offered: &[&[&str]], expected: &[&str]) {
    let mut mapper = Mapper::new(naming);
    let got: Vec<_> = offered.iter().map(|c| mapper.map(&path(c), Role::File, |_, _| false).0).collect();
    assert_eq!(got, expected);
}

fn path(components: &[&str]) -> EntryPath {
    EntryPath::new(components.iter().map(|&c| c.to_owned()).collect()).expect("a path")
}
