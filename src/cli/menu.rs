//! `Menu`: an offer as a list to choose from: files, and folders as one line each.

use p2pshare_protocol::offer::{EntryId, EntryKind, Offer};

use super::format;
use super::only::Only;
use super::text::Untrusted;

/// What is on offer, by number.
#[derive(Debug)]
pub(crate) struct Menu {
    items: Vec<Item>,
}

/// A line of the list.
#[derive(Debug)]
struct Item {
    /// As the sender calls it. Untrusted.
    name: String,
    entries: Vec<EntryId>,
    files: usize,
    bytes: u64,
    is_folder: bool,
}

impl Menu {
    /// The entries by their first folder, or by the first in which they differ.
    pub(crate) fn new(offer: &Offer, among: &[EntryId]) -> Self {
        let mut depth = 0;
        loop {
            let menu = Self::at(offer, among, depth);
            match &menu.items[..] {
                [only] if only.is_folder && only.files > 0 => depth += 1,
                _ => return menu,
            }
        }
    }

    /// Grouped by their components up to `depth`; entries that end above it stand for themselves in what holds them.
    fn at(offer: &Offer, among: &[EntryId], depth: usize) -> Self {
        let mut items: Vec<Item> = Vec::new();
        let mut known = std::collections::HashMap::new();
        for (id, entry) in among.iter().filter_map(|id| Some((*id, offer.entry(*id)?))) {
            let Some(components) = entry.path.components().get(..=depth) else { continue };
            let is_folder = entry.kind == EntryKind::Dir || entry.path.components().len() > depth + 1;
            let index = *known.entry((components, is_folder)).or_insert_with(|| {
                let name = components.last().cloned().unwrap_or_default();
                items.push(Item { name, entries: Vec::new(), files: 0, bytes: 0, is_folder });
                items.len() - 1
            });
            let item = &mut items[index];
            item.entries.push(id);
            item.files += usize::from(entry.kind != EntryKind::Dir);
            item.bytes = item.bytes.saturating_add(entry.size);
        }
        Self { items }
    }

    /// The list, at most so many lines of it.
    pub(crate) fn lines(&self, most: usize, with_numbers: bool) -> String {
        let mut lines = String::new();
        // A last line that says "1 more" would be no shorter than that one.
        let shown = if self.items.len() > most { most.saturating_sub(1) } else { self.items.len() };
        for (number, item) in (1..).zip(&self.items[..shown]) {
            if with_numbers {
                lines += &format!("{number:>5} ");
            }
            lines += &format!("  {:>9}  {}", format::bytes(item.bytes), Untrusted(&item.name));
            if item.is_folder {
                lines += &format!("/  ({})", format::count(item.files, "file", "files"));
            }
            lines.push('\n');
        }
        let more = self.items.len() - shown;
        if more > 0 {
            let indent = if with_numbers { 8 } else { 2 };
            lines += &format!("{:indent$}{:>9}  and {more} more\n", "", "");
        }
        lines
    }

    /// What stands in the list under a name, with or without the stroke of a folder.
    fn named(&self, word: &str) -> Option<&[EntryId]> {
        let (name, is_folder) = word.strip_suffix('/').map_or((word, false), |name| (name, true));
        let is_it = |item: &&Item| item.name == name && (item.is_folder || !is_folder);
        self.items.iter().find(is_it).map(|item| &item.entries[..])
    }

