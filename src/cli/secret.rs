//! Passwords: from the person, a file, standard input or the environment, and never from the command line.

use std::io::BufRead;
use std::path::Path;

use zeroize::Zeroizing;

use super::args::CommonArgs;
use super::desk::Desk;
use super::report::{Exit, Report};

/// The password to join with, if it is known beforehand.
///
/// # Errors
/// It cannot be read, is empty, or nobody can be asked for it later.
pub(crate) async fn to_join(common: &CommonArgs, desk: &mut Desk) -> Result<Option<Zeroizing<String>>, Report> {
    match known(common, desk).await? {
        // It is asked for when the share wants one.
        Known::No if desk.may_ask => Ok(None),
        known @ (Known::Yes(_) | Known::No) => known.or_nobody(),
    }
}

/// The password of a share of our own.
///
/// # Errors
/// It cannot be read, is empty, or nobody can be asked for it.
pub(crate) async fn to_host(common: &CommonArgs, desk: &mut Desk) -> Result<Option<Zeroizing<String>>, Report> {
    match known(common, desk).await? {
        Known::No if desk.may_ask => desk.new_password().await.map(Some),
        known @ (Known::Yes(_) | Known::No) => known.or_nobody(),
    }
}

enum Known {
    /// There is none, or it is this one.
    Yes(Option<Zeroizing<String>>),
    /// There is one, and the person has to type it.
    No,
}

impl Known {
    fn or_nobody(self) -> Result<Option<Zeroizing<String>>, Report> {
        match self {
            Self::Yes(password) => Ok(password),
            Self::No => {
                let hint = "Use --password=FILE or P2PSHARE_PASSWORD.";
                Err(Report::new(Exit::Usage, "nobody can be asked for the password here", hint))
            }
        }
    }
}

/// What `--password` and `P2PSHARE_PASSWORD` say.
async fn known(common: &CommonArgs, desk: &mut Desk) -> Result<Known, Report> {
    let from_environment =
        std::env::var("P2PSHARE_PASSWORD").ok().filter(|value| !value.is_empty()).map(Zeroizing::new);
    Ok(match (&common.password, from_environment) {
        (Some(Some(path)), _) if path == Path::new("-") => {
            Known::Yes(Some(checked(&desk.line("Password: ", true).await?, path)?))
        }
        (Some(Some(path)), _) => Known::Yes(Some(first_line(path)?)),
        (Some(None), None) => Known::No,
        (_, from_environment) => Known::Yes(from_environment),
    })
}

fn first_line(path: &Path) -> Result<Zeroizing<String>, Report> {
    let mut line = Zeroizing::new(String::new());
    let read = std::fs::File::open(path).and_then(|file| std::io::BufReader::new(file).read_line(&mut line));
    read.map_err(|error| unreadable(path, &error.to_string()))?;
    checked(&line, path)
}

fn checked(line: &str, path: &Path) -> Result<Zeroizing<String>, Report> {
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() { Err(unreadable(path, "it is empty")) } else { Ok(Zeroizing::new(password.to_owned())) }
}

fn unreadable(path: &Path, why: &str) -> Report {
    let message = format!("the password cannot be read from {}: {why}", path.display());
    Report::new(Exit::Usage, message, "Its first line is the password; '-' reads it from standard input.")
}
