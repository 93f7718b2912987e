//! Passwords: from the keyboard, a file, standard input or the environment, and never from the command line.

use std::io::BufRead;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::report::{Exit, Report};

/// The password that `--password` or `P2PSHARE_PASSWORD` names; `may_ask` tells whether a person can be asked for it.
///
/// # Errors
/// It cannot be read, or nobody can be asked.
pub(crate) fn password(
    typed: Option<&Option<PathBuf>>,
    may_ask: bool,
    is_new: bool,
) -> Result<Option<Zeroizing<String>>, Report> {
    let from_environment = || std::env::var("P2PSHARE_PASSWORD").ok().map(Zeroizing::new);
    match typed {
        None => Ok(from_environment()),
        Some(Some(path)) => first_line(path).map(Some),
        Some(None) => match from_environment() {
            Some(password) => Ok(Some(password)),
            None if may_ask => ask(is_new).map(Some),
            None => Err(Report::new(
                Exit::Usage,
                "nobody can be asked for the password here",
                "Use --password=FILE or P2PSHARE_PASSWORD.",
            )),
        },
    }
}

/// Asks for a password, twice for a new one.
///
/// # Errors
/// Nothing can be read, or the two differ.
pub(crate) fn ask(is_new: bool) -> Result<Zeroizing<String>, Report> {
    let read = |prompt| {
        let typed = rpassword::prompt_password(prompt);
        typed.map(Zeroizing::new).map_err(|error| wrong(&format!("no password could be read: {error}")))
    };
    let password = read("Password: ")?;
    if is_new && *read("Again: ")? != *password {
        return Err(wrong("the two passwords differ"));
    }
    Ok(password)
}

fn first_line(path: &Path) -> Result<Zeroizing<String>, Report> {
    let mut line = Zeroizing::new(String::new());
    let read = if path == Path::new("-") {
        std::io::stdin().lock().read_line(&mut line)
    } else {
        std::fs::File::open(path).and_then(|file| std::io::BufReader::new(file).read_line(&mut line))
    };
    read.map_err(|error| wrong(&format!("the password cannot be read from {}: {error}", path.display())))?;
    Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

fn wrong(message: &str) -> Report {
    Report::new(Exit::Usage, message, "")
}
