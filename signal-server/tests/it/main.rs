//! The signalling server from outside: rooms as values, and the whole server over real sockets.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test's helper fails the test")]

mod bounds;
mod harness;
mod http;
mod nearby;
mod net;
mod rooms;
mod websocket;
