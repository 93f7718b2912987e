//! The local network: senders without a server of their choice are found on it by the nameplate of their code.
//!
//! DNS-SD over multicast DNS (RFC 6762, RFC 6763). Announced are the nameplate and the address of the signalling server
//! inside the sender, under names that are random: nothing of the files, the secret digits, the device or its user. Who lets
//! others see it is named by that server, to those who ask.
//!
//! This is the only place that names the mDNS library. A network without multicast is no error: then nobody is found.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use getrandom::SysRng;
use mdns_sd::{Receiver, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent, ServiceInfo};
use p2pshare_protocol::room::Nameplate;
use rand_core::{Rng, UnwrapErr};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

/// Tells the network under which nameplate this machine's share is found. Dropping it takes that back.
pub(crate) struct Announcer {
    daemon: ServiceDaemon,
    /// Tells this share from others of the same nameplate.
    id: String,
    port: u16,
    announced: Option<String>,
}

impl Announcer {
    /// Prepares to announce the server at a port of this machine; also returns the nameplates that are in use around it,
    /// as far as they are known within a moment.
    pub(crate) async fn start(id: u64, port: u16) -> Option<(Self, Vec<Nameplate>)> {
        let daemon = daemon()?;
        // The search ends before the announcement, which it would find.
        let around = match Search::with(daemon.clone()) {
            Some(search) => search.all_within(LOOK_AROUND).await,
            None => Vec::new(),
        };
        Some((Self { daemon, id: format!("{id:016x}"), port, announced: None }, around))
    }

    /// Announces a nameplate instead of the last one.
    pub(crate) fn announce(&mut self, nameplate: &Nameplate) {
        let name = format!("{}-{}", nameplate.as_str(), self.id);
        self.register(SERVICE, &name, &[("v", "1"), ("nameplate", nameplate.as_str())]);
    }

    /// Announces that the server knows of devices that let themselves be seen. Which ones it tells those who ask it.
    pub(crate) fn announce_nearby(&mut self) {
        let name = self.id.clone();
        self.register(NEARBY_SERVICE, &name, &[("v", "1")]);
    }

    fn register(&mut self, service: &str, name: &str, properties: &[(&str, &str)]) {
        self.take_back();
        let host = format!("p2pshare-{}.local.", self.id);
        let registered = ServiceInfo::new(service, name, &host, "", self.port, properties).and_then(|service| {
            let mut service = service.enable_addr_auto();
            // The names are random: nobody else has them.
            service.set_requires_probe(false);
            let fullname = service.get_fullname().to_owned();
            self.daemon.register(service).map(|()| fullname)
        });
        match registered {
            Ok(fullname) => self.announced = Some(fullname),
            Err(error) => debug!(%error, "the share is not announced on the local network"),
        }
    }

    fn take_back(&mut self) {
        if let Some(fullname) = self.announced.take() {
            // The answer only says that it was heard.
            let _ = self.daemon.unregister(&fullname);
        }
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.take_back();
        let _ = self.daemon.shutdown();
    }
}

impl std::fmt::Debug for Announcer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Announcer").field("announced", &self.announced).finish_non_exhaustive()
    }
}

/// A sender on the local network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) nameplate: Nameplate,
    /// Where its signalling server listens, IPv4 first.
    pub(crate) addresses: Vec<SocketAddr>,
}

/// Looks for senders. Dropping it ends the search.
#[derive(Debug)]
pub(crate) struct Search(Browser);

impl Search {
    /// Asks the network.
    pub(crate) fn start() -> Option<Self> {
        Browser::new(daemon()?, true, SERVICE).map(Self)
    }

    fn with(daemon: ServiceDaemon) -> Option<Self> {
        Browser::new(daemon, false, SERVICE).map(Self)
    }

    /// Waits for the next sender; for ever when no more can come.
    pub(crate) async fn next(&self) -> Found {
        loop {
            let service = self.0.next().await;
            let nameplate = service.get_property_val_str("nameplate").and_then(|nameplate| nameplate.parse().ok());
            let addresses = addresses(service.as_ref());
            if let Some(nameplate) = nameplate
                && !addresses.is_empty()
            {
                return Found { nameplate, addresses };
            }
        }
    }

    async fn all_within(&self, time: Duration) -> Vec<Nameplate> {
        let deadline = Instant::now() + time;
        let mut all = Vec::new();
        while all.len() < AROUND_MAX
            && let Ok(found) = timeout_at(deadline, self.next()).await
        {
            all.push(found.nameplate);
        }
        all
    }
}

/// Looks for servers that know of devices which let themselves be seen. Dropping it ends the search.
#[derive(Debug)]
pub(crate) struct NearbySearch(Browser);

