//! `Rest`: leaves a socket alone for a moment after it was read.
//!
//! From a distance packets come one by one. Each one that is read at once wakes two tasks and is answered by an acknowledgement of its own, which
//! wakes two more at the other side. A sender that has thousands of packets under way looks at all of them for each, sends nothing
//! meanwhile, and falls behind. What came within a millisecond costs little more than one packet.

use std::{
    task::{Context, Poll, ready},
    time::Duration,
};

use crate::transport::socket::Nap;

/// What a socket's reader does: it waits for something, reads until nothing is left, and rests.
#[derive(Debug, Default)]
pub(super) struct Rest {
    nap: Nap,
    /// Whether something was read since the last rest.
    has_read: bool,
}

impl Rest {
    /// Reads with `read`, unless it is time to rest. Needs a Tokio runtime.
    pub(super) fn poll<T>(&mut self, cx: &mut Context<'_>, read: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        ready!(self.nap.poll_end(cx));
        let received = read(cx);
        if received.is_ready() {
            self.has_read = true;
        } else if std::mem::take(&mut self.has_read) {
            self.nap.begin(REST, cx);
        }
        received
    }
}

/// As short as timers go. Little to a round trip that is long, and a hundred packets at a gigabit.
const REST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Waker};

    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_comes_after_a_pause_is_read_at_once_and_what_comes_then_together() {
        let mut rest = Rest::default();
        let mut waiting = 0;
        let mut look = |rest: &mut Rest, coming: u32| {
            waiting += coming;
            let mut read = |_: &mut Context<'_>| match waiting {
                0 => Poll::Pending,
                _ => {
                    waiting -= 1;
                    Poll::Ready(())
                }
            };
            let cx = &mut Context::from_waker(Waker::noop());
            std::iter::from_fn(|| rest.poll(cx, &mut read).is_ready().then_some(())).count()
        };
        assert_eq!(look(&mut rest, 2), 2, "until nothing is left");
        assert_eq!(look(&mut rest, 1), 0, "it rests");
        tokio::time::advance(REST / 2).await;
        assert_eq!(look(&mut rest, 1), 0);
        tokio::time::advance(REST).await;
        assert_eq!(look(&mut rest, 1), 3);
        tokio::time::advance(2 * REST).await;
        assert_eq!(look(&mut rest, 0), 0);
        assert_eq!(look(&mut rest, 1), 1, "nothing was read lately");
    }

    #[tokio::test(start_paused = true)]
    async fn who_rests_is_woken() {
        let mut rest = Rest::default();
        let mut polls = 0;
        // Nothing but the end of the rest wakes the task.
        let mut third = poll_fn(|cx| {
            rest.poll(cx, |_| {
                polls += 1;
                if polls == 2 { Poll::Pending } else { Poll::Ready(polls) }
            })
        });
        assert_eq!((&mut third).await, 1);
        let began = Instant::now();
        assert_eq!(timeout(10 * REST, &mut third).await, Ok(3));
        assert!(began.elapsed() < 10 * REST, "the time limit woke it");
    }
}
