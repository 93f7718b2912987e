// The machine of the side that has the files. It serves what the receiver asks for, from a frozen offer, and nothing else.
//
// Feed it inputs, then drain `pollOutput` until it says `wait`; while the data channel has room, take frames from `pollData`
// and drain the outputs again. `handleInput` throws a `TransferError`; its last words are in the outputs then.

import type { Bytes } from "./bytes.ts";
import { decodeCtl, encodeCtl, offerPages, type AbortCode, type ChunkHash, type Ctl, type Hello, type Range, type Run, type SkipReason } from "./ctl.ts";
import type { DataFrame } from "./data_frame.ts";
import { chunkCount, type Hash } from "./hash.ts";
import { Jobs, type ChunkId } from "./jobs.ts";
import { Malformed } from "./json.ts";
import { Ledger } from "./ledger.ts";
import { HASHES_PER_FRAME_MAX, STALL_MAX } from "./limits.ts";
import { Liveness } from "./liveness.ts";
import type { Offer } from "./offer.ts";
import { isOfStripe, Stripes, type Look, type Stripe } from "./streams.ts";
import { broken, TransferError } from "./transfer_error.ts";

export type SenderInput =
  | { readonly t: "ctl"; readonly bytes: Uint8Array }
  /** A data frame arrived; a sender never asks for one. */
  | { readonly t: "data" }
  | { readonly t: "read"; readonly id: ChunkId; readonly bytes: Bytes; readonly hash: Hash }
  | { readonly t: "unread"; readonly id: ChunkId; readonly reason: SkipReason }
  /** This side's person pauses or goes on. Nothing is said of it: nothing is served meanwhile. */
  | { readonly t: "pause"; readonly paused: boolean }
  /** What is seen of the path, about once a second. */
  | { readonly t: "path"; readonly look: Look }
  /** A further connection broke and took the channel along: there is to be only one from here on. */
  | { readonly t: "broken" }
  /** A new channel to the same peer replaces one that was lost. */
  | { readonly t: "reconnected" }
  | { readonly t: "stop"; readonly code: AbortCode }
  | { readonly t: "timed_out" };

export type SenderOutput =
  | { readonly t: "send"; readonly bytes: Bytes }
  /** Read a chunk and hash it. */
  | { readonly t: "read"; readonly id: ChunkId }
  /** Open a further connection for file data, and offer it to the peer. */
  | { readonly t: "connect"; readonly n: number }
  /** The peer said this of one. */
  | { readonly t: "stripe"; readonly n: number; readonly said: Stripe }
  | { readonly t: "report"; readonly event: SenderEvent }
  /** Both sides agree that everything was moved; close the channel once it is drained. */
  | { readonly t: "finish" }
  | { readonly t: "wait"; readonly until: number };

export type SenderEvent =
  /** The peer said who it is. Untrusted text. */
  | { readonly t: "peer"; readonly hello: Hello }
  | { readonly t: "accepted"; readonly entries: number; readonly bytes: number }
  /** What the receiver's disk has confirmed. */
  | { readonly t: "progress"; readonly bytes: number; readonly entries: number }
  | { readonly t: "skipped"; readonly entry: number; readonly reason: SkipReason }
  | { readonly t: "paused"; readonly paused: boolean };

type Phase = "greeting" | "offered" | "serving" | "closing" | "finished";

export class Sender {
  readonly #offer: Offer;
  readonly #payloadBytes: number;
  #phase: Phase = "greeting";
  readonly #selected = new Set<number>();
  readonly #skipped = new Map<number, SkipReason>();
  readonly #jobs: Jobs;
  readonly #ledger = new Ledger();
  /** Hashes that are to be sent with the next control frame. */
  #hashes: ChunkHash[] = [];
  readonly #outputs: SenderOutput[] = [];
  #hello: Hello;
  readonly #stripes: Stripes;
  #liveness: Liveness;
  /** When the receiver last asked for something or confirmed something. */
  #moved: number;
  #pausedByPeer = false;
  #pausedHere = false;
  /** Whether frames that were said before may come again. */
  #isReconnected = false;

  /** Starts a transfer on a channel that both sides have bound to the pairing. */
  constructor(offer: Offer, hello: Omit<Hello, "role">, payloadBytes: number, now: number) {
    this.#offer = offer;
    this.#payloadBytes = payloadBytes;
    this.#jobs = new Jobs(offer);
    this.#liveness = new Liveness(now);
    this.#moved = now;
    this.#hello = { ...hello, role: "sends" };
    this.#stripes = new Stripes(this.#hello);
    this.#introduce(now);
  }

