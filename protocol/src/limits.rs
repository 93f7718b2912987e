//! Every bound of the protocol, in one place.
//!
//! A queue, a size or a count without a bound is a bug. Each constant says where its number comes from.

use std::time::Duration;

/// The unit of verification and resume, in bytes.
pub const CHUNK_BYTES: u64 = 1 << 20;

/// The longest control frame, in bytes of JSON.
pub const CTL_FRAME_BYTES_MAX: usize = 8 * 1024;

/// The deepest nesting of a control frame's JSON.
pub const CTL_FRAME_DEPTH_MAX: usize = 16;

/// The longest message between a client and the signalling server, in bytes of JSON; also the longest WebSocket frame.
pub const ENVELOPE_BYTES_MAX: usize = 32 * 1024;

/// The deepest nesting of an envelope's JSON: the messages themselves need 2, the rest is room for unknown keys.
pub const ENVELOPE_DEPTH_MAX: usize = 8;

/// The longest opaque body that the signalling server relays, in bytes before base64url.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// The payload of one data frame towards a browser, in bytes: larger messages monopolise the association.
pub const DATA_PAYLOAD_BYTES: usize = 64 * 1024;

/// The largest data-channel message that any side accepts, in bytes (what Chromium announces).
pub const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// The smallest window of requested and not yet delivered bytes.
pub const WINDOW_BYTES_MIN: u64 = 256 * 1024;

/// The window before a delivery rate is known.
pub const WINDOW_BYTES_START: u64 = 1 << 20;

/// The smallest window where the data is carried by what paces itself: four chunks, so that one that waits for a lost packet
/// holds up nobody.
pub const WINDOW_BYTES_PACED_MIN: u64 = 4 << 20;

/// The largest number of connections that file data may go over; each costs both sides a few sockets and a task or two.
pub const STREAMS_MAX: u8 = 16;

/// How many there are at first where a path turns out to have room that one does not use: with 1 % loss and 80 ms each carries
/// 0.2 MB/s.
pub const STREAMS_AUTO_FIRST: u8 = 4;

/// How many there are where it still has room: more of them help yet, but each costs both sides sockets and memory.
pub const STREAMS_AUTO_MAX: u8 = 8;

/// How many there are where a relay passes them on: each takes an address there, of which our own relay gives each side two.
pub const STREAMS_RELAYED_MAX: u8 = 2;

/// The shortest round trip of a path that is looked at for that: on shorter ones a connection soon recovers.
pub const STREAMS_FAR_FROM: Duration = Duration::from_millis(10);

/// How often in a row a path has to show room, looked at once a second.
pub const STREAMS_LOOKS: u32 = 3;

/// What a connection has under way at least where a path loses nothing, in bytes: with 100 Mbit/s and 40 ms it is 300 kB, where
/// losses decide it is 16 kB with one of 1 % and 110 kB with one of 0.1 %.
pub const STREAM_UNDER_WAY_BYTES: u64 = 128 * 1024;

/// The least window for each of several connections: a frame and what is behind it.
pub const WINDOW_BYTES_STRIPE: u64 = 128 * 1024;

/// How many pieces the bytes that a receiver asked for may fall into, as those of several connections overtake each other: a largest
/// window of the smallest frames that an honest sender makes, and some more.
pub const PIECES_MAX: usize = 16_384;

/// The largest window of requested and not yet delivered bytes.
pub const WINDOW_BYTES_MAX: u64 = 64 << 20;

/// How many delivered bytes may wait for the receiver's disk before the receiver stops asking.
pub const WRITE_BACKLOG_BYTES_MAX: u64 = 16 << 20;

/// How many bytes of chunks the sender holds in memory, read and not yet sent.
pub const READ_AHEAD_BYTES: u64 = 8 << 20;

/// How many bytes of chunks all senders of one share hold so, as long as that leaves each of them `READ_AHEAD_BYTES_MIN`.
pub const READ_AHEAD_BYTES_SHARED: u64 = 24 << 20;

