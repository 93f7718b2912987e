//! p2pshare moves files straight between two devices.

pub mod signaling;
pub mod storage;
#[doc(hidden)]
pub mod transport;
