//! A bare `p2pshare` on a terminal asks what to do.

use std::io::{BufRead, IsTerminal, Write};

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
    let words = match answer("Send or receive? [s/r] ")?.to_lowercase().chars().next() {
        Some('s') => vec!["p2pshare".to_owned(), "send".to_owned(), "--".to_owned(), answer("Which file or folder? ")?],
        Some('r') => {
            let code = answer("The code or link (nothing opens an inbox): ")?;
            let code = (!code.is_empty()).then_some(code);
            ["p2pshare".to_owned(), "recv".to_owned()].into_iter().chain(code).collect()
        }
        Some(_) | None => return Err(Exit::Usage),
    };
    Cli::parse_from(words).command.ok_or(Exit::Usage)
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
