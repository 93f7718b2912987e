//! `Desk`: where a session meets the person or the script: it shows events, asks questions, and ends the session when it is
//! told to.

#![expect(clippy::wildcard_enum_match_arm, reason = "the enums of the library grow; each place handles what it knows")]

use std::collections::HashSet;
use std::future::{Future, pending};
use std::time::Duration;

use p2pshare::{Error, Event, Invitation, Stage, Stop, Summary};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};
use zeroize::Zeroizing;

use super::args::CommonArgs;
use super::arrived::Arrived;
use super::format;
use super::human::Manner;
use super::keyboard::read_line;
use super::policy::Policy;
use super::questions::{Question, Questions};
use super::report::{Exit, Report};
use super::setup::may_ask;
use super::stop::{Interruption, stop_on_signals};
use super::text::untrusted_lines;
use super::ui::{self, Ui};

/// A session that is about to run, what it reports, and what was typed to join it.
pub(crate) struct Started {
    pub(crate) session: std::pin::Pin<Box<dyn Future<Output = Result<Summary, Error>> + Send>>,
    pub(crate) reports: UnboundedReceiver<Event>,
    pub(crate) invitation: Option<Invitation>,
}

/// What people and scripts see and say.
pub(crate) struct Desk {
    pub(crate) ui: Ui,
    questions: Questions,
    /// Whether a person is there to be asked.
    pub(crate) may_ask: bool,
    pub(crate) stop: Stop,
    interruption: Interruption,
    copies: bool,
    /// Whether a password was tried.
    pub(crate) has_password: bool,
    /// How offers are decided, on the side that receives.
    pub(crate) policy: Option<Policy>,
    pub(crate) arrived: Arrived,
}

impl Desk {
    /// # Errors
    /// Signals cannot be caught.
    pub(crate) fn open(common: &CommonArgs, manner: Manner, copies: bool) -> Result<Self, Exit> {
        let (stop, interruption) = stop_on_signals().map_err(|error| ui::fail_early(&error.to_string()))?;
        Ok(Self {
            ui: Ui::new(common.json, manner),
            questions: Questions::default(),
            may_ask: may_ask(common),
            stop,
            interruption,
            copies,
            has_password: false,
            policy: None,
            arrived: Arrived::default(),
        })
    }

    /// Asks for a password for a share of our own, twice.
    ///
    /// # Errors
    /// None was typed, two different ones were, or the person wants to stop.
    pub(crate) async fn new_password(&mut self) -> Result<Zeroizing<String>, Report> {
        let first = self.ask("Password for this share: ", true).await?;
        if first.is_empty() {
            return Err(Report::new(Exit::Usage, "no password was typed", "Type one, or leave out --password."));
        }
        if self.ask("The same again: ", true).await? != first {
            return Err(Report::new(Exit::Usage, "the two passwords differ", "Run the command again."));
        }
        Ok(first)
    }

    /// A line of standard input, asked for with `text` if a person is there.
    ///
    /// # Errors
    /// The input has ended or cannot be read, or the person wants to stop.
    pub(crate) async fn line(&mut self, text: &'static str, is_secret: bool) -> Result<Zeroizing<String>, Report> {
        if self.may_ask {
            return self.ask(text, is_secret).await;
        }
        let mut stop = self.stop.clone();
        tokio::select! {
            line = tokio::task::spawn_blocking(read_line) => line.unwrap_or(None).ok_or_else(|| ended(text)),
            () = stop.requested() => Err(self.interruption.report_of(&Error::Stopped, None)),
        }
    }

    async fn ask(&mut self, text: &'static str, is_secret: bool) -> Result<Zeroizing<String>, Report> {
        let mut stop = self.stop.clone();
        tokio::select! {
            line = self.questions.read(text, is_secret, &mut self.ui) => line.ok_or_else(|| ended(text)),
            () = stop.requested() => Err(self.interruption.report_of(&Error::Stopped, None)),
        }
    }

