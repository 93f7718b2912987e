//! Turns an error into words, a hint and an exit code. Nothing else in the program does.

#![expect(clippy::wildcard_enum_match_arm, reason = "the enums of the library grow; each place handles what it knows")]

use p2pshare::signaling::{ServerUrl, SignalingError};
use p2pshare::storage::sink::SinkError;
use p2pshare::storage::source::SourceError;
use p2pshare::transport::{Lost, TransportError};
use p2pshare::{Error, Invitation, LOCAL_PORTS};
use p2pshare_protocol::ctl::{AbortCode, DeclineReason};
use p2pshare_protocol::envelope::{ErrorCode, Why};
use p2pshare_protocol::error::TransferError;
use p2pshare_protocol::pairing::PairingError;

use super::text::escape;
use super::{format, no_path};

/// Why the program ends, as a script sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, and acknowledged by the peer.
    Done = 0,
    /// Something that has no code of its own.
    Other = 1,
    /// The command line is wrong.
    Usage = 2,
    /// No such, expired or wrong code.
    Code = 3,
    /// The peer could not be verified.
    NotVerified = 4,
    /// Somebody broke the protocol.
    Violation = 5,
    /// The password.
    Password = 6,
    /// The other side needs another version.
    Version = 7,
    /// The local disk.
    Disk = 8,
    /// Entries changed or were left out.
    Incomplete = 9,
    /// The network; a transfer can be resumed.
    Network = 10,
    /// Declined, or over a limit.
    Declined = 11,
    /// Nobody came, or answered.
    TimedOut = 12,
    /// SIGINT.
    Interrupted = 130,
    /// Who read standard output has ended: what a shell says of a program that SIGPIPE killed.
    PipeClosed = 141,
    /// SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// The class that `--json` names.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Other => "other",
            Self::Usage => "usage",
            Self::Code => "code",
            Self::NotVerified => "not_verified",
            Self::Violation => "violation",
            Self::Password => "password",
            Self::Version => "version",
            Self::Disk => "disk",
            Self::Incomplete => "incomplete",
            Self::Network => "network",
            Self::Declined => "declined",
            Self::TimedOut => "timed_out",
            Self::Interrupted => "interrupted",
            Self::PipeClosed => "pipe_closed",
            Self::Terminated => "terminated",
        }
    }
}

/// An error in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) exit: Exit,
    /// What happened, naming the value.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// Whether running the same command again continues where this one stopped.
    pub(crate) is_resumable: bool,
}

impl Report {
    pub(crate) fn new(exit: Exit, message: impl Into<String>, hint: &str) -> Self {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        Self { exit, message: message.into(), hint, is_resumable: false }
    }

    const fn resumable(mut self) -> Self {
        self.is_resumable = true;
        self
    }

    /// The same, if it concerns a stream or standard output, which nothing can continue.
    pub(crate) fn of_pipe(mut self, is_pipe: bool) -> Self {
        if is_pipe && std::mem::take(&mut self.is_resumable) {
            self.hint = Some("Nothing is kept of a pipe: run both commands again.".to_owned());
        }
        self
    }

    /// Puts an error of the way to a server into words.
    pub(crate) fn of_signaling(error: &SignalingError) -> Self {
        signaling(error)
    }

    /// Puts an error into words. `invitation` is what the person typed, if anything.
    pub(crate) fn of(error: &Error, invitation: Option<&Invitation>) -> Self {
        match error {
            Error::NotActive { room, asked, on_lan } => not_active(room, asked, *on_lan, invitation),
            Error::Refused { server, code, retry_after } => refused(&server.to_string(), *code, *retry_after),
            Error::Signaling(error) => signaling(error),
            Error::Pairing(error) => pairing(*error),
            Error::PeerLeft(why) => left(*why),
            Error::Unproven => {
                Self::new(Exit::NotVerified, error.to_string(), "Ask for a new code, and do not try this one again.")
            }
            Error::Transport(TransportError::NoRelay) => {
                Self::new(Exit::Network, "--relay needs a relay, and the server offers none", NO_RELAY_HINT)
            }
            Error::Transport(error) => Self::new(Exit::Network, error.to_string(), NETWORK_HINT),
            Error::NoPath(found) => {
                let (cause, hint) = no_path::explain(found);
                Self::new(Exit::Network, cause, hint)
            }
            Error::Lost(lost) => lost_connection(lost),
            Error::BindMismatch | Error::BindMissing => {
                Self::new(Exit::Violation, format!("SECURITY: {error}"), "Do not retry over this network or server.")
            }
            Error::Transfer(error) => transfer(error),
            Error::Source(error @ SourceError::NothingLeft { .. }) => {
                Self::new(Exit::Usage, error.to_string(), "Narrow what --exclude names, or leave out --ignore-files.")
            }
            Error::Source(_) => Self::new(Exit::Disk, chain(error), "Check the path and its permissions."),
            Error::Sink(error) => sink(error),
            Error::Listen(_) => Self::new(Exit::Network, error.to_string(), "Name a server with --server."),
            Error::Expired => Self::new(Exit::TimedOut, error.to_string(), "Share it again, or for longer: --expire."),
            Error::Stopped => Self::new(Exit::Interrupted, "stopped", ""),
            Error::Code(_) | Error::ServerUrl(_) | Error::Origin(_) => Self::new(Exit::Usage, error.to_string(), ""),
            Error::PasswordNeeded => {
                Self::new(Exit::Password, error.to_string(), "Give it with --password=FILE or P2PSHARE_PASSWORD.")
            }
            Error::Password(_) => Self::new(Exit::Usage, error.to_string(), ""),
            Error::Pipe(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                Self::new(Exit::PipeClosed, "stopped: who reads standard output has ended", "")
            }
            Error::Pipe(_) => Self::new(Exit::Disk, error.to_string(), ""),
            Error::NotOneFile(_) => {
                Self::new(Exit::Declined, error.to_string(), "Name a folder with -o, or choose with --only.")
            }
            Error::BadServer => Self::new(Exit::Network, error.to_string(), "Use another server: --server."),
            _ => Self::new(Exit::Other, chain(error), ""),
        }
    }
}

