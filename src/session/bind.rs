//! The first frame each way: proves that both sides of the channel hold the keys of the pairing and agree on what was described.

use std::time::Duration;

use bytes::Bytes;
use p2pshare_protocol::ctl::Ctl;
use p2pshare_protocol::error::{TransferError, Violation};
use p2pshare_protocol::hash::Hash;
use p2pshare_protocol::keys::{Connection, Endpoint, SessionKeys};
use p2pshare_protocol::role::Role;
use tokio::time::timeout;

use super::detour::Detour;
use crate::error::Error;
use crate::transport::{Channel, Dialing, Found, Identity, Incoming};

/// How far this side is with its own MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    /// It is to be said.
    Due,
    /// The transport says it before all else.
    Said,
}

impl Own {
    /// Has the MAC said as early as the transport can, which is a round trip before the connection is open.
    ///
    /// That may be before the peer has shown its certificate. Who has no keys learns nothing from a MAC, and can use it nowhere: it is taken from
    /// who shows the certificate that was described, and from nobody else.
    pub(super) fn say_early(dialing: &Dialing, keys: &SessionKeys) -> Self {
        if dialing.say_first(|identity| frame(identity, keys)) { Self::Said } else { Self::Due }
    }
}

/// Binds a channel to the pairing.
pub(super) async fn bound(mut channel: Channel, keys: SessionKeys, own: Own) -> Result<(Channel, SessionKeys), Error> {
    match bind(&mut channel, &keys, own).await {
        Ok(()) => Ok((channel, keys)),
        Err(error) => {
            channel.close().await;
            Err(error)
        }
    }
}

/// The same for a path that opened while the way through the server was open, too. Which of the two is used the guest
/// decides: it took the path if it got this far, and a host waits for what comes first.
pub(super) async fn bound_unless_taken(
    channel: Channel,
    keys: SessionKeys,
    own: Own,
    (mut detour, found): (Detour, Found),
) -> Result<(Channel, SessionKeys), Error> {
    if keys.role() == Role::Guest || detour.is_none() {
        return bound(channel, keys, own).await;
    }
    let mut channel = channel;
    let other = tokio::select! {
        result = bind(&mut channel, &keys, own) => match result {
            Ok(()) => return Ok((channel, keys)),
            Err(error) => {
                channel.close().await;
                return Err(error);
            }
        },
        other = detour.taken() => other,
    };
    channel.close().await;
    bound(other.found(found), keys, Own::Due).await
}

/// Exchanges the MACs over the certificates and names that were described.
///
/// A message that reaches webrtc-rs 0.21 in one batch with the end of the SCTP handshake is dropped: the channel it is
/// for is registered only after the batch. So the MAC is said until the peer's is heard, and once more then, when
/// the peer's channel is known to be registered; the machines ignore what comes twice. (Between two command lines the transport has done that.)
pub(super) async fn bind(channel: &mut Channel, keys: &SessionKeys, own: Own) -> Result<(), Error> {
    let identity = channel.identity();
    let frame = frame(&identity, keys);
    let sender = channel.sender();
    let exchange = async {
        loop {
            if own == Own::Due {
                sender.send_ctl(frame.clone()).await.map_err(Error::Lost)?;
            }
            if let Ok(theirs) = timeout(REPEAT_AFTER, first_frame(channel)).await {
                return theirs;
            }
        }
    };
    let mac = timeout(BIND_MAX, exchange).await.map_err(|_| Error::BindMissing)??;
    keys.verify_bind_mac(&connection(&identity), &mac.0).map_err(|_| Error::BindMismatch)?;
    if own == Own::Due { sender.send_ctl(frame).await.map_err(Error::Lost) } else { Ok(()) }
}

fn frame(identity: &Identity, keys: &SessionKeys) -> Bytes {
    Bytes::from(Ctl::Bind { mac: Hash(keys.bind_mac(&connection(identity))) }.encode())
}

/// Waits for the peer's first frame, which can be nothing else than its MAC.
async fn first_frame(channel: &mut Channel) -> Result<Hash, Error> {
    loop {
        let frame = match channel.next().await {
            Incoming::Ctl(frame) => Ctl::decode(&frame).map_err(Violation::from).map_err(TransferError::from)?,
            Incoming::Data(_) => return Err(TransferError::from(Violation::Unrequested).into()),
            Incoming::Disturbed | Incoming::Recovered => continue,
            Incoming::Lost(lost) => return Err(Error::Lost(lost)),
        };
        let Ctl::Bind { mac } = frame else { return Err(Error::BindMissing) };
        return Ok(mac);
    }
}

fn connection(identity: &Identity) -> Connection<'_> {
    Connection {
        local: Endpoint { fingerprint: &identity.local_fingerprint, ice_ufrag: &identity.local_ufrag },
        remote: Endpoint { fingerprint: &identity.remote_fingerprint, ice_ufrag: &identity.remote_ufrag },
    }
}

/// How long to listen before the MAC is said again.
const REPEAT_AFTER: Duration = Duration::from_millis(100);

/// How long the peer may take for its first frame.
const BIND_MAX: Duration = Duration::from_secs(10);
