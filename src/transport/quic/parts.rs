//! Frames for a browser, whose socket holds little.

use bytes::Bytes;

use super::Plane;
use crate::transport::{DATA_HEADER_BYTES, error::Lost};

impl Plane {
    /// Sends a frame to a browser, no more of it at once than its socket holds.
    pub(super) async fn send_in_parts(&self, header: [u8; DATA_HEADER_BYTES], payload: Bytes) -> Result<(), Lost> {
        let mut sending = self.sending.lock().await;
        let part_bytes = self.sockets.bytes_of(PART_PACKETS) - DATA_HEADER_BYTES;
        for start in (0..payload.len()).step_by(part_bytes) {
            if self.sockets.is_near() {
                self.lane.flight_below(self.sockets.bytes_of(FLIGHT_PACKETS)).await?;
            }
            let part = payload.slice(start..payload.len().min(start + part_bytes));
            sending.send(header_at(header, start), part).await?;
        }
        Ok(())
    }
}

/// The header of the part of a frame that begins so far behind its start.
fn header_at(mut header: [u8; DATA_HEADER_BYTES], bytes: usize) -> [u8; DATA_HEADER_BYTES] {
    let [_, _, _, _, offset @ ..] = &mut header;
    *offset = (u64::from_be_bytes(*offset) + bytes as u64).to_be_bytes();
    header
}

/// Packets of a part of a frame for a browser: they leave in one call to the system, which sixteen at least have to.
pub(super) const PART_PACKETS: usize = 24;

/// Packets that a browser nearby may have to acknowledge when the next part follows: forty then. Its socket holds 56, as Linux
/// counts, and what was read may take a quarter of that for a while.
pub(super) const FLIGHT_PACKETS: usize = 16;
