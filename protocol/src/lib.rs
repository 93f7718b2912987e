//! The sans-IO core of p2pshare: it decides, and touches nothing.

pub mod entry_path;
pub mod hash;
pub mod limits;
pub mod local_name;
pub mod offer;
