//! `Slot`: one of the places of a share with a limited number of guests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// A place that is taken by a guest. A guest that is lost lends it to whoever comes back with the code.
#[derive(Debug)]
pub(super) struct Slot {
    taken: Arc<AtomicU32>,
    is_lent: AtomicBool,
    is_held: AtomicBool,
}

impl Slot {
    /// Takes a place; `taken` counts the places that are.
    pub(super) fn take(taken: &Arc<AtomicU32>) -> Self {
        taken.fetch_add(1, Ordering::Relaxed);
        Self { taken: Arc::clone(taken), is_lent: AtomicBool::new(false), is_held: AtomicBool::new(false) }
    }

    /// Lends the place, as long as the guest is not heard.
    pub(super) fn lend(&self) {
        if !self.is_held.load(Ordering::Relaxed) {
            self.release();
        }
    }

    /// Keeps the place for this guest, whatever happens to its connection: nobody else could be served.
    pub(super) fn hold(&self) {
        self.is_held.store(true, Ordering::Relaxed);
        self.take_back();
    }

    fn release(&self) {
        if !self.is_lent.swap(true, Ordering::Relaxed) {
            self.taken.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Takes the place back.
    pub(super) fn take_back(&self) {
        if self.is_lent.swap(false, Ordering::Relaxed) {
            self.taken.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_once() {
        let taken = Arc::new(AtomicU32::new(0));
        let slot = Slot::take(&taken);
        slot.lend();
        slot.lend();
        assert_eq!(taken.load(Ordering::Relaxed), 0);
        slot.take_back();
        slot.take_back();
        assert_eq!(taken.load(Ordering::Relaxed), 1);
        drop(slot);
        assert_eq!(taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_place_that_is_held_is_not_lent() {
        let taken = Arc::new(AtomicU32::new(0));
        let slot = Slot::take(&taken);
        slot.lend();
        slot.hold();
        slot.lend();
        assert_eq!(taken.load(Ordering::Relaxed), 1);
        drop(slot);
        assert_eq!(taken.load(Ordering::Relaxed), 0);
    }
}
