//! The signalling server of p2pshare: it introduces two sides and learns nothing.
//!
//! ```text
//! server ── accepts, bounds, shuts down ──▶ routes ── HTTP, upgrade ──▶ connection ── one WebSocket
//!                                                                          │  ▲
//!                                                                 messages ▼  │ outbox
//!                                                       hub ── one lock, the only clock
//!                                                                          │  ▲
//!                                                                   inputs ▼  │ commands
//!                                                       rooms ── decides everything, a value
//! ```
//!
//! [`Server::new`] takes a [`Config`], [`Server::serve`] takes listeners and a future that ends it:
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use p2pshare_signal::{Config, Server};
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! Server::new(Config::default())?.serve([listener], std::future::pending()).await;
//! # Ok(())
//! # }
//! ```
//!
//! Nothing that it logs holds a code, a room, a body or an address.

mod bucket;
mod client_address;
pub mod command;
mod config;
mod connection;
mod hub;
mod limits;
mod listen;
mod neighbourhood;
mod origin;
mod outbox;
mod own_address;
mod relay;
mod relay_access;
pub mod rooms;
mod routes;
mod server;
mod sources;
mod tunnel;
mod udp;

pub use client_address::{Network, NetworkError};
pub use config::{Config, RELAY_PORTS, RelayConfig};
pub use limits::{Limits, Rate, RelayLimits, SocketLimits, SourceLimits};
pub use listen::{ListenError, listen, listen_all};
pub use neighbourhood::Neighbourhood;
pub use origin::{Origin, OriginError};
pub use own_address::network_address;
pub use relay::credentials::RelaySecret;
pub use server::Server;
pub use sources::{Source, TooManySockets};
