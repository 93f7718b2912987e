// The ranges of a transfer, from missing over outstanding to delivered, and what an earlier session left.

import type { Range } from "./ctl.ts";
import type { DataFrame } from "./data_frame.ts";
import { chunkCount, chunkRange, type Hash } from "./hash.ts";
import { CHUNK_BYTES, ENTRY_BYTES_MAX } from "./limits.ts";
import { Queue } from "./queue.ts";
import { broken } from "./transfer_error.ts";

/** A chunk that lies on disk, with the hash of what lies there. */
export type PresentChunk = readonly [chunk: number, hash: Hash];

interface Missing {
  readonly entry: number;
  from: number;
  to: number;
}

/** A range on its way, by its next byte. */
interface Pending {
  readonly entry: number;
  readonly to: number;
}

export class Plan {
  /** Ranges to ask for, in order. */
  #missing = new Queue<Missing>();
  readonly #outstanding = new Map<string, Pending>();
  #outstandingBytes = 0;
  /** Ranges whose entry was given up while they were on their way: their bytes are dropped. */
  readonly #dropped = new Map<string, Pending>();
  /** The chunk after the last one that was asked for, by entry. */
  readonly #reach = new Map<number, number>();
  /** Chunks on disk whose hash the sender is to confirm, by entry. */
  readonly #present = new Map<number, Map<number, Hash>>();

  /** Adds an entry; the chunks that are present, ascending, are verified rather than fetched. */
  add(entry: number, size: number, present: readonly PresentChunk[]): void {
    let at = 0;
    const known = new Map<number, Hash>();
    for (const [chunk, hash] of present) {
      if (chunk >= chunkCount(size)) continue;
      const [from, to] = chunkRange(chunk, size);
      this.#pushMissing(entry, at, from);
      known.set(chunk, hash);
      at = to;
    }
    if (known.size > 0) this.#present.set(entry, known);
    this.#pushMissing(entry, at, size);
  }

  /** Adds a stream, of which everything is missing that will ever come. */
  addStream(entry: number): void {
    this.#pushMissing(entry, 0, ENTRY_BYTES_MAX);
  }

  /** Takes note of where a stream ends: nothing beyond is asked for or on its way. */
  endStream(entry: number, size: number): void {
    this.#missing = this.#missing.filter((range) => {
      if (range.entry === entry) range.to = Math.min(range.to, size);
      return range.from < range.to;
    });
    for (const [key, pending] of [...this.#outstanding]) {
      if (pending.entry !== entry || pending.to <= size) continue;
      const from = offsetOf(key);
      this.#outstanding.delete(key);
      this.#outstandingBytes -= pending.to - Math.max(from, size);
      if (from < size) this.#outstanding.set(key, { entry, to: size });
    }
  }

  /** Forgets what was on its way on a connection that is lost: it is to be asked for again, before anything else. */
  interrupt(): void {
    this.#dropped.clear();
    this.#outstandingBytes = 0;
    const pending = [...this.#outstanding].map(([key, { entry, to }]) => ({ entry, from: offsetOf(key), to }));
    this.#outstanding.clear();
    pending.sort((a, b) => b.entry - a.entry || b.from - a.from);
    for (const { entry, from, to } of pending) this.addMissing(entry, from, to);
  }

  #pushMissing(entry: number, from: number, to: number): void {
    if (from < to) this.#missing.push({ entry, from, to });
  }

  /** Asks for a range again, before anything else. */
  addMissing(entry: number, from: number, to: number): void {
    this.#missing.unshift({ entry, from, to });
  }

  /** Drops an entry; what is on its way for it is ignored when it arrives. */
  remove(entry: number): void {
    this.#missing = this.#missing.filter((range) => range.entry !== entry);
    this.#present.delete(entry);
    for (const [key, pending] of [...this.#outstanding]) {
      if (pending.entry !== entry) continue;
      this.#outstanding.delete(key);
      this.#outstandingBytes -= pending.to - offsetOf(key);
      this.#dropped.set(key, pending);
    }
  }

  /** The runs of present chunks: entry, first chunk, count. */
  verifyRuns(): Range[] {
    const runs: [number, number, number][] = [];
    for (const entry of [...this.#present.keys()].sort((a, b) => a - b)) {
      for (const chunk of this.#present.get(entry)?.keys() ?? []) {
        const run = runs.at(-1);
        if (run && run[0] === entry && run[1] + run[2] === chunk && run[2] < VERIFY_RUN_MAX) run[2]++;
        else runs.push([entry, chunk, 1]);
      }
    }
    return runs;
  }

  /** Takes the hash of a present chunk that waits for the sender's. */
  verified(entry: number, chunk: number): Hash | undefined {
    const known = this.#present.get(entry);
    const hash = known?.get(chunk);
    known?.delete(chunk);
    return hash;
  }

  /** Whether any byte of a chunk was asked for. */
  askedFor(entry: number, chunk: number): boolean {
    return chunk < (this.#reach.get(entry) ?? 0);
  }

  /** The bytes asked for and not delivered. */
  get outstanding(): number {
    return this.#outstandingBytes;
  }

  /** The entry that the next range is of. */
  get nextEntry(): number | undefined {
    return this.#missing.peek()?.entry;
  }

  /** Takes the next range to ask for, at most `room` bytes and at least `least` unless less is missing. */
  nextRange(room: number, least: number): Range | undefined {
    const range = this.#missing.peek();
    if (!range) return undefined;
    const { entry, from } = range;
    const bytes = Math.min(room, range.to - from);
    if (bytes < Math.max(1, Math.min(least, range.to - from))) return undefined;
    const to = from + bytes;
    range.from = to;
    if (to === range.to) this.#missing.shift();
    // The frames of different chunks may overtake each other on their way.
    for (let at = from; at < to; ) {
      const end = Math.min(to, (Math.floor(at / CHUNK_BYTES) + 1) * CHUNK_BYTES);
      this.#outstanding.set(keyOf(entry, at), { entry, to: end });
      at = end;
    }
    this.#outstandingBytes += bytes;
    this.#reach.set(entry, Math.max(this.#reach.get(entry) ?? 0, Math.ceil(to / CHUNK_BYTES)));
    return [entry, from, to];
  }

  /** Checks that a frame continues a range that was asked for; `false` if nobody wants it any more. Throws. */
  deliver(frame: DataFrame): boolean {
    const key = keyOf(frame.entry, frame.offset);
    const wanted = this.#outstanding.has(key);
    const ranges = wanted ? this.#outstanding : this.#dropped;
    const pending = ranges.get(key);
    const end = frame.offset + frame.bytes.length;
    const chunkEnd = (Math.floor(frame.offset / CHUNK_BYTES) + 1) * CHUNK_BYTES;
    if (!pending || end > Math.min(pending.to, chunkEnd)) throw broken("data arrived that was not asked for");
    ranges.delete(key);
    if (end < pending.to) ranges.set(keyOf(frame.entry, end), pending);
    if (wanted) this.#outstandingBytes -= frame.bytes.length;
    return wanted;
  }
}

function keyOf(entry: number, offset: number): string {
  return `${entry}/${offset}`;
}

function offsetOf(key: string): number {
  return Number(key.slice(key.indexOf("/") + 1));
}

/** How many chunks one run of a `verify` frame has at most, so that the sender's bound on its queue is not met. */
const VERIFY_RUN_MAX = 4096;
