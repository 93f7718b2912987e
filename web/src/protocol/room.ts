// What the server knows a share by: a nameplate, or 128 bits in hex for links and reconnects.

import { sha256 } from "@noble/hashes/sha2.js";

import { concat, hex, utf8 } from "./bytes.ts";
import { NAMEPLATE_DIGITS_MAX, NAMEPLATE_DIGITS_MIN } from "./limits.ts";

/** Why digits are no nameplate. */
export type NameplateError = "not_a_digit" | "too_short" | "too_long" | "leading_zero";

/** Checks the leading digits of a code; `undefined` when they are a nameplate. */
export function nameplateError(text: string): NameplateError | undefined {
  if (!/^[0-9]*$/.test(text)) return "not_a_digit";
  if (text.length < NAMEPLATE_DIGITS_MIN) return "too_short";
  if (text.length > NAMEPLATE_DIGITS_MAX) return "too_long";
  return text.startsWith("0") ? "leading_zero" : undefined;
}

export function isRoom(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text) || nameplateError(text) === undefined;
}

/** The room of a link: safe to show to the server, because 128 bits cannot be guessed from their hash. */
export function roomOfLinkSecret(secret: Uint8Array): string {
  return hex(sha256(concat(utf8("p2pshare/1 room"), secret)).subarray(0, 16));
}

/** The room in which two paired sides meet again. */
export function roomOfResumeId(id: Uint8Array): string {
  return hex(id);
}
