//! The real signalling server in this process.

use std::net::SocketAddr;
use std::thread::{self, JoinHandle};

use p2pshare_signal::{Config, Server, listen};
use tokio::sync::oneshot;

/// A server on a port of its own. Ends when dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let (told, address) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                let server = Server::new(config).unwrap();
                // Dropping the other end is the way to end it.
                server.serve([listener], async { drop(stopped.await) }).await;
            });
        });
        Self { address: address.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been reported.
            let _ = thread.join();
        }
    }
}
