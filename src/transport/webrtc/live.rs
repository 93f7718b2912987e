//! An open WebRTC connection.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{sync::Mutex, task::JoinHandle};
use webrtc::peer_connection::{
    PeerConnection, RTCIceCandidate, RTCIceCandidateType, RTCStatsReportEntry, StatsSelector,
};

use super::{
    Recipe,
    keeper::{Described, Lanes},
    runtime::SocketBuffers,
    stripes::{Joined, Stripes},
};
use crate::transport::{
    DATA_HEADER_BYTES, MAX_SENT_MESSAGE_BYTES,
    channel::{Identity, Incoming, Path, PathKind},
    error::Lost,
    inbox::{Ending, Inbox},
    quic::{DataPlane, Plane},
};

/// Holds a connection; ends it when dropped, and the keeper then closes it.
pub(super) struct Guard {
    pc: Arc<dyn PeerConnection>,
    lanes: Lanes,
    plane: Arc<Plane>,
    ending: Ending,
    keeper: Mutex<JoinHandle<()>>,
}

impl Guard {
    pub(super) fn new(
        pc: Arc<dyn PeerConnection>,
        lanes: Lanes,
        plane: Arc<Plane>,
        ending: Ending,
        keeper: JoinHandle<()>,
    ) -> Self {
        Self { pc, lanes, plane, ending, keeper: Mutex::new(keeper) }
    }

    pub(super) fn pc(&self) -> &dyn PeerConnection {
        self.pc.as_ref()
    }

    pub(super) fn plane(&self) -> &Arc<Plane> {
        &self.plane
    }

    pub(super) fn ending(&self) -> &Ending {
        &self.ending
    }

    /// Waits until the keeper of an ended connection has closed it.
    pub(super) async fn finished(&self) {
        let mut keeper = self.keeper.lock().await;
        if !keeper.is_finished() {
            // An error would be a panic, which has been reported.
            let _ = (&mut *keeper).await;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.ending.end(Lost::ClosedHere);
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("lost", &self.ending.reason()).finish_non_exhaustive()
    }
}

/// An open connection, the WebRTC side of [`Channel`](crate::transport::Channel).
#[derive(Debug)]
pub(in crate::transport) struct Live {
    guard: Guard,
    inbox: Inbox,
    described: Described,
    buffers: SocketBuffers,
    recipe: Recipe,
    stripes: Arc<Stripes>,
    joined: Joined,
}

impl Live {
    pub(super) fn new(
        guard: Guard,
        inbox: Inbox,
        described: Described,
        buffers: SocketBuffers,
        recipe: Recipe,
    ) -> Self {
        Self { guard, inbox, described, buffers, recipe, stripes: Arc::default(), joined: Joined::new() }
    }

    pub(in crate::transport) async fn next(&mut self) -> Incoming {
        let incoming = tokio::select! {
            incoming = self.inbox.recv() => incoming,
            incoming = self.joined.next() => Some(incoming),
        };
        match incoming {
            Some(incoming) => {
                self.stripes.note(&incoming);
                incoming
            }
            None => Incoming::Lost(self.guard.ending().wait().await),
        }
    }

    /// Shares file data with a further connection to the same peer from now on.
    pub(in crate::transport) fn join(&mut self, further: Self) {
        if self.guard.plane.is_paced() {
            further.pace();
        }
        self.joined.add(further, &self.stripes, &self.guard.plane, self.guard.ending());
    }

    pub(in crate::transport) fn connections(&self) -> usize {
        1 + self.stripes.planes().len()
    }

    /// How to make a further connection; `None` where that is of no use, since QUIC carries the data or is expected to.
    pub(in crate::transport) fn recipe(&self) -> Option<Recipe> {
        self.guard.plane.is_alone().then(|| self.recipe.along(self.guard.plane.is_direct()))
    }

    #[cfg(test)]
    pub(in crate::transport) fn planes(&self) -> Vec<Arc<Plane>> {
        [&self.guard.plane].into_iter().chain(self.stripes.planes().iter()).cloned().collect()
    }

    pub(in crate::transport) async fn is_busy(&self) -> bool {
        self.guard.plane.outstanding_bytes().await > 0
    }

    pub(in crate::transport) fn broke_by_further(&self) -> bool {
        self.stripes.broke()
    }

    pub(in crate::transport) fn plane(&self) -> &Arc<Plane> {
        &self.guard.plane
    }

    pub(in crate::transport) fn sender(&self) -> LiveSender {
        LiveSender {
            plane: Arc::clone(&self.guard.plane),
            stripes: Arc::clone(&self.stripes),
            max_message_bytes: self.described.max_message_bytes.min(MAX_SENT_MESSAGE_BYTES),
        }
    }

    pub(in crate::transport) fn pace(&self) {
        self.guard.plane.pace();
        self.stripes.planes().iter().for_each(|plane| plane.pace());
    }

    pub(in crate::transport) fn data_plane(&self) -> DataPlane {
        self.guard.plane.carries()
    }

    pub(in crate::transport) fn identity(&self) -> &Identity {
        &self.described.identity
    }

    pub(in crate::transport) fn socket_buffers(&self) -> SocketBuffers {
        self.buffers
    }

    pub(in crate::transport) async fn path(&self) -> Option<Path> {
        let pc = self.guard.pc();
        let ice = pc.sctp().await?.transport().ice_transport();
        let pair = ice.get_selected_candidate_pair().await.ok()??;
        let stats = pc.get_stats(Instant::now(), StatsSelector::None).await;
        let round_trip = stats.transport().and_then(|transport| {
            let RTCStatsReportEntry::IceCandidatePair(pair) = stats.get(&transport.selected_candidate_pair_id)? else {
                return None;
            };
            Duration::try_from_secs_f64(pair.current_round_trip_time).ok().filter(|time| !time.is_zero())
        });
        let (local, remote) = (pair.local(), pair.remote());
        Some(Path {
            kind: kind(local, remote),
            data_plane: self.data_plane(),
            connections: self.connections(),
            local: address(local),
            remote: address(remote),
            round_trip: self.guard.plane.round_trip().or(round_trip),
            reason: None,
        })
    }

