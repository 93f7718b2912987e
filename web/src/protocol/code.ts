// The digits that one person reads to another: a nameplate, which the server knows, and secret digits, which never leave
// the two peers. Typed without a dash the last four digits are the secret; with a dash it is everything behind it.

import { SECRET_DIGITS_DEFAULT, SECRET_DIGITS_MAX, SECRET_DIGITS_MIN } from "./limits.ts";
import { nameplateError, type NameplateError } from "./room.ts";

export interface Code {
  readonly nameplate: string;
  readonly secret: string;
}

/** Why a text is no code. None of them holds digits of the secret. */
export type CodeError = "empty" | "not_a_digit" | "second_dash" | "secret_too_short" | "secret_too_long" | NameplateError;

export type CodeResult = { readonly code: Code } | { readonly error: CodeError };

export function parseCode(text: string): CodeResult {
  const typed = text.replace(/\p{White_Space}/gu, "");
  if (typed === "") return { error: "empty" };
  if (!/^[0-9-]*$/.test(typed)) return { error: "not_a_digit" };
  const [before = "", after, more] = typed.split("-");
  if (more !== undefined) return { error: "second_dash" };
  const split = Math.max(0, typed.length - SECRET_DIGITS_DEFAULT);
  const nameplate = after === undefined ? typed.slice(0, split) : before;
  const secret = after ?? typed.slice(split);
  if (secret.length < SECRET_DIGITS_MIN) return { error: "secret_too_short" };
  if (secret.length > SECRET_DIGITS_MAX) return { error: "secret_too_long" };
  const error = nameplateError(nameplate);
  return error === undefined ? { code: { nameplate, secret } } : { error };
}

/** Makes a code of a nameplate that the server gave out and random digits. */
export function generateCode(nameplate: string, random: (length: number) => Uint8Array): Code {
  let secret = "";
  while (secret.length < SECRET_DIGITS_DEFAULT) {
    const byte = random(1)[0] ?? 255;
    // 250 is the largest multiple of 10 in a byte: beyond it low digits would come up more often.
    if (byte < 250) secret += (byte % 10).toString();
  }
  return { nameplate, secret };
}

/** The code in one piece, with a dash when the secret is longer than four digits. */
export function codeText(code: Code): string {
  return code.nameplate + (code.secret.length === SECRET_DIGITS_DEFAULT ? "" : "-") + code.secret;
}

/** The code in groups of three or four digits, for people: `123 456`. It parses to the same code. */
export function spacedCode(code: Code): string {
  return code.secret.length === SECRET_DIGITS_DEFAULT
    ? grouped(code.nameplate + code.secret)
    : `${code.nameplate}-${grouped(code.secret)}`;
}

/** Groups of three or four digits, the shorter ones first. */
export function grouped(digits: string): string {
  const groups = Math.ceil(digits.length / 4);
  const out: string[] = [];
  for (let group = 0, from = 0; group < groups; group++) {
    const to = from + Math.floor((digits.length - from) / (groups - group));
    out.push(digits.slice(from, to));
    from = to;
  }
  return out.join(" ");
}
