// The machine of the side that gets the files. It drives the transfer: it asks for ranges, never has more outstanding than
// its window, and asks for more only while its disk keeps up.
//
// Feed it inputs, then drain `pollOutput` until it says `wait`. `handleInput` throws a `TransferError`; its last words are in
// the outputs then.

import { Assembly, type Whole } from "./assembly.ts";
import { concat, fromUtf8, type Bytes } from "./bytes.ts";
import { Confirmed } from "./confirmed.ts";
import { acceptFrames, decodeCtl, encodeCtl, type Ctl, type Hello, type Range, type SkipReason } from "./ctl.ts";
import { decodeDataFrame } from "./data_frame.ts";
import { chunkLength, hashOf, type Hash } from "./hash.ts";
import { IncomingOffer } from "./incoming_offer.ts";
import { Malformed } from "./json.ts";
import { Ledger } from "./ledger.ts";
import {
  CHUNK_BYTES,
  CHUNK_RETRIES_MAX,
  FAREWELL_MAX,
  STREAM_REPLAY_BYTES,
  WANT_RANGES_MAX,
  WRITE_BACKLOG_BYTES_MAX,
} from "./limits.ts";
import { Liveness } from "./liveness.ts";
import { Plan, type PresentChunk } from "./plan.ts";
import type { Acceptance, ReceiverEvent, ReceiverInput, ReceiverOutput } from "./receiver_io.ts";
import { chunkBytes, isComplete, Targets, type Target } from "./targets.ts";
import { broken, TransferError } from "./transfer_error.ts";
import { Window } from "./window.ts";

/** In `settling` the disk settles after the last entry, in `closing` the sender has the last word. */
type Phase = "greeting" | "listening" | "deciding" | "receiving" | "settling" | "closing" | "finished";

export class Receiver {
  #phase: Phase = "greeting";
  readonly #incoming = new IncomingOffer();
  readonly #targets = new Targets();
  readonly #plan = new Plan();
  readonly #assembly = new Assembly();
  readonly #ledger = new Ledger();
  readonly #window: Window;
  readonly #confirmed: Confirmed;
  readonly #outputs: ReceiverOutput[] = [];
  readonly #liveness: Liveness;
  #closingSince = 0;
  #paused = false;

  /** Starts a transfer on a channel that both sides have bound to the pairing. */
  constructor(hello: Omit<Hello, "role">, now: number) {
    this.#window = new Window(now);
    this.#confirmed = new Confirmed(now);
    this.#liveness = new Liveness(now);
    this.#send({ t: "hello", ...hello, role: "receives" }, now);
  }

  handleInput(input: ReceiverInput, now: number): void {
    if (this.#phase === "finished") return;
    try {
      this.#handle(input, now);
    } catch (thrown) {
      const error = thrown instanceof Malformed ? broken(thrown.message) : thrown;
      if (!(error instanceof TransferError)) throw error;
      this.#phase = "finished";
      if (error.abortCode) this.#send({ t: "abort", code: error.abortCode }, now);
      throw error;
    }
    this.#ask(now);
    if (this.#phase === "receiving" && this.#targets.unsettled === 0) {
      this.#phase = "settling";
      this.#outputs.push({ t: "settle" });
    }
  }

  pollOutput(now: number): ReceiverOutput {
    const due = this.#phase === "receiving" ? this.#confirmed.due : undefined;
    if (this.#outputs.length === 0 && due !== undefined && now >= due) this.#tellProgress(now);
    return this.#outputs.shift() ?? { t: "wait", until: this.#deadline };
  }

  /** Whether everything is verified and on disk, so that losing the connection loses nothing. */
  get isComplete(): boolean {
    return this.#phase === "closing";
  }

  #handle(input: ReceiverInput, now: number): void {
    switch (input.t) {
      case "ctl":
        this.#handleFrame(decodeCtl(input.bytes), input.bytes.length, now);
        break;
      case "data":
        this.#handleData(input.message, now);
        break;
      case "accept":
        this.#accept(input.acceptance, now);
        break;
      case "decline":
        this.#send({ t: "decline", reason: input.reason }, now);
        throw new TransferError({ t: "declined", reason: input.reason });
      case "written":
        this.#wasWritten(input.entry, input.offset);
        break;
      case "corrupt":
        this.#wasCorrupt(input.entry, input.offset);
        break;
      case "committed":
        this.#wasCommitted(input.entry);
        break;
      case "failed":
        if (this.#giveUp(input.entry, "unwritable")) {
          this.#send({ t: "skip", entry: input.entry, reason: "unwritable" }, now);
        }
        break;
      case "settled":
        this.#conclude(now);
        break;
      case "pause":
        if (this.#phase !== "receiving" || this.#paused === input.paused) break;
        this.#paused = input.paused;
        this.#send({ t: input.paused ? "pause" : "resume" }, now);
        break;
      case "stop":
        throw new TransferError({ t: "stopped", code: input.code });
      case "timed_out":
        this.#handleTimeout(now);
        break;
    }
  }

  #handleFrame(frame: Ctl, length: number, now: number): void {
    this.#liveness.heard(now);
    const phase = this.#phase;
    if (frame.t === "abort") throw new TransferError({ t: "aborted", code: frame.code });
    // The driver has checked the first `bind`; more of them say nothing new.
    if (frame.t === "ping" || frame.t === "bind") return;
    if (phase === "greeting" && frame.t === "hello") this.#greet(frame);
    else if (phase === "listening" && frame.t === "offer") this.#listen(frame, length);
    else if (phase === "receiving" && frame.t === "hashes") {
      for (const [entry, chunk, hash] of frame.chunks) this.#handleHash(entry, chunk, hash);
    } else if (phase === "receiving" && frame.t === "eof") this.#end(frame.entry, frame.size);
    else if (phase === "receiving" && frame.t === "skip") this.#skip(frame.entry, frame.reason);
    else if (phase === "closing" && frame.t === "done") this.#finish(frame.root);
    else if (frame.t !== "hashes" || (phase !== "settling" && phase !== "closing")) {
      throw broken(`\`${frame.t}\` is not allowed at this point`);
    }
  }

  #greet(hello: Hello): void {
    if (hello.v !== 1) throw new TransferError({ t: "version", theirs: hello.v });
    if (hello.role === "receives") throw new TransferError({ t: "same_role", role: "receives" });
    this.#report({ t: "peer", hello });
    this.#phase = "listening";
  }

