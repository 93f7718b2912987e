// CPACE-RISTR255-SHA512, initiator-responder, after draft-irtf-cfrg-cpace-21. The host is the initiator.
//
// Whoever watches learns nothing that a guessed code could be tested with, and whoever takes part tests one guess per
// exchange.

import { ristretto255, ristretto255_hasher } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";

import { concat, utf8, type Bytes } from "./bytes.ts";
import { lvCat } from "./lv.ts";
import type { Role } from "./role.ts";

type Point = InstanceType<typeof ristretto255.Point>;

/** An element that no honest peer sends: not canonical, or the identity. */
export class InvalidElement extends Error {
  override name = "InvalidElement";
}

/** One side of an exchange, before the other side's element is there. */
export class Exchange {
  /** The public element that goes to the other side. */
  readonly element: Bytes;
  readonly #role: Role;
  readonly #sid: Bytes;
  readonly #scalar: bigint;

  /** `scalar` is 64 uniform random bytes, reduced modulo the group's order; never use them twice. */
  constructor(role: Role, prs: Uint8Array, ci: Uint8Array, sid: Bytes, scalar: Uint8Array) {
    this.#role = role;
    this.#sid = sid;
    this.#scalar = scalarOf(scalar);
    this.element = encoded(generator(prs, ci, sid).multiply(this.#scalar));
  }

  /** The intermediate session key. Throws `InvalidElement`, which is an attack and no wrong guess. */
  finish(ownAd: Uint8Array, peer: Uint8Array, peerAd: Uint8Array): Bytes {
    const shared = scalarMultVfy(this.#scalar, peer);
    const own = lvCat(this.element, ownAd);
    const theirs = lvCat(peer, peerAd);
    const [host, guest] = this.#role === "host" ? [own, theirs] : [theirs, own];
    return sha512(concat(lvCat(DSI_ISK, this.#sid, shared), host, guest));
  }
}

/** The generator that both sides derive from the secret. */
export function generator(prs: Uint8Array, ci: Uint8Array, sid: Uint8Array): Point {
  // The padding fills the first hash block, so that the secret is hashed alone (draft, section 7.1).
  const padding = Math.max(0, SHA512_BLOCK_BYTES - 1 - lvCat(prs).length - lvCat(DSI).length);
  const hash = sha512(lvCat(DSI, prs, new Uint8Array(padding), ci, sid));
  const map = ristretto255_hasher.deriveToCurve;
  if (!map) throw new Error("the library maps 64 bytes to an element");
  return map(hash);
}

/** `scalar_mult_vfy` of the draft. Throws `InvalidElement`. */
export function scalarMultVfy(scalar: bigint, peer: Uint8Array): Bytes {
  let point: Point;
  try {
    point = ristretto255.Point.fromBytes(peer);
  } catch {
    throw new InvalidElement();
  }
  if (point.is0()) throw new InvalidElement();
  return encoded(point.multiply(scalar));
}

/** Little-endian bytes modulo the group's order. */
export function scalarOf(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
  return value % ristretto255.Point.Fn.ORDER;
}

function encoded(point: Point): Bytes {
  return point.toBytes();
}

const DSI = utf8("CPaceRistretto255");
const DSI_ISK = utf8("CPaceRistretto255_ISK");
const SHA512_BLOCK_BYTES = 128;
