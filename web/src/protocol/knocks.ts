// How often strangers from the same network may ask for a person's attention.

import { KNOCKS_MAX, KNOCKS_PERIOD } from "./limits.ts";

export class Knocks {
  #recent: number[] = [];

  /** Whether one more may come to the door, where so many stand already; takes note of it if so. */
  admit(waiting: number, now: number): boolean {
    this.#recent = this.#recent.filter((at) => now - at < KNOCKS_PERIOD);
    if (waiting > 0 || this.#recent.length >= KNOCKS_MAX) return false;
    this.#recent.push(now);
    return true;
  }
}