  #listen(frame: Extract<Ctl, { t: "offer" }>, length: number): void {
    if (!this.#incoming.take(frame, length)) return;
    this.#phase = "deciding";
    this.#report({ t: "offered", offer: this.#incoming.offer });
  }

  #accept(acceptance: Acceptance, now: number): void {
    if (this.#phase !== "deciding") return;
    for (const frame of acceptFrames(acceptance.entries, this.#incoming.offer.entries.length)) this.#send(frame, now);
    this.#phase = "receiving";
    for (const id of acceptance.entries) this.#aim(id, acceptance.present.get(id) ?? []);
    const runs = this.#plan.verifyRuns();
    for (let from = 0; from < runs.length; from += WANT_RANGES_MAX) {
      this.#send({ t: "verify", chunks: runs.slice(from, from + WANT_RANGES_MAX) }, now);
    }
    this.#tellProgress(now);
  }

  #aim(id: number, present: readonly PresentChunk[]): void {
    const entry = this.#incoming.offer.entry(id);
    if (!entry) return;
    const { kind } = entry;
    const size = kind === "stream" ? undefined : entry.size;
    const target = this.#targets.add(id, kind, size);
    if (kind !== "dir") this.#ledger.insert(id, size);
    if (kind === "stream") this.#plan.addStream(id);
    else if (kind !== "dir") this.#plan.add(id, entry.size, present);
    if (isComplete(target)) this.#complete(id, target);
  }

  #handleData(message: ArrayBuffer, now: number): void {
    this.#liveness.heard(now);
    const frame = decodeDataFrame(message);
    if (!frame) throw broken("a data frame is malformed");
    if (this.#phase !== "receiving") throw broken("data arrived that was not asked for");
    const wanted = this.#plan.deliver(frame);
    const target = wanted ? this.#targets.get(frame.entry) : undefined;
    if (!target) return;
    this.#window.delivered(frame.bytes.length, now);
    const chunk = Math.floor(frame.offset / CHUNK_BYTES);
    const whole = this.#assembly.addData(frame, chunkBytes(target, chunk));
    if (whole) this.#store(frame.entry, chunk, whole, target);
  }

  #handleHash(entry: number, chunk: number, hash: Hash): void {
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
  #end(entry: number, size: number): void {
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

  #complete(entry: number, target: Target): void {
    if (target.kind === "text") {
      this.#report({ t: "text", entry, text: "" });
      this.#wasCommitted(entry);
    } else {
      this.#outputs.push({ t: "commit", entry, size: target.size ?? 0 });
    }
  }

