// What goes into a receiver and what comes out of it.

import type { Bytes } from "./bytes.ts";
import type { AbortCode, DeclineReason, Hello, SkipReason } from "./ctl.ts";
import type { Hash } from "./hash.ts";
import type { Offer } from "./offer.ts";
import type { PresentChunk } from "./plan.ts";
import type { Stripe } from "./streams.ts";

/** What is taken of an offer: the entries, ascending, and the chunks of them that an earlier session left on disk. */
export interface Acceptance {
  readonly entries: readonly number[];
  readonly present: ReadonlyMap<number, readonly PresentChunk[]>;
}

export type ReceiverInput =
  | { readonly t: "ctl"; readonly bytes: Uint8Array }
  | { readonly t: "data"; readonly message: ArrayBuffer }
  | { readonly t: "accept"; readonly acceptance: Acceptance }
  | { readonly t: "decline"; readonly reason: DeclineReason }
  /** A chunk was verified and written; or it did not match its hash and nothing was. */
  | { readonly t: "written" | "corrupt"; readonly entry: number; readonly offset: number }
  /** An entry has its final name; or it cannot be stored, and the others can. */
  | { readonly t: "committed" | "failed"; readonly entry: number }
  /** All entries are settled on disk. */
  | { readonly t: "settled" }
  /** This side's person pauses or goes on; the sender is told. */
  | { readonly t: "pause"; readonly paused: boolean }
  /** Over how many connections the data comes. */
  | { readonly t: "spread"; readonly connections: number }
  /** A further connection broke and took the channel along: there is to be only one from here on. */
  | { readonly t: "broken" }
  /** A new channel to the same peer replaces one that was lost. */
  | { readonly t: "reconnected" }
  | { readonly t: "stop"; readonly code: AbortCode }
  | { readonly t: "timed_out" };

export type ReceiverOutput =
  | { readonly t: "send"; readonly bytes: Bytes }
  /** Verify a chunk and write it. */
  | {
      readonly t: "write";
      readonly entry: number;
      readonly offset: number;
      readonly pieces: readonly Bytes[];
      readonly hash: Hash;
    }
  /** Give an entry its final name; or delete what was written of it, because its source is not what was offered. */
  | { readonly t: "commit"; readonly entry: number; readonly size: number }
  | { readonly t: "discard"; readonly entry: number }
  /** Settle what is left to do on disk after the last entry. */
  | { readonly t: "settle" }
  /** The peer said this of a further connection. */
  | { readonly t: "stripe"; readonly n: number; readonly said: Stripe }
  | { readonly t: "report"; readonly event: ReceiverEvent }
  /** Both sides agree that everything was moved; close the channel. */
  | { readonly t: "finish" }
  | { readonly t: "wait"; readonly until: number };

export type ReceiverEvent =
  /** The peer said who it is. Untrusted text. */
  | { readonly t: "peer"; readonly hello: Hello }
  /** The offer is complete: answer with `accept` or `decline`. */
  | { readonly t: "offered"; readonly offer: Offer }
  /** What the disk has confirmed, resumed bytes included. */
  | { readonly t: "progress"; readonly bytes: number; readonly entries: number }
  | { readonly t: "entry_done"; readonly entry: number; readonly root: Hash | undefined }
  /** A text arrived and is verified. Untrusted. */
  | { readonly t: "text"; readonly entry: number; readonly text: string }
  | { readonly t: "skipped"; readonly entry: number; readonly reason: SkipReason };
