// The machine of the side that gets the files. It drives the transfer: it asks for ranges, never has more outstanding than
// its window, and asks for more only while its disk keeps up.
//
// Feed it inputs, then drain `pollOutput` until it says `wait`. `handleInput` throws a `TransferError`; its last words are in
// the outputs then.

import { acceptFrames, decodeCtl, encodeCtl, type Ctl, type Hello } from "./ctl.ts";
import { decodeDataFrame } from "./data_frame.ts";
import { Fetch } from "./fetch.ts";
import type { Hash } from "./hash.ts";
import { IncomingOffer } from "./incoming_offer.ts";
import { Malformed } from "./json.ts";
import { FAREWELL_MAX } from "./limits.ts";
import { Liveness } from "./liveness.ts";
import type { Acceptance, ReceiverEvent, ReceiverInput, ReceiverOutput } from "./receiver_io.ts";
import { isOfStripe, Stripes } from "./streams.ts";
import { broken, TransferError } from "./transfer_error.ts";

/** In `settling` the disk settles after the last entry, in `closing` the sender has the last word. */
type Phase = "greeting" | "listening" | "deciding" | "receiving" | "settling" | "closing" | "finished";

export class Receiver {
  #phase: Phase = "greeting";
  #hello: Hello;
  readonly #stripes: Stripes;
  #incoming = new IncomingOffer();
  /** What was taken of the offer. */
  #taken: readonly number[] = [];
  readonly #outputs: ReceiverOutput[] = [];
  readonly #fetch: Fetch;
  #liveness: Liveness;
  #closingSince = 0;
  /** Whether this side's person has paused; `undefined` before the first time. */
  #paused: boolean | undefined;
  /** Whether frames that were said before may come again. */
  #isReconnected = false;

  /** Starts a transfer on a channel that both sides have bound to the pairing. */
  constructor(hello: Omit<Hello, "role">, now: number) {
    this.#hello = { ...hello, role: "receives" };
    this.#stripes = new Stripes(this.#hello);
    this.#fetch = new Fetch(this.#outputs, now);
    this.#liveness = new Liveness(now);
    this.#send({ t: "hello", ...this.#hello }, now);
  }

  handleInput(input: ReceiverInput, now: number): void {
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
    this.#ask(now);
    if (this.#phase === "receiving" && this.#fetch.isDone) {
      this.#phase = "settling";
      this.#outputs.push({ t: "settle" });
    }
  }