/// What a sender may always hold: a chunk on its way out, and the next.
pub const READ_AHEAD_BYTES_MIN: u64 = 2 << 20;

/// How many bytes of a stream the sender reads beyond what was asked for.
pub const STREAM_AHEAD_BYTES: u64 = 1 << 20;

/// How many bytes of a stream the sender keeps after they were sent, for a reconnect; a receiver has no more of a stream
/// outstanding.
pub const STREAM_REPLAY_BYTES: u64 = 32 << 20;

/// How many chunks the sender holds in memory: bounds the small ones, of which `READ_AHEAD_BYTES` would allow many.
pub const READ_AHEAD_CHUNKS: usize = 256;

/// How many entries may be asked for without being under their final name: small files a round trip, on long paths. The sink
/// bounds by itself how many files it has open.
pub const ENTRIES_OPEN_MAX: usize = 2048;

/// How many ranges one `want` frame may hold; each takes at most 60 bytes of JSON.
pub const WANT_RANGES_MAX: usize = 128;

/// How many chunk-sized pieces of work a receiver may have outstanding at the sender.
pub const JOBS_MAX: usize = 65_536;

/// How many runs of entries one `accept` frame may hold; each takes at most 24 bytes of JSON.
pub const ACCEPT_RUNS_MAX: usize = 300;

/// How many chunk hashes one `hashes` frame may hold; each takes at most 100 bytes of JSON.
pub const HASHES_PER_FRAME_MAX: usize = 64;

/// The most entries of one offer.
pub const OFFER_ENTRIES_MAX: usize = 100_000;

/// The most bytes of JSON of a whole offer, over all its pages.
pub const OFFER_BYTES_MAX: usize = 64 << 20;

/// The deepest path of an entry, in components.
pub const PATH_DEPTH_MAX: usize = 64;

/// The longest path component, in bytes of UTF-8 (what ext4, APFS and NTFS hold).
pub const PATH_COMPONENT_BYTES_MAX: usize = 255;

/// The longest path, in bytes of UTF-8 with one separator between components (Linux `PATH_MAX`).
pub const PATH_BYTES_MAX: usize = 4096;

/// The longest file that can be offered, in bytes: far beyond any disk, and sums of it stay in 64 bits.
pub const ENTRY_BYTES_MAX: u64 = 1 << 56;

/// The longest text that can be sent as text, in bytes of UTF-8.
pub const TEXT_BYTES_MAX: u64 = 1 << 20;

/// How often a side sends `ping` when it has nothing else to say.
pub const PING_INTERVAL: Duration = Duration::from_secs(5);

/// How long a side waits without any sign of life before it declares the connection lost.
pub const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How long the sender waits for a receiver that accepted and does not ask for anything.
pub const STALL_MAX: Duration = Duration::from_secs(60);

/// How often the receiver tells the sender what its disk has confirmed.
pub const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// How long the receiver waits for the sender's last word after everything is on its disk.
pub const FAREWELL_MAX: Duration = Duration::from_secs(5);

/// What the window allows for the scheduling of both hosts, beside the round trip of the path.
pub const WINDOW_SLACK: Duration = Duration::from_millis(5);

/// How often a chunk that failed its hash is asked for again before the transfer is given up.
pub const CHUNK_RETRIES_MAX: u8 = 1;

// ---- Pairing -----------------------------------------------------------------------------------------------

/// The fewest leading digits of a code.
pub const NAMEPLATE_DIGITS_MIN: usize = 2;

/// The most leading digits of a code: a server would need 5,000,000 live shares to give out more.
pub const NAMEPLATE_DIGITS_MAX: usize = 8;

/// The secret digits of a code that is typed without a dash.
pub const SECRET_DIGITS_DEFAULT: usize = 4;

