//! The program as people, scripts, hostile servers and hostile peers meet it: the real binary, driven from outside.
//!
//! Each test has its own home, folders and server on a port of its own. Names that begin with `b_` and a number are the
//! cases of the threat model.

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "the helpers of tests are tests too, and fail where something else comes than what was expected"
)]

mod architecture;
mod bind;
mod codes;
mod contract;
mod coturn;
mod crowd;
mod disk;
mod doctor;
mod durable;
mod faults;
mod guesses;
mod harness;
mod hostile_names;
mod hostile_receiver;
mod hostile_sender;
mod hostile_server;
mod json_table;
mod kills;
mod nearby;
mod network;
mod pipes;
mod private_authority;
mod questions;
mod reconnect;
mod relay;
mod resume;
mod stop;
mod streams;
mod terminal;
mod through_proxy;
mod transfer;
mod words;
