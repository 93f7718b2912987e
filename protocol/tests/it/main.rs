//! The core as its users see it: golden vectors, whole conversations as values, and hostile company.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod conversation;
mod link;
mod pair;
mod transfer;
mod vectors;
