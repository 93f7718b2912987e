// The key by which a link's host proves to every guest that it is the one the link was made for.

import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256 } from "@noble/hashes/sha2.js";

import { concat, equal, utf8, type Bytes } from "./bytes.ts";

/** A host's public key with its signature over one handshake. */
export interface HostAuth {
  readonly publicKey: Uint8Array;
  readonly signature: Uint8Array;
}

export class HostIdentity {
  readonly #seed: Bytes;
  readonly #publicKey: Bytes;

  /** `seed` is 32 random bytes. */
  constructor(seed: Bytes) {
    this.#seed = seed;
    this.#publicKey = ed25519.getPublicKey(seed);
  }

  /** The first 16 bytes of SHA-256 of the public key: what a link carries. */
  get publicKeyHash(): Bytes {
    return keyHash(this.#publicKey);
  }

  /** Proves that this host holds the key of the link, for one handshake only. */
  prove(th: Uint8Array, hostNonce: Uint8Array): HostAuth {
    return { publicKey: this.#publicKey, signature: ed25519.sign(signed(th, hostNonce), this.#seed) };
  }
}

/** Tells whether the key is the one of the link and signed this very handshake. */
export function isHostAuth(auth: HostAuth, hash: Uint8Array, th: Uint8Array, hostNonce: Uint8Array): boolean {
  if (!equal(keyHash(auth.publicKey), hash)) return false;
  try {
    return ed25519.verify(auth.signature, signed(th, hostNonce), auth.publicKey, { zip215: false });
  } catch {
    return false;
  }
}

function keyHash(publicKey: Uint8Array): Bytes {
  return sha256(publicKey).slice(0, 16);
}

function signed(th: Uint8Array, hostNonce: Uint8Array): Bytes {
  return concat(utf8("p2pshare/1 host-auth"), th, hostNonce);
}
