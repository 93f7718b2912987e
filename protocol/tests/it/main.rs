//! The core as its users see it: golden vectors, conversations, and hostile company.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

mod conversation;
mod pair;
mod vectors;
