//! What those who share the data of several connections need of each.

use std::sync::atomic::Ordering;

use super::Plane;

impl Plane {
    pub(in crate::transport) fn is_paced(&self) -> bool {
        self.sockets.is_paced()
    }

    /// Bytes in the data lane that are not acknowledged.
    pub(in crate::transport) async fn outstanding_bytes(&self) -> usize {
        self.lane.outstanding_bytes().await
    }

    /// Bytes in the data lane that were acknowledged, at least.
    pub(in crate::transport) async fn acknowledged_bytes(&self) -> u64 {
        self.lane.acknowledged_bytes().await
    }

    /// Whether no relay passes on what is sent.
    pub(in crate::transport) fn is_direct(&self) -> bool {
        self.sockets.may_use_quic()
    }

    /// The most bytes in the data lane that were not acknowledged after a message was sent.
    #[cfg(test)]
    pub(in crate::transport) fn most_in_flight(&self) -> usize {
        self.lane.most_in_flight()
    }

    /// Whether the data lane carries everything and QUIC is not expected to.
    pub(in crate::transport) fn is_alone(&self) -> bool {
        let is_expected = self.is_started() && self.sockets.may_use_quic() && !self.is_late.load(Ordering::Relaxed);
        !is_expected && self.quic.borrow().is_none()
    }
}