impl NearbySearch {
    /// Asks the network.
    pub(crate) fn start() -> Option<Self> {
        Browser::new(daemon()?, true, NEARBY_SERVICE).map(Self)
    }

    /// Waits for the next server and returns its addresses, IPv4 first; waits for ever when no more can come.
    pub(crate) async fn next(&self) -> Vec<SocketAddr> {
        loop {
            let addresses = addresses(self.0.next().await.as_ref());
            if !addresses.is_empty() {
                return addresses;
            }
        }
    }
}

/// A search for services of one type.
struct Browser {
    daemon: ServiceDaemon,
    /// Whether the daemon serves this search alone, and ends with it.
    is_own: bool,
    service: &'static str,
    events: Receiver<ServiceEvent>,
}

impl Browser {
    fn new(daemon: ServiceDaemon, is_own: bool, service: &'static str) -> Option<Self> {
        let events = daemon.browse(service).inspect_err(|error| debug!(%error, "nobody is looked for")).ok()?;
        Some(Self { daemon, is_own, service, events })
    }

    /// Waits for the next service; for ever when no more can come.
    async fn next(&self) -> Box<ResolvedService> {
        loop {
            match self.events.recv_async().await {
                Ok(ServiceEvent::ServiceResolved(service)) => return service,
                Ok(_) => {}
                Err(_) => std::future::pending().await,
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The answers only say that it was heard.
        if self.is_own {
            let _ = self.daemon.shutdown();
        } else {
            let _ = self.daemon.stop_browse(self.service);
        }
    }
}

impl std::fmt::Debug for Browser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Browser").field("service", &self.service).finish_non_exhaustive()
    }
}

/// Whether what this machine says to everybody on its networks is heard, at least by itself: multicast can be sent and
/// received. Whether the network passes it on takes a second machine to tell.
pub(crate) async fn hears_itself() -> bool {
    let (Some(speaker), Some(listener)) = (daemon(), daemon()) else { return false };
    let heard = async {
        let events = listener.browse(TEST_SERVICE).ok()?;
        let name = format!("{:016x}", UnwrapErr(SysRng).next_u64());
        let host = format!("p2pshare-{name}.local.");
        let mut service = ServiceInfo::new(TEST_SERVICE, &name, &host, "", TEST_PORT, None).ok()?.enable_addr_auto();
        service.set_requires_probe(false);
        let fullname = service.get_fullname().to_owned();
        speaker.register(service).ok()?;
        let is_it = |event: &ServiceEvent| matches!(event, ServiceEvent::ServiceFound(_, name) if *name == fullname);
        while !is_it(&events.recv_async().await.ok()?) {}
        Some(())
    };
    let is_heard = timeout(HEARD_MAX, heard).await.is_ok_and(|heard| heard.is_some());
    for daemon in [speaker, listener] {
        // The answer only says that it was heard.
        let _ = daemon.shutdown();
    }
    is_heard
}

fn daemon() -> Option<ServiceDaemon> {
    ServiceDaemon::new().inspect_err(|error| debug!(%error, "no multicast DNS")).ok()
}

/// Where a service is, as far as one can go there.
fn addresses(service: &ResolvedService) -> Vec<SocketAddr> {
    let port = service.get_port();
    let ips: BTreeSet<IpAddr> = service.get_addresses().iter().map(ScopedIp::to_ip_addr).filter(is_usable).collect();
    ips.into_iter().take(ADDRESSES_MAX).filter(|_| port != 0).map(|ip| SocketAddr::new(ip, port)).collect()
}

/// Whether an address means the same here as for who said it. IPv6 link-local ones need a zone, which URLs cannot hold.
fn is_usable(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast(),
        IpAddr::V6(ip) => {
            !ip.is_loopback() && !ip.is_unspecified() && !ip.is_multicast() && !ip.is_unicast_link_local()
        }
    }
}

/// The service type of senders.
const SERVICE: &str = "_p2pshare._tcp.local.";

/// The service type of servers that know of devices which let themselves be seen.
const NEARBY_SERVICE: &str = "_p2pshare-near._tcp.local.";

/// The service type with which it is tried whether multicast works.
const TEST_SERVICE: &str = "_p2pshare-test._tcp.local.";

/// A port where nothing listens: discard.
const TEST_PORT: u16 = 9;

/// How long one's own announcement may take: it is repeated after a second.
const HEARD_MAX: Duration = Duration::from_millis(2500);

/// How long a new share listens for nameplates that are taken: answers come within 120 ms (RFC 6762, section 6).
const LOOK_AROUND: Duration = Duration::from_millis(150);

/// How many taken nameplates are noted at most; there are hardly that many senders around.
const AROUND_MAX: usize = 64;

/// How many addresses of one sender are tried at most.
const ADDRESSES_MAX: usize = 8;
