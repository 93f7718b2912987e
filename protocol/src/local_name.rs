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

/// A name with a number behind it: `film (1).mp4`, `folder (1)`. A long name is cut to make room.
#[must_use]
pub fn numbered(name: &str, number: u32, role: Role) -> String {
    with_ending(name, &format!(" ({number})"), role)
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

/// The longest local name in bytes: what file systems hold. Part files have short names of their own.
const NAME_BYTES_MAX: usize = 255;

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
    let hash = blake3::hash(offered.as_bytes()).to_hex();
    with_ending(name, &format!("-{}", &hash[..8]), Role::File)
}

/// Puts an ending behind a name, before a file's extension. A name that becomes too long is cut to make room.
fn with_ending(name: &str, ending: &str, role: Role) -> String {
    let is_long = name.len() + ending.len() > NAME_BYTES_MAX;
    let (stem, extension) = match role {
        Role::File => split_extension(name),
        Role::Folder => (name, ""),
    };
    // What is that long is no extension, but a name with a dot in it.
    let (stem, extension) =
        if is_long && extension.len() > EXTENSION_BYTES_MAX { (name, "") } else { (stem, extension) };
    let mut kept = stem.len().min(NAME_BYTES_MAX - ending.len() - extension.len());
    while !stem.is_char_boundary(kept) {
        kept -= 1;
    }
    format!("{}{ending}{extension}", &stem[..kept])
}

/// Splits before the last dot; a leading dot starts no extension.
fn split_extension(name: &str) -> (&str, &str) {
    let dot = name.rfind('.').filter(|&dot| dot > 0).unwrap_or(name.len());
    name.split_at(dot)
}

#[cfg(test)]
mod tests;
