//! A path that treats QUIC or DTLS badly, for tests.

use std::{
    io,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use noq::udp::Transmit;

/// What becomes of datagrams (or trains of them) that QUIC sends.
#[derive(Debug)]
pub(in crate::transport) struct Faults {
    sent: AtomicUsize,
    /// How many of them pass.
    passing: AtomicUsize,
    corrupting: AtomicBool,
    without_dtls: AtomicBool,
    without_checks: AtomicBool,
    opened: AtomicUsize,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            sent: AtomicUsize::new(0),
            passing: AtomicUsize::new(usize::MAX),
            corrupting: AtomicBool::new(false),
            without_dtls: AtomicBool::new(false),
            without_checks: AtomicBool::new(false),
            opened: AtomicUsize::new(0),
        }
    }
}

impl Faults {
    /// Lets so many pass from now on, and drops the rest.
    pub(in crate::transport) fn drop_after(&self, count: usize) {
        self.sent.store(0, Ordering::Relaxed);
        self.passing.store(count, Ordering::Relaxed);
    }

    /// Flips a bit in every tenth.
    pub(in crate::transport) fn corrupt(&self) {
        self.corrupting.store(true, Ordering::Relaxed);
    }

    /// Drops what DTLS sends from now on.
    pub(in crate::transport) fn drop_dtls(&self) {
        self.without_dtls.store(true, Ordering::Relaxed);
    }

    /// Drops the checks and the answers by which ICE finds a path and knows that it is alive, from now on.
    pub(in crate::transport) fn drop_checks(&self) {
        self.without_checks.store(true, Ordering::Relaxed);
    }

    /// Whether a datagram of WebRTC's is dropped.
    pub(in crate::transport) fn drops(&self, datagram: &[u8]) -> bool {
        match datagram {
            [0..=3, ..] => self.without_checks.load(Ordering::Relaxed),
            [20..=63, ..] => self.without_dtls.load(Ordering::Relaxed),
            _ => false,
        }
    }

    pub(super) fn note_open(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    /// How often QUIC has come up in spite of it, whether it then carried anything or not.
    pub(super) fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    pub(super) fn send(
        &self,
        transmit: &Transmit<'_>,
        send: impl FnOnce(&Transmit<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let sent = self.sent.fetch_add(1, Ordering::Relaxed);
        if sent >= self.passing.load(Ordering::Relaxed) {
            return Ok(());
        }
        if !self.corrupting.load(Ordering::Relaxed) || !sent.is_multiple_of(10) {
            return send(transmit);
        }
        let mut contents = transmit.contents.to_vec();
        if let Some(byte) = contents.last_mut() {
            *byte ^= 1;
        }
        send(&Transmit { contents: &contents, ..*transmit })
    }
}
