// The key by which a device is known again to those that remember it.

import { ed25519 } from "@noble/curves/ed25519.js";

import { concat, utf8, type Bytes } from "./bytes.ts";
import { asBytes, asObject, field } from "./json.ts";
import type { Role } from "./role.ts";

/** A device's public key with its signature over one handshake. */
export interface DeviceProof {
  readonly key: Bytes;
  readonly sig: Bytes;
}

/** An Ed25519 key that a device made for itself. */
export class DeviceIdentity {
  /** The bytes to keep. */
  readonly seed: Bytes;

  /** `seed` is 32 random bytes. */
  constructor(seed: Bytes) {
    this.seed = seed;
  }

  /** Proves to the other side of one handshake that this device holds the key. */
  prove(role: Role, th: Uint8Array): DeviceProof {
    return { key: ed25519.getPublicKey(this.seed), sig: ed25519.sign(signed(role, th), this.seed) };
  }
}

/** Tells whether the holder of the key signed this very handshake, on this side of it. */
export function isDeviceProof({ key, sig }: DeviceProof, role: Role, th: Uint8Array): boolean {
  try {
    return ed25519.verify(sig, signed(role, th), key, { zip215: false });
  } catch {
    return false;
  }
}

/** Reads a proof. Throws `Malformed`. */
export function asDeviceProof(value: unknown): DeviceProof {
  const object = asObject(value);
  return { key: asBytes(field(object, "key"), 32), sig: asBytes(field(object, "sig"), 64) };
}

function signed(role: Role, th: Uint8Array): Bytes {
  return concat(utf8(`p2pshare/1 device ${role}`), th);
}
