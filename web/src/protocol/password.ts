// A share's password after argon2id, as the key exchange takes it. Stretching takes the better part of a second in
// JavaScript, so it is done in a worker and the machines get the result.

import { argon2id } from "@noble/hashes/argon2.js";

import { utf8, utf8Length, type Bytes } from "./bytes.ts";
import {
  PASSWORD_BYTES_MAX,
  PASSWORD_LANES,
  PASSWORD_LANES_MAX,
  PASSWORD_MEMORY_KIB,
  PASSWORD_MEMORY_KIB_MAX,
  PASSWORD_PASSES,
  PASSWORD_PASSES_MAX,
} from "./limits.ts";

/** The cost of argon2id, as the host of a share chose it: memory in KiB, passes, lanes. */
export interface PasswordCost {
  readonly m: number;
  readonly t: number;
  readonly p: number;
}

export const DEFAULT_COST: PasswordCost = { m: PASSWORD_MEMORY_KIB, t: PASSWORD_PASSES, p: PASSWORD_LANES };

export interface StretchedPassword {
  readonly key: Bytes;
  readonly salt: Bytes;
  readonly cost: PasswordCost;
}

/** Tells whether a guest may be asked for it: more would let a hostile host exhaust the guest's device. */
export function isBearable({ m, t, p }: PasswordCost): boolean {
  return (
    m <= PASSWORD_MEMORY_KIB_MAX && t >= 1 && t <= PASSWORD_PASSES_MAX && p >= 1 && p <= PASSWORD_LANES_MAX && m >= 8 * p
  );
}

export type PasswordError = "empty" | "too_long" | "control_character";

/** `OpaqueString` of RFC 8265: the same password typed on another keyboard is the same text. */
export function preparePassword(password: string): { readonly prepared: string } | { readonly error: PasswordError } {
  if (utf8Length(password) > PASSWORD_BYTES_MAX) return { error: "too_long" };
  if (/\p{Cc}/u.test(password)) return { error: "control_character" };
  const prepared = password.replace(/(?![\u2028\u2029])\p{White_Space}/gu, " ").normalize("NFC");
  return prepared === "" ? { error: "empty" } : { prepared };
}

/** Stretches a prepared password. */
export function stretch(prepared: string, salt: Bytes, cost: PasswordCost): StretchedPassword {
  return { key: argon2id(utf8(prepared), salt, { ...cost, dkLen: 32 }), salt, cost };
}
