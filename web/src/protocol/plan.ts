// The ranges of a transfer, from missing over outstanding to delivered, and what an earlier session left.

import type { Range } from "./ctl.ts";
import type { DataFrame } from "./data_frame.ts";
import { chunkCount, chunkRange, type Hash } from "./hash.ts";
import { CHUNK_BYTES, ENTRY_BYTES_MAX, PIECES_MAX } from "./limits.ts";
import { Queue } from "./queue.ts";
import { Ranges } from "./ranges.ts";
import { broken } from "./transfer_error.ts";

/** A chunk that lies on disk, with the hash of what lies there. */
export type PresentChunk = readonly [chunk: number, hash: Hash];

interface Missing {
  readonly entry: number;
  from: number;
  to: number;
}

/** What is on its way and not wanted any more. */
interface Late {
  /** Where it lies. */
  readonly from: number;
  readonly to: number;
  bytes: number;
}

export class Plan {
  /** Ranges to ask for, in order. */
  #missing = new Queue<Missing>();
  /** Ranges within one chunk that were asked for and not delivered, and the sum of their bytes. */
  readonly #outstanding = new Ranges();
  #outstandingBytes = 0;
  /** What was on its way of entries that were given up: its bytes are dropped. One for each entry, however many those are. */
  readonly #late = new Map<number, Late>();
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
    for (const [, from, to] of this.#outstanding.remove(entry)) {
      const end = Math.max(from, Math.min(to, size));
      this.#outstandingBytes -= to - end;
      if (from < end) this.#outstanding.add(entry, from, end);
    }
  }

  /** Forgets what was on its way on a connection that is lost: it is to be asked for again, before anything else. */
  interrupt(): void {
    this.#late.clear();
    this.#outstandingBytes = 0;
    for (const [entry, from, to] of this.#outstanding.clear().reverse()) this.addMissing(entry, from, to);
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
    const late = this.#outstanding.remove(entry);
    if (late.length === 0) return;
    const bytes = late.reduce((sum, [, from, to]) => sum + to - from, 0);
    const [first, last] = late.reduce(([lowest, highest], [, from, to]) => [Math.min(lowest, from), Math.max(highest, to)], [Infinity, 0]);
    this.#outstandingBytes -= bytes;
    this.#late.set(entry, { from: first, to: last, bytes });
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

  /**
   * How far beyond the next range's start may be asked for, so that no byte of its entry is outstanding more than `most`
   * behind the last one that was asked for.
   */
  roomWithin(most: number): number {
    const next = this.#missing.peek();
    if (!next) return 0;
    const oldest = this.#outstanding.first(next.entry) ?? next.from;
    return Math.max(0, most - Math.max(0, next.from - oldest));
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
    // Where a chunk ends, a frame does.
    for (let at = from; at < to; ) {
      const end = Math.min(to, (Math.floor(at / CHUNK_BYTES) + 1) * CHUNK_BYTES);
      this.#outstanding.add(entry, at, end);
      at = end;
    }
    this.#outstandingBytes += bytes;
    this.#reach.set(entry, Math.max(this.#reach.get(entry) ?? 0, Math.ceil(to / CHUNK_BYTES)));
    return [entry, from, to];
  }

  /** Checks that a frame lies within a range that was asked for; `false` if nobody wants it any more. Throws. */
  deliver(frame: DataFrame): boolean {
    const { entry, offset, bytes } = frame;
    // What comes over another connection may overtake what lies before it.
    if (!this.#outstanding.take(entry, offset, offset + bytes.length)) {
      this.#dropLate(frame);
      return false;
    }
    this.#outstandingBytes -= bytes.length;
    if (this.#outstanding.count > PIECES_MAX) throw broken("data arrives in too many pieces");
    return true;
  }

  /** Takes a frame that nobody wants any more. */
  #dropLate({ entry, offset, bytes: { length } }: DataFrame): void {
    const late = this.#late.get(entry);
    const isWithin = late && late.from <= offset && offset + length <= late.to && length <= late.bytes;
    if (!isWithin) throw broken("data arrived that was not asked for");
    late.bytes -= length;
  }
}

/** How many chunks one run of a `verify` frame has at most, so that the sender's bound on its queue is not met. */
const VERIFY_RUN_MAX = 4096;
