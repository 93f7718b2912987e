// Gets the bytes of the accepted entries: what to ask for, what to do with what arrives.

import { Assembly, type Whole } from "./assembly.ts";
import { concat, fromUtf8, type Bytes } from "./bytes.ts";
import { Confirmed } from "./confirmed.ts";
import type { Ctl, Range, SkipReason } from "./ctl.ts";
import type { DataFrame } from "./data_frame.ts";
import { chunkLength, hashOf, type Hash } from "./hash.ts";
import { Ledger } from "./ledger.ts";
import { CHUNK_BYTES, CHUNK_RETRIES_MAX, STREAM_REPLAY_BYTES, WANT_RANGES_MAX, WRITE_BACKLOG_BYTES_MAX } from "./limits.ts";
import type { Offer } from "./offer.ts";
import { Plan } from "./plan.ts";
import type { Acceptance, ReceiverEvent, ReceiverOutput } from "./receiver_io.ts";
import { chunkBytes, isComplete, Targets, type Target } from "./targets.ts";
import { broken, TransferError } from "./transfer_error.ts";
import { Window } from "./window.ts";

export class Fetch {
  readonly confirmed: Confirmed;
  /** What is to be done with what arrived. */
  readonly outputs: ReceiverOutput[];
  readonly #targets = new Targets();
  readonly #plan = new Plan();
  readonly #assembly = new Assembly();
  readonly #ledger = new Ledger();
  #window: Window;

  constructor(outputs: ReceiverOutput[], now: number) {
    this.outputs = outputs;
    this.confirmed = new Confirmed(now);
    this.#window = new Window(now);
  }

  /** Whether every entry has its final name or was given up. */
  get isDone(): boolean {
    return this.#targets.unsettled === 0;
  }

  /** The root over what was moved, once all of it was. */
  get root(): Hash | undefined {
    return this.#ledger.shareRoot();
  }

