// What each side says beside its element, in the clear: versions, and the guest's commitment to its nonce. It is part of
// the transcript, so altering it makes every proof wrong.

import { sha256 } from "@noble/hashes/sha2.js";

import { concat, fromUtf8, utf8, type Bytes } from "../bytes.ts";
import { U32_MAX } from "../json.ts";
import { lvCat, lvSplit } from "../lv.ts";
import { PairingError, violation } from "./error.ts";

/** `ADa`: the lowest and the highest version that the host speaks, and flags, none of which has a meaning. */
export function adOfHost(): Bytes {
  return lvCat(VERSION, VERSION, Uint8Array.of(0));
}

/** Checks that the host speaks this version; throws. */
export function checkHostAd(ad: Uint8Array): void {
  const [lowest, highest, ...rest] = lvSplit(ad) ?? [];
  const [low, high] = [number(lowest), number(highest)];
  if (low === undefined || high === undefined) throw violation("malformed");
  if (low > VERSION_NUMBER || high < VERSION_NUMBER) throw new PairingError("version");
  if (rest.length !== 1 || rest[0]?.length !== 1) throw violation("malformed");
}

/** `ADb`: the version that the guest chose and its commitment. */
export function adOfGuest(commitment: Uint8Array): Bytes {
  return lvCat(VERSION, commitment);
}

/** The commitment of a guest; throws. */
export function parseGuestAd(ad: Uint8Array): Uint8Array {
  const [version, ...rest] = lvSplit(ad) ?? [];
  const spoken = number(version);
  if (spoken === undefined) throw violation("malformed");
  if (spoken !== VERSION_NUMBER) throw new PairingError("version");
  const [commitment, more] = rest;
  if (commitment?.length !== 32 || more) throw violation("malformed");
  return commitment;
}

/** Binds the guest to its nonce before it knows the host's. */
export function commitmentTo(nonce: Uint8Array): Bytes {
  return sha256(concat(utf8("p2pshare/1 sas-commit"), nonce));
}

function number(text: Uint8Array | undefined): number | undefined {
  const digits = text && fromUtf8(text);
  const value = digits !== undefined && /^[0-9]+$/.test(digits) ? Number(digits) : undefined;
  return value !== undefined && value <= U32_MAX ? value : undefined;
}

const VERSION = utf8("1");
const VERSION_NUMBER = 1;
