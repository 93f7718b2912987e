//! The side that joins a share with a code or link.

use std::sync::Arc;
use std::time::{Duration, Instant};

use p2pshare_protocol::code::Code;
use p2pshare_protocol::envelope::{Cid, ClientMessage, ErrorCode, ServerMessage};
use p2pshare_protocol::link::Link;
use p2pshare_protocol::pairing::{Entropy, GuestOptions, GuestPairing, GuestSecret, Input, PairingError};
use p2pshare_protocol::room::RoomId;

use super::context::Context;
use super::event::Stage;
use super::find::find;
use super::ice::with_ice_servers;
use super::line::{Line, Way};
use super::local;
use super::mailbox::Mailbox;
use super::nearby::Encounter;
use super::pair::{Machine, Pairing};
use super::patience::{Attempt, Patience};
use super::random::rng;
use crate::error::Error;
use crate::signaling::{Proxies, ServerUrl, Signaling};
use crate::transport::{Dialing, TransportConfig};

/// What a person got from the host.
#[derive(Debug, Clone)]
pub enum Invitation {
    /// A code.
    Code(Code),
    /// A link, which names its server.
    Link(Link),
}

impl Invitation {
    /// The room at the server.
    #[must_use]
    pub fn room(&self) -> RoomId {
        match self {
            Self::Code(code) => code.room(),
            Self::Link(link) => link.room(),
        }
    }

    fn secret(&self) -> GuestSecret {
        match self {
            Self::Code(code) => GuestSecret::Code(code.clone()),
            Self::Link(link) => GuestSecret::Link(link.clone()),
        }
    }
}

/// How the way to the host is made and kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct WayOptions<'a> {
    pub(super) config: &'a TransportConfig,
    pub(super) retry: Duration,
    /// Whether this side wants the short number compared.
    pub(super) verify: bool,
    /// Who meets whom, where nobody gave anybody a code.
    pub(super) encounter: Option<&'a Encounter>,
    /// Whether a code without a server is looked for on the local network too.
    pub(super) on_lan: bool,
    /// The proxies on the way to servers.
    pub(super) proxies: &'a Proxies,
}