    pub(in crate::transport) async fn close(self) {
        tokio::select! {
            _ = self.guard.ending().wait() => {}
            _ = tokio::time::timeout(DRAIN_LIMIT, drained(&self.guard, &self.stripes)) => {}
        }
        self.hang_up().await;
    }

    pub(in crate::transport) async fn hang_up(mut self) {
        self.guard.ending().end(Lost::ClosedHere);
        self.guard.finished().await;
        self.joined.finished().await;
    }
}

/// Waits until the peer's stack has acknowledged everything. The library closes without regard to that, and has no event
/// for it that covers its own queue.
async fn drained(guard: &Guard, stripes: &Stripes) {
    guard.plane.drained().await;
    while outstanding_bytes(guard, stripes).await > 0 {
        tokio::time::sleep(DRAIN_POLL).await;
    }
}

/// Bytes that were sent over the data channels and are not acknowledged.
async fn outstanding_bytes(guard: &Guard, stripes: &Stripes) -> usize {
    let mut bytes = guard.lanes.ctl.outstanding_bytes().await.unwrap_or(0) + guard.plane.outstanding_bytes().await;
    for plane in stripes.planes().iter() {
        bytes += plane.outstanding_bytes().await;
    }
    bytes
}

/// Sends on an open connection.
#[derive(Clone)]
pub(in crate::transport) struct LiveSender {
    plane: Arc<Plane>,
    stripes: Arc<Stripes>,
    max_message_bytes: usize,
}

impl LiveSender {
    pub(in crate::transport) async fn send_ctl(&self, message: Bytes) -> Result<(), Lost> {
        self.plane.send_ctl(message).await
    }

    pub(in crate::transport) async fn send_data(
        &self,
        header: [u8; DATA_HEADER_BYTES],
        payload: Bytes,
    ) -> Result<(), Lost> {
        self.stripes.send(&self.plane, header, payload).await
    }

    pub(in crate::transport) fn keep_at_most(&self, bytes: usize) {
        self.plane.keep_at_most(bytes);
    }

    pub(in crate::transport) fn max_payload_bytes(&self) -> usize {
        self.max_message_bytes.saturating_sub(DATA_HEADER_BYTES)
    }

    pub(in crate::transport) async fn lost(&self) -> Lost {
        self.plane.lost().await
    }
}

impl fmt::Debug for LiveSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSender").field("plane", &self.plane).finish_non_exhaustive()
    }
}

/// The sort of path between two candidates. An address that hides behind an mDNS name is on the local network.
fn kind(local: &RTCIceCandidate, remote: &RTCIceCandidate) -> PathKind {
    if [local.typ, remote.typ].contains(&RTCIceCandidateType::Relay) {
        PathKind::Relay
    } else if local.typ == RTCIceCandidateType::Host
        && address(remote).is_none_or(|remote| {
            is_private(remote.ip())
                || address(local)
                    .is_some_and(|local| local.ip().is_loopback() || is_same_subnet(local.ip(), remote.ip()))
        })
    {
        PathKind::Lan
    } else {
        PathKind::Direct
    }
}

/// Whether an address exists only on this machine or in private networks.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Whether two addresses look like neighbours: the first 24 bits of IPv4, 64 of IPv6.
fn is_same_subnet(one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => one.octets()[..3] == other.octets()[..3],
        (IpAddr::V6(one), IpAddr::V6(other)) => one.octets()[..8] == other.octets()[..8],
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

fn address(candidate: &RTCIceCandidate) -> Option<SocketAddr> {
    Some(SocketAddr::new(candidate.address.parse().ok()?, candidate.port))
}

/// How long a closing connection waits for acknowledgements.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// How often it looks.
const DRAIN_POLL: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(local: (&str, RTCIceCandidateType), remote: (&str, RTCIceCandidateType), expected: PathKind) {
        let candidate = |(address, typ): (&str, _)| RTCIceCandidate {
            address: address.to_owned(),
            port: 5,
            typ,
            ..RTCIceCandidate::default()
        };
        assert_eq!(kind(&candidate(local), &candidate(remote)), expected, "{local:?} {remote:?}");
    }

    #[test]
    fn paths_are_named_for_what_they_are() {
        use RTCIceCandidateType::{Host, Prflx, Relay, Srflx};
        check(("192.168.1.7", Host), ("192.168.1.8", Host), PathKind::Lan);
        check(("192.168.1.7", Host), ("10.1.2.3", Prflx), PathKind::Lan);
        check(("192.168.1.7", Host), ("name.local", Host), PathKind::Lan);
        check(("203.0.113.7", Host), ("203.0.113.9", Host), PathKind::Lan);
        check(("127.0.0.1", Host), ("203.0.113.9", Host), PathKind::Lan);
        check(("2001:db8:1::7", Host), ("2001:db8:1::8", Host), PathKind::Lan);
        check(("192.168.1.7", Host), ("203.0.113.9", Srflx), PathKind::Direct);
        check(("198.51.100.1", Srflx), ("203.0.113.9", Srflx), PathKind::Direct);
        check(("2001:db8:1::7", Host), ("2001:db8:2::8", Host), PathKind::Direct);
        check(("203.0.113.1", Relay), ("192.168.1.8", Host), PathKind::Relay);
        check(("192.168.1.7", Host), ("203.0.113.1", Relay), PathKind::Relay);
    }
}
