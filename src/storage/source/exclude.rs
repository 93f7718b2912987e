//! What a walk leaves out because the user said so: globs, and ignore files in the folders.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use globset::{Glob, GlobSet, GlobSetBuilder};
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::SourceError;

/// Globs that hold for the whole walk.
#[derive(Debug)]
pub(super) struct Exclusions {
    set: GlobSet,
    /// Those that have left something out.
    used: BTreeSet<usize>,
}

impl Exclusions {
    pub(super) fn new(patterns: &[String]) -> Result<Self, SourceError> {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns {
            set.add(Glob::new(pattern)?);
        }
        Ok(Self { set: set.build()?, used: BTreeSet::new() })
    }

    /// Whether a path, relative to what was given, is left out by its name or as a whole.
    pub(super) fn hold(&mut self, path: &Path) -> bool {
        let by_path = self.set.matches(path);
        let by_name = path.file_name().map(|name| self.set.matches(name)).unwrap_or_default();
        let is_held = !(by_path.is_empty() && by_name.is_empty());
        self.used.extend(by_path.into_iter().chain(by_name));
        is_held
    }

    /// The numbers of the globs that have left something out.
    pub(super) const fn used(&self) -> &BTreeSet<usize> {
        &self.used
    }
}

/// The ignore files of a folder and those around it, innermost last.
#[derive(Debug, Clone, Default)]
pub(super) struct IgnoreFiles(Vec<Arc<Gitignore>>);

impl IgnoreFiles {
    /// Adds the ignore files of a folder; one that cannot be read is none.
    pub(super) fn enter(&self, folder: &Path) -> Self {
        let mut builder = GitignoreBuilder::new(folder);
        let mut has_any = false;
        for name in [".gitignore", ".ignore"] {
            let file = folder.join(name);
            has_any |= file.is_file() && builder.add(file).is_none();
        }
        let mut all = self.clone();
        if has_any && let Ok(rules) = builder.build() {
            all.0.push(Arc::new(rules));
        }
        all
    }

    /// Whether a path is ignored; the innermost file that speaks of it decides.
    pub(super) fn hold(&self, path: &Path, is_folder: bool) -> bool {
        let verdict =
            self.0.iter().rev().map(|rules| rules.matched(path, is_folder)).find(|verdict| !verdict.is_none());
        verdict.is_some_and(|verdict| verdict.is_ignore())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_hold_for_names_and_for_paths() {
        let mut exclusions = Exclusions::new(&["*.tmp".to_owned(), "build/*".to_owned(), "*.raw".to_owned()]).unwrap();
        assert!(exclusions.hold(Path::new("a/b/x.tmp")));
        assert!(exclusions.hold(Path::new("build/x")));
        assert!(!exclusions.hold(Path::new("x.txt")));
        assert_eq!(exclusions.used(), &[0, 1].into());
        assert!(Exclusions::new(&["[".to_owned()]).is_err());
    }

    #[test]
    fn the_innermost_ignore_file_decides() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(folder.path().join(".gitignore"), "*.log\n").unwrap();
        std::fs::write(inner.join(".ignore"), "!keep.log\n").unwrap();
        let outer_files = IgnoreFiles::default().enter(folder.path());
        let inner_files = outer_files.enter(&inner);
        assert!(outer_files.hold(&folder.path().join("x.log"), false));
        assert!(inner_files.hold(&inner.join("x.log"), false));
        assert!(!inner_files.hold(&inner.join("keep.log"), false));
    }
}
