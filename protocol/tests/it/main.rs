//! The protocol crate seen from outside: whole conversations, as values.

mod link;
mod transfer;
