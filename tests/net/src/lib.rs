//! A laboratory of networks: namespaces are machines, and links between them are as slow, long and lossy as a test wants.
//!
//! ```text
//!   Lab::new ──▶ machine("home") ─┐
//!                machine("away") ─┴─▶ link(home, away, Link) ──▶ EmulatedLink   cut() · change() · counters()
//!                                     cable(home, router)        at the speed of this machine
//!   Internet::new ──▶ home(Router)    a machine behind a NAT or firewall, beside a server with a public address
//!   Machine                           command() · enter() · ip() · forward() · nft()
//! ```
//!
//! It needs Linux, root, `ip`, `nft` and `/dev/net/tun`; [`obstacle`] says what is missing. Everything is gone when the lab is
//! dropped, and what a lab left that was killed goes when the next one starts. Nothing in it leads out of this machine.
#![cfg(target_os = "linux")]

mod emulator;
mod internet;
mod lab;
mod link;
mod machine;
mod pipe;
mod process;
mod triangle;

pub use emulator::EmulatedLink;
pub use internet::{Home, Internet, Router};
pub use lab::{Lab, obstacle};
pub use link::Link;
pub use machine::Machine;
pub use pipe::{Counters, Pipe};
pub use process::Process;
pub use triangle::{RECEIVER, SENDER, SERVER, Triangle};