fn not_active(room: &str, asked: &[ServerUrl], on_lan: bool, invitation: Option<&Invitation>) -> Report {
    let what = match invitation {
        Some(Invitation::Code(code)) => code.spaced(),
        Some(Invitation::Link(_)) => "this link".to_owned(),
        None => room.to_owned(),
    };
    let around = if on_lan { " and the local network" } else { "" };
    let asked = asked.iter().map(spoken).collect::<Vec<_>>().join(", ");
    let message =
        format!("no share answers to {what}: it may have ended or be on another server (asked {asked}{around})");
    Report::new(Exit::Code, message, "Ask for a new code, or name the server with --server.")
}

/// A server in words: the ports at which the senders of this machine are looked for, nobody has chosen.
fn spoken(server: &ServerUrl) -> String {
    let url = server.to_string();
    let is_here = LOCAL_PORTS.into_iter().any(|port| url == format!("http://127.0.0.1:{port}"));
    if is_here { "this machine".to_owned() } else { url }
}

fn refused(server: &str, code: ErrorCode, retry_after: Option<u32>) -> Report {
    let when = retry_after.map_or_else(String::new, |s| format!(" Try again in {s} s."));
    match code {
        ErrorCode::NotActive => Report::new(Exit::Code, "no share answers to this code", "Ask for a new code."),
        ErrorCode::Busy => {
            Report::new(Exit::Network, "others are trying this code right now", "Try again in a few seconds.")
        }
        ErrorCode::Version => {
            let message = format!("the server {server} speaks another version of the protocol");
            Report::new(Exit::Version, message, "Use the same version of p2pshare on both sides.")
        }
        ErrorCode::NoNearby => {
            let message = format!("the server {server} cannot tell which devices are on one network");
            let hint =
                "Whoever runs it has to name the proxy in front of it with --trusted-proxy. Use a code meanwhile.";
            Report::new(Exit::Network, message, hint)
        }
        other => {
            let why = serde_json::to_value(other).map_or_else(|_| String::new(), |v| v.to_string());
            let message = format!("the server {server} refused: {}", why.trim_matches('"').replace('_', " "));
            Report::new(Exit::Network, format!("{message}.{when}"), "")
        }
    }
}

fn signaling(error: &SignalingError) -> Report {
    let hint = match error {
        SignalingError::Unreachable { .. } | SignalingError::TimedOut { .. } => {
            "Check the address and that the server runs; on the sender's machine alone, leave out --server."
        }
        SignalingError::Tls { .. } => "Check the server's certificate and this machine's clock.",
        _ => "",
    };
    Report::new(Exit::Network, chain(error), hint)
}

fn pairing(error: PairingError) -> Report {
    match error {
        PairingError::WrongCode => Report::new(
            Exit::Code,
            "wrong code",
            "Check the last 4 digits; after 3 wrong tries the sender shows a new code.",
        ),
        PairingError::PeerNotVerified(_) | PairingError::ShortNumberRejected | PairingError::TimedOut => {
            let message = format!("could not verify the other side: {error}");
            Report::new(Exit::NotVerified, message, "Ask for a new code if this repeats.")
        }
        PairingError::HostKeyMismatch | PairingError::SecurityMismatch | PairingError::ProtocolViolation(_) => {
            let message = format!("SECURITY: {error}");
            Report::new(Exit::Violation, message, "The server or the network may be hostile: use another one.")
        }
        PairingError::NotActive => {
            Report::new(Exit::Code, "this code is no longer active", "Ask the sender for the new one.")
        }
        PairingError::PasswordWrong => {
            Report::new(Exit::Password, "wrong password", "Ask the sender for the password.")
        }
        PairingError::PasswordLocked => Report::new(Exit::Password, error.to_string(), "Ask the sender to unlock it."),
        PairingError::Version => {
            Report::new(Exit::Version, error.to_string(), "Use the same version of p2pshare on both sides.")
        }
        PairingError::Canceled => Report::new(Exit::Network, "the other side stopped", "Ask for a new code."),
        PairingError::LocalDescription(_) => Report::new(Exit::Other, error.to_string(), ""),
    }
}

