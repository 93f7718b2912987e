//! Drives one pairing: the machine, the server's mail and the connection that is being set up.

use std::time::Instant;

use p2pshare_protocol::keys::SessionKeys;
use p2pshare_protocol::pairing::{GuestPairing, HostPairing, Input, Output};
use p2pshare_protocol::sdp;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::bind::bind;
use super::context::Context;
use super::event::{Event, Stage, UnlockRequest};
use super::host::Guard;
use super::mailbox::Mailbox;
use crate::error::Error;
use crate::transport::{Candidate, Channel, DialEvent, Dialing};

/// The machine of either side; a host's guests share the guard of their code.
pub(super) enum Machine {
    Host(HostPairing, Option<Guard>),
    Guest(Box<GuestPairing>),
}

/// A pairing under way.
pub(super) struct Pairing<'a> {
    machine: Machine,
    dialing: Dialing,
    mailbox: &'a mut Mailbox,
    context: &'a mut Context,
    /// Set once both sides are proven.
    keys: Option<SessionKeys>,
    /// Whether the connection opened; it may do so before this side knows that the peer is proven.
    is_open: bool,
    /// Whether the server still carries mail.
    has_mail: bool,
    /// Set while a person types the password.
    password: Option<oneshot::Receiver<Zeroizing<String>>>,
    /// Set while a person compares the short number.
    confirmation: Option<oneshot::Receiver<bool>>,
}

impl<'a> Pairing<'a> {
    pub(super) const fn new(
        machine: Machine,
        dialing: Dialing,
        mailbox: &'a mut Mailbox,
        context: &'a mut Context,
    ) -> Self {
        Self {
            machine,
            dialing,
            mailbox,
            context,
            keys: None,
            is_open: false,
            has_mail: true,
            password: None,
            confirmation: None,
        }
    }

    /// Goes on until both sides are proven.
    pub(super) async fn until_paired(&mut self) -> Result<(), Error> {
        self.context.stage(Stage::Pairing);
        while self.keys.is_none() {
            self.step().await?;
        }
        self.context.stage(Stage::Connecting);
        Ok(())
    }

    /// Whether the other side could test a guess at the code and has not proven itself.
    pub(super) const fn is_exposed(&self) -> bool {
        matches!(&self.machine, Machine::Guest(machine) if machine.is_exposed())
    }

    /// Goes on until the connection is open and bound to the pairing, if `paired` is no error.
    pub(super) async fn finish(mut self, paired: Result<(), Error>) -> Result<(Channel, SessionKeys), Error> {
        let result = match paired {
            Ok(()) => self.until_open().await,
            Err(error) => Err(error),
        };
        let Self { dialing, keys, .. } = self;
        match (result, keys) {
            (Ok(()), Some(keys)) => {
                let mut channel = dialing.into_channel()?;
                match bind(&mut channel, &keys).await {
                    Ok(()) => Ok((channel, keys)),
                    Err(error) => {
                        channel.close().await;
                        Err(error)
                    }
                }
            }
            (Ok(()), None) => Err(Error::BindMissing),
            (Err(error), _) => {
                dialing.close().await;
                Err(error)
            }
        }
    }

    async fn until_open(&mut self) -> Result<(), Error> {
        while !self.is_open {
            self.step().await?;
        }
        Ok(())
    }

    /// Does what the machine asks for, then waits for one thing to happen.
    async fn step(&mut self) -> Result<(), Error> {
        let was_paired = self.keys.is_some();
        let deadline = self.carry_out().await?;
        let is_paired = self.keys.is_some();
        if is_paired && !was_paired {
            // Whatever goes wrong from here on goes wrong with a peer that is proven.
            return Ok(());
        }
        let input = tokio::select! {
            biased;
            () = self.context.stop.requested() => {
                self.feed(Input::Canceled).await.ok();
                self.carry_out().await.ok();
                return Err(Error::Stopped);
            }
            mail = self.mailbox.next(), if self.has_mail => match mail {
                Ok(body) => Input::Received(body),
                // Two sides that are proven need the server only for candidates that come late.
                Err(_) if is_paired => {
                    self.has_mail = false;
                    return Ok(());
                }
                Err(error) => return Err(error),
            },
            event = self.dialing.next_event() => match event {
                DialEvent::LocalCandidate(candidate) => match into_protocol(candidate) {
                    Some(candidate) => Input::LocalCandidate(candidate),
                    None => return Ok(()),
                },
                DialEvent::Open => {
                    self.is_open = true;
                    return Ok(());
                }
                DialEvent::GatheringDone => return Ok(()),
                DialEvent::Failed(error) => return Err(error.into()),
            },
            password = typed(&mut self.password) => match password {
                Some(password) => Input::Password(password),
                None => {
                    self.feed(Input::Canceled).await.ok();
                    self.carry_out().await.ok();
                    return Err(self.context.without_password());
                }
            },
            is_same = confirmed(&mut self.confirmation) => Input::Confirmed(is_same),
            () = sleep_until(deadline) => Input::TimedOut,
        };
        self.feed(input).await
    }

