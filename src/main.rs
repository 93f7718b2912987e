//! The p2pshare command.
fn main() {}
