//! `PasswordCost`: what stretching a password takes.

use serde::{Deserialize, Serialize};

use crate::limits::{
    PASSWORD_LANES, PASSWORD_LANES_MAX, PASSWORD_MEMORY_KIB, PASSWORD_MEMORY_KIB_MAX, PASSWORD_PASSES,
    PASSWORD_PASSES_MAX,
};

/// The cost of argon2id, as the host of a share chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordCost {
    /// Memory in KiB.
    #[serde(rename = "m")]
    pub memory_kib: u32,
    /// Passes over the memory.
    #[serde(rename = "t")]
    pub passes: u32,
    /// Lanes.
    #[serde(rename = "p")]
    pub lanes: u32,
}

impl PasswordCost {
    /// Tells whether a guest may be asked for it: more would let a hostile host exhaust the guest's device.
    #[must_use]
    pub const fn is_bearable(&self) -> bool {
        self.memory_kib <= PASSWORD_MEMORY_KIB_MAX
            && self.passes >= 1
            && self.passes <= PASSWORD_PASSES_MAX
            && self.lanes >= 1
            && self.lanes <= PASSWORD_LANES_MAX
            && self.memory_kib >= 8 * self.lanes
    }
}

impl Default for PasswordCost {
    fn default() -> Self {
        Self { memory_kib: PASSWORD_MEMORY_KIB, passes: PASSWORD_PASSES, lanes: PASSWORD_LANES }
    }
}
