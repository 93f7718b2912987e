// Hashes of chunks, entries and shares: BLAKE3 throughout, written as lower-case hex.

import { blake3 } from "./blake3.ts";
import { concat, fromHex, hex, utf8 } from "./bytes.ts";
import { CHUNK_BYTES } from "./limits.ts";

/** 64 lower-case hex digits. */
export type Hash = string;

export function isHash(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/** Hashes one chunk that lies in one or several pieces. */
export function hashOf(...pieces: readonly Uint8Array[]): Hash {
  const [only] = pieces;
  return hex(blake3(pieces.length === 1 && only ? only : concat(...pieces)));
}

/** The root of an entry: over its chunk hashes in order and its size. */
export function entryRoot(chunks: readonly Hash[], size: number): Hash {
  return hashOf(utf8("p2pshare/1 entry"), concat(...chunks.map(raw)), bigEndian(size, 8));
}

/** The root of a share: over the identifiers and roots of its entries, in order of the identifiers. */
export function shareRoot(entries: readonly (readonly [number, Hash])[]): Hash {
  return hashOf(utf8("p2pshare/1 share"), ...entries.flatMap(([id, root]) => [bigEndian(id, 4), raw(root)]));
}

/** How many chunks an entry of `size` bytes has. */
export function chunkCount(size: number): number {
  return Math.ceil(size / CHUNK_BYTES);
}

/** The bytes of a chunk of an entry of `size` bytes: from the first to the one after the last. */
export function chunkRange(chunk: number, size: number): readonly [number, number] {
  const from = Math.min(chunk * CHUNK_BYTES, size);
  return [from, Math.min(from + CHUNK_BYTES, size)];
}

export function chunkLength(chunk: number, size: number): number {
  const [from, to] = chunkRange(chunk, size);
  return to - from;
}

function raw(hash: Hash): Uint8Array {
  return fromHex(hash, 32) ?? new Uint8Array(32);
}

function bigEndian(value: number, length: number): Uint8Array {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(value));
  return out.subarray(8 - length);
}
