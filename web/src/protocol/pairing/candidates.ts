// Candidates of both sides, kept back until they may go on.

import { TRICKLED_CANDIDATES_MAX } from "../limits.ts";
import type { Candidate } from "../sdp.ts";
import { violation } from "./error.ts";
import type { Outbox } from "./outbox.ts";

/** The candidates of the own WebRTC stack, kept back until the peer is proven. */
export class LocalCandidates {
  #waiting: Candidate[] = [];
  #taken = 0;
  #isOpen = false;

  /** Takes a candidate in, and returns it if it may go now. More than a peer would take are dropped. */
  take(candidate: Candidate): Candidate | undefined {
    const isKnown = this.#waiting.some((known) => known.candidate === candidate.candidate);
    if (this.#taken === TRICKLED_CANDIDATES_MAX || isKnown) return undefined;
    this.#taken++;
    if (this.#isOpen) return candidate;
    this.#waiting.push(candidate);
    return undefined;
  }

  /** Lets everything go from here on, and returns what waited. */
  open(): Candidate[] {
    this.#isOpen = true;
    return this.#waiting.splice(0);
  }
}

/** The candidates of the peer, kept back until its description is out. */
export class RemoteCandidates {
  #waiting: Candidate[] = [];
  #taken = 0;
  #isOpen = false;

  /** Throws when there are more than any device has addresses. */
  take(candidate: Candidate, outbox: Outbox): void {
    if (this.#taken === TRICKLED_CANDIDATES_MAX) throw violation("too many candidates");
    this.#taken++;
    if (this.#isOpen) outbox.push({ t: "remote_candidate", candidate });
    else this.#waiting.push(candidate);
  }

  /** Lets everything go from here on, to be called right after the description. */
  open(outbox: Outbox): void {
    this.#isOpen = true;
    for (const candidate of this.#waiting.splice(0)) outbox.push({ t: "remote_candidate", candidate });
  }
}
