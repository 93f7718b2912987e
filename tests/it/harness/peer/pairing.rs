//! Pairs like an honest side, but for the description, which the test may change.

use std::time::Instant;

use p2pshare::signaling::{SignalingReceiver, SignalingSender};
use p2pshare::transport::{Candidate, Channel, DialEvent, Dialing};
use p2pshare_protocol::envelope::{Body, Cid, ClientMessage, Outcome, ServerMessage};
use p2pshare_protocol::keys::SessionKeys;
use p2pshare_protocol::pairing::{GuestPairing, HostPairing, Input, Output};
use p2pshare_protocol::sdp;

use crate::harness::wire::Wire;

pub(super) enum Machine {
    Host(HostPairing),
    Guest(Box<GuestPairing>),
}

pub(super) struct Pairing {
    pub(super) machine: Machine,
    pub(super) dialing: Dialing,
    pub(super) outgoing: SignalingSender,
    pub(super) incoming: SignalingReceiver,
    pub(super) cid: Cid,
    pub(super) edit: fn(String) -> String,
    pub(super) wire: Option<Wire>,
}

impl Pairing {
    /// Pairs, until the connection is open.
    pub(super) async fn run(mut self) -> Result<(Channel, SessionKeys), String> {
        let (mut keys, mut is_open) = (None, false);
        loop {
            keys = self.carry_out().await?.or(keys);
            if is_open && let Some(keys) = keys {
                return Ok((self.dialing.into_channel().unwrap(), keys));
            }
            tokio::select! {
                message = self.incoming.next() => match message {
                    Ok(ServerMessage::From { body, .. }) => self.feed(Input::Received(body.into_bytes()))?,
                    Ok(ServerMessage::Left { why, .. }) if keys.is_none() => return Err(format!("{why:?}")),
                    Ok(_) => {}
                    Err(error) => return Err(error.to_string()),
                },
                event = self.dialing.next_event() => match event {
                    DialEvent::LocalCandidate(Candidate { candidate, sdp_mid, sdp_m_line_index }) => {
                        let candidate = match &self.wire {
                            Some(wire) => wire.as_peers(&candidate),
                            None => Some(candidate),
                        };
                        let candidate = candidate.and_then(|c| sdp::Candidate::new(c, sdp_mid, sdp_m_line_index).ok());
                        if let Some(candidate) = candidate {
                            self.feed(Input::LocalCandidate(candidate))?;
                        }
                    }
                    DialEvent::GatheringDone => {}
                    DialEvent::Open => is_open = true,
                    DialEvent::Failed(error) => return Err(error.to_string()),
                },
            }
        }
    }

    fn feed(&mut self, input: Input) -> Result<(), String> {
        let result = match &mut self.machine {
            Machine::Host(machine) => machine.handle_input(input, Instant::now()),
            Machine::Guest(machine) => machine.handle_input(input, Instant::now()),
        };
        result.map_err(|error| error.to_string())
    }

    async fn carry_out(&mut self) -> Result<Option<SessionKeys>, String> {
        let mut paired = None;
        loop {
            let output = match &mut self.machine {
                Machine::Host(machine) => machine.poll_output(),
                Machine::Guest(machine) => machine.poll_output(),
            };
            match output {
                Output::Send(body) => {
                    let body = Body::new(body).unwrap();
                    self.outgoing.send(ClientMessage::To { cid: self.cid, body }).await.unwrap();
                }
                Output::RemoteDescription(sdp) => self.describe(sdp.as_str()).await?,
                Output::RemoteCandidate(candidate) => {
                    let text = candidate.as_str();
                    let text = match &self.wire {
                        Some(wire) => wire.as_programs(text),
                        None => Some(text.to_owned()),
                    };
                    if let Some(text) = text {
                        let (sdp_mid, sdp_m_line_index) = (candidate.sdp_mid(), candidate.sdp_m_line_index());
                        let sdp_mid = sdp_mid.map(str::to_owned);
                        self.dialing.add_candidate(&Candidate { candidate: text, sdp_mid, sdp_m_line_index }).await;
                    }
                }
                Output::Paired(keys) => {
                    paired = Some(keys);
                    if !self.cid.is_host() {
                        let report = ClientMessage::Report { cid: self.cid, what: Outcome::Ok };
                        self.outgoing.send(report).await.unwrap();
                    }
                }
                Output::Wait(_) => return Ok(paired),
                other => panic!("{other:?}"),
            }
        }
    }

    async fn describe(&mut self, sdp: &str) -> Result<(), String> {
        if let Machine::Guest(_) = &self.machine {
            return self.dialing.accept_answer(sdp).await.map_err(|error| error.to_string());
        }
        let mut answer = self.dialing.answer(sdp).await.map_err(|error| error.to_string())?;
        if self.wire.is_some() {
            // Its addresses follow by themselves, as those of the wire.
            let lines = answer.split_inclusive('\n').filter(|line| !line.starts_with("a=candidate:"));
            answer = lines.collect();
        }
        self.feed(Input::LocalDescription((self.edit)(answer)))
    }
}
