//! Standard output as a place for one entry.

use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use tokio::sync::mpsc as tokio_mpsc;

/// Writes to standard output on a thread of its own. Like the sink: submit, and take the outcomes in that order.
#[derive(Debug)]
pub struct Pipe {
    pieces: mpsc::Sender<Bytes>,
    outcomes: tokio_mpsc::UnboundedReceiver<io::Result<u64>>,
}

impl Pipe {
    /// Takes over standard output.
    #[must_use]
    pub fn to_stdout() -> Self {
        let (pieces, incoming) = mpsc::channel::<Bytes>();
        let (outgoing, outcomes) = tokio_mpsc::unbounded_channel();
        thread::spawn(move || {
            let mut stdout = io::stdout().lock();
            for piece in incoming {
                let written = stdout.write_all(&piece).and_then(|()| stdout.flush()).map(|()| piece.len() as u64);
                let has_failed = written.is_err();
                if outgoing.send(written).is_err() || has_failed {
                    return;
                }
            }
        });
        Self { pieces, outcomes }
    }

    /// Hands over bytes. Never waits.
    pub fn submit(&mut self, bytes: Bytes) {
        // After a failure nobody writes; the failure is told by `next`.
        let _ = self.pieces.send(bytes);
    }

    /// The outcome of the oldest submission without one: the bytes written, or why not. Pends when there is none.
    /// Cancel-safe.
    pub async fn next(&mut self) -> io::Result<u64> {
        match self.outcomes.recv().await {
            Some(outcome) => outcome,
            None => std::future::pending().await,
        }
    }
}
