// Whether one of several connections gets ahead: its own silence says that it does not only after half a minute.

/** How much of what a connection was given has left, in bytes, and how much waits. */
export interface Seen {
  readonly left: number;
  readonly waiting: number;
}

export class Pulse {
  #own = 0;
  #others = 0;
  /** How often in a row it did not, while others did or had no need to. */
  #missed = 0;

  /** Takes in what is seen of a connection and of all others, about once a second; returns whether it counts as lost. */
  look(own: Seen, others: Seen): boolean {
    if (own.waiting === 0 || own.left > this.#own) this.#missed = 0;
    else if (others.waiting === 0 || others.left > this.#others) this.#missed++;
    this.#own = own.left;
    this.#others = others.left;
    return this.#missed >= MISSED_MAX;
  }
}

/**
 * How often it may not get ahead. SCTP repeats what was lost after one second, then after two more; that a third repetition has to
 * follow is rare.
 */
const MISSED_MAX = 5;
