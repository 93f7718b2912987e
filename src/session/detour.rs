//! `Detour`: the way through the server's WebSocket, which is taken when no other path opens in time.

use std::future::pending;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use p2pshare_protocol::keys::SessionKeys;
use p2pshare_protocol::role::Role;
use p2pshare_protocol::tunnel::{TunnelOpener, TunnelRequest, TunnelSealer, ends};
use tokio::time::sleep_until;

use crate::signaling::{ServerUrl, SignalingError, TunnelPipe, open_tunnel};
use crate::transport::{Channel, IceServer, PathPolicy, Tunnel};

/// When the detour is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DetourUse {
    /// Not at all.
    Never,
    /// After a moment: it was the only way before.
    Soon,
    /// After a while in which a better path is looked for.
    Late,
}

/// How far the detour is.
pub(super) enum Detour {
    /// There is none, or none any more.
    None,
    /// It is opened then.
    Planned(Instant, Plan),
    /// The other side is waited for.
    Opening(Role, (TunnelSealer, TunnelOpener), BoxFuture<'static, Result<TunnelPipe, SignalingError>>),
    /// Both are there; the guest decides.
    Open(Tunnel),
}

/// What it takes to open it.
pub(super) struct Plan {
    role: Role,
    ends: (TunnelSealer, TunnelOpener),
    server: ServerUrl,
    request: TunnelRequest,
}

impl Detour {
    /// The detour that a grant of the server opens, after a while in which a better path is looked for.
    pub(super) fn planned(
        server: &ServerUrl,
        grant: &IceServer,
        keys: &SessionKeys,
        policy: PathPolicy,
        when: DetourUse,
    ) -> Self {
        let better_first = match when {
            _ if policy == PathPolicy::DirectOnly => return Self::None,
            DetourUse::Never => return Self::None,
            DetourUse::Soon => BETTER_SOON,
            DetourUse::Late => BETTER_FIRST,
        };
        let request = TunnelRequest { username: grant.username.clone(), credential: grant.credential.clone() };
        let plan = Plan { role: keys.role(), ends: ends(keys), server: server.clone(), request };
        Self::Planned(Instant::now() + better_first, plan)
    }

    pub(super) const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Opens it at once: there is nothing better to be waited for.
    pub(super) fn hurry(&mut self) {
        if let Self::Planned(at, _) = self {
            *at = Instant::now();
        }
    }

    /// When it is opened, as long as it is not.
    pub(super) const fn planned_at(&self) -> Option<Instant> {
        match self {
            Self::Planned(at, _) => Some(*at),
            Self::None | Self::Opening(..) | Self::Open(_) => None,
        }
    }

    /// Waits until the detour is taken; for ever if there is none. Cancelling it loses nothing.
    pub(super) async fn taken(&mut self) -> Channel {
        loop {
            match self {
                Self::None => pending().await,
                Self::Planned(at, _) => {
                    sleep_until((*at).into()).await;
                    self.open();
                }
                Self::Opening(_, _, opened) => {
                    let opened = opened.await;
                    self.opened(opened);
                }
                Self::Open(tunnel) => match tunnel.begin().await {
                    Ok(()) => {
                        if let Self::Open(tunnel) = std::mem::replace(self, Self::None) {
                            return tunnel.into_channel();
                        }
                    }
                    Err(error) => {
                        tracing::debug!(%error, "the way through the server's WebSocket ended");
                        *self = Self::None;
                    }
                },
            }
        }
    }

    /// Opens it, if it was planned.
    pub(super) fn open(&mut self) {
        if let Self::Planned(_, plan) = std::mem::replace(self, Self::None) {
            let Plan { role, ends, server, request } = plan;
            tracing::debug!("no path yet: trying the server's WebSocket");
            *self = Self::Opening(role, ends, Box::pin(async move { open_tunnel(&server, &request).await }));
        }
    }

    fn opened(&mut self, opened: Result<TunnelPipe, SignalingError>) {
        let Self::Opening(role, ends, _) = std::mem::replace(self, Self::None) else { return };
        match opened {
            Ok(pipe) => *self = Self::Open(Tunnel::new(role, ends, pipe)),
            Err(error) => tracing::debug!(%error, "no way through the server's WebSocket"),
        }
    }
}

/// How long a better path is looked for first.
const BETTER_FIRST: Duration = Duration::from_secs(6);

/// The same where nothing better was found before.
const BETTER_SOON: Duration = Duration::from_secs(1);
