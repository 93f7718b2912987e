// The JSON inside the sealed channel. Unknown keys are ignored, unknown types are refused.

import { base64url, fromUtf8, utf8, type Bytes } from "./bytes.ts";
import { asDeviceProof, type DeviceProof } from "./device_identity.ts";
import { asBool, asBytes, asCount, asObject, asOneOf, asString, field, Malformed, optional, parseObject, U32_MAX } from "./json.ts";
import { asDeviceName } from "./nearby.ts";
import type { PasswordCost } from "./password.ts";
import { readCandidate, type Candidate } from "./sdp.ts";

const ABORT_CODES = [
  "canceled",
  "not_confirmed",
  "wrong_password",
  "password_locked",
  "violation",
  "security_mismatch",
  "timed_out",
] as const;

/** Why a side ends a pairing that has a sealed channel. */
export type SealedAbort = (typeof ABORT_CODES)[number];

export type SealedFrame =
  /** `from` is what the guest calls itself, to a host that does not expect anybody; `device` is the key it is known by. */
  | { readonly t: "offer"; readonly sdp: string; readonly verify: boolean; readonly from?: string | undefined; readonly device?: DeviceProof | undefined }
  | { readonly t: "answer"; readonly sdp: string }
  | ({ readonly t: "cand" } & Candidate)
  | { readonly t: "auth"; readonly salt: Bytes; readonly cost: PasswordCost }
  | { readonly t: "pw_a"; readonly y: Bytes; readonly left: number }
  | { readonly t: "pw_b"; readonly y: Bytes; readonly tag: Bytes }
  | { readonly t: "pw_c"; readonly tag: Bytes }
  | { readonly t: "verify"; readonly device?: DeviceProof | undefined }
  | { readonly t: "sas"; readonly n_g: Bytes }
  | { readonly t: "ice_restart" }
  | { readonly t: "abort"; readonly code: SealedAbort };

export function encodeSealedFrame(frame: SealedFrame): Bytes {
  const json = JSON.stringify(frame, (key, value: unknown) => {
    if (key === "verify" && value === false) return undefined;
    return value instanceof Uint8Array ? base64url(value) : value;
  });
  return utf8(json);
}

/** Parses the JSON of a frame. Throws `Malformed`. */
export function parseSealedFrame(json: Uint8Array): SealedFrame {
  const object = parseObject(fromUtf8(json) ?? "", 128);
  const get = (key: string): unknown => field(object, key);
  switch (get("t")) {
    case "offer":
      return {
        t: "offer",
        sdp: asString(get("sdp")),
        verify: optional(get("verify"), asBool) ?? false,
        from: optional(get("from"), asDeviceName),
        device: optional(get("device"), asDeviceProof),
      };
    case "answer":
      return { t: "answer", sdp: asString(get("sdp")) };
    case "cand":
      return { t: "cand", ...readCandidate(object) };
    case "auth":
      return { t: "auth", salt: asBytes(get("salt"), 16), cost: readCost(get("cost")) };
    case "pw_a":
      return { t: "pw_a", y: asBytes(get("y"), 32), left: asCount(get("left"), 255) };
    case "pw_b":
      return { t: "pw_b", y: asBytes(get("y"), 32), tag: asBytes(get("tag"), 32) };
    case "pw_c":
      return { t: "pw_c", tag: asBytes(get("tag"), 32) };
    case "verify":
      return { t: "verify", device: optional(get("device"), asDeviceProof) };
    case "sas":
      return { t: "sas", n_g: asBytes(get("n_g"), 16) };
    case "ice_restart":
      return { t: "ice_restart" };
    case "abort":
      return { t: "abort", code: asOneOf(get("code"), ABORT_CODES) };
    default:
      throw new Malformed("a sealed frame is of no known type");
  }
}

function readCost(value: unknown): PasswordCost {
  const object = asObject(value);
  const number = (key: string): number => asCount(field(object, key), U32_MAX);
  return { m: number("m"), t: number("t"), p: number("p") };
}
