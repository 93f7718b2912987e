//! p2pshare moves files straight between two devices.

#[doc(hidden)]
pub mod transport;
