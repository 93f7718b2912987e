//! The core as its users see it: golden vectors, conversations, and hostile company.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod attacker;
mod conversation;
mod guessing;
mod hostile_peer;
mod hostile_server;
mod pair;
mod parsers;
mod transcripts;
mod vectors;
