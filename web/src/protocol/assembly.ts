// Chunks that are being put together, until the disk has them.

import type { Bytes } from "./bytes.ts";
import type { DataFrame } from "./data_frame.ts";
import type { Hash } from "./hash.ts";
import { CHUNK_BYTES } from "./limits.ts";

interface Part {
  readonly entry: number;
  readonly chunk: number;
  readonly pieces: DataFrame[];
  bytes: number;
  hash?: Hash;
}

/** A chunk that is all here, and the hash it must have. */
export interface Whole {
  readonly pieces: readonly Bytes[];
  readonly hash: Hash;
}

export class Assembly {
  readonly #chunks = new Map<string, Part>();
  /** Chunks at the disk, with their sizes. */
  readonly #writing = new Map<string, number>();
  #bytes = 0;

  /** The bytes in memory, also those that the disk is writing. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds bytes of a chunk of `chunkBytes`; returns it when it is whole. */
  addData(frame: DataFrame, chunkBytes: number): Whole | undefined {
    const chunk = Math.floor(frame.offset / CHUNK_BYTES);
    const part = this.#part(frame.entry, chunk);
    part.pieces.push(frame);
    part.bytes += frame.bytes.length;
    this.#bytes += frame.bytes.length;
    return this.#takeWhole(frame.entry, chunk, chunkBytes);
  }

  /** Adds the hash of a chunk of `chunkBytes`; returns it when it is whole. */
  addHash(entry: number, chunk: number, hash: Hash, chunkBytes: number): Whole | undefined {
    if (this.#writing.has(keyOf(entry, chunk))) return undefined;
    this.#part(entry, chunk).hash = hash;
    return this.#takeWhole(entry, chunk, chunkBytes);
  }

  /** Looks again at a chunk whose length is known only now. */
  resized(entry: number, chunk: number, chunkBytes: number): Whole | undefined {
    return this.#takeWhole(entry, chunk, chunkBytes);
  }

  /** The chunks that are all here but for their hash; `lengthOf` tells their length. */
  withoutHash(lengthOf: (entry: number, chunk: number) => number): [entry: number, chunk: number][] {
    return [...this.#chunks.values()].flatMap(({ entry, chunk, bytes, hash }) =>
      hash === undefined && bytes === lengthOf(entry, chunk) ? [[entry, chunk]] : [],
    );
  }

  /** Notes that the disk is done with a chunk. */
  written(entry: number, chunk: number): void {
    const key = keyOf(entry, chunk);
    this.#bytes -= this.#writing.get(key) ?? 0;
    this.#writing.delete(key);
  }

  /** Drops what is held of an entry. */
  remove(entry: number): void {
    for (const [key, part] of this.#chunks) {
      if (part.entry !== entry) continue;
      this.#bytes -= part.bytes;
      this.#chunks.delete(key);
    }
  }

  #part(entry: number, chunk: number): Part {
    const key = keyOf(entry, chunk);
    const known = this.#chunks.get(key);
    if (known) return known;
    const part: Part = { entry, chunk, pieces: [], bytes: 0 };
    this.#chunks.set(key, part);
    return part;
  }

  #takeWhole(entry: number, chunk: number, chunkBytes: number): Whole | undefined {
    const key = keyOf(entry, chunk);
    const part = this.#chunks.get(key);
    if (part?.hash === undefined || part.bytes !== chunkBytes) return undefined;
    this.#chunks.delete(key);
    this.#writing.set(key, part.bytes);
    // Stripes may arrive in any order.
    const pieces = part.pieces.sort((a, b) => a.offset - b.offset).map((frame) => frame.bytes);
    return { pieces, hash: part.hash };
  }
}

function keyOf(entry: number, chunk: number): string {
  return `${entry}/${chunk}`;
}
