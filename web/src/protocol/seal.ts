// The two ends of one direction of the sealed signalling channel.
//
// ChaCha20-Poly1305 with a key of its own for each direction. The sequence number is not on the wire: the receiver opens
// exactly the next frame, so a lost, repeated or swapped one does not open at all.

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";

import { utf8, type Bytes } from "./bytes.ts";
import type { KeySchedule } from "./keys.ts";
import { SEALED_BLOCK_BYTES, SEALED_PLAINTEXT_BYTES_MAX } from "./limits.ts";
import { lvCat } from "./lv.ts";
import type { Role } from "./role.ts";

/** A frame is too long to be sealed. */
export class TooLong extends Error {
  override name = "TooLong";
}

/** A message is not the next sealed frame of the peer. */
export class NotSealed extends Error {
  override name = "NotSealed";
}

/** What `role` seals in the handshake `sid`, from its first frame on. */
class Direction {
  readonly #key: Bytes;
  readonly #name: Bytes;
  readonly #sid: Bytes;
  #seq = 0;

  constructor(keys: KeySchedule, role: Role, sid: Bytes) {
    this.#key = keys.sealingKey(role);
    this.#name = utf8(role === "host" ? "h2g" : "g2h");
    this.#sid = sid;
  }

  /** The cipher of the next frame. No sequence number is used twice. */
  next(): ReturnType<typeof chacha20poly1305> {
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setBigUint64(4, BigInt(this.#seq++));
    return chacha20poly1305(this.#key, nonce, lvCat(utf8("p2pshare/1 sig"), this.#name, this.#sid, nonce.subarray(4)));
  }
}

/** Seals the frames of one side. */
export class Sealer {
  readonly #direction: Direction;

  constructor(keys: KeySchedule, role: Role, sid: Bytes) {
    this.#direction = new Direction(keys, role, sid);
  }

  /** Seals the next frame, padded to a multiple of 256 bytes. Throws `TooLong`. */
  seal(json: Uint8Array): Bytes {
    const padded = Math.ceil((json.length + 2) / SEALED_BLOCK_BYTES) * SEALED_BLOCK_BYTES;
    if (padded > SEALED_PLAINTEXT_BYTES_MAX) throw new TooLong();
    const plain = new Uint8Array(padded);
    new DataView(plain.buffer).setUint16(0, json.length);
    plain.set(json, 2);
    return this.#direction.next().encrypt(plain);
  }
}

/** Opens the frames of the other side, in their order only. */
export class Opener {
  readonly #direction: Direction;

  constructor(keys: KeySchedule, role: Role, sid: Bytes) {
    this.#direction = new Direction(keys, role, sid);
  }

  /** Opens the next frame. Throws `NotSealed`; nothing after it can be trusted then. */
  open(sealed: Uint8Array): Bytes {
    if (sealed.length > SEALED_PLAINTEXT_BYTES_MAX + TAG_BYTES) throw new NotSealed();
    let plain: Bytes;
    try {
      plain = this.#direction.next().decrypt(sealed);
    } catch {
      throw new NotSealed();
    }
    const length = ((plain[0] ?? 0) << 8) | (plain[1] ?? 0);
    const padding = plain.subarray(2 + length);
    const isWhole = plain.length % SEALED_BLOCK_BYTES === 0 && plain.length >= 2 + length;
    if (!isWhole || padding.length >= SEALED_BLOCK_BYTES || padding.some((byte) => byte !== 0)) throw new NotSealed();
    return plain.slice(2, 2 + length);
  }
}

const TAG_BYTES = 16;
