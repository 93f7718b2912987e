// What goes into a pairing machine, and what comes out.

import type { Bytes } from "../bytes.ts";
import type { SessionKeys } from "../keys.ts";
import type { PasswordCost, StretchedPassword } from "../password.ts";
import type { Candidate, Sdp } from "../sdp.ts";

/** What a pairing can be told. */
export type Input =
  | { readonly t: "received"; readonly bytes: Uint8Array }
  /** The own WebRTC stack's description: the guest's offer, the host's answer. */
  | { readonly t: "local_description"; readonly sdp: string }
  | { readonly t: "local_candidate"; readonly candidate: Candidate }
  /** Whether the person says that the other side shows the same short number. */
  | { readonly t: "confirmed"; readonly same: boolean }
  /** The person's password, stretched as `ask_password` says. */
  | { readonly t: "password"; readonly stretched: StretchedPassword }
  | { readonly t: "timed_out" }
  | { readonly t: "canceled" };

/** What a pairing asks for. */
export type Output =
  | { readonly t: "send"; readonly bytes: Bytes }
  /** The peer's description, for the own WebRTC stack. The host creates its answer from it. */
  | { readonly t: "remote_description"; readonly sdp: Sdp }
  | { readonly t: "remote_candidate"; readonly candidate: Candidate }
  /** Guest: the share has a password. */
  | { readonly t: "ask_password"; readonly attemptsLeft: number; readonly salt: Bytes; readonly cost: PasswordCost }
  /** Host: a wrong password came; count it for the share. */
  | { readonly t: "wrong_password"; readonly attemptsLeft: number }
  /** Which device the peer has proven to be; said before the number. */
  | { readonly t: "met"; readonly key: Bytes }
  /** `from` is what a guest calls itself that nobody expects. */
  | { readonly t: "show_short_number"; readonly digits: string; readonly from?: string | undefined }
  /** Both sides are proven, and every question is answered on this side. */
  | { readonly t: "paired"; readonly keys: SessionKeys }
  /** Nothing more until the next input, or until this time. */
  | { readonly t: "wait"; readonly until: number | undefined };
