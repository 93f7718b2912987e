// Length-prefixed concatenation, as in the CPace draft: what is hashed or authenticated cannot be split in two ways.

import { concat, type Bytes } from "./bytes.ts";

/** Concatenates the parts, each with its length in front as LEB128 (`lv_cat` of the draft). */
export function lvCat(...parts: readonly Uint8Array[]): Bytes {
  return concat(...parts.flatMap((part) => [lengthOf(part.length), part]));
}

/** Splits what `lvCat` made; `undefined` when the bytes are not such a concatenation in its shortest form. */
export function lvSplit(bytes: Uint8Array): Uint8Array[] | undefined {
  const parts: Uint8Array[] = [];
  for (let rest = bytes; rest.length > 0; ) {
    const taken = lvTake(rest);
    if (!taken) return undefined;
    parts.push(taken[0]);
    rest = taken[1];
  }
  return parts;
}

/** Takes the first part and returns it with the rest; `undefined` when its length is cut short, too long or not minimal. */
export function lvTake(bytes: Uint8Array): [Uint8Array, Uint8Array] | undefined {
  const low = bytes[0];
  if (low === undefined) return undefined;
  let length = low & 0x7f;
  let start = 1;
  if (low & 0x80) {
    const high = bytes[1];
    // Two bytes reach 16,383: more than any message may hold.
    if (high === undefined || high === 0 || high & 0x80) return undefined;
    length |= high << 7;
    start = 2;
  }
  const end = start + length;
  return end <= bytes.length ? [bytes.subarray(start, end), bytes.subarray(end)] : undefined;
}

function lengthOf(length: number): Bytes {
  const out: number[] = [];
  let rest = length;
  for (; rest >= 0x80; rest >>= 7) out.push((rest & 0x7f) | 0x80);
  out.push(rest);
  return Uint8Array.from(out);
}
