//! How a share opens: its rooms at the server, and what tells others of it.

use std::time::Instant;

use p2pshare_protocol::envelope::{ClientMessage, ErrorCode, ServerMessage};
use p2pshare_protocol::room::RoomId;

use super::{Host, tell};
use crate::error::Error;
use crate::session::event::{Event, Stage};
use crate::session::pair::sleep_until;
use crate::session::patience::{CROWDED_MAX, seconds};
use crate::signaling::Signaling;

impl Host<'_> {
    /// Opens the rooms and tells how to join. Guests may enter one of them while the other is asked for.
    #[expect(clippy::wildcard_enum_match_arm, reason = "what opens no room is for the guests")]
    pub(super) async fn open(&mut self, signaling: &mut Signaling) -> Result<(), Error> {
        for request in self.rooms.requests() {
            signaling.send(request).await?;
        }
        let patient_until = Instant::now() + CROWDED_MAX;
        // What the server asked to say again later, and when.
        let (mut again, mut turn) = (Vec::new(), None);
        while !self.rooms.are_open() {
            let message = tokio::select! {
                message = signaling.next() => message?,
                () = self.context.stop.requested(), if turn.is_some() => return Err(Error::Stopped),
                () = sleep_until(turn) => {
                    self.context.stage(Stage::Server);
                    for request in again.drain(..) {
                        signaling.send(request).await?;
                    }
                    turn = None;
                    continue;
                }
            };
            match message {
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
                    self.context.stage(Stage::Crowded(seconds(wait)));
                    again.push(self.rooms.again(room.as_ref()));
                    turn = Some(Instant::now() + seconds(wait));
                }
                ServerMessage::Error { code, retry_after, .. } => {
                    return Err(Error::Refused { server: self.server.clone(), code, retry_after });
                }
                other => self.handle_message(other, signaling).await?,
            }
        }
        self.announce();
        self.show(signaling).await
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
