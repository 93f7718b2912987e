// Signs of life both ways.

import { PING_INTERVAL, SILENCE_MAX } from "./limits.ts";
import { TransferError } from "./transfer_error.ts";

export class Liveness {
  #heard: number;
  #spoke: number;

  constructor(now: number) {
    this.#heard = now;
    this.#spoke = now;
  }

  heard(now: number): void {
    this.#heard = now;
  }

  spoke(now: number): void {
    this.#spoke = now;
  }

  /** Whether a ping is due. Throws when the peer was silent for too long. */
  check(now: number): boolean {
    if (now >= this.#heard + SILENCE_MAX) throw new TransferError({ t: "silent" });
    return now >= this.#spoke + PING_INTERVAL;
  }

  /** When to check next. */
  get deadline(): number {
    return Math.min(this.#heard + SILENCE_MAX, this.#spoke + PING_INTERVAL);
  }
}
