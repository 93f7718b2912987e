// What the disk has confirmed, and what of it was told.

import { PROGRESS_INTERVAL } from "./limits.ts";

export interface Amount {
  /** Bytes that are verified on disk, of entries that were not given up. */
  readonly bytes: number;
  /** Entries under their final name. */
  readonly entries: number;
}

export class Confirmed {
  #amount: Amount = { bytes: 0, entries: 0 };
  #told: Amount = this.#amount;
  #due: number;

  constructor(now: number) {
    this.#due = now;
  }

  addBytes(bytes: number): void {
    this.#amount = { ...this.#amount, bytes: this.#amount.bytes + bytes };
  }

  addEntries(count: number): void {
    this.#amount = { ...this.#amount, entries: this.#amount.entries + count };
  }

  /** When there is something to tell; `undefined` if there is not. */
  get due(): number | undefined {
    const isNews = this.#amount.bytes !== this.#told.bytes || this.#amount.entries !== this.#told.entries;
    return isNews ? this.#due : undefined;
  }

  /** What is to be told now. */
  tell(now: number): Amount {
    this.#told = this.#amount;
    this.#due = now + PROGRESS_INTERVAL;
    return this.#told;
  }
}
