//! Finds the server of a code that names none: in a sender on this machine, or on the local network.

use std::net::SocketAddr;
use std::time::Duration;

use p2pshare_protocol::room::{Nameplate, RoomId};
use tokio::time::{Instant, timeout, timeout_at};

use super::guest::enter;
use super::local;
use crate::error::Error;
use crate::lan::Search;
use crate::signaling::{ServerUrl, Signaling, SignalingError};

/// Enters the room of a nameplate at a sender that has it; on this machine only, or also on the local network. Passes over
/// those whose share it was not.
///
/// # Errors
/// Nobody has it, or who has it refuses.
pub(super) async fn find(
    room: &RoomId,
    nameplate: &Nameplate,
    on_lan: bool,
    passed_over: &[ServerUrl],
) -> Result<(ServerUrl, Signaling), Error> {
    let search = if on_lan { Search::start() } else { None };
    let here = local::server_of(nameplate);
    let mut asked = passed_over.to_vec();
    let time = if asked.is_empty() { SEARCH_MAX } else { SEARCH_AGAIN_MAX };
    let entered = if asked.contains(&here) { None } else { Some(enter(&here, room).await) };
    match entered {
        Some(Ok(signaling)) => Ok((here, signaling)),
        Some(Err(error)) if !is_nobody(&error) => Err(error),
        Some(Err(_)) | None => {
            asked.push(here);
            look_around(search.as_ref(), room, nameplate, asked, time).await
        }
    }
}

/// Asks the senders that the network names until one has the room.
async fn look_around(
    search: Option<&Search>,
    room: &RoomId,
    nameplate: &Nameplate,
    mut asked: Vec<ServerUrl>,
    time: Duration,
) -> Result<(ServerUrl, Signaling), Error> {
    let on_lan = search.is_some();
    if let Some(search) = search {
        let deadline = Instant::now() + time;
        while asked.len() < ASKED_MAX
            && let Ok(found) = timeout_at(deadline, search.next()).await
        {
            for server in found.addresses.into_iter().filter(|_| found.nameplate == *nameplate).map(server_at) {
                if asked.contains(&server) {
                    continue;
                }
                match timeout(ENTER_MAX, enter(&server, room)).await {
                    Ok(Ok(signaling)) => return Ok((server, signaling)),
                    Ok(Err(error)) if !is_nobody(&error) => return Err(error),
                    Ok(Err(_)) | Err(_) => asked.push(server),
                }
            }
        }
    }
    Err(Error::NotActive { room: room.to_string(), asked, on_lan })
}

pub(super) fn server_at(address: SocketAddr) -> ServerUrl {
    address.to_string().parse().expect("an address with a port is a server's address")
}

/// Whether there is nobody with this room, as opposed to somebody who refuses.
fn is_nobody(error: &Error) -> bool {
    matches!(
        error,
        Error::NotActive { .. }
            | Error::Signaling(SignalingError::Unreachable { .. } | SignalingError::TimedOut { .. })
    )
}

/// How long the local network is searched: multicast is lost on some wireless networks, and asked again after a second.
const SEARCH_MAX: Duration = Duration::from_secs(4);

/// How long it is searched for others after somebody's share was not the right one.
const SEARCH_AGAIN_MAX: Duration = Duration::from_millis(1500);

/// How long one address may take: it is near, or it is none of ours.
const ENTER_MAX: Duration = Duration::from_millis(1500);

/// How many addresses are asked at most, whatever the network says.
const ASKED_MAX: usize = 16;