  #store(entry: number, chunk: number, { pieces, hash }: Whole, target: Target): void {
    if (target.kind === "text") {
      this.#show(entry, concat(...pieces), hash);
      return;
    }
    this.#ledger.record(entry, chunk, hash);
    this.#outputs.push({ t: "write", entry, offset: chunk * CHUNK_BYTES, pieces, hash });
  }

  /** Verifies a text here, as it touches no disk. */
  #show(entry: number, bytes: Bytes, hash: Hash): void {
    const text = fromUtf8(bytes);
    if (text === undefined || hashOf(bytes) !== hash) {
      this.#giveUp(entry, "unwritable");
      return;
    }
    this.#ledger.record(entry, 0, hash);
    this.#assembly.written(entry, 0);
    this.#confirmed.addBytes(bytes.length);
    this.#report({ t: "text", entry, text });
    this.#wasCommitted(entry);
  }

  #wasWritten(entry: number, offset: number): void {
    const chunk = Math.floor(offset / CHUNK_BYTES);
    this.#assembly.written(entry, chunk);
    const target = this.#targets.get(entry);
    if (target) this.#confirm(entry, chunkBytes(target, chunk));
  }

  /** Counts a chunk that is verified on disk. */
  #confirm(entry: number, bytes: number): void {
    const target = this.#targets.get(entry);
    if (!target) return;
    target.verified++;
    this.#confirmed.addBytes(bytes);
    if (isComplete(target)) this.#complete(entry, target);
  }

  #wasCorrupt(entry: number, offset: number): void {
    const chunk = Math.floor(offset / CHUNK_BYTES);
    this.#assembly.written(entry, chunk);
    const target = this.#targets.get(entry);
    if (!target) return;
    if (target.retries === CHUNK_RETRIES_MAX) throw new TransferError({ t: "corrupt" });
    target.retries++;
    this.#plan.addMissing(entry, offset, offset + chunkBytes(target, chunk));
  }

  #wasCommitted(entry: number): void {
    const target = this.#targets.get(entry);
    if (!target) return;
    this.#targets.settle(target);
    this.#confirmed.addEntry();
    this.#report({ t: "entry_done", entry, root: this.#ledger.entryRoot(entry) });
  }

  #skip(entry: number, reason: SkipReason): void {
    if (!this.#giveUp(entry, reason)) this.#expectGivenUp(entry, "skip");
    else if (reason === "changed") this.#outputs.push({ t: "discard", entry });
  }

  /** Accepts a late frame about an entry that was given up, and no other. */
  #expectGivenUp(entry: number, frame: string): void {
    if (!this.#targets.wasGivenUp(entry)) throw broken(`\`${frame}\` speaks of something that is not on offer`);
  }

  #giveUp(entry: number, reason: SkipReason): boolean {
    if (!this.#targets.giveUp(entry)) return false;
    this.#plan.remove(entry);
    this.#assembly.remove(entry);
    this.#ledger.remove(entry);
    this.#report({ t: "skipped", entry, reason });
    return true;
  }

  /** Asks for what the window and the disk allow. */
  #ask(now: number): void {
    if (this.#phase !== "receiving" || this.#paused) return;
    for (let ranges = this.#nextRanges(now); ranges.length > 0; ranges = this.#nextRanges(now)) {
      this.#send({ t: "want", ranges }, now);
    }
  }

  #nextRanges(now: number): Range[] {
    const ranges: Range[] = [];
    while (ranges.length < WANT_RANGES_MAX) {
      const { outstanding, nextEntry } = this.#plan;
      if (nextEntry === undefined) break;
      const target = this.#targets.get(nextEntry);
      const opens = target !== undefined && !target.open;
      if (this.#assembly.bytes >= WRITE_BACKLOG_BYTES_MAX || (opens && !this.#targets.mayOpen)) break;
      // A sender can repeat only so much of a stream after a reconnect.
      const window = target?.kind === "stream" ? Math.min(this.#window.bytes, STREAM_REPLAY_BYTES) : this.#window.bytes;
      const range = this.#plan.nextRange(Math.max(0, window - outstanding), Math.floor(window / 4));
      if (!range) break;
      if (opens) this.#targets.open(target);
      this.#window.requested(outstanding, now);
      ranges.push(range);
    }
    return ranges;
  }

  #conclude(now: number): void {
    if (this.#phase !== "settling") return;
    this.#tellProgress(now);
    const root = this.#ledger.shareRoot();
    if (root === undefined) throw new Error("every entry that is left in the ledger is complete");
    this.#send({ t: "done", root }, now);
    this.#phase = "closing";
    this.#closingSince = now;
  }

  #finish(root: Hash): void {
    if (this.#ledger.shareRoot() !== root) throw broken("both sides disagree on what was moved");
    this.#phase = "finished";
    this.#outputs.push({ t: "finish" });
  }

  #handleTimeout(now: number): void {
    if (this.#phase === "closing" && now >= this.#closingSince + FAREWELL_MAX) {
      this.#phase = "finished";
      this.#outputs.push({ t: "finish" });
    } else if (this.#liveness.check(now)) {
      this.#send({ t: "ping" }, now);
    }
  }

  #tellProgress(now: number): void {
    const amount = this.#confirmed.tell(now);
    this.#send({ t: "progress", ...amount }, now);
    this.#report({ t: "progress", ...amount });
  }

  get #deadline(): number {
    const { deadline } = this.#liveness;
    if (this.#phase === "receiving") return Math.min(deadline, this.#confirmed.due ?? Infinity);
    if (this.#phase === "closing") return Math.min(deadline, this.#closingSince + FAREWELL_MAX);
    return deadline;
  }

  #send(frame: Ctl, now: number): void {
    this.#liveness.spoke(now);
    this.#outputs.push({ t: "send", bytes: encodeCtl(frame) });
  }

  #report(event: ReceiverEvent): void {
    this.#outputs.push({ t: "report", event });
  }
}