    /// Runs a session until it ends; every event it reports is shown, also the last ones. After `timeout` without a peer, from
    /// the beginning or since the last one is done, it is stopped.
    ///
    /// # Errors
    /// The session failed.
    pub(crate) async fn run(&mut self, started: Started, timeout: Option<Duration>) -> Result<Summary, Report> {
        let Started { session, mut reports, invitation } = started;
        let mut session = tokio::spawn(session);
        let from_now = || timeout.map(|timeout| (Instant::now() + timeout, timeout));
        let (mut give_up, mut connected) = (from_now(), HashSet::new());
        let result = loop {
            tokio::select! {
                biased;
                Some(event) = reports.recv() => {
                    match &event {
                        Event::Stage(peer, Stage::Connected) => {
                            connected.insert(*peer);
                            give_up = None;
                        }
                        Event::Done(peer, _) | Event::Failed(peer, _) if connected.remove(peer) && connected.is_empty() => {
                            give_up = from_now();
                        }
                        _ => {}
                    }
                    self.handle(event);
                }
                turn = self.questions.next() => self.questions.take(turn, &mut self.ui),
                result = &mut session => break result,
                timeout = elapsed(give_up) => {
                    give_up = None;
                    self.interruption.time_out(timeout);
                }
            }
        };
        while let Ok(event) = reports.try_recv() {
            self.handle(event);
        }
        let result = result.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        result.map_err(|error| self.interruption.report_of(&error, invitation.as_ref()))
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Shared { ref code, .. } => {
                let code = code.to_string();
                self.ui.show(&event);
                if self.ui.prints_code() {
                    self.ui.print(&code);
                }
                if self.copies {
                    self.ui.copy(&code);
                }
            }
            Event::Offered(peer, request) => {
                self.ui.offered(peer, &request.offer);
                let question = self.policy.as_ref().and_then(|policy| policy.decide(request, &self.ui));
                if let Some(consent) = question {
                    self.questions.ask(Question::Offer(consent), &mut self.ui);
                }
            }
            Event::Verify(peer, request) => {
                self.ui.verify(peer, &request);
                if let Some(name) = request.name.as_ref().filter(|_| self.policy.is_some()) {
                    self.ui.say(&format!("{name} wants to send something"));
                }
                if self.may_ask {
                    self.questions.ask(Question::Number(request), &mut self.ui);
                } else {
                    // Dropped, a request says no.
                    self.ui.say(&format!("nobody can be asked here whether the other side shows {}", request.number));
                }
            }
            Event::PasswordNeeded(_, request) if self.may_ask => {
                if std::mem::replace(&mut self.has_password, true) {
                    let left = format::count(request.attempts_left.into(), "try is left", "tries are left");
                    self.ui.say(&format!("wrong password; {left}"));
                }
                self.questions.ask(Question::Password(request), &mut self.ui);
            }
            Event::PasswordLocked(request) => {
                self.ui.locked();
                if self.may_ask {
                    self.questions.ask(Question::Unlock(request), &mut self.ui);
                }
            }
            Event::EntryDone { peer, ref path, .. } => {
                if let Some(path) = self.arrived.first_seen(peer, path) {
                    self.ui.print(&path.to_string_lossy());
                }
                self.ui.show(&event);
            }
            Event::Text(_, ref text) => {
                self.ui.print(&untrusted_lines(&text.0));
                self.ui.show(&event);
            }
            event => self.ui.show(&event),
        }
    }
}

/// There was nothing where something was asked for.
fn ended(text: &str) -> Report {
    let what = text.trim_end_matches([':', ' ']).to_lowercase();
    Report::new(Exit::Usage, format!("standard input has ended where this was expected: {what}"), "")
}

/// Waits until a timeout has passed; for ever without one.
async fn elapsed(give_up: Option<(Instant, Duration)>) -> Duration {
    match give_up {
        Some((at, timeout)) => {
            sleep_until(at).await;
            timeout
        }
        None => pending().await,
    }
}

/// What a timeout means, in words.
pub(super) fn timed_out(timeout: Duration, is_guest: bool) -> Report {
    let within = format::duration(timeout);
    let message = if is_guest {
        format!("the other side did not answer within {within} (--timeout)")
    } else {
        format!("nobody came within {within} (--timeout)")
    };
    Report::new(Exit::TimedOut, message, "Try again when both sides are ready, or wait longer.")
}

/// What the program ends with after a session that did not fail.
pub(crate) const fn exit_of(summary: &Summary) -> Exit {
    if summary.skipped > 0 { Exit::Incomplete } else { Exit::Done }
}
