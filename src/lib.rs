//! p2pshare moves files straight between two devices.

pub mod storage;
