// The accepted entries of a transfer, and how far each is.

import { chunkCount, chunkLength } from "./hash.ts";
import { CHUNK_BYTES, ENTRIES_OPEN_MAX } from "./limits.ts";
import type { EntryKind } from "./offer.ts";

/** One accepted entry. */
export interface Target {
  readonly kind: EntryKind;
  /** `undefined` while a stream has not ended. */
  size: number | undefined;
  /** Chunks that are verified on disk. */
  verified: number;
  /** Their bytes. */
  verifiedBytes: number;
  /** Whether any of its data was asked for and it has no final name yet. */
  open: boolean;
  /** Whether it has its final name. */
  isSettled: boolean;
  retries: number;
}

export class Targets {
  readonly #all = new Map<number, Target>();
  /** Entries that were accepted and given up; frames about them may still be on their way. */
  readonly #givenUp = new Set<number>();
  #unsettled = 0;
  #open = 0;

  /** Entries that have neither their final name nor been given up. */
  get unsettled(): number {
    return this.#unsettled;
  }

  /** Whether data of one more entry may be asked for. */
  get mayOpen(): boolean {
    return this.#open < ENTRIES_OPEN_MAX;
  }

  get(id: number): Target | undefined {
    return this.#all.get(id);
  }

  get givenUp(): number[] {
    return [...this.#givenUp];
  }

  wasGivenUp(id: number): boolean {
    return this.#givenUp.has(id);
  }

  add(id: number, kind: EntryKind, size: number | undefined): Target {
    const target: Target = { kind, size, verified: 0, verifiedBytes: 0, open: false, isSettled: false, retries: 0 };
    this.#all.set(id, target);
    this.#unsettled++;
    return target;
  }

  /** Notes that data of an entry is asked for. */
  open(target: Target): void {
    target.open = true;
    this.#open++;
  }

  /** Notes that an entry has its final name; returns whether that is news. */
  settle(target: Target): boolean {
    if (target.isSettled) return false;
    target.isSettled = true;
    this.#close(target);
    return true;
  }

  #close(target: Target): void {
    if (target.open) this.#open--;
    target.open = false;
    this.#unsettled--;
  }

  /** Gives an entry up, even one that has its final name, and returns how far it was; `undefined` if there is none. */
  giveUp(id: number): Target | undefined {
    const target = this.#all.get(id);
    if (!target) return undefined;
    // Where a connection was lost the sender may have been asked twice, and find out late that it cannot go on.
    if (!target.isSettled) this.#close(target);
    this.#all.delete(id);
    this.#givenUp.add(id);
    return target;
  }
}

/** The length of a chunk; all chunks of a stream are full ones until its end is known. */
export function chunkBytes(target: Target, chunk: number): number {
  return target.size === undefined ? CHUNK_BYTES : chunkLength(chunk, target.size);
}

/** Whether every chunk is verified on disk. */
export function isComplete(target: Target): boolean {
  return target.size !== undefined && chunkCount(target.size) === target.verified;
}
