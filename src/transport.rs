//! Carries frames between two peers: WebRTC data channels outside, an in-memory pair in tests.
//!
//! ```text
//!            Dialing::prepare                       nothing has been sent yet, sockets are bound
//!                  │ offer() / answer(offer)        a description to hand to the other side
//!                  │ add_candidate, accept_answer   what the other side handed back
//!                  ▼ next_event() == Open
//!            Dialing::into_channel ──▶ Channel      next() · sender() · identity() · path() · close()
//!                                                   └─ ends with Incoming::Lost, exactly once and for ever
//! ```
//!
//! Everything may move over QUIC on the same socket; that is up to both sides and invisible but for its speed.
//!
//! This is the only place that names the WebRTC and QUIC libraries. It knows nothing of frames, files or keys: two ordered, reliable
//! lanes (`ctl` and `data`), the certificates in use, and when it is over.
//!
//! Three promises the callers build on:
//! 1. Every future that can wait for the network ends when the connection does.
//! 2. Reading never stops. A peer that sends more than was asked of it is cut off, it does not fill the memory.
//! 3. The sockets and tasks of a connection are gone soon after its last handle is, however it was dropped.

mod allocation;
mod candidate;
mod channel;
mod config;
mod error;
mod found;
mod inbox;
pub mod memory;
mod nat;
mod quic;
mod reflection;
mod relay_check;
mod socket;
mod tunnel;
mod webrtc;

pub use self::{
    allocation::{AllocationError, try_relay},
    candidate::Candidate,
    channel::{Channel, ChannelSender, Identity, Incoming, Path, PathKind},
    config::{IceServer, PacketSize, PathPolicy, TransportConfig},
    error::{Lost, TransportError},
    found::{Found, RelayReason, WaysIn},
    nat::{Nat, Reflections},
    quic::DataPlane,
    reflection::look_through,
    relay_check::{RelayProbe, check_relay},
    tunnel::Tunnel,
    webrtc::{DialEvent, Dialing, Recipe, SocketBuffers, local_ips},
};

/// Bytes in front of the payload of a message on the `data` lane: entry and offset.
pub const DATA_HEADER_BYTES: usize = 12;

/// Largest message sent to a peer, in bytes. Larger ones are accepted, see [`MAX_ACCEPTED_MESSAGE_BYTES`]; 64 KiB is what
/// every WebRTC stack takes and where throughput is best (16 KiB costs 2.6 times the CPU, 256 KiB gains nothing).
pub const MAX_SENT_MESSAGE_BYTES: usize = 64 * 1024;

/// Largest message accepted from a peer, in bytes; what we announce in the description.
pub const MAX_ACCEPTED_MESSAGE_BYTES: usize = 256 * 1024;
