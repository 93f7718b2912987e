//! How a share opens: its rooms at the server, and what tells others of it.

use std::time::Duration;

use p2pshare_protocol::envelope::{ClientMessage, ErrorCode, ServerMessage};
use p2pshare_protocol::room::RoomId;
use tokio::time::Instant;

use super::{Host, tell};
use crate::error::Error;
use crate::session::event::{Event, Stage};
use crate::session::patience::{CROWDED_MAX, seconds};
use crate::signaling::Signaling;

impl Host<'_> {
    /// Opens the rooms and tells how to join.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what concerns no room is for the guests")]
    pub(super) async fn open(&mut self, signaling: &mut Signaling) -> Result<(), Error> {
        for request in self.rooms.requests() {
            signaling.send(request).await?;
        }
        let patient_until = Instant::now() + CROWDED_MAX;
        while !self.rooms.are_open() {
            match signaling.next().await? {
                ServerMessage::Created { room, token, .. } => {
                    self.rooms.opened(room.clone(), token)?;
                    self.greet_next(&room, signaling).await;
                }
                ServerMessage::Error { code, room: Some(room), .. } if self.rooms.may_change(code, &room) => {
                    signaling.send(self.rooms.refused(&room)).await?;
                }
                ServerMessage::Error { code: ErrorCode::RateLimited, room, retry_after: Some(wait) }
                    if Instant::now() + seconds(wait) < patient_until =>
                {
                    self.wait_for_turn(seconds(wait)).await?;
                    signaling.send(self.rooms.again(room.as_ref())).await?;
                }
                ServerMessage::Error { code, retry_after, .. } => {
                    return Err(Error::Refused { server: self.server.clone(), code, retry_after });
                }
                other => self.guests.deliver(other),
            }
        }
        self.announce();
        self.show(signaling).await
    }

    /// Waits as long as the server asks for.
    async fn wait_for_turn(&mut self, wait: Duration) -> Result<(), Error> {
        self.context.stage(Stage::Crowded(wait));
        tokio::select! {
            () = self.context.stop.requested() => Err(Error::Stopped),
            () = tokio::time::sleep(wait) => {
                self.context.stage(Stage::Server);
                Ok(())
            }
        }
    }

    /// Lets others on the network see the share, if they shall. A server forgets that with the room.
    pub(super) async fn show(&mut self, signaling: &Signaling) -> Result<(), Error> {
        let Some(device) = self.rooms.device() else { return Ok(()) };
        let name = device.name.clone();
        signaling.send(ClientMessage::Show(device)).await?;
        if self.rooms.is_first_showing() {
            if let Some(announcer) = &mut self.announcer {
                announcer.announce_nearby();
            }
            self.context.events.report(Event::Visible { name, origin: self.rooms.origin().clone() });
        }
        Ok(())
    }

    pub(super) fn announce(&mut self) {
        if let Some((code, link)) = self.rooms.news() {
            if let Some(announcer) = &mut self.announcer {
                announcer.announce(code.nameplate());
            }
            self.context.events.report(Event::Shared { code, link });
        }
    }

    /// Leaves at the server what the next guest of a room is told first.
    pub(super) async fn greet_next(&mut self, room: &RoomId, signaling: &Signaling) {
        self.greetings.keep(|room| self.rooms.secret_of(room).is_some());
        let secret = self.rooms.secret_of(room);
        if let Some(greeting) = secret.and_then(|secret| self.greetings.leave(room, &secret)) {
            tell(signaling, greeting).await;
        }
    }
}
