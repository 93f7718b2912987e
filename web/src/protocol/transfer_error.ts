// How a transfer ends other than well.

import type { AbortCode, DeclineReason, Direction } from "./ctl.ts";

export type TransferErrorReason =
  /** The peer broke the protocol. */
  | { readonly t: "violation"; readonly rule: string }
  | { readonly t: "version"; readonly theirs: number }
  /** Both sides want to do the same. */
  | { readonly t: "same_role"; readonly role: Direction }
  /** The receiver does not take the offer. */
  | { readonly t: "declined"; readonly reason: DeclineReason }
  /** The peer ended the session. */
  | { readonly t: "aborted"; readonly code: AbortCode }
  /** This side ended the session. */
  | { readonly t: "stopped"; readonly code: AbortCode }
  /** The peer gives no sign of life. */
  | { readonly t: "silent" }
  /** The peer lives and asks for nothing. */
  | { readonly t: "stalled" }
  /** Bytes did not verify, again. */
  | { readonly t: "corrupt" };

export class TransferError extends Error {
  override name = "TransferError";
  readonly reason: TransferErrorReason;

  constructor(reason: TransferErrorReason) {
    super(JSON.stringify(reason));
    this.reason = reason;
  }

  /** What to tell the peer, if anything. */
  get abortCode(): AbortCode | undefined {
    switch (this.reason.t) {
      case "violation":
      case "version":
      case "same_role":
        return "violation";
      case "stopped":
        return this.reason.code;
      case "stalled":
        return "stalled";
      case "corrupt":
        return "corrupt";
      case "declined":
      case "aborted":
      case "silent":
        return undefined;
    }
  }
}

/** A rule of the protocol that the peer broke. */
export function broken(rule: string): TransferError {
  return new TransferError({ t: "violation", rule });
}
