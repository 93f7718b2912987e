//! Runs one session: shows its events, answers its questions, and ends it when the person wants to.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use p2pshare::{Error, Event, Stop, Stopper, Summary};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use super::report::{Exit, Report};

/// The signal that stopped the program, if one did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interruption(Arc<AtomicU8>);

impl Interruption {
    /// What the program exits with after a signal.
    fn exit(&self) -> Option<Exit> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            2 => Some(Exit::Interrupted),
            _ => Some(Exit::Terminated),
        }
    }
}

/// Stops the session at the first signal and the process at the second.
pub(crate) fn stop_on_signals() -> std::io::Result<(Stop, Interruption)> {
    let (stopper, stop) = Stop::new();
    let interruption = Interruption::default();
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    let mut hangups = signal(SignalKind::hangup())?;
    let noted = interruption.clone();
    tokio::spawn(async move {
        loop {
            let number = tokio::select! {
                _ = interrupts.recv() => 2,
                _ = terminations.recv() => 15,
                _ = hangups.recv() => 15,
            };
            note(number, &noted, &stopper);
        }
    });
    Ok((stop, interruption))
}

fn note(number: u8, noted: &Interruption, stopper: &Stopper) {
    if noted.0.swap(number, Ordering::Relaxed) != 0 {
        std::process::exit(if number == 2 { Exit::Interrupted } else { Exit::Terminated } as i32);
    }
    stopper.stop();
}

/// Runs a session until it ends; every event it reports goes to `show`, also the last ones.
pub(crate) async fn run<S>(
    session: S,
    mut events: UnboundedReceiver<Event>,
    mut show: impl AsyncFnMut(Event),
) -> Result<Summary, Error>
where
    S: Future<Output = Result<Summary, Error>> + Send + 'static,
{
    let mut session = tokio::spawn(session);
    let result = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => show(event).await,
            result = &mut session => break result,
        }
    };
    while let Ok(event) = events.try_recv() {
        show(event).await;
    }
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// What the program ends with after a session that did not fail.
pub(crate) const fn exit_of(summary: &Summary) -> Exit {
    if summary.skipped > 0 { Exit::Incomplete } else { Exit::Done }
}

/// The report of a session that failed, with the signal that ended it, if one did.
pub(crate) fn report_of(error: &Error, invitation: Option<&p2pshare::Invitation>, by: &Interruption) -> Report {
    let mut report = Report::of(error, invitation);
    if report.exit == Exit::Interrupted
        && let Some(exit) = by.exit()
    {
        report.exit = exit;
    }
    report
}
