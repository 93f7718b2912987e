//! The Tokio runtime as the library sees it: with large socket buffers, sockets that QUIC may share, and a driver that can
//! be hurried.

use std::{
    fmt, io,
    net::{SocketAddr, UdpSocket},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime, TokioRuntime,
};

use super::socket::{MdnsSocket, WebrtcSocket};
use crate::transport::socket::{SharedSocket, Sockets};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the kernel gave for UDP socket buffers. Too small ones lose bursts, and each loss costs SCTP up to a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketBuffers {
    /// Bytes asked for.
    pub wanted: usize,
    /// Bytes granted, the smaller of receiving and sending.
    pub granted: usize,
}

impl SocketBuffers {
    /// Whether the system's limit (`net.core.rmem_max` and `wmem_max` on Linux) slows transfers down.
    pub fn are_capped(&self) -> bool {
        self.granted < self.wanted
    }

    /// Asks the kernel what it would grant.
    #[must_use]
    pub fn probe() -> Self {
        let granted = UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).and_then(|socket| enlarge(&socket));
        Self { wanted: SOCKET_BUFFER_BYTES, granted: granted.unwrap_or(0) }
    }
}

/// Lets a connection's driver act at once.
///
/// The driver sends what a state change caused only when its timer next fires, which costs 200 ms for each step of the
/// handshake. Until the connection is open, its timer fires whenever somebody pokes.
#[derive(Debug, Default)]
pub(super) struct Hurry {
    poked: Notify,
    over: AtomicBool,
}

impl Hurry {
    /// Fires the driver's timer, now or as soon as it is set.
    pub(super) fn poke(&self) {
        if !self.over.load(Ordering::Relaxed) {
            self.poked.notify_one();
        }
    }

    /// Leaves the driver to its own timers from now on.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// The runtime of one connection.
pub(super) struct ConnectionRuntime {
    tokio: TokioRuntime,
    hurry: Arc<Hurry>,
    sockets: Arc<Sockets>,
    looks_again: LooksAgain,
}

impl ConnectionRuntime {
    pub(super) fn new(hurry: Arc<Hurry>, sockets: Arc<Sockets>) -> Self {
        Self { tokio: TokioRuntime, hurry, sockets, looks_again: LooksAgain::default() }
    }
}

impl ConnectionRuntime {
    fn sleep_or_hurry(&self, duration: Duration) -> BoxFuture<'static, ()> {
        if self.hurry.over.load(Ordering::Relaxed) {
            return self.tokio.sleep(duration);
        }
        let hurry = Arc::clone(&self.hurry);
        Box::pin(async move {
            tokio::select! {
                () = tokio::time::sleep(duration) => {}
                () = hurry.poked.notified() => {}
            }
        })
    }
}

/// Has the driver look again before it sleeps.
///
/// What comes through a relay is unwrapped in one pass of its loop, heard in the next and answered in a third, and the answer
/// leaves in a fourth. Each pass comes only with something else to do, or with a timer after 200 ms: that makes 43 kB/s
/// through a relay on the same machine.
#[derive(Clone, Debug, Default)]
struct LooksAgain(Arc<AtomicU8>);

impl LooksAgain {
    /// Makes the first sleeps after something happened end at once.
    fn before(&self, sleep: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let looks = self.0.load(Ordering::Relaxed);
        // Dropped unless a short sleep ends by itself: then something happened, and the count begins anew.
        let mut happened = Some(Happened(self.clone()));
        Box::pin(async move {
            if looks < LOOKS_AGAIN
                && let Some(happened) = happened.take()
            {
                happened.not(looks + 1);
            } else {
                sleep.await;
            }
        })
    }
}

/// Begins the count of looks anew when it is dropped.
struct Happened(LooksAgain);

impl Happened {
    fn not(mut self, looks: u8) {
        let LooksAgain(count) = std::mem::take(&mut self.0);
        count.store(looks, Ordering::Relaxed);
    }
}

impl Drop for Happened {
    fn drop(&mut self) {
        self.0.0.store(0, Ordering::Relaxed);
    }
}

impl fmt::Debug for ConnectionRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionRuntime")
    }
}

impl Runtime for ConnectionRuntime {
    fn spawn(&self, future: BoxFuture<'static, ()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        // The mDNS socket comes through here as well, and has nothing to buffer or to share.
        if socket.local_addr()?.port() == MDNS_PORT {
            return Ok(Arc::new(MdnsSocket(self.tokio.wrap_udp_socket(socket)?)));
        }
        enlarge(&socket)?;
        let socket = SharedSocket::new(socket, Arc::clone(&self.sockets))?;
        self.sockets.register(&socket);
        Ok(Arc::new(WebrtcSocket::new(socket)))
    }

    fn wrap_tcp_listener(&self, _: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Refuses: candidates come from the peer, and none of them may make us connect to a service.
    fn connect_tcp<'a>(&'a self, _: SocketAddr) -> BoxFuture<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        Box::pin(std::future::ready(Err(io::ErrorKind::Unsupported.into())))
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        self.tokio.resolve_host(host)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let sleep = self.sleep_or_hurry(duration);
        if self.sockets.is_relayed() { self.looks_again.before(sleep) } else { sleep }
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.tokio.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.tokio.block_on(future);
    }

    fn yield_now(&self) -> BoxFuture<'static, ()> {
        self.tokio.yield_now()
    }

    fn name(&self) -> &'static str {
        "tokio"
    }
}

/// Asks for large buffers and returns what the kernel granted, in bytes.
fn enlarge(socket: &UdpSocket) -> io::Result<usize> {
    let socket = socket2::SockRef::from(socket);
    // A refusal leaves the default, which works, slowly.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
    // Linux books twice what was asked for and reports that.
    let share = if cfg!(target_os = "linux") { 2 } else { 1 };
    Ok(socket.recv_buffer_size()?.min(socket.send_buffer_size()?) / share)
}

/// Buffer of each UDP socket. 208 KiB, the usual default, gives 26 MB/s on loopback, 4 MiB gives ten times that.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// How often the driver passes through its loop after the pass in which something happened, until that has had its effect.
const LOOKS_AGAIN: u8 = 3;

const MDNS_PORT: u16 = 5353;
