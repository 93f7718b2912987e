// How many bytes the receiver may have asked for and not yet got.
//
// It follows twice the measured delivery rate times the lowest round-trip time. It is the outer congestion control of the
// data channels, whose stacks recover badly from a queue that overflows, and it is what keeps memory flat.

import { WINDOW_BYTES_MAX, WINDOW_BYTES_MIN, WINDOW_BYTES_START, WINDOW_BYTES_STRIPE, WINDOW_SLACK } from "./limits.ts";

export class Window {
  #bytes = WINDOW_BYTES_START;
  /** How many connections share it. */
  #connections = 1;
  /** Lowest time from a request to its first byte, and when it was seen. */
  #roundTrip: { readonly lowest: number; readonly at: number } | undefined;
  /** A request whose first byte has not come, and when it left. */
  #probe: number | undefined;
  #since: number;
  #delivered = 0;
  /** The last delivery rates, bytes a millisecond, newest last. */
  readonly #rates: number[] = [];

  constructor(now: number) {
    this.#since = now;
  }

  /** The most bytes to have outstanding. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Notes how many connections carry the data: each of them has to have something to do. */
  spread(connections: number): void {
    this.#connections = Math.max(1, connections);
    this.#resize();
  }

  /** Notes that a request left while `outstanding` bytes were asked for before it. */
  requested(outstanding: number, now: number): void {
    if (outstanding > 0) return;
    // Nothing was on its way, so the time until now says nothing about the rate.
    this.#since = now;
    this.#delivered = 0;
    this.#probe = now;
  }

  delivered(bytes: number, now: number): void {
    if (this.#probe !== undefined) {
      this.#sawRoundTrip(now - this.#probe, now);
      this.#probe = undefined;
    }
    this.#delivered += bytes;
    const elapsed = now - this.#since;
    if (elapsed < Math.max(this.#reach(), SAMPLE_MIN)) return;
    this.#rates.push(this.#delivered / elapsed);
    if (this.#rates.length > RATES) this.#rates.shift();
    this.#since = now;
    this.#delivered = 0;
    this.#resize();
  }

  #sawRoundTrip(seen: number, now: number): void {
    const known = this.#roundTrip;
    if (!known || seen <= known.lowest || now - known.at > ROUND_TRIP_VALID) this.#roundTrip = { lowest: seen, at: now };
  }

  /** The time that a byte takes from being asked for to being here, with an idle path. */
  #reach(): number {
    return (this.#roundTrip?.lowest ?? 0) + WINDOW_SLACK;
  }

  #resize(): void {
    // One of several connections may stand still with its part of it.
    const least = this.#connections === 1 ? WINDOW_BYTES_MIN : WINDOW_BYTES_STRIPE * this.#connections;
    const wanted = 2 * Math.max(0, ...this.#rates) * this.#reach();
    this.#bytes = Math.floor(Math.min(Math.max(wanted, least), WINDOW_BYTES_MAX));
  }
}

/** Over how many samples the rate is the highest one: a short dip does not shrink the window. */
const RATES = 8;

/** The shortest sample, so that a burst of arrivals is not taken for a rate. */
const SAMPLE_MIN = 10;

/** How long a lowest round trip is believed; the path may have changed after that. */
const ROUND_TRIP_VALID = 60_000;