    /// Gives the machine an input; what it says at last is sent also when the pairing fails.
    async fn feed(&mut self, input: Input) -> Result<(), Error> {
        let now = Instant::now();
        let result = match &mut self.machine {
            Machine::Host(machine, Some(guard)) if self.keys.is_none() => {
                // Other guests may have used up the tries meanwhile.
                if guard.password_attempts() == 0 {
                    machine.lock_password();
                }
                guard.examine(|| machine.handle_input(input, now))
            }
            Machine::Host(machine, _) => machine.handle_input(input, now),
            Machine::Guest(machine) => machine.handle_input(input, now),
        };
        if let Err(error) = result {
            self.say_last_words().await?;
            return Err(error.into());
        }
        Ok(())
    }

    /// Sends and counts what a machine that failed leaves behind.
    async fn say_last_words(&mut self) -> Result<(), Error> {
        loop {
            match self.poll() {
                Output::Send(body) => self.mailbox.send(body).await?,
                Output::WrongPassword { attempts_left } => self.count_wrong_password(attempts_left),
                Output::Wait(_) => return Ok(()),
                Output::RemoteDescription(_)
                | Output::RemoteCandidate(_)
                | Output::Paired(_)
                | Output::AskPassword { .. }
                | Output::ShowShortNumber(_) => {}
            }
        }
    }

    fn poll(&mut self) -> Output {
        match &mut self.machine {
            Machine::Host(machine, _) => machine.poll_output(),
            Machine::Guest(machine) => machine.poll_output(),
        }
    }

    /// Does what the machine asks for; returns until when it waits.
    async fn carry_out(&mut self) -> Result<Option<Instant>, Error> {
        loop {
            match self.poll() {
                Output::Send(body) => {
                    let sent = self.mailbox.send(body).await;
                    if self.keys.is_none() {
                        sent?;
                    }
                }
                Output::RemoteDescription(sdp) => self.describe(sdp.as_str()).await?,
                Output::RemoteCandidate(candidate) => self.dialing.add_candidate(&into_transport(&candidate)).await,
                Output::Paired(keys) => self.keys = Some(keys),
                Output::AskPassword { attempts_left } => {
                    self.password = Some(self.context.ask_for_password(attempts_left));
                }
                Output::WrongPassword { attempts_left } => self.count_wrong_password(attempts_left),
                Output::ShowShortNumber(number) => self.confirmation = Some(self.context.ask_to_verify(number)),
                Output::Wait(deadline) => return Ok(deadline),
            }
        }
    }

    fn count_wrong_password(&mut self, attempts_left: u8) {
        self.context.events.report(Event::WrongPassword { left: attempts_left });
        if let Machine::Host(machine, guard) = &mut self.machine
            && let Some(guard) = guard
            && let Some(is_news) = guard.wrong_password()
        {
            machine.lock_password();
            if is_news {
                self.context.events.report(Event::PasswordLocked(UnlockRequest { guard: guard.clone() }));
            }
        }
    }

    /// Hands the peer's description to the stack: a guest has its answer now, a host makes one.
    async fn describe(&mut self, sdp: &str) -> Result<(), Error> {
        match &mut self.machine {
            Machine::Guest(_) => self.dialing.accept_answer(sdp).await?,
            Machine::Host(machine, _) => {
                let answer = self.dialing.answer(sdp).await?;
                machine.handle_input(Input::LocalDescription(answer), Instant::now())?;
            }
        }
        Ok(())
    }
}

/// The password that was typed, if one was.
async fn typed(password: &mut Option<oneshot::Receiver<Zeroizing<String>>>) -> Option<Zeroizing<String>> {
    let Some(waiting) = password else { return std::future::pending().await };
    let typed = waiting.await.ok();
    *password = None;
    typed
}

/// The person's answer; one that never comes is a no.
async fn confirmed(confirmation: &mut Option<oneshot::Receiver<bool>>) -> bool {
    let Some(waiting) = confirmation else { return std::future::pending().await };
    let is_same = waiting.await.unwrap_or(false);
    *confirmation = None;
    is_same
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// A candidate of the own stack in the protocol's words; `None` for one that no peer could use.
fn into_protocol(candidate: Candidate) -> Option<sdp::Candidate> {
    sdp::Candidate::new(candidate.candidate, candidate.sdp_mid, candidate.sdp_m_line_index).ok()
}

fn into_transport(candidate: &sdp::Candidate) -> Candidate {
    Candidate {
        candidate: candidate.as_str().to_owned(),
        sdp_mid: candidate.sdp_mid().map(str::to_owned),
        sdp_m_line_index: candidate.sdp_m_line_index(),
    }
}
