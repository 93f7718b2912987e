// One share that this page hosts: its code and link, and a transfer for every guest.

import { reasonOf, type App } from "./app.ts";
import type { Disk } from "./disk/disk.ts";
import { Hosting, type ShareOptions } from "./session/hosting.ts";
import type { Line } from "./session/line.ts";
import { Sending } from "./session/sending.ts";
import type { Source } from "./session/source.ts";
import { NO_PROGRESS, type Guest, type Progress, type Screen } from "./state.ts";
import { Meter } from "./ui/meter.ts";

type ShareScreen = Extract<Screen, { t: "share" }>;

export class Share {
  readonly #app: App;
  readonly #disk: Disk;
  readonly #source: Source;
  #hosting: Hosting | undefined;
  readonly #sendings = new Map<number, Sending>();
  /** Guests whose number is to be compared, one after the other. */
  readonly #questions: { readonly digits: string; answer(same: boolean): void }[] = [];
  #next = 0;
  #isOver = false;

  constructor(source: Source, disk: Disk, app: App) {
    this.#source = source;
    this.#disk = disk;
    this.#app = app;
  }

  async start(options: ShareOptions): Promise<void> {
    if (this.#isOver) return;
    this.#hosting = new Hosting(options, {
      shared: (code, link) => {
        const notice = this.#screen?.notice;
        this.#change({ code, link, isOnline: true, notice: notice?.t === "crowded" ? undefined : notice });
      },
      wrongCode: (left) => this.#change({ notice: { t: "wrong_code", left } }),
      wrongPassword: (left) => this.#change({ notice: { t: "wrong_password", left } }),
      confirm: (digits) => this.#ask(digits),
      crowded: (seconds) => this.#change({ notice: { t: "crowded", seconds } }),
      online: (isOnline) => this.#change({ isOnline }),
      guest: (line) => this.#serve(line, options.max === 1),
      guestFailed: (failure) => this.#addGuest({ stage: "failed", failure: failure.reason }),
      failed: (failure) => {
        if (this.#isOver || this.#sendings.size > 0) return;
        this.stop();
        this.#app.fail(failure.reason);
      },
    });
    await this.#hosting.start();
  }

  stop(): void {
    this.#isOver = true;
    this.#hosting?.stop();
    for (const sending of this.#sendings.values()) sending.stop("canceled");
  }

  unlockPassword(): void {
    this.#hosting?.unlockPassword();
    this.#change({ notice: undefined });
  }

  #ask(digits: string): Promise<boolean> {
    return new Promise((answer) => {
      this.#questions.push({ digits, answer });
      this.#change({ digits: this.#questions[0]?.digits });
    });
  }

  answerNumber(same: boolean): void {
    this.#questions.shift()?.answer(same);
    this.#change({ digits: this.#questions[0]?.digits });
  }

  #serve(line: Line, isOnly: boolean): void {
    if (this.#isOver) {
      line.close();
      return;
    }
    const { offer } = this.#source;
    const id = this.#addGuest({ progress: { ...NO_PROGRESS, total: offer.bytes, entryTotal: offer.entries.length } });
    const meter = new Meter();
    const sending = new Sending(line, this.#disk, this.#source, {
      event: (event) => {
        if (event.t === "peer") {
          this.#changeGuest(id, { name: event.hello.name });
        } else if (event.t === "accepted") {
          this.#changeGuest(id, { stage: "moving" });
          this.#moveGuest(id, { total: event.bytes, entryTotal: event.entries });
        } else if (event.t === "progress") {
          const speed = meter.note(event.bytes, performance.now());
          this.#moveGuest(id, { bytes: event.bytes, entries: event.entries, speed });
        } else if (event.t === "paused") {
          this.#moveGuest(id, { isPaused: event.paused });
        }
      },
      disturbed: (isDisturbed) => {
        // Whoever comes back with the link goes on where it stopped.
        if (isDisturbed) this.#hosting?.lend();
        else this.#hosting?.takeBack();
        this.#moveGuest(id, { isDisturbed });
      },
      path: (path) => this.#moveGuest(id, { path }),
    });
    this.#sendings.set(id, sending);
    sending.done
      .finally(() => this.#sendings.delete(id))
      .then(() => this.#finish(id, isOnly), (error: unknown) => this.#changeGuest(id, { stage: "failed", failure: reasonOf(error) }));
    sending.start();
  }

  #finish(id: number, isOnly: boolean): void {
    this.#changeGuest(id, { stage: "done" });
    const guest = this.#screen?.guests.find((other) => other.id === id);
    if (!isOnly || !guest || this.#isOver) return;
    // Others are lost, and another one took their place.
    this.stop();
    this.#app.finished();
    this.#app.show({ t: "sent", to: guest.name, progress: guest.progress });
  }

  get #screen(): ShareScreen | undefined {
    const { screen } = this.#app.state;
    return screen.t === "share" ? screen : undefined;
  }

  #change(change: Partial<ShareScreen>): void {
    const screen = this.#screen;
    if (screen && !this.#isOver) this.#app.show({ ...screen, ...change });
  }

  #addGuest(change: Partial<Guest>): number {
    const id = this.#next++;
    const guest: Guest = { id, name: "", stage: "waiting", progress: NO_PROGRESS, failure: undefined, ...change };
    this.#change({ guests: [...(this.#screen?.guests ?? []), guest] });
    return id;
  }

  #changeGuest(id: number, change: Partial<Guest>): void {
    const guests = this.#screen?.guests.map((guest) => (guest.id === id ? { ...guest, ...change } : guest));
    if (guests) this.#change({ guests });
  }

  #moveGuest(id: number, change: Partial<Progress>): void {
    const guest = this.#screen?.guests.find((other) => other.id === id);
    if (guest) this.#changeGuest(id, { progress: { ...guest.progress, ...change } });
  }
}
