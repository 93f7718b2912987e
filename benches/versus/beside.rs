//! `Flow`: a TCP connection that fills the link while something else is measured.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use p2pshare_net::{RECEIVER, Triangle};

/// The connection, until it is dropped.
pub(crate) struct Flow {
    received: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
}

impl Flow {
    /// Starts it, and gives it time to get going.
    pub(crate) fn start(triangle: &Triangle) -> Result<Self> {
        let listener = triangle.receiver.enter(|| Ok(TcpListener::bind((RECEIVER, 0))?))?;
        let address = listener.local_addr()?;
        let mut sender = triangle.sender.enter(|| Ok(TcpStream::connect(address)?))?;
        let (mut receiver, _) = listener.accept()?;
        let (received, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stop) = (Arc::clone(&received), Arc::clone(&is_over));
        thread::spawn(move || {
            let block = vec![0; 1 << 16];
            while !stop.load(Ordering::Relaxed) && sender.write_all(&block).is_ok() {}
        });
        thread::spawn(move || {
            let mut block = vec![0; 1 << 16];
            while let Ok(read) = receiver.read(&mut block)
                && read > 0
            {
                count.fetch_add(read as u64, Ordering::Relaxed);
            }
        });
        thread::sleep(WARM_UP);
        Ok(Self { received, is_over })
    }

    /// Bytes that arrived so far, and when that was.
    pub(crate) fn mark(&self) -> (u64, Instant) {
        (self.received.load(Ordering::Relaxed), Instant::now())
    }

    /// Megabytes a second since a mark.
    pub(crate) fn rate_since(&self, (bytes, at): (u64, Instant)) -> f64 {
        (self.mark().0 - bytes) as f64 / at.elapsed().as_secs_f64() / 1e6
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// Enough for TCP to find the speed of each of the named links.
const WARM_UP: Duration = Duration::from_secs(4);
