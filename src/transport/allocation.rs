//! Asks a TURN server for a relayed address and gives it back: whether a relay can be used, without anybody to relay to.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use p2pshare_protocol::stun::{Message, Transaction, Writer, attribute, kind, long_term_key};
use rand_core::{Rng, UnwrapErr};
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;

use super::config::IceServer;

/// Why a relay gave no address.
#[derive(Debug, thiserror::Error)]
pub enum AllocationError {
    /// The server's address is none that is spoken to over UDP.
    #[error("{0} cannot be asked")]
    Url(String),
    /// It is not reached.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It does not answer.
    #[error("the relay does not answer over UDP")]
    Silent,
    /// It refuses.
    #[error("the relay refused with {0}")]
    Refused(u32),
}

/// Gets a relayed address with a credential, and gives it back.
///
/// # Errors
/// There is no answer, or a refusal.
pub async fn try_relay(server: &IceServer) -> Result<(), AllocationError> {
    let client = Client::reach(server).await?;
    client.allocate(server).await?.map_err(AllocationError::Refused)?;
    client.give_back(server).await;
    Ok(())
}

/// A socket that a relay knows.
pub(super) struct Client {
    socket: UdpSocket,
    realm: String,
    nonce: Vec<u8>,
}

/// What a relay says to a request: the code of its refusal, if it refuses.
pub(super) type Said = Result<(), u32>;

impl Client {
    /// Asks a server without a credential, which it refuses with what a credential is to be shown with.
    pub(super) async fn reach(server: &IceServer) -> Result<Self, AllocationError> {
        let url = server.urls.first().map_or("", String::as_str);
        let address = resolve(url).await?;
        let any: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(address).await?;
        let bare = |id| Writer::new(kind::ALLOCATE, id).attribute(attribute::REQUESTED_TRANSPORT, UDP).finish(None);
        let refusal = ask(&socket, bare).await?;
        let refusal = Message::parse(&refusal).ok_or(AllocationError::Silent)?;
        let (Some(realm), Some(nonce)) = (refusal.text(attribute::REALM), refusal.attribute(attribute::NONCE)) else {
            return Err(AllocationError::Refused(code(&refusal)));
        };
        let (realm, nonce) = (realm.to_owned(), nonce.to_owned());
        Ok(Self { socket, realm, nonce })
    }

    /// The relay's address.
    pub(super) fn relay(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// Asks for a relayed address.
    pub(super) async fn allocate(&self, server: &IceServer) -> Result<Said, AllocationError> {
        self.request(server, kind::ALLOCATE, |request| request.attribute(attribute::REQUESTED_TRANSPORT, UDP)).await
    }

    /// Gives it back. It would lapse by itself, so no answer is waited for.
    pub(super) async fn give_back(&self, server: &IceServer) {
        let request = Writer::new(kind::REFRESH, transaction()).attribute(attribute::LIFETIME, &[0; 4]);
        let _ = self.socket.send(&self.sign(server, request)).await;
    }

    /// Asks for something with a credential.
    pub(super) async fn request(
        &self,
        server: &IceServer,
        asked: u16,
        fill: impl Fn(Writer) -> Writer,
    ) -> Result<Said, AllocationError> {
        let answer = ask(&self.socket, |id| self.sign(server, fill(Writer::new(asked, id)))).await?;
        let answer = Message::parse(&answer).ok_or(AllocationError::Silent)?;
        Ok(if answer.kind() == asked | kind::SUCCESS { Ok(()) } else { Err(code(&answer)) })
    }

    fn sign(&self, server: &IceServer, request: Writer) -> Vec<u8> {
        let key = long_term_key(&server.username, &self.realm, &server.credential);
        let request = request.attribute(attribute::USERNAME, server.username.as_bytes());
        let request = request.attribute(attribute::REALM, self.realm.as_bytes());
        request.attribute(attribute::NONCE, &self.nonce).finish(Some(&key))
    }
}

/// Sends a request until it is answered.
async fn ask(socket: &UdpSocket, request: impl Fn(Transaction) -> Vec<u8>) -> Result<Vec<u8>, AllocationError> {
    let id = transaction();
    let request = request(id);
    for pause in PAUSES {
        socket.send(&request).await?;
        let heard = timeout(pause, async {
            let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
            loop {
                let length = socket.recv(&mut buffer).await?;
                if Message::parse(&buffer[..length]).is_some_and(|message| message.transaction() == id) {
                    buffer.truncate(length);
                    return Ok::<_, io::Error>(buffer);
                }
            }
        });
        if let Ok(answer) = heard.await {
            return Ok(answer?);
        }
    }
    Err(AllocationError::Silent)
}

/// The address behind a URL such as `turn:relay.example.org:3478?transport=udp`.
async fn resolve(url: &str) -> Result<SocketAddr, AllocationError> {
    let wrong = || AllocationError::Url(url.to_owned());
    let rest = url.strip_prefix("turn:").ok_or_else(wrong)?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !matches!(query, "" | "transport=udp") {
        return Err(wrong());
    }
    let has_port = place.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    let place = if has_port { place.to_owned() } else { format!("{place}:3478") };
    lookup_host(place).await?.next().ok_or_else(wrong)
}

/// The code of a refusal.
fn code(message: &Message<'_>) -> u32 {
    match message.attribute(attribute::ERROR_CODE) {
        Some([_, _, class, number, ..]) => u32::from(*class) * 100 + u32::from(*number),
        Some(_) | None => 0,
    }
}

fn transaction() -> Transaction {
    let mut drawn = [0; 12];
    UnwrapErr(getrandom::SysRng).fill_bytes(&mut drawn);
    drawn
}

/// The transport that is relayed, as a number of the IANA.
const UDP: &[u8] = &[17, 0, 0, 0];

/// How long an answer is waited for after each time of asking.
const PAUSES: [Duration; 3] = [Duration::from_millis(400), Duration::from_millis(600), Duration::from_millis(1000)];

/// Longer than any answer.
const DATAGRAM_BYTES_MAX: usize = 1500;
