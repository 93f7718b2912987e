// Ranges of bytes that are on their way, each within one chunk.

import { CHUNK_BYTES } from "./limits.ts";

interface Piece {
  from: number;
  to: number;
}

/** Entry, first byte, and the byte after the last one. */
export type ByteRange = readonly [entry: number, from: number, to: number];

export class Ranges {
  /** By entry and chunk, ascending within each. */
  readonly #entries = new Map<number, Map<number, Piece[]>>();
  #count = 0;

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** Adds one that lies within a chunk, and has no byte in common with another one. */
  add(entry: number, from: number, to: number): void {
    let chunks = this.#entries.get(entry);
    if (!chunks) this.#entries.set(entry, (chunks = new Map<number, Piece[]>()));
    const chunk = Math.floor(from / CHUNK_BYTES);
    const pieces = chunks.get(chunk);
    if (pieces) pieces.splice(placeOf(pieces, from) + 1, 0, { from, to });
    else chunks.set(chunk, [{ from, to }]);
    this.#count++;
  }

  /** Takes bytes out; `false` if they do not lie within one range. */
  take(entry: number, from: number, to: number): boolean {
    const chunks = this.#entries.get(entry);
    const chunk = Math.floor(from / CHUNK_BYTES);
    const pieces = chunks?.get(chunk);
    if (!chunks || !pieces) return false;
    const at = placeOf(pieces, from);
    const piece = pieces[at];
    if (!piece || to > piece.to) return false;
    if (piece.from < from && to < piece.to) {
      pieces.splice(at + 1, 0, { from: to, to: piece.to });
      piece.to = from;
      this.#count++;
    } else if (piece.from < from) {
      piece.to = from;
    } else if (to < piece.to) {
      piece.from = to;
    } else {
      pieces.splice(at, 1);
      this.#count--;
      if (pieces.length === 0) chunks.delete(chunk);
      if (chunks.size === 0) this.#entries.delete(entry);
    }
    return true;
  }

  /** The lowest byte of an entry that is on its way. */
  first(entry: number): number | undefined {
    let lowest: Piece | undefined;
    for (const [piece] of this.#entries.get(entry)?.values() ?? []) {
      if (piece && (!lowest || piece.from < lowest.from)) lowest = piece;
    }
    return lowest?.from;
  }

  /** Takes those of an entry out. */
  remove(entry: number): ByteRange[] {
    const pieces = [...(this.#entries.get(entry)?.values() ?? [])].flat();
    this.#entries.delete(entry);
    this.#count -= pieces.length;
    return pieces.map(({ from, to }) => [entry, from, to]);
  }

  /** Takes all of them out, ascending. */
  clear(): ByteRange[] {
    const all = [...this.#entries.keys()].flatMap((entry) => this.remove(entry));
    return all.sort(([one, from], [other, otherFrom]) => one - other || from - otherFrom);
  }
}

/** The index of the last piece that begins at `from` or before; -1 if there is none. */
function placeOf(pieces: readonly Piece[], from: number): number {
  let [low, high] = [0, pieces.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((pieces[middle]?.from ?? Infinity) <= from) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
