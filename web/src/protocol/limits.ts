// Every bound of the protocol, in one place: the twin of `protocol/src/limits.rs`, which says where the numbers come
// from. Sizes are in bytes, times in milliseconds.

const KIB = 1024;
const MIB = 1024 * KIB;

/** The unit of verification and resume. */
export const CHUNK_BYTES = MIB;
export const CTL_FRAME_BYTES_MAX = 8 * KIB;
export const CTL_FRAME_DEPTH_MAX = 16;
export const ENVELOPE_BYTES_MAX = 32 * KIB;
export const ENVELOPE_DEPTH_MAX = 8;
export const BODY_BYTES_MAX = 16 * KIB;
/** The payload of one data frame: larger messages monopolise the association. */
export const DATA_PAYLOAD_BYTES = 64 * KIB;
export const MESSAGE_BYTES_MAX = 256 * KIB;
/** A sealed message in a tunnel. */
export const TUNNEL_BYTES_MAX = 64 * KIB + 64;

export const WINDOW_BYTES_MIN = 256 * KIB;
export const WINDOW_BYTES_START = MIB;
export const WINDOW_BYTES_MAX = 64 * MIB;
export const WINDOW_SLACK = 5;
/** The largest number of connections that file data may go over, and how many there are where a path turns out to have room. */
export const STREAMS_MAX = 16;
export const STREAMS_AUTO_FIRST = 4;
export const STREAMS_AUTO_MAX = 8;
/** How many there are where a relay passes them on: each takes an address there. */
export const STREAMS_RELAYED_MAX = 2;
/** The shortest round trip of a path that is looked at for that, and how often in a row it has to show room. */
export const STREAMS_FAR_FROM = 10;
export const STREAMS_LOOKS = 3;
/** What a connection has under way at least where a path loses nothing. */
export const STREAM_UNDER_WAY_BYTES = 128 * KIB;
/** The least window for each of several connections. */
export const WINDOW_BYTES_STRIPE = 128 * KIB;
/** How many pieces the bytes that a receiver asked for may fall into. */
export const PIECES_MAX = 16_384;
export const WRITE_BACKLOG_BYTES_MAX = 16 * MIB;
export const READ_AHEAD_BYTES = 8 * MIB;
export const READ_AHEAD_CHUNKS = 256;
export const ENTRIES_OPEN_MAX = 256;
export const WANT_RANGES_MAX = 128;
/** How many bytes of a stream a sender keeps for a reconnect; a receiver has no more of a stream outstanding. */
export const STREAM_REPLAY_BYTES = 32 * MIB;
export const JOBS_MAX = 65_536;
export const ACCEPT_RUNS_MAX = 300;
export const HASHES_PER_FRAME_MAX = 64;

export const OFFER_ENTRIES_MAX = 100_000;
export const OFFER_BYTES_MAX = 64 * MIB;
export const PATH_DEPTH_MAX = 64;
export const PATH_COMPONENT_BYTES_MAX = 255;
export const PATH_BYTES_MAX = 4096;
/** Rust allows 2^56; a number of JavaScript is exact up to 2^53 - 1, which is 8 PiB. */
export const ENTRY_BYTES_MAX = Number.MAX_SAFE_INTEGER;
export const TEXT_BYTES_MAX = MIB;

export const PING_INTERVAL = 5_000;
export const SILENCE_MAX = 30_000;
export const STALL_MAX = 60_000;
export const PROGRESS_INTERVAL = 200;
export const FAREWELL_MAX = 5_000;
export const CHUNK_RETRIES_MAX = 1;

export const NAMEPLATE_DIGITS_MIN = 2;
export const NAMEPLATE_DIGITS_MAX = 8;
export const SECRET_DIGITS_DEFAULT = 4;
export const SECRET_DIGITS_MIN = SECRET_DIGITS_DEFAULT;
export const SECRET_DIGITS_MAX = 12;
export const PEER_MESSAGE_BYTES_MAX = 16 * KIB;
export const ASSOCIATED_DATA_BYTES_MAX = 256;
export const SEALED_PLAINTEXT_BYTES_MAX = 8 * KIB;
export const SEALED_BLOCK_BYTES = 256;
export const SDP_BYTES_MAX = 8 * KIB;
export const SDP_CANDIDATES_MAX = 32;
export const TRICKLED_CANDIDATES_MAX = 64;
export const CANDIDATE_BYTES_MAX = 512;
export const HANDSHAKE_MAX = 15_000;
export const PERSON_MAX = 120_000;
export const WRONG_PROOFS_MAX = 3;
export const UNPROVEN_HANDSHAKES_MAX = 2;
export const PASSWORD_ATTEMPTS_MAX = 3;
export const WRONG_PASSWORDS_MAX = 10;
export const PASSWORD_BYTES_MAX = 1024;
export const PASSWORD_MEMORY_KIB = 19_456;
export const PASSWORD_PASSES = 2;
export const PASSWORD_LANES = 1;
export const PASSWORD_MEMORY_KIB_MAX = 64 * KIB;
export const PASSWORD_PASSES_MAX = 4;
export const PASSWORD_LANES_MAX = 4;

export const DEVICE_NAME_CHARS_MAX = 32;
export const DEVICE_NAME_BYTES_MAX = 128;
export const NEARBY_DEVICES_MAX = 64;
export const KNOCKS_MAX = 5;
export const KNOCKS_PERIOD = 60_000;
export const ACQUAINTANCES_MAX = 64;
