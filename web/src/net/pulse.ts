// Whether one of several connections gets ahead: its own silence says that it does not only after half a minute.

/** How much of what a connection was given has left, in bytes, and how much waits. */
export interface Seen {
  readonly left: number;
  readonly waiting: number;
}

export class Pulse {
  #own = 0;
  #others = 0;
  /** How often in a row it did not, while others did: where nothing leaves those either, the path may be silent for all alike. */
  #missed = 0;

  /** Takes in what is seen of a connection, and how much has left the others, about once a second; returns whether it counts as lost. */
  look(own: Seen, others: number): boolean {
    if (own.waiting === 0 || own.left > this.#own) this.#missed = 0;
    else if (others > this.#others) this.#missed++;
    this.#own = own.left;
    this.#others = others;
    return this.#missed >= MISSED_MAX;
  }
}

/**
 * How often it may not get ahead. SCTP repeats what was lost after one second, then after two more; that a third repetition has to
 * follow is rare.
 */
const MISSED_MAX = 5;
