//! The disk, seen as a source that is read and a sink that is written.
//!
//! Both work with queues rather than futures: requests are submitted without waiting, worker threads touch the disk,
//! and `next` hands back what was done. Neither decides anything about the transfer.

pub mod sink;
pub mod source;
mod tree;
