//! The rooms of a share: one for its code, one for its link.

use p2pshare_protocol::code::Code;
use p2pshare_protocol::envelope::{ClientMessage, ErrorCode, RoomKind, Token};
use p2pshare_protocol::host_identity::HostIdentity;
use p2pshare_protocol::link::{Link, Origin};
use p2pshare_protocol::nearby::{Device, DeviceKind};
use p2pshare_protocol::pairing::HostSecret;
use p2pshare_protocol::room::RoomId;

use super::ShareOptions;
use crate::error::Error;
use crate::session::random::rng;

/// What guests find the share by, and what the server says of it.
pub(super) struct Rooms {
    options: ShareOptions,
    link: Link,
    identity: HostIdentity,
    link_state: State,
    code: Option<Code>,
    code_state: State,
    announced: bool,
}

/// What the server knows of a room.
#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    is_open: bool,
}

impl Rooms {
    pub(super) fn new(origin: &Origin, options: &ShareOptions) -> Self {
        let identity = HostIdentity::generate(&mut rng());
        Self {
            options: options.clone(),
            link: Link::generate(origin.clone(), &identity, &mut rng()),
            identity,
            link_state: State::default(),
            code: options.code.clone(),
            code_state: State::default(),
            announced: false,
        }
    }

    /// What to ask of the server for the rooms that are not open.
    pub(super) fn requests(&self) -> Vec<ClientMessage> {
        let code = (self.has_code() && !self.code_state.is_open).then(|| self.request_code());
        let link = (!self.link_state.is_open).then(|| self.request_link());
        code.into_iter().chain(link).collect()
    }

    /// The same request once more, after the server refused it for the moment. Only a fresh code has no room yet.
    pub(super) fn again(&self, room: Option<&RoomId>) -> ClientMessage {
        if room == Some(&self.link.room()) { self.request_link() } else { self.request_code() }
    }

    fn request_code(&self) -> ClientMessage {
        let room = self.code.as_ref().map(Code::room);
        self.request(RoomKind::Code, room, self.code_state.token.clone())
    }

    fn request_link(&self) -> ClientMessage {
        self.request(RoomKind::Link, Some(self.link.room()), self.link_state.token.clone())
    }

    fn request(&self, kind: RoomKind, room: Option<RoomId>, token: Option<Token>) -> ClientMessage {
        let ttl = u32::try_from(self.options.expire.as_secs()).ok();
        // The host itself counts its guests: one that was lost may come back with the same code.
        ClientMessage::Create { v: 1, kind, room, token, ttl, max: None }
    }

    pub(super) const fn are_open(&self) -> bool {
        (self.code_state.is_open || !self.has_code()) && self.link_state.is_open
    }

    /// Whether there is a code: not where everybody on the network may see the link.
    const fn has_code(&self) -> bool {
        self.options.nearby.is_none()
    }

    /// What others on the network see, if they may see anything.
    pub(super) fn device(&self) -> Option<Device> {
        let name = self.options.nearby.clone()?;
        Some(Device { room: self.link.room(), name, kind: DeviceKind::Terminal, link: self.link.open() })
    }

    /// Notes that a room is open. A nameplate that is new gets secret digits of its own.
    pub(super) fn opened(&mut self, room: RoomId, token: Token) -> Result<(), Error> {
        let state = State { token: Some(token), is_open: true };
        if room == self.link.room() {
            self.link_state = state;
            return Ok(());
        }
        if self.code.as_ref().map(Code::room) != Some(room.clone()) {
            let nameplate = room.nameplate().ok_or(Error::BadServer)?;
            // A code that was agreed on serves once: after wrong ones a fresh code takes its place.
            let code = Code::generate(nameplate, self.options.secret_digits, &mut rng())?;
            self.code = Some(code);
            self.announced = false;
        }
        self.code_state = state;
        Ok(())
    }

    /// Whether something else can be asked for after the server refused a room: it forgot a room that it had, or gave a
    /// code's nameplate to somebody else meanwhile. A code that was agreed on beforehand is not replaced before it was told.
    pub(super) fn may_change(&self, code: ErrorCode, room: &RoomId) -> bool {
        let is_link = *room == self.link.room();
        let state = if is_link { &self.link_state } else { &self.code_state };
        match code {
            ErrorCode::NotActive => state.token.is_some(),
            ErrorCode::Taken => !is_link && self.announced,
            ErrorCode::Busy
            | ErrorCode::RateLimited
            | ErrorCode::Version
            | ErrorCode::ServerFull
            | ErrorCode::NoRelay
            | ErrorCode::NoNearby
            | ErrorCode::Protocol => false,
        }
    }

    /// What to ask for instead of a room that was refused: the same one anew, so that a code that somebody was told stays
    /// good when a server restarts; a code whose nameplate is gone gives way to another.
    pub(super) fn refused(&mut self, room: &RoomId) -> ClientMessage {
        if *room != self.link.room() && self.code_state.token.is_none() {
            return self.lost(room);
        }
        let is_link = *room == self.link.room();
        let state = if is_link { &mut self.link_state } else { &mut self.code_state };
        state.token = None;
        if is_link { self.request_link() } else { self.request_code() }
    }

    /// Forgets a room that ended, and says what to ask for instead. The link stays as it is; a code does not.
    pub(super) fn lost(&mut self, room: &RoomId) -> ClientMessage {
        if *room == self.link.room() {
            self.link_state = State::default();
            self.request_link()
        } else {
            self.code = None;
            self.code_state = State::default();
            self.request_code()
        }
    }

    /// Notes that the connection to the server is a new one.
    pub(super) const fn reattach(&mut self) {
        self.code_state.is_open = false;
        self.link_state.is_open = false;
    }

    /// Gives up the code after too many wrong ones; what to tell the server.
    pub(super) fn retire_code(&mut self) -> Vec<ClientMessage> {
        let retired = self.code.take().map(|code| ClientMessage::Bye { room: Some(code.room()) });
        self.code_state = State::default();
        retired.into_iter().chain([self.request_code()]).collect()
    }

    /// Whether nobody was told yet that the share can be seen; takes note that it was.
    pub(super) const fn is_first_showing(&mut self) -> bool {
        !std::mem::replace(&mut self.announced, true)
    }

    /// Where the share is, as others call it.
    pub(super) const fn origin(&self) -> &Origin {
        self.link.origin()
    }

    /// How a guest that entered `room` is to prove itself.
    pub(super) fn secret_of(&self, room: &RoomId) -> Option<HostSecret> {
        if *room == self.link.room() {
            let secret = HostSecret::Link { link: self.link.clone(), identity: self.identity.clone() };
            return Some(secret);
        }
        let code = self.code.as_ref().filter(|code| code.room() == *room)?;
        Some(HostSecret::Code(code.clone()))
    }

    /// The code and the link, when they were not told yet.
    pub(super) fn news(&mut self) -> Option<(Code, Link)> {
        let code = self.code.clone().filter(|_| !self.announced)?;
        self.announced = true;
        Some((code, self.link.clone()))
    }
}
