// Why a pairing failed, told apart as far as a caller acts differently.

import type { FailCode } from "../peer_message.ts";
import type { SealedAbort } from "../sealed_frame.ts";

/** See `PairingError` of `protocol/src/pairing/error.rs`; the words mean the same. */
export type PairingErrorCode =
  | "wrong_code"
  | "not_active"
  | "peer_not_verified"
  | "host_key_mismatch"
  | "security_mismatch"
  | "password_wrong"
  | "password_locked"
  | "short_number_rejected"
  | "protocol_violation"
  | "version"
  | "canceled"
  | "timed_out"
  | "local_description";

export class PairingError extends Error {
  override name = "PairingError";
  readonly code: PairingErrorCode;
  /** Whether the peer itself said so; nobody answers that. */
  readonly byPeer: boolean;

  constructor(code: PairingErrorCode, detail = "", byPeer = false) {
    super(detail === "" ? code : `${code}: ${detail}`);
    this.code = code;
    this.byPeer = byPeer;
  }
}

/** A rule that the peer, or somebody in between, broke. */
export function violation(rule: string): PairingError {
  return new PairingError("protocol_violation", rule);
}

/** What a peer's last message means. */
export function ofFailCode(code: FailCode): PairingError {
  return new PairingError(code === "violation" ? "protocol_violation" : code, "", true);
}

/** What a peer's last sealed frame means. */
export function ofAbort(code: SealedAbort): PairingError {
  const means: Record<SealedAbort, PairingErrorCode> = {
    canceled: "canceled",
    not_confirmed: "short_number_rejected",
    wrong_password: "password_wrong",
    password_locked: "password_locked",
    violation: "protocol_violation",
    security_mismatch: "security_mismatch",
    timed_out: "timed_out",
  };
  return new PairingError(means[code], "", true);
}

/** What the peer is told when there is a sealed channel. */
export function abortCode(error: PairingError): SealedAbort {
  switch (error.code) {
    case "canceled":
    case "local_description":
      return "canceled";
    case "short_number_rejected":
      return "not_confirmed";
    case "password_wrong":
      return "wrong_password";
    case "password_locked":
      return "password_locked";
    case "security_mismatch":
    case "host_key_mismatch":
      return "security_mismatch";
    case "timed_out":
      return "timed_out";
    case "wrong_code":
    case "not_active":
    case "peer_not_verified":
    case "protocol_violation":
    case "version":
      return "violation";
  }
}

/** What the peer is told when there is none. */
export function failCode(error: PairingError): FailCode {
  switch (error.code) {
    case "wrong_code":
    case "version":
    case "not_active":
      return error.code;
    case "canceled":
    case "timed_out":
    case "local_description":
      return "canceled";
    case "peer_not_verified":
      return error.message.includes(SILENCE) ? "canceled" : "violation";
    case "host_key_mismatch":
    case "security_mismatch":
    case "password_wrong":
    case "password_locked":
    case "short_number_rejected":
    case "protocol_violation":
      return "violation";
  }
}

/** Why a host counts as not verified although it said nothing wrong. */
export const SILENCE = "no proof came in time";