fn left(why: Why) -> Report {
    match why {
        Why::BadProof => pairing(PairingError::WrongCode),
        Why::TimedOut => Report::new(Exit::TimedOut, "the other side did not answer in time", "Try again."),
        Why::Expired => Report::new(Exit::Code, "the share has expired", "Ask for a new code."),
        Why::Kicked => {
            Report::new(Exit::Network, "the share serves somebody else", "Try again later, or ask for another code.")
        }
        Why::Left | Why::Lost | Why::Replaced => {
            Report::new(Exit::Network, "the other side went away", "Ask whether it is still sharing.")
        }
    }
}

fn lost_connection(lost: &Lost) -> Report {
    let message = match lost {
        Lost::Unreachable => "no path to the other device works, or it went silent".to_owned(),
        Lost::ClosedByPeer => "the other side closed the connection".to_owned(),
        other => other.to_string(),
    };
    Report::new(Exit::Network, message, "Run the same command again: what arrived is kept.").resumable()
}

fn transfer(error: &TransferError) -> Report {
    match error {
        TransferError::Violation(_) => Report::new(Exit::Violation, error.to_string(), ""),
        TransferError::Corrupt | TransferError::Aborted(AbortCode::Corrupt) => Report::new(
            Exit::Violation,
            "received data does not match its hash",
            "Try again; check this machine's memory.",
        ),
        TransferError::Version(_) => {
            Report::new(Exit::Version, error.to_string(), "Use the same version of p2pshare on both sides.")
        }
        TransferError::SameRole(_) => {
            Report::new(Exit::Usage, error.to_string(), "One side sends, the other receives.")
        }
        TransferError::Declined(reason) => declined(*reason),
        TransferError::Stopped(AbortCode::Canceled) => Report::new(Exit::Interrupted, "stopped", KEPT_HINT).resumable(),
        TransferError::Aborted(AbortCode::Canceled) => {
            Report::new(Exit::Network, "the other side stopped the transfer", KEPT_HINT).resumable()
        }
        TransferError::Aborted(AbortCode::Disk) => {
            Report::new(Exit::Network, "the receiver's disk cannot take it", "What arrived is kept.").resumable()
        }
        TransferError::Aborted(AbortCode::Violation) => {
            Report::new(Exit::Violation, "the other side says that this side broke the protocol", "")
        }
        TransferError::Silent | TransferError::Stalled | TransferError::Aborted(AbortCode::Stalled) => {
            Report::new(Exit::Network, error.to_string(), "Run the same command again: what arrived is kept.")
                .resumable()
        }
        other => Report::new(Exit::Other, other.to_string(), ""),
    }
}

fn declined(reason: DeclineReason) -> Report {
    let (message, hint) = match reason {
        DeclineReason::Declined => ("the receiver declined", ""),
        DeclineReason::Limit => (
            "the offer is not what the receiver takes unasked",
            "The receiver says why: a limit (--max-size, --max-files), hidden names, or one file is wanted.",
        ),
        DeclineReason::Disk => {
            ("refused: the receiver's disk has no room or cannot be written", "The other side says what is wrong.")
        }
    };
    Report::new(Exit::Declined, message, hint)
}

fn sink(error: &SinkError) -> Report {
    let hint = match error {
        SinkError::Full { .. } => "Free some space and run the same command again: what arrived is kept.",
        SinkError::Denied { .. } | SinkError::NotADirectory { .. } | SinkError::Missing { .. } => {
            "Name another folder with -o."
        }
        SinkError::Busy { .. } => {
            "Another p2pshare is at it, or looks for its sender: stop that one, or name another folder with -o."
        }
        SinkError::Exists { .. } => "Choose what to do with --on-exists.",
        _ => "",
    };
    if let SinkError::Full { needed: 0, .. } = error {
        // How long a stream is nobody knows, and nothing is kept of it.
        return Report::new(Exit::Disk, "the disk is full", "Free some space and run both commands again.");
    }
    if let SinkError::Full { needed, free } = error {
        let (needed, free) = (format::bytes(*needed), format::bytes(*free));
        return Report::new(Exit::Disk, format!("the disk is full: {needed} are needed, {free} are free"), hint)
            .resumable();
    }
    Report::new(Exit::Disk, chain(error), hint)
}

/// An error and what is behind it, escaped: paths in it may be a peer's.
fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !message.contains(&cause_text) {
            message = format!("{message}: {cause_text}");
        }
        source = cause.source();
    }
    escape(&message)
}

const KEPT_HINT: &str = "Share it and receive it again to go on: what arrived is kept.";

const NO_RELAY_HINT: &str = "Use a server that runs with --relay, or leave out --relay here.";

const NETWORK_HINT: &str = "Check that both devices have a network in common, or use a server with a relay.";
