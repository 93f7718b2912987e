//! The sans-IO core of p2pshare: it decides, and touches nothing.
//!
//! No runtime, no clock, no disk, no socket: what happens outside comes in as an input, what is to be done outside goes out
//! as an output, and time is an argument. Every machine here is driven in the same way:
//!
//! 1. wait for something to happen, at most until the time that the machine named last;
//! 2. give it to the machine with `handle_input(input, now)`;
//! 3. drain `poll_output()` and do what it says until it says `Wait`;
//! 4. repeat.

pub mod ctl;
pub mod data_frame;
pub mod entry_path;
pub mod error;
pub mod hash;
pub mod limits;
pub mod offer;
pub mod receiver;
pub mod sender;

mod ledger;
mod liveness;
mod window;

pub mod envelope;
pub mod room;
pub mod server_config;
