//! `Context`: what every part of one session needs.

use std::sync::Arc;

use p2pshare_protocol::ctl::{Hello, Role};
use p2pshare_protocol::device_identity::{DeviceIdentity, DeviceKey};
use p2pshare_protocol::nearby::DeviceName;
use p2pshare_protocol::pairing::{HostDevice, PairingError};
use p2pshare_protocol::short_number::ShortNumber;
use p2pshare_protocol::streams::Streams;
use p2pshare_protocol::untrusted::Untrusted;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::browser::FEATURE;
use super::event::{Event, Events, PasswordRequest, PeerId, Stage, VerifyRequest};
use super::pace::Pace;
use super::slot::Slot;
use super::stop::Stop;
use crate::api::Settings;
use crate::error::Error;
use crate::storage::acquaintances::Acquaintances;

/// Who the session is with, whom it reports to, and when it ends.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) peer: PeerId,
    /// The name that the peer is told.
    pub(super) name: String,
    /// What the peer calls itself, where that is known before the number is compared.
    pub(super) other: Option<DeviceName>,
    /// The key that the peer proved to hold.
    pub(super) met: Option<DeviceKey>,
    /// The devices that are remembered.
    pub(super) acquaintances: Option<Arc<Acquaintances>>,
    pub(super) events: Events,
    pub(super) stop: Stop,
    /// The password that is known beforehand.
    pub(super) password: Option<Zeroizing<String>>,
    pub(super) has_tried_password: bool,
    /// The place of a guest that this side serves, if places are limited.
    pub(super) slot: Option<Arc<Slot>>,
    /// Over how many connections file data goes.
    pub(super) streams: Streams,
    /// How fast data may leave, for all guests together.
    pub(super) pace: Option<Pace>,
}

impl Context {
    pub(super) fn new(settings: &Settings, events: Events, stop: Stop) -> Self {
        let (name, password) = (settings.name.clone(), settings.password.clone());
        Self {
            peer: PeerId(0),
            name,
            other: None,
            met: None,
            acquaintances: settings.acquaintances.clone(),
            events,
            stop,
            password,
            has_tried_password: false,
            slot: None,
            streams: settings.streams,
            pace: settings.limit.map(Pace::new),
        }
    }

    /// Lends the guest's place while the guest is not heard.
    pub(super) fn lend_slot(&self) {
        if let Some(slot) = &self.slot {
            slot.lend();
        }
    }

    /// Takes the guest's place back.
    pub(super) fn take_back_slot(&self) {
        if let Some(slot) = &self.slot {
            slot.take_back();
        }
    }

    /// Keeps the guest's place for it from here on.
    pub(super) fn hold_slot(&self) {
        if let Some(slot) = &self.slot {
            slot.hold();
        }
    }

    /// This side's greeting; the machines fill in what they do.
    pub(super) fn hello(&self) -> Hello {
        let agent = concat!("p2pshare/", env!("CARGO_PKG_VERSION")).to_owned();
        let mut hello = Hello {
            v: 1,
            role: Role::Sends,
            name: Untrusted(self.name.clone()),
            agent: Untrusted(agent),
            features: vec![FEATURE.to_owned()],
            streams: None,
        };
        self.streams.announce(&mut hello);
        hello
    }

    /// Asks for the share's password: the one that is known, then the person.
    pub(super) fn ask_for_password(&mut self, attempts_left: u8) -> oneshot::Receiver<Zeroizing<String>> {
        let (answer, typed) = oneshot::channel();
        match self.password.take() {
            // Nobody waits for it if the pairing has ended.
            Some(password) => {
                self.has_tried_password = true;
                drop(answer.send(password));
            }
            None => self.events.report(Event::PasswordNeeded(self.peer, PasswordRequest { attempts_left, answer })),
        }
        typed
    }

    /// What it means that no password comes.
    pub(super) const fn without_password(&self) -> Error {
        if self.has_tried_password { Error::Pairing(PairingError::PasswordWrong) } else { Error::PasswordNeeded }
    }

    /// Shows the short number and asks whether the other side shows the same.
    pub(super) fn ask_to_verify(&self, number: ShortNumber) -> oneshot::Receiver<bool> {
        let (answer, confirmation) = oneshot::channel();
        if let Some(name) = self.known() {
            self.events.report(Event::Recognised(self.peer, name));
            // Nobody waits for it if the pairing has ended.
            let _ = answer.send(true);
            return confirmation;
        }
        self.events.report(Event::Verify(self.peer, VerifyRequest { number, name: self.other.clone(), answer }));
        confirmation
    }

    /// The key to show to a device of a name: to one that is remembered, or is going to be. Others do not see it.
    pub(super) fn own_device(&self, other: &DeviceName) -> Option<DeviceIdentity> {
        let all = self.acquaintances.as_ref()?;
        let is_known = || all.all().iter().any(|known| known.name.is_called(other.as_str()));
        (all.remembers || is_known()).then(|| all.identity().clone())
    }

    /// The same on the side that is visible: to those that show theirs and are remembered, or are going to be.
    pub(super) fn host_device(&self) -> Option<HostDevice> {
        let all = self.acquaintances.as_ref()?;
        let known = || all.all().into_iter().map(|known| known.key).collect();
        Some(HostDevice { identity: all.identity().clone(), seen_by: (!all.remembers).then(known) })
    }

    /// The name under which the peer is remembered, if it is.
    fn known(&self) -> Option<DeviceName> {
        self.acquaintances.as_ref()?.name_of(self.met.as_ref()?)
    }

    /// Remembers the peer, now that the people of both sides have let each other in; if that is wanted.
    pub(super) fn remember(&self) {
        let (Some(all), Some(key), Some(name)) = (&self.acquaintances, self.met, &self.other) else { return };
        if !all.remembers || all.name_of(&key).is_some() {
            return;
        }
        match all.remember(name.clone(), key) {
            Ok(()) => self.events.report(Event::Remembered(self.peer, name.clone())),
            Err(error) => tracing::warn!(%error, "the other device is not remembered"),
        }
    }

    pub(super) fn stage(&self, stage: Stage) {
        self.events.report(Event::Stage(self.peer, stage));
    }
}
