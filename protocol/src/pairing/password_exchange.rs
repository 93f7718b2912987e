//! One attempt at the password: a second key exchange inside the sealed channel of the first.

use super::error::Violation;
use crate::cpace::Exchange;
use crate::keys::{KeySchedule, Mode, Transcript};
use crate::password::StretchedPassword;
use crate::role::Role;
use crate::room::RoomId;

pub(super) struct PasswordExchange {
    role: Role,
    exchange: Exchange,
    sid: [u8; 16],
    ci: Vec<u8>,
}

impl PasswordExchange {
    /// Starts attempt `attempt`, counted from 0, upon the keys of the first exchange.
    pub(super) fn new(
        role: Role,
        keys: &KeySchedule,
        password: &StretchedPassword,
        room: &RoomId,
        (attempt, scalar): (u8, &[u8; 64]),
    ) -> Self {
        let (sid, ci) = (keys.password_sid(attempt), Mode::Password.ci(room));
        let exchange = Exchange::new(role, &Mode::Password.prs(&**password.key()), &ci, &sid, scalar);
        Self { role, exchange, sid, ci }
    }

    pub(super) const fn element(&self) -> &[u8; 32] {
        self.exchange.element()
    }

    /// The keys that follow if both sides have the same password, and from both exchanges.
    pub(super) fn finish(self, keys: &KeySchedule, peer: &[u8; 32]) -> Result<KeySchedule, Violation> {
        let Self { role, exchange, sid, ci } = self;
        let own = *exchange.element();
        if *peer == own {
            return Err(Violation::Reflected);
        }
        let isk = exchange.finish(b"", peer, b"").map_err(|_| Violation::InvalidElement)?;
        let (host, guest) = match role {
            Role::Host => (&own, peer),
            Role::Guest => (peer, &own),
        };
        let transcript = Transcript { sid: &sid, ci: &ci, host: (host, b""), guest: (guest, b"") };
        Ok(keys.with_password(&transcript, &isk))
    }
}
