//! What a client asks of the relay, and whether it gets it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::allocation::{Allocation, Binding};
use super::credentials::is_expired;
use super::quota::Refused;
use super::{AllocationId, Client, Output, Relay, Time};
use crate::sources::Source;
use p2pshare_protocol::stun::{Message, Writer, attribute, canonical, kind};

/// Why a request is refused: a code of the RFCs and its name.
type Refusal = (u16, &'static str);

impl Relay {
    pub(super) fn request(&mut self, from: Client, message: &Message<'_>, now: Time) {
        let answer = match self.authenticate(from, message, now) {
            Ok((username, key)) => {
                let granted = match message.kind() {
                    kind::ALLOCATE => self.allocate(from, message, username, key, now),
                    kind::REFRESH => self.refresh(from, message, username, now),
                    kind::CREATE_PERMISSION => self.create_permission(from, message, username, now),
                    _ => self.bind_channel(from, message, username, now),
                };
                match granted {
                    Ok(Some(answer)) => Some(answer.finish(Some(&key))),
                    Ok(None) => None,
                    Err(refusal) => Some(refuse(message, refusal).finish(Some(&key))),
                }
            }
            Err(refusal @ (401 | 438, _)) => {
                let nonce = self.nonce(from.address, now.period());
                let refusal = refuse(message, refusal).attribute(attribute::REALM, REALM.as_bytes());
                Some(refusal.attribute(attribute::NONCE, nonce.as_bytes()).finish(None))
            }
            Err(refusal) => Some(refuse(message, refusal).finish(None)),
        };
        if let Some(bytes) = answer {
            self.outputs.push_back(Output::Answer { to: from, bytes });
        }
    }

    /// Who asks. The time of a credential counts for allocating only: what it began may go on.
    fn authenticate<'a>(&self, from: Client, message: &Message<'a>, now: Time) -> Result<(&'a str, [u8; 16]), Refusal> {
        if !message.has_integrity() {
            return Err((401, "Unauthorized"));
        }
        let text = |kind| message.text(kind).ok_or((400, "Bad Request"));
        let (username, realm, nonce) = (text(attribute::USERNAME)?, text(attribute::REALM)?, text(attribute::NONCE)?);
        if ![now.period(), now.period().saturating_sub(1)].iter().any(|p| self.nonce(from.address, *p) == nonce) {
            return Err((438, "Stale Nonce"));
        }
        let key = self.secret.key(username, REALM);
        let is_late = message.kind() == kind::ALLOCATE && is_expired(username, now.wall);
        if username.len() > USERNAME_BYTES_MAX || realm != REALM || is_late || !message.is_vouched_for(&key) {
            return Err((401, "Unauthorized"));
        }
        if let Some(unknown) = message.attributes().find(|(kind, _)| *kind < 0x8000 && !UNDERSTOOD.contains(kind)) {
            tracing::debug!(kind = unknown.0, "an attribute that is not understood");
            return Err((420, "Unknown Attribute"));
        }
        Ok((username, key))
    }

    fn allocate(
        &mut self,
        from: Client,
        message: &Message<'_>,
        username: &str,
        key: [u8; 16],
        now: Time,
    ) -> Result<Option<Writer>, Refusal> {
        if let Some(id) = self.by_client.get(&from).copied() {
            let is_repeated = self.allocations.get(&id).is_some_and(|a| a.asked == message.transaction());
            return if is_repeated { Ok(self.confirmation(id, now)) } else { Err((437, "Allocation Mismatch")) };
        }
        match message.number(attribute::REQUESTED_TRANSPORT) {
            Some(UDP) => {}
            Some(_) => return Err((442, "Unsupported Transport Protocol")),
            None => return Err((400, "Bad Request")),
        }
        let is_v6 = match message.number(attribute::REQUESTED_ADDRESS_FAMILY) {
            None | Some(0x0100_0000) => false,
            Some(0x0200_0000) => true,
            Some(_) => return Err((440, "Address Family not Supported")),
        };
        let source = Source::new(from.address.ip());
        let ends = self.quota.take(username, source, now.at).map_err(|refused| match refused {
            Refused::Quota => (486, "Allocation Quota Reached"),
            Refused::Capacity => (508, "Insufficient Capacity"),
        })?;
        self.allocations_ever += 1;
        let id = AllocationId(self.allocations_ever);
        let expires = (now.at + lifetime(message)).min(ends);
        let allocation = Allocation {
            client: from,
            source,
            username: username.to_owned(),
            key,
            asked: message.transaction(),
            relayed: None,
            is_v6,
            expires,
            ends,
            permissions: HashMap::new(),
            channels: Vec::new(),
        };
        self.allocations.insert(id, allocation);
        self.by_client.insert(from, id);
        self.deadlines.insert((expires, id));
        self.outputs.push_back(Output::Open { id, is_v6, client: from.address });
        Ok(None)
    }

    /// Tells a client that its allocation is there.
    pub(super) fn confirm(&mut self, id: AllocationId, now: Time) {
        let Some(answer) = self.confirmation(id, now) else { return };
        let Some(allocation) = self.allocations.get(&id) else { return };
        let bytes = answer.finish(Some(&allocation.key));
        self.outputs.push_back(Output::Answer { to: allocation.client, bytes });
    }

    fn confirmation(&self, id: AllocationId, now: Time) -> Option<Writer> {
        let allocation = self.allocations.get(&id)?;
        let lifetime = whole_seconds(allocation.expires.saturating_duration_since(now.at));
        let answer = Writer::new(kind::ALLOCATE | kind::SUCCESS, allocation.asked)
            .address(attribute::XOR_RELAYED_ADDRESS, allocation.relayed?)
            .address(attribute::XOR_MAPPED_ADDRESS, canonical(allocation.client.address))
            .attribute(attribute::LIFETIME, &lifetime.to_be_bytes());
        Some(answer)
    }

    fn refresh(
        &mut self,
        from: Client,
        message: &Message<'_>,
        username: &str,
        now: Time,
    ) -> Result<Option<Writer>, Refusal> {
        let id = self.own_allocation(from, username)?;
        let Some(allocation) = self.allocations.get_mut(&id) else { return Ok(None) };
        let granted = if message.number(attribute::LIFETIME) == Some(0) {
            self.end(id);
            0
        } else {
            self.deadlines.remove(&(allocation.expires, id));
            allocation.expires = (now.at + lifetime(message)).min(allocation.ends);
            self.deadlines.insert((allocation.expires, id));
            whole_seconds(allocation.expires.saturating_duration_since(now.at))
        };
        Ok(Some(granted_to(message).attribute(attribute::LIFETIME, &granted.to_be_bytes())))
    }

    fn create_permission(
        &mut self,
        from: Client,
        message: &Message<'_>,
        username: &str,
        now: Time,
    ) -> Result<Option<Writer>, Refusal> {
        let id = self.own_allocation(from, username)?;
        let peers: Option<Vec<SocketAddr>> = message.addresses(attribute::XOR_PEER_ADDRESS).collect();
        let peers = peers.filter(|peers| !peers.is_empty()).ok_or((400, "Bad Request"))?;
        for peer in peers {
            self.permit(id, canonical(peer), now)?;
        }
        Ok(Some(granted_to(message)))
    }

    fn bind_channel(
        &mut self,
        from: Client,
        message: &Message<'_>,
        username: &str,
        now: Time,
    ) -> Result<Option<Writer>, Refusal> {
        let id = self.own_allocation(from, username)?;
        let number = message.number(attribute::CHANNEL_NUMBER).map(|n| u16::try_from(n >> 16).unwrap_or(0));
        let peer = message.addresses(attribute::XOR_PEER_ADDRESS).next().flatten().map(canonical);
        let (Some(number @ 0x4000..0x5000), Some(peer)) = (number, peer) else { return Err((400, "Bad Request")) };
        if !super::Filter::allows_port(peer.port()) {
            return Err((403, "Forbidden"));
        }
        let Some(allocation) = self.allocations.get_mut(&id) else { return Ok(None) };
        allocation.channels.retain(|channel| now.at < channel.until);
        if allocation.channels.iter().any(|c| (c.number == number) != (c.peer == peer)) {
            return Err((400, "Bad Request"));
        }
        if !allocation.channels.iter().any(|c| c.number == number) && allocation.channels.len() >= CHANNELS_MAX {
            return Err((486, "Allocation Quota Reached"));
        }
        self.permit(id, peer, now)?;
        if let Some(allocation) = self.allocations.get_mut(&id) {
            allocation.channels.retain(|c| c.number != number);
            allocation.channels.push(Binding { number, peer, until: now.at + CHANNEL_LIFETIME });
        }
        Ok(Some(granted_to(message)))
    }

    /// Lets a peer's datagrams pass for a while, if they may pass at all.
    fn permit(&mut self, id: AllocationId, peer: SocketAddr, now: Time) -> Result<(), Refusal> {
        if !self.may_permit(peer) {
            return Err((403, "Forbidden"));
        }
        let permissions_max = self.limits.permissions_max;
        let Some(allocation) = self.allocations.get_mut(&id) else { return Ok(()) };
        if allocation.is_v6 != peer.is_ipv6() {
            return Err((443, "Peer Address Family Mismatch"));
        }
        allocation.permissions.retain(|_, until| now.at < *until);
        if !allocation.permissions.contains_key(&peer.ip()) && allocation.permissions.len() >= permissions_max {
            return Err((486, "Allocation Quota Reached"));
        }
        allocation.permissions.insert(peer.ip(), now.at + PERMISSION_LIFETIME);
        Ok(())
    }

    fn own_allocation(&self, from: Client, username: &str) -> Result<AllocationId, Refusal> {
        let id = self.by_client.get(&from).copied().ok_or((437, "Allocation Mismatch"))?;
        let is_own = self.allocations.get(&id).is_some_and(|a| a.username == username && a.relayed.is_some());
        if is_own { Ok(id) } else { Err((441, "Wrong Credentials")) }
    }

    /// A nonce for an address and a period: nothing has to be remembered for who has not said who it is.
    fn nonce(&self, address: SocketAddr, period: u64) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.nonce_key).expect("HMAC takes a key of any length");
        mac.update(&period.to_be_bytes());
        mac.update(address.to_string().as_bytes());
        data_encoding::BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()[..15])
    }
}

