//! The keyboard: lines that a person types, read only while something is asked, and a terminal that is left as it was.

use std::future::pending;
use std::io::BufRead;
use std::sync::mpsc;
use std::thread;

use rustix::termios::{LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};
use tokio::sync::mpsc as tokio_mpsc;
use zeroize::Zeroizing;

/// What a person typed; `None` at the end of the input.
pub(crate) type Line = Option<Zeroizing<String>>;

/// Standard input as a terminal, with a thread that reads it when a line is wanted.
#[derive(Debug)]
pub(crate) struct Keyboard {
    wanted: mpsc::Sender<()>,
    lines: tokio_mpsc::UnboundedReceiver<Line>,
    is_reading: bool,
    terminal: Terminal,
}

impl Keyboard {
    pub(crate) fn open() -> Self {
        let (wanted, wishes) = mpsc::channel::<()>();
        let (typed, lines) = tokio_mpsc::unbounded_channel();
        // A thread that waits for the keyboard cannot be ended; the end of the process ends it.
        thread::spawn(move || while wishes.recv().is_ok() && typed.send(read_line()).is_ok() {});
        Self { wanted, lines, is_reading: false, terminal: Terminal::remember() }
    }

    /// Gets ready for an answer to what is about to be asked. What was typed before is no consent.
    pub(crate) fn expect(&mut self, is_secret: bool, is_consent: bool) {
        if is_consent {
            let _ = tcflush(std::io::stdin(), QueueSelector::IFlush);
        }
        if is_secret {
            self.terminal.hide_typing();
        }
        if !self.is_reading {
            self.is_reading = self.wanted.send(()).is_ok();
        }
    }

    /// The next line. Cancel-safe.
    pub(crate) async fn line(&mut self) -> Line {
        match self.lines.recv().await {
            Some(line) => {
                self.is_reading = false;
                line
            }
            None => pending().await,
        }
    }

    /// Shows again what is typed.
    pub(crate) fn restore(&self) {
        self.terminal.restore();
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Blocks until a line is there.
pub(crate) fn read_line() -> Line {
    let mut line = Zeroizing::new(String::new());
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(read) if read > 0 => Some(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned())),
        Ok(_) | Err(_) => None,
    }
}

/// How the terminal was set when the program began, if there is one.
#[derive(Debug, Clone)]
pub(crate) struct Terminal(Option<Termios>);

impl Terminal {
    pub(crate) fn remember() -> Self {
        Self(tcgetattr(std::io::stdin()).ok())
    }

    /// Sets it as it was.
    pub(crate) fn restore(&self) {
        if let Some(modes) = &self.0 {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, modes);
        }
    }

    /// Shows nothing of what is typed but the end of the line.
    fn hide_typing(&self) {
        if let Some(mut modes) = self.0.clone() {
            modes.local_modes.remove(LocalModes::ECHO);
            modes.local_modes.insert(LocalModes::ECHONL);
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &modes);
        }
    }
}