  /** Aims at what was accepted; returns the frames that ask about chunks that are already there. */
  aim(offer: Offer, acceptance: Acceptance): Ctl[] {
    for (const id of acceptance.entries) {
      const entry = offer.entry(id);
      if (!entry) continue;
      const { kind } = entry;
      const size = kind === "stream" ? undefined : entry.size;
      const target = this.#targets.add(id, kind, size);
      if (kind !== "dir") this.#ledger.insert(id, size);
      if (kind === "stream") this.#plan.addStream(id);
      else if (kind !== "dir") this.#plan.add(id, entry.size, acceptance.present.get(id) ?? []);
      if (isComplete(target)) this.#complete(id, target);
    }
    return verifyFrames(this.#plan.verifyRuns());
  }

  data(frame: DataFrame, now: number): void {
    const wanted = this.#plan.deliver(frame);
    const target = wanted ? this.#targets.get(frame.entry) : undefined;
    if (!target) return;
    this.#window.delivered(frame.bytes.length, now);
    const chunk = Math.floor(frame.offset / CHUNK_BYTES);
    const whole = this.#assembly.addData(frame, chunkBytes(target, chunk));
    if (whole) this.#store(frame.entry, chunk, whole, target);
  }

  /** Takes in what the sender says of a chunk. */
  hash(entry: number, chunk: number, hash: Hash): void {
    const target = this.#targets.get(entry);
    if (!target) {
      this.#expectGivenUp(entry, "hashes");
      return;
    }
    const from = chunk * CHUNK_BYTES;
    const to = from + chunkBytes(target, chunk);
    const there = this.#plan.verified(entry, chunk);
    if (there !== undefined) {
      if (there === hash) {
        this.#ledger.record(entry, chunk, hash);
        this.#confirm(entry, to - from);
      } else {
        this.#plan.addMissing(entry, from, to);
      }
      return;
    }
    if (!this.#plan.askedFor(entry, chunk)) throw broken("`hashes` speaks of something that is not on offer");
    const whole = this.#assembly.addHash(entry, chunk, hash, to - from);
    if (whole) this.#store(entry, chunk, whole, target);
  }

  /** Takes note of the end of a stream, with which its last chunk may turn out to be here. */
  end(entry: number, size: number): void {
    const target = this.#targets.get(entry);
    if (!target) {
      this.#expectGivenUp(entry, "eof");
      return;
    }
    if (target.kind !== "stream" || (target.size !== undefined && target.size !== size)) {
      throw broken("`eof` speaks of something that is not on offer");
    }
    if (target.size !== undefined) return;
    target.size = size;
    this.#ledger.setSize(entry, size);
    this.#plan.endStream(entry, size);
    const last = Math.floor(size / CHUNK_BYTES);
    const whole = this.#assembly.resized(entry, last, chunkLength(last, size));
    if (whole) this.#store(entry, last, whole, target);
    if (isComplete(target)) this.#complete(entry, target);
  }

  written(entry: number, offset: number): void {
    const chunk = Math.floor(offset / CHUNK_BYTES);
    this.#assembly.written(entry, chunk);
    const target = this.#targets.get(entry);
    if (target) this.#confirm(entry, chunkBytes(target, chunk));
  }

  corrupt(entry: number, offset: number): void {
    const chunk = Math.floor(offset / CHUNK_BYTES);
    this.#assembly.written(entry, chunk);
    const target = this.#targets.get(entry);
    if (!target) return;
    if (target.retries === CHUNK_RETRIES_MAX) throw new TransferError({ t: "corrupt" });
    target.retries++;
    this.#plan.addMissing(entry, offset, offset + chunkBytes(target, chunk));
  }

  committed(entry: number): void {
    const target = this.#targets.get(entry);
    if (!target || !this.#targets.settle(target)) return;
    this.confirmed.addEntries(1);
    this.#report({ t: "entry_done", entry, root: this.#ledger.entryRoot(entry) });
  }

  /** Takes note of an entry that the sender cannot go on with. */
  skip(entry: number, reason: SkipReason): void {
    if (!this.giveUp(entry, reason)) this.#expectGivenUp(entry, "skip");
    else if (reason === "changed") this.outputs.push({ t: "discard", entry });
  }

  /** Gives an entry up; returns whether that is news. */
  giveUp(entry: number, reason: SkipReason): boolean {
    const target = this.#targets.giveUp(entry);
    if (!target) return false;
    this.confirmed.addBytes(-target.verifiedBytes);
    if (target.isSettled) this.confirmed.addEntries(-1);
    this.#plan.remove(entry);
    this.#assembly.remove(entry);
    this.#ledger.remove(entry);
    this.#report({ t: "skipped", entry, reason });
    return true;
  }

  /** What the window and the disk allow to be asked for. */
  nextRanges(now: number): Range[] {
    const ranges: Range[] = [];
    while (ranges.length < WANT_RANGES_MAX) {
      const { outstanding, nextEntry } = this.#plan;
      if (nextEntry === undefined) break;
      const target = this.#targets.get(nextEntry);
      const opens = target !== undefined && !target.open;
      if (this.#assembly.bytes >= WRITE_BACKLOG_BYTES_MAX || (opens && !this.#targets.mayOpen)) break;
      // A sender can repeat only so much of a stream after a reconnect; where a part of it is late, the rest does not run away from that.
      const isStream = target?.kind === "stream";
      const window = isStream ? Math.min(this.#window.bytes, STREAM_REPLAY_BYTES) : this.#window.bytes;
      const span = isStream ? this.#plan.roomWithin(STREAM_REPLAY_BYTES) : Infinity;
      const range = this.#plan.nextRange(Math.min(Math.max(0, window - outstanding), span), Math.floor(window / 4));
      if (!range) break;
      if (opens) this.#targets.open(target);
      this.#window.requested(outstanding, now);
      ranges.push(range);
    }
    return ranges;
  }

  /** Takes note of over how many connections the data comes. */
  spread(connections: number): void {
    this.#window.spread(connections);
  }

  /** Starts over on a new channel; returns what to say first. */
  reconnect(now: number): Ctl[] {
    this.#window = new Window(now);
    this.#plan.interrupt();
    const skips = this.#targets.givenUp.map((entry): Ctl => ({ t: "skip", entry, reason: "unwritable" }));
    return [...skips, ...this.verifyAgain()];
  }

  /** Asks for the hashes of chunks that are all here but for them: a lost connection may have taken them along. */
  verifyAgain(): Ctl[] {
    const lengthOf = (entry: number, chunk: number): number => {
      const target = this.#targets.get(entry);
      return target ? chunkBytes(target, chunk) : 0;
    };
    const unverified = this.#assembly.withoutHash(lengthOf).map(([entry, chunk]): Range => [entry, chunk, 1]);
    return verifyFrames([...this.#plan.verifyRuns(), ...unverified]);
  }

  #complete(entry: number, target: Target): void {
    if (target.kind === "text") {
      this.#report({ t: "text", entry, text: "" });
      this.committed(entry);
    } else {
      this.outputs.push({ t: "commit", entry, size: target.size ?? 0 });
    }
  }

  #store(entry: number, chunk: number, { pieces, hash }: Whole, target: Target): void {
    if (target.kind === "text") {
      this.#show(entry, concat(...pieces), hash);
      return;
    }
    this.#ledger.record(entry, chunk, hash);
    this.outputs.push({ t: "write", entry, offset: chunk * CHUNK_BYTES, pieces, hash });
  }

  /** Verifies a text here, as it touches no disk. */
  #show(entry: number, bytes: Bytes, hash: Hash): void {
    const text = fromUtf8(bytes);
    if (text === undefined || hashOf(bytes) !== hash) {
      this.giveUp(entry, "unwritable");
      return;
    }
    this.#ledger.record(entry, 0, hash);
    this.#assembly.written(entry, 0);
    this.confirmed.addBytes(bytes.length);
    this.#report({ t: "text", entry, text });
    this.committed(entry);
  }

  /** Counts a chunk that is verified on disk. */
  #confirm(entry: number, bytes: number): void {
    const target = this.#targets.get(entry);
    if (!target) return;
    target.verified++;
    target.verifiedBytes += bytes;
    this.confirmed.addBytes(bytes);
    if (isComplete(target)) this.#complete(entry, target);
  }

  /** Accepts a late frame about an entry that was given up, and no other. */
  #expectGivenUp(entry: number, frame: string): void {
    if (!this.#targets.wasGivenUp(entry)) throw broken(`\`${frame}\` speaks of something that is not on offer`);
  }

  #report(event: ReceiverEvent): void {
    this.outputs.push({ t: "report", event });
  }
}

function verifyFrames(runs: readonly Range[]): Ctl[] {
  const frames: Ctl[] = [];
  for (let from = 0; from < runs.length; from += WANT_RANGES_MAX) {
    frames.push({ t: "verify", chunks: runs.slice(from, from + WANT_RANGES_MAX) });
  }
  return frames;
}
