// The receiving side: drives a `Receiver` with the connection and the worker's store.

import type { Disk } from "../disk/disk.ts";
import type { Place, StoredEntry, StoreKind, Stream } from "../disk/messages.ts";
import { Failure } from "../failure.ts";
import type { AbortCode, DeclineReason } from "../protocol/ctl.ts";
import type { PresentChunk } from "../protocol/plan.ts";
import { Receiver } from "../protocol/receiver.ts";
import type { ReceiverEvent, ReceiverInput, ReceiverOutput } from "../protocol/receiver_io.ts";
import { TransferError } from "../protocol/transfer_error.ts";
import { ownHello } from "./hello.ts";
import type { Line, LineHandler } from "./line.ts";

export interface ReceivingHandler extends Pick<LineHandler, "disturbed" | "path"> {
  event(event: ReceiverEvent): void;
  /** What has to be done before the sender is told that all is well. */
  settle(): Promise<void>;
}

export class Receiving {
  /** Resolves when everything is verified, stored and said. Rejects with a `Failure`. */
  readonly done: Promise<void>;
  readonly #line: Line;
  readonly #disk: Disk;
  readonly #handler: ReceivingHandler;
  readonly #machine = new Receiver(ownHello(), performance.now());
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;
  #stored: ReadonlySet<number> = new Set();
  #resolve!: () => void;
  #reject!: (failure: Failure) => void;

  constructor(line: Line, disk: Disk, handler: ReceivingHandler) {
    this.#line = line;
    this.#disk = disk;
    this.#handler = handler;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  start(): void {
    this.#line.listen({
      ctl: (bytes) => this.#feed({ t: "ctl", bytes }),
      data: (message) => this.#feed({ t: "data", message }),
      drained: () => undefined,
      disturbed: (isDisturbed) => {
        // Nothing but the sender's last word is missing then.
        if (isDisturbed && this.#machine.isComplete) this.#finish();
        else this.#handler.disturbed(isDisturbed);
      },
      replaced: (isBroken) => {
        // Nothing is carried out in between: what was asked for before is of the channel that is lost.
        if (isBroken) this.#machine.handleInput({ t: "broken" }, performance.now());
        this.#feed({ t: "reconnected" });
      },
      spread: (connections) => this.#feed({ t: "spread", connections }),
      lost: () => this.#fail(new Failure({ t: "lost" })),
      path: (path) => this.#handler.path?.(path),
    });
    this.#carryOut();
  }

  /** Takes the offer, all of it or some entries; throws when the store cannot be opened, and declines then. */
  async accept(
    kind: StoreKind,
    entries: readonly number[],
    stored: readonly StoredEntry[],
    isArchive: boolean,
    { place, stream }: { readonly place?: Place | undefined; readonly stream?: Stream | undefined },
  ): Promise<void> {
    this.#stored = new Set(stored.map(({ id }) => id));
    let present: ReadonlyMap<number, readonly PresentChunk[]>;
    try {
      const request = { t: "open", kind, entries: stored, isArchive, place, stream } as const;
      present = new Map((await this.#disk.ask(request, stream ? [stream.port] : [])).present);
    } catch (error) {
      this.#feed({ t: "decline", reason: "disk" });
      throw error;
    }
    this.#feed({ t: "accept", acceptance: { entries, present } });
  }

  decline(reason: DeclineReason): void {
    this.#feed({ t: "decline", reason });
  }

  pause(paused: boolean): void {
    this.#feed({ t: "pause", paused });
  }

  stop(code: AbortCode): void {
    this.#feed({ t: "stop", code });
  }

  #feed(input: ReceiverInput): void {
    if (this.#isOver) return;
    try {
      this.#machine.handleInput(input, performance.now());
    } catch (error) {
      if (!(error instanceof TransferError)) throw error;
      if (error.reason.t === "silent") {
        this.#line.renew();
        return;
      }
      this.#carryOut();
      this.#fail(new Failure({ t: "transfer", reason: error.reason }));
      return;
    }
    this.#carryOut();
  }

  #carryOut(): void {
    for (;;) {
      const output = this.#machine.pollOutput(performance.now());
      if (output.t === "wait") {
        clearTimeout(this.#timer);
        const wait = Math.max(0, output.until - performance.now()) + 1;
        this.#timer = setTimeout(() => this.#feed({ t: "timed_out" }), wait);
        return;
      }
      this.#perform(output);
      if (this.#isOver) return;
    }
  }

  #perform(output: Exclude<ReceiverOutput, { t: "wait" }>): void {
    switch (output.t) {
      case "send":
        this.#line.sendCtl(output.bytes);
        break;
      case "write": {
        const { entry, offset, pieces } = output;
        const buffers = [...new Set(pieces.map((piece) => piece.buffer))];
        this.#disk.ask(output, buffers).then(
          ({ isWritten }) => this.#feed({ t: isWritten ? "written" : "corrupt", entry, offset }),
          (error: unknown) => this.#diskFailed(error),
        );
        break;
      }
      case "commit": {
        const { entry } = output;
        // A folder has no file of its own.
        const stored = this.#stored.has(entry) ? this.#disk.ask(output) : Promise.resolve();
        stored.then(() => this.#feed({ t: "committed", entry }), (error: unknown) => this.#diskFailed(error));
        break;
      }
      case "discard":
        this.#disk.ask(output).catch(() => undefined);
        break;
      case "settle":
        // The worker does everything in order, so that this answer comes after all that was written.
        this.#handler.settle().then(() => this.#feed({ t: "settled" }), (error: unknown) => this.#diskFailed(error));
        break;
      case "stripe":
        this.#line.hear(output.n, output.said);
        break;
      case "report":
        this.#handler.event(output.event);
        break;
      case "finish":
        this.#finish();
        break;
    }
  }

  #diskFailed(error: unknown): void {
    if (this.#isOver) return;
    try {
      this.#machine.handleInput({ t: "stop", code: "disk" }, performance.now());
    } catch {
      // Its last words tell the sender; the disk's own error is the one to report.
    }
    this.#carryOut();
    const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.#fail(new Failure({ t: "disk", detail }));
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#end();
    this.#line.close();
    this.#resolve();
  }

  #fail(failure: Failure): void {
    if (this.#isOver) return;
    this.#end();
    void this.#line.closeSoon();
    this.#reject(failure);
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }
}
