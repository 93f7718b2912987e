//! p2pshare moves files straight between two devices.
//!
//! The layers, each knowing only those below it: [`send()`] and [`receive()`] run a `session`; a session drives the machines of
//! `p2pshare_protocol` over three adapters: [`signaling`] (the server), `transport` (the peer), [`storage`] (the disk).

mod api;
pub mod doctor;
mod error;
mod lan;
mod session;
pub mod signaling;
pub mod storage;
#[doc(hidden)]
pub mod transport;

pub use api::{Settings, inbox, nearby, receive, send, send_to};
pub use error::Error;
pub use session::{
    Decision, Destination, Encounter, Event, Events, Invitation, LOCAL_PORTS, Neighbour, OfferRequest, PasswordRequest,
    PeerId, ShareOptions, Stage, Stop, Stopper, Summary, UnlockRequest, VerifyRequest,
};