/// The fewest secret digits: with five guesses an attacker succeeds once in 2,000 shares.
pub const SECRET_DIGITS_MIN: usize = SECRET_DIGITS_DEFAULT;

/// The most secret digits: more are better given as a link.
pub const SECRET_DIGITS_MAX: usize = 12;

/// The longest peer message, in bytes before base64url; the server relays no longer ones.
pub const PEER_MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// The longest associated data of a key exchange, in bytes. This version uses 35.
pub const ASSOCIATED_DATA_BYTES_MAX: usize = 256;

/// The longest plaintext of a sealed frame, in bytes with its length and padding.
pub const SEALED_PLAINTEXT_BYTES_MAX: usize = 8 * 1024;

/// Sealed frames are padded to a multiple of this many bytes, so that their length says little.
pub const SEALED_BLOCK_BYTES: usize = 256;

/// The longest session description, in bytes; data channels alone need under 2 KiB.
pub const SDP_BYTES_MAX: usize = 8 * 1024;

/// The most candidates inside a session description.
pub const SDP_CANDIDATES_MAX: usize = 32;

/// The most candidates that one side may trickle.
pub const TRICKLED_CANDIDATES_MAX: usize = 64;

/// The longest candidate, in bytes.
pub const CANDIDATE_BYTES_MAX: usize = 512;

/// How long a handshake may take until both sides are proven, and whatever the other side's program answers by itself.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(15);

/// How long a person may take for a password or for comparing the short number.
pub const PERSON_MAX: Duration = Duration::from_secs(120);

/// How many wrong proofs retire a code: with four secret digits a stranger succeeds once in 3,333 shares.
pub const WRONG_PROOFS_MAX: u8 = 3;

/// After how many handshakes that ended without the host's proof a guest refuses to try the code again.
pub const UNPROVEN_HANDSHAKES_MAX: u8 = 2;

/// How many attempts at the password one handshake allows.
pub const PASSWORD_ATTEMPTS_MAX: u8 = 3;

/// How many wrong passwords lock a share until its host allows more.
pub const WRONG_PASSWORDS_MAX: u8 = 10;

/// The longest password, in bytes of UTF-8.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// argon2id memory of a share's password, in KiB (RFC 9106 and OWASP's second choice): 47 ms a try.
pub const PASSWORD_MEMORY_KIB: u32 = 19_456;

/// argon2id passes of a share's password.
pub const PASSWORD_PASSES: u32 = 2;

/// argon2id lanes of a share's password.
pub const PASSWORD_LANES: u32 = 1;

/// The most argon2id memory that a host may ask of a guest, in KiB.
pub const PASSWORD_MEMORY_KIB_MAX: u32 = 64 * 1024;

/// The most argon2id passes that a host may ask of a guest.
pub const PASSWORD_PASSES_MAX: u32 = 4;

/// The most argon2id lanes that a host may ask of a guest.
pub const PASSWORD_LANES_MAX: u32 = 4;

/// The longest message of a tunnel through the server: a data frame as it is sent, its lane and its tag.
pub const TUNNEL_BYTES_MAX: usize = 64 * 1024 + 64;

// ---- End of pairing ----------------------------------------------------------------------------------------

/// The longest name of a device, in characters: what fits a line of a list on a phone.
pub const DEVICE_NAME_CHARS_MAX: usize = 32;

/// The same in bytes of UTF-8, at most four each.
pub const DEVICE_NAME_BYTES_MAX: usize = 128;

/// How many devices of one network a server lists: each takes at most 300 bytes of JSON, so that the list fits a message.
pub const NEARBY_DEVICES_MAX: usize = 64;

/// How many strangers from the same network a person is asked about within `KNOCKS_PERIOD`.
pub const KNOCKS_MAX: usize = 5;

/// In how long a time.
pub const KNOCKS_PERIOD: Duration = Duration::from_secs(60);

/// How many devices are remembered.
pub const ACQUAINTANCES_MAX: usize = 64;