  pollOutput(now: number): ReceiverOutput {
    const due = this.#phase === "receiving" ? this.#fetch.confirmed.due : undefined;
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
        this.#fetch.written(input.entry, input.offset);
        break;
      case "corrupt":
        this.#fetch.corrupt(input.entry, input.offset);
        break;
      case "committed":
        this.#fetch.committed(input.entry);
        break;
      case "failed":
        if (this.#fetch.giveUp(input.entry, "unwritable")) {
          this.#send({ t: "skip", entry: input.entry, reason: "unwritable" }, now);
        }
        break;
      case "settled":
        if (this.#phase === "settling") this.#conclude(now);
        break;
      case "pause":
        if (this.#phase !== "receiving" || (this.#paused ?? false) === input.paused) break;
        this.#paused = input.paused;
        this.#send({ t: input.paused ? "pause" : "resume" }, now);
        break;
      case "spread":
        this.#fetch.spread(input.connections);
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
    if (isOfStripe(frame)) this.#outputs.push({ t: "stripe", ...this.#stripes.hear(frame) });
    else if (phase === "greeting" && frame.t === "hello") this.#greet(frame);
    else if (phase === "listening" && frame.t === "offer") this.#listen(frame, length);
    else if (phase === "receiving" && frame.t === "hashes") {
      for (const [entry, chunk, hash] of frame.chunks) this.#fetch.hash(entry, chunk, hash);
    } else if (phase === "receiving" && frame.t === "eof") this.#end(frame.entry, frame.size, now);
    else if (phase === "receiving" && frame.t === "skip") this.#fetch.skip(frame.entry, frame.reason);
    else if (phase === "closing" && frame.t === "done") this.#finish(frame.root);
    else if (!this.#isOld(frame)) throw broken(`\`${frame.t}\` is not allowed at this point`);
  }

  /** Whether a frame was said in time: before the last connection was lost, or before everything had arrived. */
  #isOld({ t }: Ctl): boolean {
    if (t === "hashes") return this.#phase === "settling" || this.#phase === "closing";
    return this.#isReconnected && (t === "hello" || t === "offer" || t === "skip" || t === "eof");
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
    this.#taken = acceptance.entries;
    this.#sayAccept(now);
    this.#phase = "receiving";
    for (const frame of this.#fetch.aim(this.#incoming.offer, acceptance)) this.#send(frame, now);
    this.#tellProgress(now);
  }

  #sayAccept(now: number): void {
    for (const frame of acceptFrames(this.#taken, this.#incoming.offer.entries.length)) this.#send(frame, now);
  }

  #handleData(message: ArrayBuffer, now: number): void {
    this.#liveness.heard(now);
    const frame = decodeDataFrame(message);
    if (!frame) throw broken("a data frame is malformed");
    // Of an entry that was given up some may be on its way when nothing else is missing.
    const mayCome = this.#phase === "receiving" || this.#phase === "settling" || this.#phase === "closing";
    if (!mayCome) throw broken("data arrived that was not asked for");
    this.#fetch.data(frame, now);
  }

  #end(entry: number, size: number, now: number): void {
    this.#fetch.end(entry, size);
    if (this.#isReconnected) for (const frame of this.#fetch.verifyAgain()) this.#send(frame, now);
  }

  /** Starts over on a new channel: what was taken stays taken, what was on its way is asked for anew. */
  #reconnect(now: number): void {
    this.#isReconnected = true;
    this.#stripes.reset();
    this.#liveness = new Liveness(now);
    this.#outputs.splice(0, Infinity, ...this.#outputs.filter(({ t }) => t !== "send"));
    this.#send({ t: "hello", ...this.#hello }, now);
    switch (this.#phase) {
      case "greeting":
      case "listening":
        this.#phase = "greeting";
        this.#incoming = new IncomingOffer();
        break;
      case "receiving":
      case "settling":
      case "closing":
        this.#sayAccept(now);
        for (const frame of this.#fetch.reconnect(now)) this.#send(frame, now);
        // The lost connection may have taken the last word about that along.
        if (this.#paused !== undefined) this.#send({ t: this.#paused ? "pause" : "resume" }, now);
        if (this.#phase === "closing") this.#conclude(now);
        break;
      case "deciding":
      case "finished":
        break;
    }
  }

  /** Asks for what the window and the disk allow. */
  #ask(now: number): void {
    if (this.#phase !== "receiving" || this.#paused) return;
    for (let ranges = this.#fetch.nextRanges(now); ranges.length > 0; ranges = this.#fetch.nextRanges(now)) {
      this.#send({ t: "want", ranges }, now);
    }
  }

  #conclude(now: number): void {
    this.#tellProgress(now);
    const { root } = this.#fetch;
    if (root === undefined) throw new Error("every entry that is left in the ledger is complete");
    this.#send({ t: "done", root }, now);
    this.#phase = "closing";
    this.#closingSince = now;
  }

  #finish(root: Hash): void {
    if (this.#fetch.root !== root) throw broken("both sides disagree on what was moved");
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
    const amount = this.#fetch.confirmed.tell(now);
    this.#send({ t: "progress", ...amount }, now);
    this.#report({ t: "progress", ...amount });
  }

  get #deadline(): number {
    const { deadline } = this.#liveness;
    if (this.#phase === "receiving") return Math.min(deadline, this.#fetch.confirmed.due ?? Infinity);
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
