//! A bare `p2pshare` on a terminal asks what to do.

use std::ffi::OsString;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use clap::{CommandFactory, Parser};

use super::args::{Cli, Command};
use super::report::Exit;

/// Asks what to do, and completes the command line with the answers.
///
/// # Errors
/// Nobody can be asked; the usage has been shown then.
pub(crate) fn ask() -> Result<Command, Exit> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        let _ = write!(std::io::stderr(), "{}", Cli::command().render_help());
        return Err(Exit::Usage);
    }
    let words = match direction()? {
        Direction::Send => {
            let path = typed_path(&answer("Which file or folder? ")?, std::env::var_os("HOME"));
            vec!["p2pshare".into(), "send".into(), "--".into(), path]
        }
        Direction::Receive => {
            let code = answer("The code or link (nothing opens an inbox): ")?;
            let code = (!code.is_empty()).then(|| code.into());
            ["p2pshare".into(), "recv".into()].into_iter().chain(code).collect()
        }
    };
    Cli::parse_from(words).command.ok_or(Exit::Usage)
}

enum Direction {
    Send,
    Receive,
}

fn direction() -> Result<Direction, Exit> {
    loop {
        match answer("Send or receive? [s/r] ")?.to_lowercase().as_str() {
            "s" | "send" => return Ok(Direction::Send),
            "r" | "recv" | "receive" => return Ok(Direction::Receive),
            _ => {}
        }
    }
}

/// A path as people type it, or a terminal puts it when a file is dropped there: no shell has been at it.
fn typed_path(typed: &str, home: Option<OsString>) -> OsString {
    let is_quoted = |quote| typed.len() > 1 && typed.starts_with(quote) && typed.ends_with(quote);
    let bare = if is_quoted('\'') || is_quoted('"') { &typed[1..typed.len() - 1] } else { typed };
    match (bare.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest).into(),
        (Some(_) | None, _) => bare.into(),
    }
}

fn answer(question: &str) -> Result<String, Exit> {
    let mut stderr = std::io::stderr();
    let mut line = String::new();
    let asked = write!(stderr, "{question}").and_then(|()| stderr.flush());
    match asked.and_then(|()| std::io::stdin().lock().read_line(&mut line)) {
        Ok(read) if read > 0 => Ok(line.trim().to_owned()),
        Ok(_) | Err(_) => Err(Exit::Usage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_path_needs_no_shell() {
        let path = |typed| typed_path(typed, Some("/home/ann".into()));
        assert_eq!(path("film.mp4"), "film.mp4");
        assert_eq!(path("'two words'"), "two words");
        assert_eq!(path("~/film.mp4"), "/home/ann/film.mp4");
        assert_eq!(path("it's"), "it's");
        assert_eq!(path("'"), "'");
    }
}
