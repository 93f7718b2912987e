//! What the tests are made of: worlds, running programs, terminals, trees, servers and peers, honest and hostile.

pub(crate) mod peer;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod rogue;
pub(crate) mod server;
pub(crate) mod shim;
pub(crate) mod terminal;
pub(crate) mod tree;
pub(crate) mod wire;
pub(crate) mod world;

pub(crate) use peer::{HostileGuest, HostileHost, Peer};
pub(crate) use process::{Ended, Running};
pub(crate) use proxy::{Passing, Proxy, Way};
pub(crate) use server::TestServer;
pub(crate) use tree::Tree;
pub(crate) use world::World;

use std::time::Duration;

/// A safety net for everything that is waited for; nothing comes near it unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);
