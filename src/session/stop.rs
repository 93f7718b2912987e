//! `Stop`: how a session is asked to end.

use std::future::pending;

use tokio::sync::watch;

/// Tells when a session shall end; cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// Asks sessions to end.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stop {
    /// A request to stop, and the handle to make it.
    #[must_use]
    pub fn new() -> (Stopper, Self) {
        let (sender, receiver) = watch::channel(false);
        (Stopper(sender), Self(receiver))
    }

    /// Waits until the session shall end; for ever if the handle is gone.
    pub async fn requested(&mut self) {
        if self.0.wait_for(|&stop| stop).await.is_err() {
            pending::<()>().await;
        }
    }
}

impl Stopper {
    /// Asks all sessions that hold the `Stop` to end.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}
