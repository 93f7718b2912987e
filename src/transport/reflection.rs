//! Asks STUN servers which address they see, without a connection to a peer: what a network does to datagrams.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use p2pshare_protocol::stun::{self, Message, Transaction, attribute, canonical, kind};
use rand_core::{Rng, UnwrapErr};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::nat::Reflections;

/// Asks one server of one address family at its ports, the usual one first, and `others` elsewhere.
///
/// # Errors
/// This machine has no address of that family, or no way there.
pub async fn look_through(server: IpAddr, ports: &[u16], others: &[SocketAddr]) -> io::Result<Reflections> {
    let any: IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
    let own = |port| SocketAddr::new(server, port);
    let targets: Vec<_> = ports.iter().copied().map(own).chain(others.iter().copied()).take(TARGETS_MAX).collect();
    let Some(first) = targets.first().copied() else { return Err(io::ErrorKind::NotFound.into()) };
    let local = local_address(any, first)?;
    // What a network lets in depends on whom a socket spoke to before: the stranger is asked for from a socket of its own.
    let (asking, waiting) = (UdpSocket::bind((any, 0)).await?, UdpSocket::bind((any, 0)).await?);
    let local = SocketAddr::new(local, asking.local_addr()?.port());
    let questions: Vec<_> = targets.iter().map(|to| Question { to: *to, from_other_port: false }).collect();
    let stranger = [Question { to: first, from_other_port: true }];
    let may_ask = ports.len() > 1;
    let (seen, lets_in) = tokio::join!(ask(&asking, &questions), async {
        if may_ask { Some(ask(&waiting, &stranger).await) } else { None }
    });
    let lets_in_strangers = lets_in.map(|answers| answers[0].is_some());
    Ok(Reflections { local, seen, lets_in_strangers })
}

/// This machine's address on the way to another one.
fn local_address(any: IpAddr, to: SocketAddr) -> io::Result<IpAddr> {
    // Connecting a datagram socket sends nothing: it only asks the kernel which address would be used.
    let probe = std::net::UdpSocket::bind((any, 0))?;
    probe.connect(to)?;
    Ok(probe.local_addr()?.ip())
}

/// Whom to ask, and from where the answer shall come.
#[derive(Debug, Clone, Copy)]
struct Question {
    to: SocketAddr,
    from_other_port: bool,
}

/// Asks until all have answered or the time is up; the addresses that were seen.
async fn ask(socket: &UdpSocket, questions: &[Question]) -> Vec<Option<SocketAddr>> {
    let transactions: Vec<Transaction> = questions.iter().map(|_| transaction()).collect();
    let mut answers = vec![None; questions.len()];
    let mut open: HashSet<usize> = (0..questions.len()).collect();
    let start = Instant::now();
    for (round, pause) in PAUSES.iter().enumerate() {
        for index in &open {
            let request = stun::ask(transactions[*index], questions[*index].from_other_port);
            // What the system refuses to send is not answered either.
            let _ = socket.send_to(&request, questions[*index].to).await;
        }
        let until = start + PAUSES[..=round].iter().sum::<Duration>();
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        while !open.is_empty() {
            let Ok(received) = timeout_at(until, socket.recv_from(&mut buffer)).await else { break };
            // An ICMP error of what was sent before says nothing about the rest; it is not repeated without a pause.
            let Ok((length, _)) = received else {
                sleep_until((Instant::now() + *pause / 8).min(until)).await;
                continue;
            };
            let Some(message) = Message::parse(&buffer[..length]) else { continue };
            if let Some(index) = transactions.iter().position(|known| *known == message.transaction())
                && open.remove(&index)
                && message.kind() == kind::BINDING | kind::SUCCESS
            {
                let seen = message.addresses(attribute::XOR_MAPPED_ADDRESS).next().flatten();
                answers[index] = seen.map(canonical);
            }
        }
    }
    answers
}

fn transaction() -> Transaction {
    let mut drawn = [0; 12];
    UnwrapErr(getrandom::SysRng).fill_bytes(&mut drawn);
    drawn
}

/// How long answers are waited for after each time of asking; datagrams are lost now and then.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(400), Duration::from_millis(650), Duration::from_millis(700)];

/// How many addresses are asked at most.
const TARGETS_MAX: usize = 4;

/// Longer than any answer.
const DATAGRAM_BYTES_MAX: usize = 1500;
