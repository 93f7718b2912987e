// The sending side: drives a `Sender` with the connection and the files.

import type { Disk } from "../disk/disk.ts";
import { Failure } from "../failure.ts";
import type { AbortCode } from "../protocol/ctl.ts";
import { encodeDataFrame } from "../protocol/data_frame.ts";
import { chunkRange } from "../protocol/hash.ts";
import type { ChunkId } from "../protocol/jobs.ts";
import { Sender, type SenderEvent, type SenderInput, type SenderOutput } from "../protocol/sender.ts";
import { TransferError } from "../protocol/transfer_error.ts";
import { ownHello } from "./hello.ts";
import type { Line, LineHandler } from "./line.ts";
import type { Source } from "./source.ts";

export interface SendingHandler extends Pick<LineHandler, "disturbed" | "path"> {
  event(event: SenderEvent): void;
}

export class Sending {
  /** Resolves when the receiver has everything. Rejects with a `Failure`. */
  readonly done: Promise<void>;
  readonly #line: Line;
  readonly #disk: Disk;
  readonly #source: Source;
  readonly #handler: SendingHandler;
  readonly #machine: Sender;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;
  #resolve!: () => void;
  #reject!: (failure: Failure) => void;

  constructor(line: Line, disk: Disk, source: Source, handler: SendingHandler) {
    this.#line = line;
    this.#disk = disk;
    this.#source = source;
    this.#handler = handler;
    this.#machine = new Sender(source.offer, ownHello(), line.payloadBytes, performance.now());
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  start(): void {
    this.#line.listen({
      ctl: (bytes) => this.#feed({ t: "ctl", bytes }),
      data: () => this.#feed({ t: "data" }),
      drained: () => this.#carryOut(),
      disturbed: (isDisturbed) => this.#handler.disturbed(isDisturbed),
      replaced: (isBroken) => {
        // Nothing is carried out in between: what was asked for before is of the channel that is lost.
        if (isBroken) this.#machine.handleInput({ t: "broken" }, performance.now());
        this.#feed({ t: "reconnected" });
      },
      spread: () => this.#carryOut(),
      look: (look) => this.#feed({ t: "path", look }),
      lost: () => this.#fail(new Failure({ t: "lost" })),
      path: (path) => this.#handler.path?.(path),
    });
    this.#carryOut();
  }

  pause(paused: boolean): void {
    this.#feed({ t: "pause", paused });
  }

  stop(code: AbortCode): void {
    this.#feed({ t: "stop", code });
  }

  #feed(input: SenderInput): void {
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
      if (output.t !== "wait") {
        this.#perform(output);
        if (this.#isOver) return;
        continue;
      }
      const frame = this.#line.hasRoom && this.#line.isOpen ? this.#machine.pollData() : undefined;
      if (frame) {
        this.#line.sendData(encodeDataFrame(frame));
        continue;
      }
      clearTimeout(this.#timer);
      const wait = Math.max(0, output.until - performance.now()) + 1;
      this.#timer = setTimeout(() => this.#feed({ t: "timed_out" }), wait);
      return;
    }
  }

  #perform(output: Exclude<SenderOutput, { t: "wait" }>): void {
    switch (output.t) {
      case "send":
        this.#line.sendCtl(output.bytes);
        break;
      case "read":
        void this.#read(output.id);
        break;
      case "connect":
        this.#line.connect(output.n);
        break;
      case "stripe":
        this.#line.hear(output.n, output.said);
        break;
      case "report":
        // It decides about further connections.
        if (output.event.t === "peer") this.#line.hurry();
        this.#handler.event(output.event);
        break;
      case "finish":
        this.#finish();
        break;
    }
  }

  async #read(id: ChunkId): Promise<void> {
    const file = this.#source.file(id.entry);
    if (!file) {
      this.#feed({ t: "unread", id, reason: "unreadable" });
      return;
    }
    const [from, to] = chunkRange(id.chunk, file.size);
    try {
      const { bytes, hash } = await this.#disk.ask({ t: "read", file, from, to });
      if (bytes.length === to - from) this.#feed({ t: "read", id, bytes, hash });
      else this.#feed({ t: "unread", id, reason: "changed" });
    } catch {
      // A browser refuses to read a file that was changed after it was chosen.
      this.#feed({ t: "unread", id, reason: "changed" });
    }
  }

  #finish(): void {
    this.#end();
    void this.#line.closeSoon();
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
