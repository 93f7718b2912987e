//! Asks a relay for what it must refuse: ways into its own network, and what nobody has a credential for.

use std::net::{IpAddr, SocketAddr};

use p2pshare_protocol::stun::{Writer, attribute, kind};

use super::allocation::{AllocationError, Client, Said};
use super::config::IceServer;

/// Something that a relay was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayProbe {
    /// What it was asked for.
    pub asked: String,
    /// Which refusals are right.
    pub expected: &'static [u32],
    /// The code of its refusal; `None` if it granted that.
    pub refused: Option<u32>,
}

impl RelayProbe {
    /// Whether the relay refused as it should.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.refused.is_some_and(|code| self.expected.contains(&code))
    }

    fn new(asked: impl Into<String>, expected: &'static [u32], said: Said) -> Self {
        Self { asked: asked.into(), expected, refused: said.err() }
    }
}

/// Asks a relay for all that it must refuse, with the credentials of the two sides of one session. `signaling` is the port of the
/// server beside it.
///
/// # Errors
/// It gives no relayed address, or does not answer.
pub async fn check_relay([one, other]: &[IceServer; 2], signaling: u16) -> Result<Vec<RelayProbe>, AllocationError> {
    let client = Client::reach(one).await?;
    client.allocate(one).await?.map_err(AllocationError::Refused)?;
    let mut probes = peers(&client, one, signaling).await?;
    probes.extend(credentials(&client, one, other).await?);
    probes.push(third_allocation(one).await?);
    client.give_back(one).await;
    Ok(probes)
}

/// Asks to be let through to addresses that are not of the public Internet.
async fn peers(client: &Client, access: &IceServer, signaling: u16) -> Result<Vec<RelayProbe>, AllocationError> {
    let mut probes = Vec::new();
    for (number, peer) in (0_u16..).zip(INSIDE) {
        let Ok(ip) = peer.parse::<IpAddr>() else { continue };
        // Each has a port of its own, since one peer has one channel, by whatever name.
        let peer = SocketAddr::new(ip, PEER_PORT + number);
        let permit = |request: Writer| request.address(attribute::XOR_PEER_ADDRESS, peer);
        let said = client.request(access, kind::CREATE_PERMISSION, permit).await?;
        probes.push(RelayProbe::new(format!("a permission for {ip}"), NO_PEER, said));
        probes.push(bind(client, access, number, peer, format!("a channel to {ip}")).await?);
    }
    let server = SocketAddr::new(client.relay()?.ip(), signaling);
    let number = u16::try_from(INSIDE.len()).unwrap_or(u16::MAX);
    probes.push(bind(client, access, number, server, "a channel to the server's own port".to_owned()).await?);
    Ok(probes)
}

async fn bind(
    client: &Client,
    access: &IceServer,
    number: u16,
    peer: SocketAddr,
    asked: String,
) -> Result<RelayProbe, AllocationError> {
    let [high, low] = (FIRST_CHANNEL + number).to_be_bytes();
    let said = client.request(access, kind::CHANNEL_BIND, |request| {
        request.attribute(attribute::CHANNEL_NUMBER, &[high, low, 0, 0]).address(attribute::XOR_PEER_ADDRESS, peer)
    });
    Ok(RelayProbe::new(asked, NO_PEER, said.await?))
}

/// Shows credentials that are none, are late, or are somebody else's.
async fn credentials(client: &Client, one: &IceServer, other: &IceServer) -> Result<Vec<RelayProbe>, AllocationError> {
    let user = one.username.split_once(':').map_or(one.username.as_str(), |(_, user)| user);
    let forged = IceServer { credential: "AAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(), ..one.clone() };
    let expired = IceServer { username: format!("1:{user}"), ..one.clone() };
    let mixed = IceServer { credential: other.credential.clone(), ..one.clone() };
    let mut probes = Vec::new();
    for (asked, access) in [
        ("an address with a forged credential", forged),
        ("an address with an expired credential", expired),
        ("an address with another side's credential", mixed),
    ] {
        let said = Client::reach(&access).await?.allocate(&access).await?;
        probes.push(RelayProbe::new(asked, NO_CREDENTIAL, said));
    }
    let said = client.request(other, kind::REFRESH, |request| request).await?;
    probes.push(RelayProbe::new("another side's address", NOT_YOURS, said));
    Ok(probes)
}

/// Asks for addresses until there are three; one is there already.
async fn third_allocation(access: &IceServer) -> Result<RelayProbe, AllocationError> {
    let (second, third) = (Client::reach(access).await?, Client::reach(access).await?);
    let mut said = second.allocate(access).await?;
    if said.is_ok() {
        said = third.allocate(access).await?;
        third.give_back(access).await;
    }
    second.give_back(access).await;
    Ok(RelayProbe::new("a third address with one credential", QUOTA, said))
}

/// What leads into a relay's own network, or round it: its machine, private networks, metadata of clouds, and what wraps them.
const INSIDE: [&str; 13] = [
    "127.0.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "224.0.0.1",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
];

/// Ports as peers may have them begin here.
const PEER_PORT: u16 = 50_000;

/// The first number of a channel.
const FIRST_CHANNEL: u16 = 0x4000;

/// Forbidden, or of another address family than what was allocated.
const NO_PEER: &[u32] = &[403, 443];

const NO_CREDENTIAL: &[u32] = &[401];

const NOT_YOURS: &[u32] = &[401, 437, 441];

const QUOTA: &[u32] = &[486, 508];
