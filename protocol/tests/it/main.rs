//! The core as its users see it: golden vectors, whole conversations as values, and hostile company.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod attacker;
mod conversation;
mod guessing;
mod hostile_peer;
mod hostile_server;
mod link;
mod pair;
mod parsers;
mod streams;
mod transcripts;
mod transfer;
mod vectors;
