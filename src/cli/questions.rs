//! `Questions`: what people are asked, one question at a time, while the sessions go on.

mod consent;

use std::collections::VecDeque;
use std::future::pending;

use p2pshare::{PasswordRequest, UnlockRequest, VerifyRequest};

use super::keyboard::{Keyboard, Line};
use super::ui::Ui;
pub(crate) use consent::{Consent, Folder, has_hidden_names};

/// Something that a person has to decide.
#[derive(Debug)]
pub(crate) enum Question {
    /// What to take of an offer.
    Offer(Box<Consent>),
    /// Whether the other side shows the same number.
    Number(VerifyRequest),
    /// The password of a share.
    Password(PasswordRequest),
    /// Whether a share takes passwords again after too many wrong ones.
    Unlock(UnlockRequest),
    /// A line for [`Questions::read`], which takes it.
    Line { text: &'static str, is_secret: bool },
}

/// What became of a question.
#[derive(Debug)]
pub(crate) enum Turn {
    /// A line was typed, or the input has ended.
    Answered(Line),
    /// Nobody waits for the answer any more.
    Withdrawn,
}

/// The questions that are open. The first one is on the screen; answers are never taken for another one's.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    keyboard: Option<Keyboard>,
    open: VecDeque<Question>,
}

impl Questions {
    /// Asks, as soon as the questions before are answered.
    pub(crate) fn ask(&mut self, question: Question, ui: &mut Ui) {
        self.open.push_back(question);
        if self.open.len() == 1 {
            self.show(ui);
        }
    }

    /// Waits for what becomes of the question on the screen; pends while there is none. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Turn {
        let (Some(keyboard), Some(question)) = (&mut self.keyboard, self.open.front_mut()) else {
            return pending().await;
        };
        tokio::select! {
            biased;
            () = question.withdrawn() => Turn::Withdrawn,
            line = keyboard.line() => Turn::Answered(line),
        }
    }

    /// Takes the answer and shows the next question.
    pub(crate) fn take(&mut self, turn: Turn, ui: &mut Ui) {
        self.close(matches!(turn, Turn::Answered(Some(_))), ui);
        let Some(question) = self.open.pop_front() else { return };
        if let Turn::Answered(line) = turn
            && let Some(question) = question.answer(line, ui)
        {
            self.open.push_front(question);
        }
        self.show(ui);
    }

    /// Asks for a line before there is a session; `None` at the end of the input.
    pub(crate) async fn read(&mut self, text: &'static str, is_secret: bool, ui: &mut Ui) -> Line {
        self.ask(Question::Line { text, is_secret }, ui);
        let turn = self.next().await;
        self.close(matches!(turn, Turn::Answered(Some(_))), ui);
        self.open.pop_front();
        match turn {
            Turn::Answered(line) => line,
            Turn::Withdrawn => None,
        }
    }

    fn show(&mut self, ui: &mut Ui) {
        if let Some(question) = self.open.front() {
            self.keyboard.get_or_insert_with(Keyboard::open).expect(question.is_secret(), question.is_consent());
            ui.open_question(&question.text());
        }
    }

    fn close(&self, is_line_ended: bool, ui: &mut Ui) {
        if let Some(keyboard) = &self.keyboard {
            keyboard.restore();
        }
        ui.close_question(is_line_ended);
    }
}

impl Question {
    async fn withdrawn(&mut self) {
        match self {
            Self::Offer(consent) => consent.request.withdrawn().await,
            Self::Number(request) => request.withdrawn().await,
            Self::Password(request) => request.withdrawn().await,
            Self::Unlock(_) | Self::Line { .. } => pending().await,
        }
    }

    const fn is_secret(&self) -> bool {
        match self {
            Self::Password(_) => true,
            Self::Line { is_secret, .. } => *is_secret,
            Self::Offer(_) | Self::Number(_) | Self::Unlock(_) => false,
        }
    }

    const fn is_consent(&self) -> bool {
        match self {
            Self::Offer(_) | Self::Number(_) | Self::Unlock(_) => true,
            Self::Password(_) | Self::Line { .. } => false,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Offer(consent) => consent.text(),
            Self::Number(request) => {
                let who = request.name.as_ref().map_or_else(|| "the other side".to_owned(), ToString::to_string);
                format!("Does {who} show the number {}? [y/N] ", request.number)
            }
            Self::Password(_) => "Password of the share: ".to_owned(),
            Self::Unlock(_) => "Allow more passwords? [y/N] ".to_owned(),
            Self::Line { text, .. } => (*text).to_owned(),
        }
    }

    /// Carries the answer out; returns what is to be asked next.
    fn answer(self, line: Line, ui: &Ui) -> Option<Self> {
        match self {
            Self::Offer(consent) => consent.answer(line.as_ref().map(|line| line.as_str()), ui).map(Self::Offer),
            Self::Number(request) => {
                request.confirm(is_yes(&line));
                None
            }
            Self::Unlock(request) => {
                if is_yes(&line) {
                    request.unlock();
                }
                None
            }
            Self::Password(request) => {
                // An empty line, or none, gives up.
                if let Some(password) = line.filter(|line| !line.is_empty()) {
                    request.give(password);
                }
                None
            }
            Self::Line { .. } => None,
        }
    }
}

fn is_yes(line: &Line) -> bool {
    line.as_ref().is_some_and(|line| matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}
