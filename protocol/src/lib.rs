//! The sans-IO core of p2pshare: it decides, and touches nothing.

pub mod entry_path;
pub mod hash;
pub mod limits;
pub mod offer;

pub mod code;
pub mod cpace;
pub mod host_identity;
pub mod keys;
pub mod link;
pub mod lv;
pub mod pairing;
pub mod password;
pub mod peer_message;
pub mod role;
pub mod room;
pub mod sdp;
pub mod seal;
pub mod sealed_frame;
pub mod share_guard;
pub mod short_number;

mod base64url;
#[cfg(test)]
mod scripted_rng;
