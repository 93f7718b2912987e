// JSON at the door: bounded in depth, no key twice, nothing that has no UTF-8; and small readers that turn `unknown` into
// values of known types, so that behind them there is nothing left to check.

import { fromBase64url, isWellFormed, type Bytes } from "./bytes.ts";

/** A text that is not what was expected. */
export class Malformed extends Error {
  override name = "Malformed";
}

export type JsonObject = Readonly<Record<string, unknown>>;

/** Parses an object; throws `Malformed`. */
export function parseObject(text: string, depthMax: number): JsonObject {
  checkShape(text, depthMax);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Malformed("not JSON");
  }
  return asObject(value);
}

export function asObject(value: unknown): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Malformed("not an object");
  return value as JsonObject;
}

/** A key's value, or `undefined` when it is absent. The prototype's keys are none. */
export function field(object: JsonObject, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

export function asString(value: unknown): string {
  if (typeof value !== "string" || !isWellFormed(value)) throw new Malformed("not a text");
  return value;
}

export function asBool(value: unknown): boolean {
  if (typeof value !== "boolean") throw new Malformed("not true or false");
  return value;
}

/** A whole number from 0 to `max`. */
export function asCount(value: unknown, max: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > max || Object.is(value, -0)) {
    throw new Malformed("not a whole number in range");
  }
  return value;
}

export const U32_MAX = 0xffff_ffff;

export function asArray(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new Malformed("not a list");
  return value as readonly unknown[];
}

/** One of a closed list of words. */
export function asOneOf<T extends string>(value: unknown, words: readonly T[]): T {
  const found = words.find((word) => word === value);
  if (found === undefined) throw new Malformed("not a known word");
  return found;
}

/** base64url of exactly `length` bytes. */
export function asBytes(value: unknown, length: number): Bytes {
  const bytes = fromBase64url(asString(value));
  if (bytes?.length !== length) throw new Malformed("bytes of the wrong length");
  return bytes;
}

/** Reads an absent or null value as `undefined`. */
export function optional<T>(value: unknown, read: (value: unknown) => T): T | undefined {
  return value === undefined || value === null ? undefined : read(value);
}

/** Walks the text once: how deep it is nested, and whether an object names a key twice. `JSON.parse` tells neither. */
function checkShape(text: string, depthMax: number): void {
  const open: (Set<string> | undefined)[] = [];
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case "{":
      case "[":
        open.push(text[i] === "{" ? new Set() : undefined);
        if (open.length > depthMax) throw new Malformed("nested too deep");
        break;
      case "}":
      case "]":
        open.pop();
        break;
      case '"': {
        const end = endOfString(text, i);
        const keys = open.at(-1);
        if (keys && /^[ \t\r\n]*:/.test(text.slice(end + 1, end + 65))) {
          const key = text.slice(i + 1, end);
          if (keys.has(key)) throw new Malformed("a key twice");
          keys.add(key);
        }
        i = end;
        break;
      }
      default:
    }
  }
}

/** The place of the quotation mark that ends the string which begins at `from`. */
function endOfString(text: string, from: number): number {
  for (let i = from + 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === '"') return i;
  }
  return text.length;
}