    /// The entries that a person chose: `1 3-5`, `2,4`, `*.jpg`, `sub/`.
    ///
    /// # Errors
    /// Something of it chooses nothing; the text names it.
    pub(crate) fn choose(&self, typed: &str, offer: &Offer, among: &[EntryId]) -> Result<Vec<EntryId>, String> {
        let mut chosen = std::collections::BTreeSet::new();
        for word in typed.split([' ', ',']).filter(|word| !word.is_empty()) {
            match range(word) {
                Some((first, last)) => {
                    let wrong = || format!("{word} is not in the list: it goes from 1 to {}", self.items.len());
                    let (first, last) = (first.checked_sub(1).ok_or_else(wrong)?, last);
                    let items = self.items.get(first..last).filter(|items| !items.is_empty()).ok_or_else(wrong)?;
                    chosen.extend(items.iter().flat_map(|item| &item.entries).copied());
                }
                None if self.named(word).is_some() => chosen.extend(self.named(word).into_iter().flatten().copied()),
                None => {
                    let only = Only::new(&[word.to_owned()]).map_err(|report| report.message)?;
                    let matching = only.of(offer, among);
                    if matching.is_empty() {
                        return Err(format!("{word} matches nothing of it"));
                    }
                    chosen.extend(matching);
                }
            }
        }
        if chosen.is_empty() { Err("nothing is chosen".to_owned()) } else { Ok(chosen.into_iter().collect()) }
    }
}

/// `3` or `3-5`.
fn range(word: &str) -> Option<(usize, usize)> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some((first.parse().ok()?, last.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use p2pshare_protocol::entry_path::EntryPath;
    use p2pshare_protocol::offer::Entry;

    use super::*;

    fn offer(paths: &[&str]) -> (Offer, Vec<EntryId>) {
        let entry = |path: &&str| {
            let kind = if path.ends_with('/') { EntryKind::Dir } else { EntryKind::File };
            let path = EntryPath::new(path.trim_end_matches('/').split('/').map(str::to_owned).collect()).unwrap();
            Entry { path, kind, size: u64::from(kind == EntryKind::File), mtime: None, mode: None }
        };
        let offer = Offer::new(paths.iter().map(entry).collect()).unwrap();
        let all = offer.iter().map(|(id, _)| id).collect();
        (offer, all)
    }

    fn ids(numbers: &[u32]) -> Vec<EntryId> {
        numbers.iter().copied().map(EntryId).collect()
    }

    #[test]
    fn numbers_ranges_and_patterns_choose() {
        let (offer, all) = offer(&["a.jpg", "b.txt", "c/", "c/d.jpg", "e"]);
        let menu = Menu::new(&offer, &all);
        assert_eq!(menu.items.len(), 4);
        let choose = |typed| menu.choose(typed, &offer, &all);
        assert_eq!(choose("1"), Ok(ids(&[0])));
        assert_eq!(choose("2-3, 1"), Ok(ids(&[0, 1, 2, 3])));
        assert_eq!(choose("*.jpg 4"), Ok(ids(&[0, 3, 4])));
        for wrong in ["0", "5", "3-2", "1-9", "*.png", "", "18446744073709551616"] {
            assert!(choose(wrong).is_err(), "{wrong:?} chose something");
        }
    }

    #[test]
    fn a_single_folder_is_listed_from_the_inside() {
        let (offer, all) = offer(&["top/", "top/in/", "top/in/a", "top/in/b"]);
        let menu = Menu::new(&offer, &all);
        assert_eq!(menu.lines(10, true), "    1         1 B  a\n    2         1 B  b\n");
        let (offer, all) = self::offer(&["empty/"]);
        assert_eq!(Menu::new(&offer, &all).lines(10, false), "        0 B  empty/  (0 files)\n");
    }

    #[test]
    fn what_is_listed_can_be_chosen_by_its_name() {
        let (offer, all) = offer(&["top/", "top/sub/", "top/sub/a", "top/sub/b", "top/c"]);
        let menu = Menu::new(&offer, &all);
        let choose = |typed| menu.choose(typed, &offer, &all);
        assert_eq!(choose("1"), Ok(ids(&[1, 2, 3])));
        for typed in ["sub", "sub/"] {
            assert_eq!(choose(typed), choose("1"), "{typed}");
        }
        assert_eq!(choose("c"), Ok(ids(&[4])));
        assert!(choose("c/").is_err());
    }

    #[test]
    fn a_long_list_is_cut() {
        let names: Vec<_> = (0..10_000).map(|n| format!("many/{n}")).collect();
        let (offer, all) = offer(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let lines = Menu::new(&offer, &all).lines(10, false);
        assert_eq!(lines.lines().count(), 10);
        assert!(lines.ends_with("and 9991 more\n"), "{lines}");
    }
}
