//! Opens a share at a server and joins it, as two devices would, but on one: what a proxy on the way does to WebSockets, and
//! whether the relay works, to which access comes only to those that have met.

use std::time::{Duration, Instant};

use p2pshare_protocol::envelope::{Cid, ClientMessage, Outcome, RoomKind, ServerMessage};
use p2pshare_protocol::room::RoomId;
use p2pshare_protocol::server_config::VERSION_MAX;
use p2pshare_protocol::tunnel::TunnelRequest;
use rand_core::{Rng, UnwrapErr};
use tokio::time::timeout;

use crate::error::Error;
use crate::signaling::{ServerUrl, Signaling, SignalingError, TunnelPipe, open_tunnel};
use crate::transport::{AllocationError, IceServer, RelayProbe, check_relay, try_relay};

/// What came of it.
#[derive(Debug)]
pub struct Introduction {
    /// How long a question and its answer take.
    pub round_trip: Duration,
    /// What came of trying the relay, if the server has one.
    pub relay: Option<RelayTrial>,
}

/// The two ways to a relay.
#[derive(Debug)]
pub struct RelayTrial {
    /// Over UDP; `None` if the server offers it over its WebSocket only.
    pub udp: Option<Result<(), AllocationError>>,
    /// Over the server's own WebSocket.
    pub websocket: Result<(), SignalingError>,
}

/// Opens a share, and if there is a relay joins it and tries that.
pub(super) async fn introduce(server: &ServerUrl, has_relay: bool) -> Result<Introduction, Error> {
    let mut host = Signaling::connect(server).await?;
    let asked = Instant::now();
    let room = open(server, &mut host).await?;
    let round_trip = asked.elapsed();
    let relay = if has_relay { Some(meet(server, &mut host, room).await?) } else { None };
    // The room goes with it.
    host.send(ClientMessage::Bye { room: None }).await?;
    host.close().await;
    Ok(Introduction { round_trip, relay })
}

async fn open(server: &ServerUrl, host: &mut Signaling) -> Result<RoomId, Error> {
    host.send(create()).await?;
    let created = |message| if let ServerMessage::Created { room, .. } = message { Some(room) } else { None };
    next(server, host, created).await
}

fn create() -> ClientMessage {
    let mut secret = [0; 16];
    UnwrapErr(getrandom::SysRng).fill_bytes(&mut secret);
    let room = Some(RoomId::of_link_secret(&secret));
    let max = Some(std::num::NonZeroU32::MIN);
    ClientMessage::Create { v: VERSION_MAX, kind: RoomKind::Link, room, token: None, ttl: Some(ROOM_LIFETIME_S), max }
}

/// Joins the room as its guest; both then use the relay.
async fn meet(server: &ServerUrl, host: &mut Signaling, room: RoomId) -> Result<RelayTrial, Error> {
    let [at_host, at_guest] = access_of_both(server, host, room).await?;
    let over_udp = async { if at_guest.urls.is_empty() { None } else { Some(try_relay(&at_guest).await) } };
    let (udp, websocket) = tokio::join!(over_udp, try_tunnel(server, &at_host, &at_guest));
    Ok(RelayTrial { udp, websocket })
}

/// Joins the room as its guest; both then ask for access to the relay.
async fn access_of_both(server: &ServerUrl, host: &mut Signaling, room: RoomId) -> Result<[IceServer; 2], Error> {
    let mut guest = Signaling::connect_saying(server, ClientMessage::Join { v: VERSION_MAX, room }).await?;
    guest.send(ClientMessage::Turn { cid: Cid::HOST }).await?;
    let cid =
        next(server, host, |message| if let ServerMessage::Peer { cid, .. } = message { Some(cid) } else { None });
    let cid = cid.await?;
    host.send(ClientMessage::Report { cid, what: Outcome::Ok }).await?;
    host.send(ClientMessage::Turn { cid }).await?;
    Ok([next(server, host, access).await?, next(server, &mut guest, access).await?])
}

/// Gets access to a server's relay as two devices would, and asks that for what it must refuse.
///
/// # Errors
/// The server is not reached, or has no relay.
pub(super) async fn examine(server: &ServerUrl) -> Result<Result<Vec<RelayProbe>, AllocationError>, Error> {
    let mut host = Signaling::connect(server).await?;
    let room = open(server, &mut host).await?;
    let access = access_of_both(server, &mut host, room).await?;
    let probes = check_relay(&access, server.port()).await;
    host.send(ClientMessage::Bye { room: None }).await?;
    host.close().await;
    Ok(probes)
}

fn access(message: ServerMessage) -> Option<IceServer> {
    let ServerMessage::Turn { urls, username, credential, .. } = message else { return None };
    Some(IceServer { urls, username, credential })
}

/// Opens the tunnel from both ends and sends a word through it.
async fn try_tunnel(server: &ServerUrl, host: &IceServer, guest: &IceServer) -> Result<(), SignalingError> {
    let open = async |side: &IceServer| {
        let (username, credential) = (side.username.clone(), side.credential.clone());
        open_tunnel(server, &TunnelRequest { username, credential }).await
    };
    let through = async {
        let (one, other) = tokio::try_join!(open(host), open(guest))?;
        let ((to_other, _from_other), (_to_one, mut from_one)): (TunnelPipe, TunnelPipe) = (one, other);
        let closed = || SignalingError::Closed { code: None };
        to_other.send(WORD.to_vec()).await.map_err(|_| closed())?;
        from_one.recv().await.filter(|word| word == WORD).map(|_| ()).ok_or_else(closed)
    };
    timeout(TUNNEL_MAX, through).await.unwrap_or_else(|_| Err(SignalingError::TimedOut { server: server.clone() }))
}

/// Waits for a message that `pick` makes something of.
async fn next<T>(
    server: &ServerUrl,
    signaling: &mut Signaling,
    pick: impl Fn(ServerMessage) -> Option<T>,
) -> Result<T, Error> {
    let waiting = async {
        loop {
            let message = signaling.next().await?;
            if let ServerMessage::Error { code, retry_after, .. } = message {
                return Err(Error::Refused { server: server.clone(), code, retry_after });
            }
            if let Some(picked) = pick(message) {
                return Ok(picked);
            }
        }
    };
    let late = || Err(SignalingError::TimedOut { server: server.clone() }.into());
    timeout(ANSWER_MAX, waiting).await.unwrap_or_else(|_| late())
}

/// How long the room may live that is never told to anybody: it ends with its socket.
const ROOM_LIFETIME_S: u32 = 60;

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How long a word may take from one end of the tunnel to the other.
const TUNNEL_MAX: Duration = Duration::from_secs(5);

const WORD: &[u8] = b"p2pshare";
