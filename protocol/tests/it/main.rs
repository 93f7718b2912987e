//! The core as its users see it: golden vectors, whole conversations as values, and hostile company.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod attacker;
mod conversation;
mod link;
mod guessing;
mod hostile_peer;
mod hostile_server;
mod pair;
mod transfer;
mod parsers;
mod transcripts;
mod vectors;
