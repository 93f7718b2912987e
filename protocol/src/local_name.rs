//! Names on the receiver's disk: which local path an entry of a peer's offer gets.
//!
//! Nothing here touches a disk. [`Mapper`] asks its caller whether a name is taken there.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;

use unicode_normalization::UnicodeNormalization;

use crate::entry_path::EntryPath;
use crate::offer::Offer;

/// Which names the destination can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    /// What Unix file systems hold: every name that does not deceive its reader.
    #[default]
    Unix,
    /// What every file system holds, Windows and memory sticks included: reserved names are avoided, and names that
    /// differ only in case or composition count as the same.
    Portable,
}

/// What a path is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A folder; offered twice, it is the same folder.
    Folder,
    /// A file; offered twice, it is two files.
    File,
}

/// A relative path beneath the destination that is safe to create and to show: joined by `/`, without `.`, `..`,
/// control or bidi characters, each component at most 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalPath(String);

impl LocalPath {
    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components, outermost folder first.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The last component.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(self.as_str(), |(_, name)| name)
    }

    /// The folder it lies in; `None` directly beneath the destination.
    #[must_use]
    pub fn folder(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(folder, _)| Self(folder.to_owned()))
    }

    /// The same place with a number behind the name: ` (1)`, before a file's extension.
    #[must_use]
    pub fn numbered(&self, number: u32, role: Role) -> Self {
        let name = numbered(self.name(), number, role);
        Self(self.0.rsplit_once('/').map_or_else(|| name.clone(), |(folder, _)| format!("{folder}/{name}")))
    }

    /// Whether nothing had to be changed in the offered path.
    #[must_use]
    pub fn is_verbatim(&self, offered: &EntryPath) -> bool {
        self.components().eq(offered.components().iter().map(String::as_str))
    }
}

impl fmt::Display for LocalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gives the entries of one offer their local paths, no two files the same.
#[derive(Debug)]
pub struct Mapper {
    naming: Naming,
    folders: Vec<Folder>,
}

#[derive(Debug, Default)]
struct Folder {
    /// The local path, empty for the destination itself.
    path: String,
    /// Folders inside, by the name they were offered under.
    folders: HashMap<String, usize>,
    /// Keys of the names given so far.
    taken: HashSet<String>,
    /// The next number to try for a key, so that many equal names do not cost the square of their count.
    next: HashMap<String, u32>,
}

impl Mapper {
    /// A mapper that has given no name yet.
    #[must_use]
    pub fn new(naming: Naming) -> Self {
        Self { naming, folders: vec![Folder::default()] }
    }

    /// Maps the next path. `on_disk` says whether a candidate must be avoided because of what the disk holds.
    pub fn map(
        &mut self,
        path: &EntryPath,
        role: Role,
        mut on_disk: impl FnMut(&LocalPath, Role) -> bool,
    ) -> LocalPath {
        let mut folder = 0;
        let parents = &path.components()[..path.components().len() - 1];
        for parent in parents {
            folder = self.folder_in(folder, parent, &mut on_disk);
        }
        match role {
            Role::Folder => {
                let folder = self.folder_in(folder, path.name(), &mut on_disk);
                LocalPath(self.folders[folder].path.clone())
            }
            Role::File => self.give(folder, path.name(), role, &mut on_disk),
        }
    }

    fn folder_in(&mut self, parent: usize, offered: &str, on_disk: &mut impl FnMut(&LocalPath, Role) -> bool) -> usize {
        if let Some(&known) = self.folders[parent].folders.get(offered) {
            return known;
        }
        let path = self.give(parent, offered, Role::Folder, on_disk).0;
        let new = self.folders.len();
        self.folders.push(Folder { path, ..Folder::default() });
        self.folders[parent].folders.insert(offered.to_owned(), new);
        new
    }

    fn give(
        &mut self,
        parent: usize,
        offered: &str,
        role: Role,
        on_disk: &mut impl FnMut(&LocalPath, Role) -> bool,
    ) -> LocalPath {
        let naming = self.naming;
        let folder = &mut self.folders[parent];
        let name = local_name(offered, naming);
        let next = folder.next.entry(key(&name, naming)).or_insert(0);
        loop {
            let candidate = if *next == 0 { name.clone().into_owned() } else { numbered(&name, *next, role) };
            *next = next.saturating_add(1);
            let candidate_key = key(&candidate, naming);
            if folder.taken.contains(&candidate_key) {
                continue;
            }
            let path = if folder.path.is_empty() { candidate } else { format!("{}/{candidate}", folder.path) };
            let path = LocalPath(path);
            if !on_disk(&path, role) {
                folder.taken.insert(candidate_key);
                return path;
            }
        }
    }
}

/// The local paths of all entries of an offer, in its order, as if the destination were empty.
#[must_use]
pub fn map_offer(offer: &Offer, naming: Naming) -> Vec<LocalPath> {
    use crate::offer::EntryKind;

    let mut mapper = Mapper::new(naming);
    let role = |kind| match kind {
        EntryKind::Dir => Role::Folder,
        EntryKind::File | EntryKind::Text | EntryKind::Stream => Role::File,
    };
    offer.entries().iter().map(|entry| mapper.map(&entry.path, role(entry.kind), |_, _| false)).collect()
}

