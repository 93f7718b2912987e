//! Feeds the machine of a pairing and does what it asks for.

use std::time::Instant;

use p2pshare_protocol::pairing::{Input, Output};
use p2pshare_protocol::sdp;

use super::{Machine, Pairing, Relay};
use crate::error::Error;
use crate::session::event::{Event, UnlockRequest};
use crate::transport::Candidate;

impl Pairing<'_> {
    /// Gives the machine an input; what it says at last is sent also when the pairing fails.
    pub(super) async fn feed(&mut self, input: Input) -> Result<(), Error> {
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
        if !self.is_reported && matches!(&self.machine, Machine::Host(machine, _) if machine.is_guest_proven()) {
            self.is_reported = true;
            self.mailbox.report_proof().await;
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
                | Output::Named(_)
                | Output::Met(_)
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
    pub(super) async fn carry_out(&mut self) -> Result<Option<Instant>, Error> {
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
                Output::Named(name) => self.context.other = Some(name),
                Output::Met(key) => self.context.met = Some(key),
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
            Machine::Guest(_) if self.relay != Relay::Settled => self.described = Some(sdp.to_owned()),
            Machine::Guest(_) => self.dialing.accept_answer(sdp).await?,
            Machine::Host(machine, _) => {
                let answer = self.dialing.answer(sdp).await?;
                machine.handle_input(Input::LocalDescription(answer), Instant::now())?;
            }
        }
        Ok(())
    }
}

pub(in crate::session) fn into_transport(candidate: &sdp::Candidate) -> Candidate {
    Candidate {
        candidate: candidate.as_str().to_owned(),
        sdp_mid: candidate.sdp_mid().map(str::to_owned),
        sdp_m_line_index: candidate.sdp_m_line_index(),
    }
}
