//! The sans-IO core of p2pshare: it decides, and touches nothing.

pub mod entry_path;
pub mod hash;
pub mod limits;
pub mod offer;

pub mod envelope;
pub mod room;
pub mod server_config;
