//! Devices that let themselves be seen: on the networks of this machine, and on the one that a server sees it on.

use std::collections::HashSet;
use std::time::Duration;

use p2pshare_protocol::envelope::{ClientMessage, ServerMessage};
use p2pshare_protocol::link::{Link, LinkError, Origin};
use p2pshare_protocol::nearby::{Device, DeviceName};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::find::server_at;
use super::local::LOCAL_PORTS;
use crate::api::Settings;
use crate::error::Error;
use crate::lan::NearbySearch;
use crate::signaling::{ServerUrl, Signaling};

/// A device that lets itself be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// What it shows.
    pub device: Device,
    /// The server where it takes things.
    pub server: ServerUrl,
}

impl Neighbour {
    /// What to join it with. Everybody on the network knows that, so the people compare a number.
    ///
    /// # Errors
    /// Its server's address does not go into a link.
    pub fn link(&self) -> Result<Link, LinkError> {
        let origin: Origin = self.server.to_string().parse()?;
        Link::at(&origin, &self.device.link)
    }
}

/// Who meets whom without a code: what each is called. Anybody may take any name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encounter {
    /// What the other side is told of this one before it lets it in.
    pub own: DeviceName,
    /// The device that is meant.
    pub other: DeviceName,
}

/// Looks for devices until the time is up, or a moment after `is_enough` says so of those that were found.
///
/// # Errors
/// The server that was named cannot be asked, and nobody else was found.
pub(crate) async fn look_around(
    settings: &Settings,
    time: Duration,
    is_enough: impl Fn(&[Neighbour]) -> bool,
) -> Result<Vec<Neighbour>, Error> {
    let mut deadline = Instant::now() + time;
    let search = if settings.lan { NearbySearch::start() } else { None };
    let mut looking = Looking::new();
    let named = settings.server.clone().map(|server| server.through(&settings.proxies));
    if let Some(server) = named.clone() {
        looking.at(server);
    }
    for port in LOCAL_PORTS {
        looking.at(ServerUrl::local(port));
    }
    let mut failure = None;
    // Where the network is not searched, nobody comes after those that are asked have answered.
    while search.is_some() || looking.answered.len() < looking.asked.len() {
        let seen = tokio::select! {
            seen = timeout_at(deadline, looking.seen.recv()) => seen,
            addresses = next_of(search.as_ref()) => {
                for server in addresses.into_iter().map(server_at) {
                    looking.at(server);
                }
                continue;
            }
        };
        if let Ok(Some((server, _))) = &seen {
            looking.answered.insert(server.clone());
        }
        match seen {
            Ok(Some((server, Ok(devices)))) => looking.note(server, devices),
            Ok(Some((server, Err(error)))) if named.as_ref() == Some(&server) => failure = Some(error),
            Ok(Some((_, Err(_)))) => {}
            Ok(None) | Err(_) => break,
        }
        if is_enough(&looking.all) {
            deadline = deadline.min(Instant::now() + SETTLE);
        }
    }
    match failure {
        Some(error) if looking.all.is_empty() => Err(error),
        Some(_) | None => Ok(looking.all),
    }
}

/// The addresses of the next server; for ever when nobody is searched for.
async fn next_of(search: Option<&NearbySearch>) -> Vec<std::net::SocketAddr> {
    match search {
        Some(search) => search.next().await,
        None => std::future::pending().await,
    }
}

type Seen = (ServerUrl, Result<Vec<Device>, Error>);

/// The servers that are asked, and whom they named.
struct Looking {
    asked: Vec<ServerUrl>,
    answered: HashSet<ServerUrl>,
    tasks: JoinSet<()>,
    seen: mpsc::Receiver<Seen>,
    sees: mpsc::Sender<Seen>,
    all: Vec<Neighbour>,
}

impl Looking {
    fn new() -> Self {
        let (sees, seen) = mpsc::channel(ASKED_MAX);
        Self { asked: Vec::new(), answered: HashSet::new(), tasks: JoinSet::new(), seen, sees, all: Vec::new() }
    }

    /// Asks a server, unless it was asked before.
    fn at(&mut self, server: ServerUrl) {
        if self.asked.len() >= ASKED_MAX || self.asked.contains(&server) {
            return;
        }
        self.asked.push(server.clone());
        let sees = self.sees.clone();
        self.tasks.spawn(async move {
            if let Err(error) = watch(&server, &sees).await {
                // Nobody may be listening any more.
                let _ = sees.send((server, Err(error))).await;
            }
        });
    }

    /// Takes note of what a server says; one device may be reached in several ways, of which the first stays.
    fn note(&mut self, server: ServerUrl, devices: Vec<Device>) {
        self.all.retain(|known| known.server != server);
        for device in devices {
            let is_known = self.all.iter().any(|known| known.device.room == device.room);
            if !is_known && self.all.len() < FOUND_MAX {
                self.all.push(Neighbour { device, server: server.clone() });
            }
        }
        self.all
            .sort_by(|one, other| (&one.device.name, &one.device.room).cmp(&(&other.device.name, &other.device.room)));
    }
}

/// Tells what a server names, again whenever that changes.
#[expect(clippy::wildcard_enum_match_arm, reason = "a server that says more than was asked is not listened to")]
async fn watch(server: &ServerUrl, sees: &mpsc::Sender<Seen>) -> Result<(), Error> {
    let mut signaling = Signaling::connect_saying(server, ClientMessage::Look {}).await?;
    loop {
        match signaling.next().await? {
            ServerMessage::Nearby { devices } => {
                // Nobody may be listening any more.
                sees.send((server.clone(), Ok(devices))).await.map_err(|_| Error::Stopped)?;
            }
            ServerMessage::Error { code, retry_after, .. } => {
                return Err(Error::Refused { server: server.clone(), code, retry_after });
            }
            _ => {}
        }
    }
}

/// How long others of the same name are waited for once somebody is found.
const SETTLE: Duration = Duration::from_millis(700);

/// How many servers are asked at most, whatever the network says: those on this machine and 22 others.
const ASKED_MAX: usize = 32;

/// How many devices are noted.
const FOUND_MAX: usize = 128;