impl Time {
    /// The number of the hour, by which nonces change.
    fn period(&self) -> u64 {
        self.wall.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs() / 3600)
    }
}

fn granted_to(message: &Message<'_>) -> Writer {
    Writer::new(message.kind() | kind::SUCCESS, message.transaction())
}

fn refuse(message: &Message<'_>, (code, reason): Refusal) -> Writer {
    let refusal = Writer::new(message.kind() | kind::ERROR, message.transaction()).error(code, reason);
    if code != 420 {
        return refusal;
    }
    let unknown = message.attributes().map(|(kind, _)| kind).filter(|kind| *kind < 0x8000);
    let unknown: Vec<u8> = unknown.filter(|kind| !UNDERSTOOD.contains(kind)).flat_map(u16::to_be_bytes).collect();
    refusal.attribute(attribute::UNKNOWN_ATTRIBUTES, &unknown)
}

fn lifetime(message: &Message<'_>) -> Duration {
    let asked = message.number(attribute::LIFETIME).map_or(LIFETIME, |s| Duration::from_secs(s.into()));
    asked.clamp(LIFETIME, LIFETIME_MAX)
}

fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

/// The realm: only credentials of ours count, so its name does not matter.
pub(super) const REALM: &str = "p2pshare";

/// How long an allocation lasts without a refresh (RFC 8656, section 3.2).
const LIFETIME: Duration = Duration::from_secs(600);

const LIFETIME_MAX: Duration = Duration::from_secs(3600);

/// How long a peer is let through without being asked for again (section 9).
const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);

/// How long a channel stands for its peer (section 12).
const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

/// The most channels of an allocation: four peers, and some ports of each.
const CHANNELS_MAX: usize = 16;

/// Longer than any name that we give out.
const USERNAME_BYTES_MAX: usize = 128;

/// The number of UDP, as an attribute holds it.
const UDP: u32 = 17 << 24;

/// The attributes that a request may hold and that have to be understood.
const UNDERSTOOD: [u16; 12] = [
    attribute::USERNAME,
    attribute::MESSAGE_INTEGRITY,
    attribute::CHANNEL_NUMBER,
    attribute::LIFETIME,
    attribute::XOR_PEER_ADDRESS,
    attribute::DATA,
    attribute::REALM,
    attribute::NONCE,
    attribute::REQUESTED_ADDRESS_FAMILY,
    attribute::REQUESTED_TRANSPORT,
    // Datagrams are sent as the system sends them, which never fragments what WebRTC sends.
    attribute::DONT_FRAGMENT,
    attribute::XOR_RELAYED_ADDRESS,
];