  /** Says hello and makes the offer. */
  #introduce(now: number): void {
    this.#send({ t: "hello", ...this.#hello }, now);
    for (const page of offerPages(this.#offer.entries)) this.#send(page, now);
  }

  handleInput(input: SenderInput, now: number): void {
    if (this.#phase === "finished") return;
    try {
      this.#handle(input, now);
    } catch (thrown) {
      const error = thrown instanceof Malformed ? broken(thrown.message) : thrown;
      if (!(error instanceof TransferError)) throw error;
      // After silence another connection may take over.
      if (error.reason.t !== "silent") this.#phase = "finished";
      if (error.abortCode) this.#send({ t: "abort", code: error.abortCode }, now);
      throw error;
    }
  }

  pollOutput(now: number): SenderOutput {
    const output = this.#outputs.shift();
    if (output) return output;
    this.#noteHashes();
    if (this.#hashes.length > 0) {
      this.#liveness.spoke(now);
      const chunks = this.#hashes.splice(0, HASHES_PER_FRAME_MAX);
      return { t: "send", bytes: encodeCtl({ t: "hashes", chunks }) };
    }
    const id = this.#phase === "serving" ? this.#jobs.nextRead() : undefined;
    if (id) return { t: "read", id };
    if (this.#phase === "closing") {
      this.#phase = "finished";
      return { t: "finish" };
    }
    return { t: "wait", until: this.#deadline };
  }

  /** The next data frame, if one can be sent now. */
  pollData(): DataFrame | undefined {
    return this.#servesData ? this.#jobs.nextFrame(this.#payloadBytes) : undefined;
  }

  /** Whether `pollData` would return a frame. */
  get hasData(): boolean {
    return this.#servesData && this.#jobs.hasFrame;
  }

  get #servesData(): boolean {
    return this.#phase === "serving" && !this.#pausedByPeer && !this.#pausedHere;
  }

  #handle(input: SenderInput, now: number): void {
    switch (input.t) {
      case "ctl":
        this.#handleFrame(decodeCtl(input.bytes), now);
        break;
      case "data":
        throw broken("data arrived that was not asked for");
      case "read":
        this.#jobs.wasRead(input.id, input.bytes, input.hash);
        break;
      case "unread":
        if (this.#giveUp(input.id.entry, input.reason)) {
          this.#send({ t: "skip", entry: input.id.entry, reason: input.reason }, now);
        }
        break;
      case "pause":
        this.#pausedHere = input.paused;
        this.#moved = now;
        break;
      case "path":
        for (const n of this.#stripes.look(input.look)) this.#outputs.push({ t: "connect", n });
        break;
      case "broken":
        this.#hello = this.#stripes.refuse(this.#hello);
        break;
      case "reconnected":
        this.#reconnect(now);
        break;
      case "stop":
        throw new TransferError({ t: "stopped", code: input.code });
      case "timed_out":
        // Who is not heard at all may have lost only its connection.
        if (this.#liveness.check(now)) this.#send({ t: "ping" }, now);
        if (this.#expectsRequests && now >= this.#moved + STALL_MAX) throw new TransferError({ t: "stalled" });
        break;
    }
  }

  #handleFrame(frame: Ctl, now: number): void {
    this.#liveness.heard(now);
    const phase = this.#phase;
    if (frame.t === "abort") throw new TransferError({ t: "aborted", code: frame.code });
    // The driver has checked the first `bind`; more of them say nothing new.
    if (frame.t === "ping" || frame.t === "bind") return;
    if (isOfStripe(frame)) this.#outputs.push({ t: "stripe", ...this.#stripes.hear(frame) });
    else if (phase === "greeting" && frame.t === "hello") this.#greet(frame);
    else if (phase === "offered" && frame.t === "accept") this.#accept(frame.select, frame.last, now);
    else if (phase === "offered" && frame.t === "decline") throw new TransferError({ t: "declined", reason: frame.reason });
    // Said before the last connection was lost, and heard then.
    else if (phase === "serving" && this.#isReconnected && frame.t === "hello") this.#meet(frame);
    else if (phase === "serving" && this.#isReconnected && frame.t === "accept") return;
    else if (phase === "serving") this.#serve(frame, now);
    else throw broken(`\`${frame.t}\` is not allowed at this point`);
  }

  #serve(frame: Ctl, now: number): void {
    switch (frame.t) {
      case "want":
        this.#want(frame.ranges, now);
        break;
      case "verify":
        this.#verify(frame.chunks, now);
        break;
      case "skip":
        if (!this.#selected.has(frame.entry)) throw outOfOffer("skip");
        this.#giveUp(frame.entry, frame.reason);
        break;
      case "progress":
        this.#moved = now;
        this.#report({ t: "progress", bytes: frame.bytes, entries: frame.entries });
        break;
      case "pause":
      case "resume":
        this.#pausedByPeer = frame.t === "pause";
        this.#moved = now;
        this.#report({ t: "paused", paused: this.#pausedByPeer });
        break;
      case "done":
        this.#noteHashes();
        if (this.#ledger.shareRoot() !== frame.root) throw broken("both sides disagree on what was moved");
        this.#send({ t: "done", root: frame.root }, now);
        this.#phase = "closing";
        break;
      case "bind":
      case "hello":
      case "offer":
      case "accept":
      case "decline":
      case "hashes":
      case "eof":
      case "abort":
      case "pc_offer":
      case "pc_answer":
      case "pc_candidate":
      case "pc_open":
      case "ping":
        throw broken(`\`${frame.t}\` is not allowed at this point`);
    }
  }

  /** Starts over on a new channel: what was not taken is offered again, what was taken is served as asked for anew. */
  #reconnect(now: number): void {
    this.#isReconnected = true;
    this.#stripes.reset();
    this.#liveness = new Liveness(now);
    this.#moved = now;
    this.#outputs.splice(0, Infinity, ...this.#outputs.filter(({ t }) => t === "report"));
    this.#hashes = [];
    this.#jobs.interrupt();
    if (this.#phase === "greeting" || this.#phase === "offered") {
      this.#phase = "greeting";
      this.#selected.clear();
      this.#introduce(now);
    } else if (this.#phase === "serving") {
      this.#send({ t: "hello", ...this.#hello }, now);
      for (const [entry, reason] of this.#skipped) this.#send({ t: "skip", entry, reason }, now);
    }
  }

  #greet(hello: Hello): void {
    if (hello.v !== 1) throw new TransferError({ t: "version", theirs: hello.v });
    if (hello.role === "sends") throw new TransferError({ t: "same_role", role: "sends" });
    this.#meet(hello);
    this.#phase = "offered";
  }

  #meet(hello: Hello): void {
    this.#stripes.greet(hello);
    this.#report({ t: "peer", hello });
  }

  #accept(runs: readonly Run[] | undefined, last: boolean, now: number): void {
    const count = this.#offer.entries.length;
    const everything: readonly Run[] = count === 0 ? [] : [[0, count - 1]];
    for (const [first, end] of runs ?? everything) {
      if (first > end || end >= count) throw outOfOffer("accept");
      for (let id = first; id <= end; id++) this.#selected.add(id);
    }
    if (last) this.#startServing(now);
  }

  #startServing(now: number): void {
    let bytes = 0;
    const selected = [...this.#selected].sort((a, b) => a - b);
    for (const id of selected) {
      const entry = this.#offer.entry(id);
      if (!entry) continue;
      if (entry.kind !== "dir") this.#ledger.insert(id, entry.size);
      bytes += entry.size;
    }
    this.#jobs.select(selected);
    this.#moved = now;
    this.#phase = "serving";
    this.#report({ t: "accepted", entries: selected.length, bytes });
  }

  #want(ranges: readonly Range[], now: number): void {
    this.#moved = now;
    for (const [entry, from, to] of ranges) {
      this.#checkEntry(entry, to, "want");
      if (from >= to) throw outOfOffer("want");
      if (!this.#skipped.has(entry)) this.#jobs.want(entry, from, to);
    }
  }

  #verify(runs: readonly Range[], now: number): void {
    this.#moved = now;
    for (const [entry, first, count] of runs) {
      const size = this.#checkEntry(entry, 0, "verify");
      if (first + count > chunkCount(size)) throw outOfOffer("verify");
      if (!this.#skipped.has(entry)) this.#jobs.verify(entry, first, count);
    }
  }

  /** Checks that an entry was accepted, has bytes, and reaches to `end`; returns its size. */
  #checkEntry(id: number, end: number, frame: string): number {
    const entry = this.#selected.has(id) ? this.#offer.entry(id) : undefined;
    if (!entry || entry.kind === "dir" || end > entry.size) throw outOfOffer(frame);
    return entry.size;
  }

  #giveUp(entry: number, reason: SkipReason): boolean {
    if (this.#skipped.has(entry)) return false;
    this.#skipped.set(entry, reason);
    this.#ledger.remove(entry);
    this.#jobs.remove(entry);
    this.#hashes = this.#hashes.filter(([id]) => id !== entry);
    this.#report({ t: "skipped", entry, reason });
    return true;
  }

  /** Notes the hashes that the jobs announced. */
  #noteHashes(): void {
    for (const [entry, chunk, hash] of this.#jobs.takeAnnouncements()) {
      this.#ledger.record(entry, chunk, hash);
      this.#hashes.push([entry, chunk, hash]);
    }
  }

  /** Whether the receiver is expected to ask for something. */
  get #expectsRequests(): boolean {
    return this.#phase === "serving" && !this.#pausedByPeer && !this.#pausedHere;
  }

  get #deadline(): number {
    const { deadline } = this.#liveness;
    return this.#expectsRequests ? Math.min(deadline, this.#moved + STALL_MAX) : deadline;
  }

  #send(frame: Ctl, now: number): void {
    this.#liveness.spoke(now);
    this.#outputs.push({ t: "send", bytes: encodeCtl(frame) });
  }

  #report(event: SenderEvent): void {
    this.#outputs.push({ t: "report", event });
  }
}

function outOfOffer(frame: string): TransferError {
  return broken(`\`${frame}\` speaks of something that is not on offer`);
}
