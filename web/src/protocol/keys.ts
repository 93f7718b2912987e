// The key schedule: transcript, proofs, and every key that follows from a pairing.

import { expand, extract } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";

import { concat, equalConstantTime, utf8, type Bytes } from "./bytes.ts";
import { lvCat } from "./lv.ts";
import { peerOf, type Role } from "./role.ts";

/** What the secret of a key exchange is. Part of the context, so that secrets of one kind never work as another. */
export type Mode = "code" | "link" | "resume" | "pass";

/** The secret as the key exchange takes it (PRS of the draft). */
export function prsOf(mode: Mode, secret: Uint8Array): Bytes {
  return lvCat(utf8(mode), secret);
}

/** The context of the key exchange (CI of the draft). */
export function ciOf(mode: Mode, room: string): Bytes {
  return lvCat(utf8("p2pshare/1"), utf8("host"), utf8("guest"), utf8(mode), utf8(room));
}

/** Everything that both sides said in the clear. */
export interface Transcript {
  readonly sid: Uint8Array;
  readonly ci: Uint8Array;
  readonly host: { readonly element: Uint8Array; readonly ad: Uint8Array };
  readonly guest: { readonly element: Uint8Array; readonly ad: Uint8Array };
}

export function transcriptHash(transcript: Transcript): Bytes {
  const { sid, ci, host, guest } = transcript;
  const parts = [sid, ci, host.element, host.ad, guest.element, guest.ad];
  return sha512(lvCat(utf8("p2pshare/1 transcript"), ...parts));
}

/** The keys of one exchange. */
export class KeySchedule {
  /** The transcript hash, which a link's host signs. */
  readonly th: Bytes;
  readonly #prk: Bytes;

  private constructor(th: Bytes, ikm: Uint8Array) {
    this.th = th;
    this.#prk = extract(sha256, ikm, th);
  }

  /** The schedule of a first exchange. */
  static first(transcript: Transcript, isk: Uint8Array): KeySchedule {
    return new KeySchedule(transcriptHash(transcript), isk);
  }

  /** The schedule of the password's exchange, which depends on the first as well. */
  withPassword(transcript: Transcript, isk: Uint8Array): KeySchedule {
    return new KeySchedule(transcriptHash(transcript), concat(isk, this.#key("pw")));
  }

  /** The session identifier of password attempt `attempt`, counted from 0. */
  passwordSid(attempt: number): Bytes {
    const sid = this.#key("pw").slice(0, 16);
    sid[15] = (sid[15] ?? 0) ^ attempt;
    return sid;
  }

  /** The guest's proof, `Tg`. */
  guestProof(): Bytes {
    return mac(this.#key("confirm guest"), utf8("guest"), this.th);
  }

  isGuestProof(proof: Uint8Array): boolean {
    return equalConstantTime(this.guestProof(), proof);
  }

  /** The host's proof, `Th`. */
  hostProof(hostNonce: Uint8Array): Bytes {
    return mac(this.#key("confirm host"), utf8("host"), this.th, hostNonce);
  }

  isHostProof(proof: Uint8Array, hostNonce: Uint8Array): boolean {
    return equalConstantTime(this.hostProof(hostNonce), proof);
  }

  /** The key with which `role` seals. */
  sealingKey(role: Role): Bytes {
    return this.#key(role === "host" ? "sig h2g" : "sig g2h");
  }

  /** The number that two people compare: six digits. */
  shortNumber(hostNonce: Uint8Array, guestNonce: Uint8Array): string {
    const info = concat(utf8("p2pshare/1 sas "), hostNonce, guestNonce);
    const bytes = expand(sha256, this.#key("sas"), info, 8);
    const number = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) % 1_000_000n;
    return number.toString().padStart(6, "0");
  }

  /** What a session needs after the pairing. */
  sessionKeys(role: Role): SessionKeys {
    const tunnel = { host: this.#key("tunnel h2g"), guest: this.#key("tunnel g2h") };
    return new SessionKeys(role, this.#key("bind"), this.#key("resume"), this.#expand("resume id", 16), tunnel);
  }

  #key(label: string): Bytes {
    return this.#expand(label, 32);
  }

  #expand(label: string, length: number): Bytes {
    return expand(sha256, this.#prk, utf8(`p2pshare/1 ${label}`), length);
  }
}

/** One end of a peer connection, as it is in use. */
export interface Endpoint {
  /** SHA-256 of the DTLS certificate that was actually presented. */
  readonly fingerprint: Uint8Array;
  /** The ICE user name fragment. */
  readonly iceUfrag: string;
}

/** The two ends of a peer connection, as one side sees them. */
export interface Connection {
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** The keys that outlive the pairing: for the bind step on the control channel and for a reconnect. */
export class SessionKeys {
  readonly role: Role;
  readonly #bind: Bytes;
  readonly resumeKey: Bytes;
  readonly resumeId: Bytes;
  readonly #tunnel: Readonly<Record<Role, Bytes>>;

  constructor(role: Role, bind: Bytes, resumeKey: Bytes, resumeId: Bytes, tunnel: Readonly<Record<Role, Bytes>>) {
    this.role = role;
    this.#bind = bind;
    this.resumeKey = resumeKey;
    this.resumeId = resumeId;
    this.#tunnel = tunnel;
  }

  /** The key with which `role` seals in a tunnel. */
  tunnelKey(role: Role): Bytes {
    return this.#tunnel[role];
  }

  /** The first message of this side on the control channel: which certificates and ICE session this side sees in use. */
  bindMac(connection: Connection): Bytes {
    return this.#macOf(this.role, connection.local, connection.remote);
  }

  /** Checks the peer's. When it is wrong somebody stands between: close, do not retry. */
  isBindMac(connection: Connection, theirs: Uint8Array): boolean {
    return equalConstantTime(this.#macOf(peerOf(this.role), connection.remote, connection.local), theirs);
  }

  #macOf(role: Role, local: Endpoint, remote: Endpoint): Bytes {
    const ends = lvCat(local.fingerprint, remote.fingerprint, utf8(local.iceUfrag), utf8(remote.iceUfrag));
    return mac(this.#bind, utf8(role), ends);
  }
}

function mac(key: Uint8Array, ...parts: readonly Uint8Array[]): Bytes {
  return hmac(sha256, key, concat(...parts));
}