/// Joins a share; the channel that comes out is bound to the pairing.
///
/// A link's own server is asked; for a code `server`, or without one the senders on this machine and around it.
pub(super) async fn join(
    invitation: &Invitation,
    server: Option<&ServerUrl>,
    way: WayOptions<'_>,
    context: &mut Context,
) -> Result<Line, Error> {
    let may_be_elsewhere = server.is_none() && way.on_lan && matches!(invitation, Invitation::Code(_));
    let (mut patience, mut entered, mut refusal) = (Patience::new(Instant::now()), Vec::new(), None);
    loop {
        let mut attempt = Attempt::default();
        let error = match join_once(invitation, server, way, &mut entered, context, &mut attempt).await {
            Ok(line) => return Ok(line),
            Err(error) => error,
        };
        patience.failed(&attempt);
        // Another sender around may have drawn the same nameplate.
        if matches!(error, Error::Pairing(PairingError::WrongCode)) && may_be_elsewhere && patience.may_try() {
            refusal = Some(error);
            continue;
        }
        let (stage, pause) =
            patience.after(error, &attempt, Instant::now()).map_err(|error| match (&error, refusal.take()) {
                (Error::NotActive { .. }, Some(refusal)) => refusal,
                _ => error,
            })?;
        if attempt.has_entered {
            entered.pop();
        }
        context.stage(stage);
        let mut stop = context.stop.clone();
        tokio::select! {
            () = stop.requested() => return Err(Error::Stopped),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn join_once(
    invitation: &Invitation,
    named: Option<&ServerUrl>,
    way: WayOptions<'_>,
    entered: &mut Vec<ServerUrl>,
    context: &mut Context,
    attempt: &mut Attempt,
) -> Result<Line, Error> {
    context.stage(Stage::Server);
    let room = invitation.room();
    let mut stop = context.stop.clone();
    let joined = tokio::select! {
        () = stop.requested() => return Err(Error::Stopped),
        joined = approach(invitation, named, &room, way, entered) => joined,
    };
    let (server, signaling, (dialing, offer, config)) = joined?;
    entered.push(server.clone());
    attempt.has_entered = true;
    context.other = way.encounter.map(|met| met.other.clone());
    let now = Instant::now();
    let mut machine = GuestPairing::new(
        &invitation.secret(),
        &room,
        GuestOptions {
            short_number: way.verify || way.encounter.is_some(),
            name: way.encounter.map(|met| met.own.clone()),
            device: way.encounter.and_then(|met| context.own_device(&met.other)),
        },
        Entropy::generate(&mut rng()),
        now,
    );
    machine.handle_input(Input::LocalDescription(offer), now)?;
    let mut mailbox = Mailbox::over(signaling, Cid::HOST);
    let mut pairing = Pairing::new(Machine::Guest(Box::new(machine)), dialing, &server, &mut mailbox, context);
    let paired = pairing.until_paired().await;
    attempt.is_exposed = paired.is_err() && pairing.is_exposed();
    let finished = pairing.finish(paired).await;
    if finished.is_err() {
        mailbox.close().await;
    }
    let (channel, keys) = finished?;
    context.remember();
    context.stage(Stage::Connected);
    Ok(Line::new(channel, keys, Way { server, config: Arc::new(config), retry: way.retry }))
}

/// Enters the room, wherever it is, and prepares a connection meanwhile.
async fn approach(
    invitation: &Invitation,
    named: Option<&ServerUrl>,
    room: &RoomId,
    way: WayOptions<'_>,
    entered: &[ServerUrl],
) -> Result<(ServerUrl, Signaling, Prepared), Error> {
    let server = match (named, invitation) {
        (_, Invitation::Link(link)) => {
            let server: ServerUrl = link.origin().as_str().parse().map_err(Error::ServerUrl)?;
            server.through(way.proxies)
        }
        (Some(server), Invitation::Code(_)) => server.clone(),
        (None, Invitation::Code(code)) => {
            let here = local::server_of(code.nameplate());
            let finding = find(room, code.nameplate(), way.on_lan, entered);
            let ((server, signaling), prepared) = tokio::try_join!(finding, prepare(&here, way.config))?;
            return Ok((server, signaling, prepared));
        }
    };
    let (signaling, prepared) = tokio::try_join!(enter(&server, room), prepare(&server, way.config))?;
    Ok((server, signaling, prepared))
}

/// Enters a room.
#[expect(clippy::wildcard_enum_match_arm, reason = "a server that says more than was asked is not listened to")]
pub(super) async fn enter(server: &ServerUrl, room: &RoomId) -> Result<Signaling, Error> {
    let join = ClientMessage::Join { v: 1, room: room.clone() };
    let mut signaling = Signaling::connect_saying(server, join).await?;
    loop {
        match signaling.next().await? {
            ServerMessage::Joined { .. } => return Ok(signaling),
            ServerMessage::Error { code: ErrorCode::NotActive, .. } => {
                return Err(Error::NotActive { room: room.to_string(), asked: vec![server.clone()], on_lan: false });
            }
            ServerMessage::Error { code, retry_after, .. } => {
                return Err(Error::Refused { server: server.clone(), code, retry_after });
            }
            _ => {}
        }
    }
}

/// A connection, its offer, and how it is made.
type Prepared = (Dialing, String, TransportConfig);

/// Prepares a connection and its offer, with the relays and reflectors that the server recommends.
async fn prepare(server: &ServerUrl, config: &TransportConfig) -> Result<Prepared, Error> {
    let config = with_ice_servers(server, config).await;
    let (dialing, offer) = Dialing::offer(&config).await?;
    Ok((dialing, offer, config))
}
