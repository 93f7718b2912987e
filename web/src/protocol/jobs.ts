// What the receiver asked for, and the chunks that are read for it: ranges in the order of the requests, each within one
// chunk, and a small store of chunks.

import type { Bytes } from "./bytes.ts";
import type { ChunkHash } from "./ctl.ts";
import type { DataFrame } from "./data_frame.ts";
import { chunkCount, chunkLength, type Hash } from "./hash.ts";
import { CHUNK_BYTES, JOBS_MAX, READ_AHEAD_BYTES, READ_AHEAD_CHUNKS } from "./limits.ts";
import type { Offer } from "./offer.ts";
import { Queue } from "./queue.ts";
import { broken } from "./transfer_error.ts";

/** A chunk by its entry and place. */
export interface ChunkId {
  readonly entry: number;
  readonly chunk: number;
}

interface Job extends ChunkId {
  from: number;
  readonly to: number;
}

type Slot =
  /** Being read: for its data or in advance, or to announce its hash at once. */
  | { readonly t: "reading"; data: boolean; announce: boolean }
  | { readonly t: "ready"; readonly bytes: Bytes; readonly hash: Hash; announced: boolean };

export class Jobs {
  readonly #offer: Offer;
  #queue = new Queue<Job>();
  /** How many jobs at the front have their chunk in the store. */
  #covered = 0;
  /** Chunks of which only the hash is asked for. */
  #verify = new Queue<ChunkId>();
  readonly #store = new Map<string, Slot & ChunkId>();
  #storeBytes = 0;
  #announcements: ChunkHash[] = [];
  /** Where reading ahead of the requests goes on, and the entries after that. */
  #ahead: ChunkId | undefined;
  #upcoming = new Queue<number>();

  constructor(offer: Offer) {
    this.#offer = offer;
  }

