// What two sides say to each other through a server's WebSocket when nothing else gets through: each message sealed with keys
// of their pairing. The twin of `protocol/src/tunnel.rs`.

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";

import { utf8, type Bytes } from "./bytes.ts";
import type { SessionKeys } from "./keys.ts";
import { TUNNEL_BYTES_MAX } from "./limits.ts";
import { peerOf, type Role } from "./role.ts";
import { NotSealed } from "./seal.ts";

/** What a message is; its place in the list is its byte. */
const LANES = ["ctl", "data", "ping", "pong", "begin"] as const;
export type TunnelLane = (typeof LANES)[number];

/** What the server says, in a text, when both sides are there. */
export const TUNNEL_READY = "ready";

/** Seals the messages of one side and opens those of the other, each in its order only. One for each pairing. */
export class TunnelEnds {
  readonly #out: Direction;
  readonly #in: Direction;

  constructor(keys: SessionKeys) {
    this.#out = new Direction(keys, keys.role);
    this.#in = new Direction(keys, peerOf(keys.role));
  }

  seal(lane: TunnelLane, body: Uint8Array): Bytes {
    const plain = new Uint8Array(1 + body.length);
    plain[0] = LANES.indexOf(lane);
    plain.set(body, 1);
    return this.#out.next().encrypt(plain);
  }

  /** Opens the next message. Throws `NotSealed`; nothing after it can be trusted then. */
  open(message: Uint8Array): { readonly lane: TunnelLane; readonly body: Bytes } {
    if (message.length > TUNNEL_BYTES_MAX) throw new NotSealed();
    let plain: Bytes;
    try {
      plain = this.#in.next().decrypt(message);
    } catch {
      throw new NotSealed();
    }
    const lane = LANES[plain[0] ?? LANES.length];
    if (!lane) throw new NotSealed();
    return { lane, body: plain.slice(1) };
  }
}

class Direction {
  readonly #key: Bytes;
  #number = 0;

  constructor(keys: SessionKeys, role: Role) {
    this.#key = keys.tunnelKey(role);
  }

  /** The cipher of the next message. No number is used twice. */
  next(): ReturnType<typeof chacha20poly1305> {
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setBigUint64(4, BigInt(this.#number++));
    return chacha20poly1305(this.#key, nonce, AAD);
  }
}

const AAD = utf8("p2pshare/1 tunnel");
