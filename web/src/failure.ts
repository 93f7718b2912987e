// Everything that can end a share or a transfer, in one closed list; `ui/strings.ts` has the words.

import type { ErrorCode, Why } from "./protocol/envelope.ts";
import type { PairingErrorCode } from "./protocol/pairing/error.ts";
import type { TransferErrorReason } from "./protocol/transfer_error.ts";

export type FailureReason =
  | { readonly t: "pairing"; readonly code: PairingErrorCode; readonly byPeer: boolean }
  | { readonly t: "transfer"; readonly reason: TransferErrorReason }
  /** The server said no. */
  | { readonly t: "refused"; readonly code: ErrorCode; readonly retryAfter: number | undefined }
  /** The server cannot be reached, or was lost before both sides were connected. */
  | { readonly t: "server" }
  /** The other side left before both were connected. */
  | { readonly t: "peer_left"; readonly why: Why }
  /** No path between the two devices was found. */
  | { readonly t: "no_path" }
  /** The connection was lost. */
  | { readonly t: "lost" }
  /** The connection does not end at the device that was paired with. */
  | { readonly t: "bind_mismatch" }
  | { readonly t: "bind_missing" }
  /** The browser has no room, or refuses to store. */
  | { readonly t: "disk"; readonly detail: string }
  /** Too many handshakes over this code ended before the other side proved itself. */
  | { readonly t: "code_spent" }
  | { readonly t: "stopped" }
  /** Something of this program's own. */
  | { readonly t: "internal"; readonly detail: string };

export class Failure extends Error {
  override name = "Failure";
  readonly reason: FailureReason;

  constructor(reason: FailureReason) {
    super(JSON.stringify(reason));
    this.reason = reason;
  }
}
