//! `EntryPath`: a peer's path of an entry, parsed once and confined ever after.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::{PATH_BYTES_MAX, PATH_COMPONENT_BYTES_MAX, PATH_DEPTH_MAX};
use crate::untrusted::Untrusted;

/// The path of an entry as it travels: one to 64 components, none of which can leave its folder.
///
/// A value of this type holds no empty component, `.`, `..`, separator or NUL. An honest sender never
/// produces one, so an offer with such a path is refused whole and never repaired. Characters that are only
/// awkward (control, bidi) are allowed here; `local_name` maps them before anything touches a disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct EntryPath(Vec<String>);

impl EntryPath {
    /// Parses the components of a path.
    ///
    /// # Errors
    /// Names the rule that is broken; the offer that holds such a path is to be refused.
    pub fn new(components: Vec<String>) -> Result<Self, EntryPathError> {
        if components.is_empty() {
            return Err(EntryPathError::Empty);
        }
        if components.len() > PATH_DEPTH_MAX {
            return Err(EntryPathError::TooDeep(components.len()));
        }
        for component in &components {
            check_component(component)?;
        }
        let bytes = components.iter().map(|c| c.len() + 1).sum::<usize>() - 1;
        if bytes > PATH_BYTES_MAX {
            return Err(EntryPathError::TooLong(bytes));
        }
        Ok(Self(components))
    }

    /// The components, outermost folder first.
    #[must_use]
    pub fn components(&self) -> &[String] {
        &self.0
    }

    /// The components joined by `/`, with the peer's characters as they are: to be compared, not to be shown.
    #[must_use]
    pub fn joined(&self) -> String {
        self.0.join("/")
    }

    /// The last component.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }
}

/// Joined by `/`, and escaped as all that a peer says.
impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Untrusted(self.joined()).fmt(f)
    }
}

impl TryFrom<Vec<String>> for EntryPath {
    type Error = EntryPathError;

    fn try_from(components: Vec<String>) -> Result<Self, Self::Error> {
        Self::new(components)
    }
}

impl From<EntryPath> for Vec<String> {
    fn from(path: EntryPath) -> Self {
        path.0
    }
}

/// Why a list of components is no path of an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryPathError {
    /// There is no component at all.
    #[error("a path has no component")]
    Empty,
    /// A component is the empty string.
    #[error("a path has an empty component")]
    EmptyComponent,
    /// A component is `.` or `..`.
    #[error("a path has the component {0:?}")]
    Relative(String),
    /// A component holds `/`, `\` or NUL.
    #[error("a path component holds the separator {0:?}")]
    Separator(char),
    /// A component is longer than any file system stores.
    #[error("a path component has {0} bytes, more than {PATH_COMPONENT_BYTES_MAX}")]
    ComponentTooLong(usize),
    /// The path has more components than the limit.
    #[error("a path has {0} components, more than {PATH_DEPTH_MAX}")]
    TooDeep(usize),
    /// The path is longer than the limit.
    #[error("a path has {0} bytes, more than {PATH_BYTES_MAX}")]
    TooLong(usize),
}

fn check_component(component: &str) -> Result<(), EntryPathError> {
    if component.is_empty() {
        return Err(EntryPathError::EmptyComponent);
    }
    if component == "." || component == ".." {
        return Err(EntryPathError::Relative(component.to_owned()));
    }
    if let Some(separator) = component.chars().find(|c| matches!(c, '/' | '\\' | '\0')) {
        return Err(EntryPathError::Separator(separator));
    }
    if component.len() > PATH_COMPONENT_BYTES_MAX {
        return Err(EntryPathError::ComponentTooLong(component.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_its_folder_is_no_path() {
        for bad in [
            &[][..],
            &[""],
            &["."],
            &["..", "x"],
            &["a", ".."],
            &["/etc/passwd"],
            &["//h/s"],
            &["C:\\x"],
            &["\\\\?\\C:\\x"],
            &["a\\..\\b"],
            &["a\0b"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn lengths_are_bounded_in_bytes() {
        assert!(parse(&[&"x".repeat(255)]).is_ok());
        assert!(parse(&[&"x".repeat(256)]).is_err());
        assert!(parse(&vec!["d"; 64]).is_ok());
        assert!(parse(&vec!["d"; 65]).is_err());
        let of_64 = "x".repeat(63);
        assert!(parse(&vec![of_64.as_str(); 64]).is_ok(), "64 times 63 and 63 separators are 4095 bytes");
        let long = "x".repeat(64);
        assert!(parse(&vec![long.as_str(); 64]).is_err(), "64 times 64 and 63 separators are 4159 bytes");
    }

    #[test]
    fn odd_but_harmless_names_are_paths() {
        for name in ["-rf", " ", "~", "$(id)", "a:b", "CON", "\u{1b}[2J", "é", "🎬.mp4", "..."] {
            assert!(parse(&[name]).is_ok(), "{name:?} was refused");
        }
    }

    fn parse(components: &[&str]) -> Result<EntryPath, EntryPathError> {
        EntryPath::new(components.iter().map(|&c| c.to_owned()).collect())
    }
}
