//! The sans-IO core of p2pshare: it decides, and touches nothing.
//!
//! No runtime, no clock, no disk, no socket: what happens outside comes in as an input, what is to be done outside goes out
//! as an output, and time is an argument. Every machine here is driven in the same way:
//!
//! 1. wait for something to happen, at most until the time that the machine named last;
//! 2. give it to the machine with `handle_input(input, now)`;
//! 3. drain `poll_output()` and do what it says until it says `Wait`;
//! 4. repeat.

pub mod code;
pub mod cpace;
pub mod ctl;
pub mod data_frame;
pub mod device_identity;
pub mod entry_path;
pub mod envelope;
pub mod error;
pub mod hash;
pub mod host_identity;
pub mod keys;
pub mod knocks;
pub mod limits;
pub mod link;
pub mod local_name;
pub mod lv;
pub mod nearby;
pub mod offer;
pub mod pairing;
pub mod password;
pub mod peer_message;
pub mod receiver;
pub mod role;
pub mod room;
pub mod sdp;
pub mod seal;
pub mod sealed_frame;
pub mod sender;
pub mod server_config;
pub mod share_guard;
pub mod short_number;
pub mod streams;
pub mod stun;
pub mod tunnel;
pub mod untrusted;

mod base64url;
mod chunk_hasher;
mod ledger;
mod liveness;
#[cfg(test)]
mod scripted_rng;
mod window;
