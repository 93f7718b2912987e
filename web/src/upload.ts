// One inbox that this page sends to.

import { reasonOf, type App } from "./app.ts";
import type { Disk } from "./disk/disk.ts";
import { Failure } from "./failure.ts";
import { decodeCtl } from "./protocol/ctl.ts";
import { keepAlive } from "./session/joining.ts";
import type { Line } from "./session/line.ts";
import { Sending } from "./session/sending.ts";
import type { Source } from "./session/source.ts";
import { NO_PROGRESS, type Progress } from "./state.ts";
import { Meter } from "./ui/meter.ts";

export class Upload {
  readonly #app: App;
  readonly #line: Line;
  readonly #disk: Disk;
  readonly #meter = new Meter();
  #sending: Sending | undefined;
  #stopPings: (() => void) | undefined;
  #to = "";
  #progress: Progress = NO_PROGRESS;
  #isOver = false;

  constructor(line: Line, disk: Disk, app: App) {
    this.#app = app;
    this.#line = line;
    this.#disk = disk;
  }

  /** Shows who takes files, and gives signs of life while the person chooses some. */
  start(): void {
    const heard: Uint8Array[] = [];
    this.#stopPings = keepAlive(this.#line);
    this.#line.listen({
      ctl: (bytes) => {
        try {
          const frame = decodeCtl(bytes);
          if (frame.t === "ping" || frame.t === "bind") return;
          heard.push(bytes);
          if (frame.t === "hello") this.#to = frame.name;
          if (frame.t === "abort") this.#fail(new Failure({ t: "transfer", reason: { t: "aborted", code: frame.code } }));
          else this.#app.show({ t: "inbox", to: this.#to });
        } catch {
          this.#fail(new Failure({ t: "transfer", reason: { t: "violation", rule: "a control frame" } }));
        }
      },
      data: () => this.#fail(new Failure({ t: "transfer", reason: { t: "violation", rule: "data" } })),
      drained: () => undefined,
      disturbed: () => undefined,
      // It says again what it said.
      replaced: () => heard.splice(0),
      lost: () => this.#fail(new Failure({ t: "lost" })),
    });
    this.#heard = heard;
    if (this.#app.state.items.length === 0) this.#app.show({ t: "inbox", to: this.#to });
  }

  #heard: readonly Uint8Array[] = [];

  send(source: Source): void {
    if (this.#sending) return;
    this.#stopPings?.();
    this.#line.unlisten();
    this.#line.giveBack(this.#heard);
    this.#progress = { ...NO_PROGRESS, total: source.offer.bytes, entryTotal: source.offer.entries.length };
    this.#sending = new Sending(this.#line, this.#disk, source, {
      event: (event) => {
        if (event.t === "accepted") this.#move({ total: event.bytes, entryTotal: event.entries });
        if (event.t !== "progress") return;
        const speed = this.#meter.note(event.bytes, performance.now());
        this.#move({ bytes: event.bytes, entries: event.entries, speed });
      },
      disturbed: (isDisturbed) => this.#move({ isDisturbed }),
      path: (path) => this.#move({ path }),
    });
    this.#sending.done
      .then(
        () => {
          if (this.#isOver) return;
          this.#app.finished();
          this.#app.show({ t: "sent", to: this.#to, progress: this.#progress });
        },
        (error: unknown) => {
          if (!this.#isOver) this.#app.fail(reasonOf(error));
        },
      )
      .finally(() => {
        this.#isOver = true;
      });
    this.#move({});
    this.#sending.start();
  }

  pause(paused: boolean): void {
    this.#sending?.pause(paused);
    this.#move({ isPaused: paused });
  }

  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopPings?.();
    if (this.#sending) this.#sending.stop("canceled");
    else this.#line.close();
  }

  #move(change: Partial<Progress>): void {
    this.#progress = { ...this.#progress, ...change };
    if (!this.#isOver && this.#sending) this.#app.show({ t: "sending", to: this.#to, progress: this.#progress });
  }

  #fail(failure: Failure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopPings?.();
    this.#line.close();
    this.#app.fail(failure.reason);
  }
}
