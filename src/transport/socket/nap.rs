//! `Nap`: a moment in which a socket is left alone, so that more has come when it is read again.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

/// Not begun, or under way.
#[derive(Debug, Default)]
pub(in crate::transport) struct Nap {
    sleep: Option<Pin<Box<Sleep>>>,
    is_begun: bool,
}

impl Nap {
    /// Begins one, and has the task woken at its end. Needs a Tokio runtime.
    pub(in crate::transport) fn begin(&mut self, length: Duration, cx: &mut Context<'_>) {
        self.is_begun = true;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(length)));
        sleep.as_mut().reset(Instant::now() + length);
        // It lies ahead; asked for it wakes the task.
        let _ = sleep.as_mut().poll(cx);
    }

    /// Whether it is under way, or was when it was last asked for its end.
    pub(in crate::transport) const fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// Waits for its end, if it has begun.
    pub(in crate::transport) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(sleep) = self.sleep.as_mut().filter(|_| self.is_begun) {
            ready!(sleep.as_mut().poll(cx));
            self.is_begun = false;
        }
        Poll::Ready(())
    }
}
