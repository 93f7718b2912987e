//! How a session is ended from outside: by signals, or because nobody came.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use p2pshare::{Error, Invitation, Stop, Stopper};
use tokio::signal::unix::{SignalKind, signal};

use super::desk::timed_out;
use super::keyboard::Terminal;
use super::report::{Exit, Report};

/// What stopped the program, if anything did.
#[derive(Debug, Clone)]
pub(crate) struct Interruption {
    cause: Arc<Mutex<Option<Cause>>>,
    stopper: Arc<Stopper>,
}

#[derive(Debug, Clone, Copy)]
enum Cause {
    Signal(Exit),
    Timeout(Duration),
}

impl Interruption {
    /// Stops the session at the first signal and the process at the second.
    fn signalled(&self, exit: Exit, terminal: &Terminal) {
        if self.note(Cause::Signal(exit)).is_some() {
            terminal.restore();
            std::process::exit(exit as i32);
        }
        self.stopper.stop();
    }

    /// Stops the session because nobody came.
    pub(crate) fn time_out(&self, after: Duration) {
        if self.note(Cause::Timeout(after)).is_none() {
            self.stopper.stop();
        }
    }

    /// Takes note of why the session is stopped; returns why it was being stopped already.
    fn note(&self, cause: Cause) -> Option<Cause> {
        let mut noted = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *noted;
        noted.get_or_insert(cause);
        before
    }

    /// The report of a session that failed, with what ended it, if something did.
    pub(crate) fn report_of(&self, error: &Error, invitation: Option<&Invitation>) -> Report {
        let mut report = Report::of(error, invitation);
        if report.exit == Exit::Interrupted {
            match *self.cause.lock().unwrap_or_else(PoisonError::into_inner) {
                Some(Cause::Signal(exit)) => report.exit = exit,
                Some(Cause::Timeout(after)) => return timed_out(after, invitation.is_some()),
                None => {}
            }
        }
        report
    }
}

/// Begins to watch for signals.
pub(crate) fn stop_on_signals() -> std::io::Result<(Stop, Interruption)> {
    let (stopper, stop) = Stop::new();
    let interruption = Interruption { cause: Arc::default(), stopper: Arc::new(stopper) };
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let mut hangups = signal(SignalKind::hangup())?;
    let (watching, terminal) = (interruption.clone(), Terminal::remember());
    tokio::spawn(async move {
        loop {
            let exit = tokio::select! {
                _ = interrupts.recv() => Exit::Interrupted,
                _ = terminations.recv() => Exit::Terminated,
                _ = hangups.recv() => Exit::Terminated,
            };
            watching.signalled(exit, &terminal);
        }
    });
    Ok((stop, interruption))
}