  /** Sets what may be read ahead: the accepted entries in order, which is how receivers ask. */
  select(selected: readonly number[]): void {
    this.#upcoming = new Queue(selected.filter((id) => {
      const entry = this.#offer.entry(id);
      return entry?.kind === "file" && entry.size > 0;
    }));
  }

  /** Adds a wanted range that lies within the entry. Throws. */
  want(entry: number, from: number, to: number): void {
    const [first, end] = [Math.floor(from / CHUNK_BYTES), Math.ceil(to / CHUNK_BYTES)];
    if (end - first > JOBS_MAX - this.#queue.length) throw broken("the other side asks for too much at once");
    for (let chunk = first; chunk < end; chunk++) {
      const start = chunk * CHUNK_BYTES;
      this.#queue.push({ entry, chunk, from: Math.max(from, start), to: Math.min(to, start + CHUNK_BYTES) });
    }
    while ((this.#upcoming.peek() ?? Infinity) <= entry) this.#upcoming.shift();
    this.#ahead = { entry, chunk: end };
  }

  /** Adds a run of chunks of which only the hashes are wanted. Throws. */
  verify(entry: number, first: number, count: number): void {
    if (count > JOBS_MAX - this.#verify.length) throw broken("the other side asks for too much at once");
    for (let chunk = first; chunk < first + count; chunk++) this.#verify.push({ entry, chunk });
  }

  /** Forgets what was asked for on a connection that is lost; chunks that were read are announced anew. */
  interrupt(): void {
    this.#queue = new Queue();
    this.#covered = 0;
    this.#verify = new Queue();
    this.#announcements = [];
    for (const slot of this.#store.values()) {
      if (slot.t === "reading") slot.announce = false;
      else slot.announced = false;
    }
  }

  /** Drops everything of an entry. */
  remove(entry: number): void {
    this.#queue = this.#queue.filter((job) => job.entry !== entry);
    this.#verify = this.#verify.filter((id) => id.entry !== entry);
    for (const slot of [...this.#store.values()]) if (slot.entry === entry) this.#drop(slot);
    this.#upcoming = this.#upcoming.filter((id) => id !== entry);
    if (this.#ahead?.entry === entry) this.#ahead = undefined;
    this.#covered = 0;
  }

  /** The next chunk to read, if the store has room for it. */
  nextRead(): ChunkId | undefined {
    const head = this.#queue.peek();
    if (head && !this.#store.has(keyOf(head))) this.#covered = 0;
    for (; ; this.#covered++) {
      const job = this.#queue.at(this.#covered);
      if (!job) break;
      const slot = this.#store.get(keyOf(job));
      if (slot?.t === "reading") slot.data = true;
      else if (!slot) return this.#hasRoom() || this.#covered === 0 ? this.#startRead(job, true) : undefined;
    }
    const verify = this.#nextVerify();
    if (verify) return verify;
    const ahead = this.#hasRoom() ? this.#nextAhead() : undefined;
    return ahead && this.#startRead(ahead, true);
  }

  #nextVerify(): ChunkId | undefined {
    while (this.#hasRoom()) {
      const id = this.#verify.shift();
      if (!id) return undefined;
      const slot = this.#store.get(keyOf(id));
      if (!slot) return this.#startRead(id, false);
      if (slot.t === "reading") {
        slot.announce = true;
      } else {
        slot.announced = true;
        this.#announcements.push([id.entry, id.chunk, slot.hash]);
      }
    }
    return undefined;
  }

  /** Takes in a chunk. */
  wasRead(id: ChunkId, bytes: Bytes, hash: Hash): void {
    const slot = this.#store.get(keyOf(id));
    if (slot?.t !== "reading") return;
    if (slot.announce) this.#announcements.push([id.entry, id.chunk, hash]);
    if (!slot.data) {
      this.#drop(id);
      return;
    }
    // Behind the ones that were ready before: the oldest makes room first.
    this.#store.delete(keyOf(id));
    this.#store.set(keyOf(id), { ...id, t: "ready", bytes, hash, announced: slot.announce });
  }

  /** Takes the hashes that are to be sent. */
  takeAnnouncements(): ChunkHash[] {
    return this.#announcements.splice(0);
  }

  get hasFrame(): boolean {
    const head = this.#queue.peek();
    return head !== undefined && this.#store.get(keyOf(head))?.t === "ready";
  }

  /** The next frame; its chunk is announced the first time. */
  nextFrame(payloadBytes: number): DataFrame | undefined {
    const job = this.#queue.peek();
    const slot = job && this.#store.get(keyOf(job));
    if (!job || slot?.t !== "ready") return undefined;
    if (!slot.announced) {
      slot.announced = true;
      this.#announcements.push([job.entry, job.chunk, slot.hash]);
    }
    const start = job.chunk * CHUNK_BYTES;
    const end = Math.min(job.to, job.from + payloadBytes);
    const frame = { entry: job.entry, offset: job.from, bytes: slot.bytes.subarray(job.from - start, end - start) };
    job.from = end;
    if (job.from === job.to) {
      this.#queue.shift();
      this.#covered = Math.max(0, this.#covered - 1);
    }
    if (end === start + slot.bytes.length) this.#drop(job);
    return frame;
  }

  #startRead({ entry, chunk }: ChunkId, data: boolean): ChunkId {
    const id = { entry, chunk };
    if (!this.#hasRoom()) {
      const oldest = [...this.#store.values()].find((slot) => slot.t === "ready");
      if (oldest) this.#drop(oldest);
    }
    this.#store.set(keyOf(id), { ...id, t: "reading", data, announce: !data });
    this.#storeBytes += this.#lengthOf(id);
    return id;
  }

  #drop(id: ChunkId): void {
    if (this.#store.delete(keyOf(id))) this.#storeBytes -= this.#lengthOf(id);
  }

  #hasRoom(): boolean {
    return this.#storeBytes < READ_AHEAD_BYTES && this.#store.size < READ_AHEAD_CHUNKS;
  }

  #lengthOf({ entry, chunk }: ChunkId): number {
    return chunkLength(chunk, this.#offer.entry(entry)?.size ?? 0);
  }

  #nextAhead(): ChunkId | undefined {
    while (this.#ahead) {
      const { entry, chunk } = this.#ahead;
      if (chunk < chunkCount(this.#offer.entry(entry)?.size ?? 0)) {
        this.#ahead = { entry, chunk: chunk + 1 };
        if (!this.#store.has(keyOf({ entry, chunk }))) return { entry, chunk };
      } else {
        const next = this.#upcoming.shift();
        if (next === undefined) return undefined;
        this.#ahead = { entry: next, chunk: 0 };
      }
    }
    return undefined;
  }
}

function keyOf({ entry, chunk }: ChunkId): string {
  return `${entry}/${chunk}`;
}