/// The local name of one component: repaired where it would deceive, not fit, or be mistaken for one of our own.
#[must_use]
pub fn local_name(offered: &str, naming: Naming) -> Cow<'_, str> {
    let mut name = Cow::Borrowed(offered);
    if name.contains(is_deceptive) {
        name = name.replace(is_deceptive, "_").into();
    }
    replace_edges(&mut name, |c| c == ' ', |c| c == ' ');
    if naming == Naming::Portable {
        if name.contains(PORTABLE_FORBIDDEN) {
            name = name.replace(PORTABLE_FORBIDDEN, "_").into();
        }
        replace_edges(&mut name, |_| false, |c| c == '.' || c == ' ');
        if is_reserved(&name) {
            name = format!("_{name}").into();
        }
    }
    if starts_with_ignoring_case(&name, OWN_FILES_PREFIX) {
        name = format!("_{name}").into();
    }
    if name.len() > NAME_BYTES_MAX { shorten(&name, offered).into() } else { name }
}

/// Whether a character can make a name or a line of text look like something else: control, bidi and zero-width
/// characters and line separators. Joiners (U+200C, U+200D) are not among them: emoji and whole scripts need them.
#[must_use]
pub const fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}'
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// A name with a number behind it: `film (1).mp4`, `folder (1)`.
#[must_use]
pub fn numbered(name: &str, number: u32, role: Role) -> String {
    let (stem, extension) = match role {
        Role::File => split_extension(name),
        Role::Folder => (name, ""),
    };
    format!("{stem} ({number}){extension}")
}

/// Names with the same key cannot lie in one folder of a destination of this naming.
#[must_use]
pub fn key(name: &str, naming: Naming) -> String {
    match naming {
        Naming::Unix => name.to_owned(),
        Naming::Portable => folded(name),
    }
}

/// A name without the differences that a file system may ignore: composition and case.
///
/// Upper case and then lower case, each character by itself, unites all that Unicode's full case folding unites, and
/// a little more, which errs on the side of a number too many.
#[must_use]
pub fn folded(name: &str) -> String {
    name.nfc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

/// The start of the names of p2pshare's own files in a destination; no entry gets such a name.
pub const OWN_FILES_PREFIX: &str = ".p2pshare-";

/// The longest local name before a number is added, in bytes: 255 less room for ` (4294967295)`.
const NAME_BYTES_MAX: usize = 240;

/// The longest extension that is kept when a name is cut, in bytes with its dot.
const EXTENSION_BYTES_MAX: usize = 32;

const PORTABLE_FORBIDDEN: [char; 7] = ['<', '>', ':', '"', '|', '?', '*'];

fn replace_edges(name: &mut Cow<'_, str>, leading: impl Fn(char) -> bool, trailing: impl Fn(char) -> bool) {
    let before = name.len() - name.trim_start_matches(&leading).len();
    let after = name[before..].len() - name[before..].trim_end_matches(&trailing).len();
    if before + after > 0 {
        let kept = &name[before..name.len() - after];
        *name = format!("{}{kept}{}", "_".repeat(before), "_".repeat(after)).into();
    }
}

fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end_matches(' ').to_ascii_uppercase();
    if ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].contains(&stem.as_str()) {
        return true;
    }
    let port =
        stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT")).map(|rest| rest.chars().collect::<Vec<_>>());
    matches!(port.as_deref(), Some(['0'..='9' | '¹' | '²' | '³']))
}

fn starts_with_ignoring_case(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn shorten(name: &str, offered: &str) -> String {
    let (stem, extension) = split_extension(name);
    let extension = if extension.len() > EXTENSION_BYTES_MAX { "" } else { extension };
    let hash = blake3::hash(offered.as_bytes()).to_hex();
    let mut end = (NAME_BYTES_MAX - extension.len() - 9).min(stem.len());
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}-{}{extension}", &stem[..end], &hash[..8])
}

/// Splits before the last dot; a leading dot starts no extension.
fn split_extension(name: &str) -> (&str, &str) {
    let dot = name.rfind('.').filter(|&dot| dot > 0).unwrap_or(name.len());
    name.split_at(dot)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn b_002_a_drive_letter_is_an_ordinary_name_except_where_it_is_not() {
        check("C:x", "C:x", "C_x");
    }

    #[test]
    fn b_006_long_names_are_cut_between_characters_and_keep_their_extension() {
        let long = format!("{}.mp4", "🎬".repeat(62));
        assert_eq!(long.len(), 252);
        let cut = local_name(&long, Naming::Unix);
        assert!(cut.len() <= 240 && cut.starts_with("🎬🎬") && cut.ends_with(".mp4"), "{cut}");
        let other = format!("{}x.mp4", "🎬".repeat(62));
        assert_ne!(cut, local_name(&other, Naming::Unix), "names that are cut to the same stem differ in the hash");
        assert_eq!(local_name(&"x".repeat(240), Naming::Unix), "x".repeat(240));
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
        check(
            "👩\u{200d}🚀 🏳\u{fe0f}\u{200d}🌈",
            "👩\u{200d}🚀 🏳\u{fe0f}\u{200d}🌈",
            "👩\u{200d}🚀 🏳\u{fe0f}\u{200d}🌈",
        );
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
        check(
            ".p2pshare-0123456789abcdef.part",
            "_.p2pshare-0123456789abcdef.part",
            "_.p2pshare-0123456789abcdef.part",
        );
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
}
