// What the worker needs of a place that holds received chunks.

import type { Bytes } from "../protocol/bytes.ts";
import type { Hash } from "../protocol/hash.ts";
import { CHUNK_BYTES } from "../protocol/limits.ts";
import type { StoredEntry } from "./messages.ts";

/** Chunks of the files of one share. Nothing is in it that was not verified when it was written. */
export interface Store {
  /** How many bytes an earlier session left of a file. */
  leftover(entry: StoredEntry): Promise<number>;
  /** Opens a file and names the chunks that an earlier session left, with the hashes they had. */
  open(entry: StoredEntry): Promise<readonly (readonly [chunk: number, hash: Hash])[]>;
  /** The bytes of a chunk that lies here. */
  read(entry: StoredEntry, chunk: number): Promise<Bytes>;
  write(entry: StoredEntry, chunk: number, bytes: Bytes, hash: Hash): Promise<void>;
  /** Everything of the file is there. */
  commit(entry: StoredEntry): Promise<void>;
  /** The whole file, without copying it into memory. It was tried that the browser can read it. */
  file(entry: StoredEntry): Promise<Blob>;
  discard(entry: StoredEntry): Promise<void>;
  close(): Promise<void>;
}

export function lengthOf(entry: StoredEntry, chunk: number): number {
  return Math.min(CHUNK_BYTES, entry.size - chunk * CHUNK_BYTES);
}

/** How long the parts of an interrupted transfer are kept, in milliseconds. */
export const KEPT_FOR = 7 * 24 * 3600 * 1000;

/** A blob of which both ends can be read: a browser may lose one that it could not keep. */
export async function readable(blob: Blob): Promise<Blob> {
  await blob.slice(0, 1).arrayBuffer();
  await blob.slice(Math.max(0, blob.size - 1)).arrayBuffer();
  return blob;
}
