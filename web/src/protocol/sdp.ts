// Session descriptions and addresses that were checked before a WebRTC stack sees them.

import { isWellFormed, type Bytes } from "./bytes.ts";
import { asCount, asObject, asString, field, Malformed, optional } from "./json.ts";
import { CANDIDATE_BYTES_MAX, SDP_BYTES_MAX, SDP_CANDIDATES_MAX } from "./limits.ts";

/** The guest's description is the offer, the host's the answer. */
export type SdpKind = "offer" | "answer";

/** Why a session description is refused. */
export type SdpError = "too_long" | "not_sdp" | "media" | "fingerprint" | "ice_credentials" | "setup" | "candidates";

/** A checked description: data channels only, one SHA-256 fingerprint, one set of ICE credentials; lines end with CRLF. */
export interface Sdp {
  readonly text: string;
  readonly kind: SdpKind;
  /** SHA-256 of the certificate that the side of this description will present. */
  readonly fingerprint: Bytes;
  readonly iceUfrag: string;
}

export type SdpResult = { readonly sdp: Sdp } | { readonly error: SdpError };

/** Checks and normalises a description: fingerprints by other hash functions are gone. */
export function parseSdp(text: string, kind: SdpKind): SdpResult {
  if (text.length > SDP_BYTES_MAX) return { error: "too_long" };
  const lines = text.replace(/\r?\n$/, "").split(/\r?\n/);
  if (lines[0] !== "v=0") return { error: "not_sdp" };
  const found = new Found();
  const kept: string[] = [];
  for (const line of lines) {
    if (!/^[a-z]=[\x20-\x7e]*$/.test(line)) return { error: "not_sdp" };
    const verdict = found.take(line);
    if (typeof verdict === "string") return { error: verdict };
    if (verdict) kept.push(`${line}\r\n`);
  }
  return found.finish(kept.join(""), kind);
}

/** The description without any address of its side, and the candidates that it had. */
export function splitAddresses(sdp: Sdp): { readonly sdp: Sdp; readonly candidates: readonly Candidate[] } {
  const candidates: Candidate[] = [];
  const kept: string[] = [];
  for (const line of sdp.text.split("\r\n").slice(0, -1)) {
    if (line.startsWith("a=candidate:")) {
      candidates.push({ candidate: line.slice(2), sdpMLineIndex: 0 });
    } else if (line.startsWith("c=")) {
      // A gatherer writes its default address there; these values say that candidates follow (RFC 8840).
      kept.push("c=IN IP4 0.0.0.0\r\n");
    } else if (line.startsWith("m=")) {
      kept.push("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n");
    } else if (line !== "a=end-of-candidates") {
      kept.push(`${line}\r\n`);
    }
  }
  return { sdp: { ...sdp, text: kept.join("") }, candidates };
}

/** One address of a peer, as `RTCIceCandidateInit` has it. The text is checked for its form only. */
export interface Candidate {
  readonly candidate: string;
  readonly sdpMid?: string;
  readonly sdpMLineIndex?: number;
}

/** Checks an address; throws `Malformed`. An empty text says that there are no more. */
export function readCandidate(value: unknown): Candidate {
  const object = asObject(value);
  const candidate = asString(field(object, "candidate"));
  const sdpMid = optional(field(object, "sdpMid"), asString);
  const sdpMLineIndex = optional(field(object, "sdpMLineIndex"), (index) => asCount(index, 0xffff));
  const isMid = sdpMid === undefined || (sdpMid.length <= 32 && /^[\x21-\x7e]*$/.test(sdpMid));
  if (!isCandidate(candidate) || !isMid) throw new Malformed("a candidate");
  return {
    candidate,
    ...(sdpMid === undefined ? {} : { sdpMid }),
    ...(sdpMLineIndex === undefined ? {} : { sdpMLineIndex }),
  };
}

/** What the lines of a description said so far. */
class Found {
  #sections = 0;
  #candidates = 0;
  #fingerprint: Bytes | undefined;
  #iceUfrag: string | undefined;
  #icePwd = false;
  #setup: string | undefined;

  /** Takes a line in; tells whether it is kept, or what is wrong. */
  take(line: string): boolean | SdpError {
    if (line.startsWith("m=")) {
      this.#sections++;
      const isData = /^m=application .*(?<= )webrtc-datachannel$/.test(line);
      return isData && this.#sections === 1 ? true : "media";
    }
    const colon = line.indexOf(":");
    const [name, value] = colon < 0 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1)];
    switch (name) {
      case "a=fingerprint":
        return this.#takeFingerprint(value);
      case "a=ice-ufrag": {
        const isNew = isIceString(value, 4) && this.#iceUfrag === undefined;
        this.#iceUfrag = value;
        return isNew || "ice_credentials";
      }
      case "a=ice-pwd": {
        const isNew = isIceString(value, 22) && !this.#icePwd;
        this.#icePwd = true;
        return isNew || "ice_credentials";
      }
      case "a=setup": {
        const isNew = this.#setup === undefined;
        this.#setup = value;
        return isNew || "setup";
      }
      case "a=candidate":
        this.#candidates++;
        return (this.#candidates <= SDP_CANDIDATES_MAX && isCandidate(line.slice(2))) || "candidates";
      default:
        return true;
    }
  }

  #takeFingerprint(value: string): boolean | SdpError {
    const space = value.indexOf(" ");
    if (space < 0) return "fingerprint";
    if (value.slice(0, space).toLowerCase() !== "sha-256") return false;
    const hash = parseFingerprint(value.slice(space + 1));
    if (!hash || this.#fingerprint) return "fingerprint";
    this.#fingerprint = hash;
    return true;
  }

  finish(text: string, kind: SdpKind): SdpResult {
    if (this.#sections !== 1) return { error: "media" };
    if (this.#iceUfrag === undefined || !this.#icePwd) return { error: "ice_credentials" };
    const setups = kind === "offer" ? ["actpass"] : ["active", "passive"];
    if (this.#setup === undefined || !setups.includes(this.#setup)) return { error: "setup" };
    if (!this.#fingerprint) return { error: "fingerprint" };
    return { sdp: { text, kind, fingerprint: this.#fingerprint, iceUfrag: this.#iceUfrag } };
  }
}

/** `AB:CD:…` of 32 bytes. */
function parseFingerprint(text: string): Bytes | undefined {
  if (!/^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31}$/.test(text)) return undefined;
  return Uint8Array.from(text.split(":"), (pair) => Number.parseInt(pair, 16));
}

function isIceString(text: string, lengthMin: number): boolean {
  return text.length >= lengthMin && text.length <= 256 && /^[A-Za-z0-9+/_-]*$/.test(text);
}

/** The form of RFC 8839 up to the type; extensions may follow. */
export function isCandidate(text: string): boolean {
  if (text === "") return true;
  if (text.length > CANDIDATE_BYTES_MAX || !isWellFormed(text) || !/^[\x20-\x7e]*$/.test(text)) return false;
  const fields = text.split(" ");
  return (
    fields.length >= 8 &&
    /^candidate:./.test(fields[0] ?? "") &&
    isNumber(fields[1], 0xffff) &&
    isNumber(fields[3], 0xffff_ffff) &&
    isNumber(fields[5], 0xffff) &&
    fields[6] === "typ" &&
    ["host", "srflx", "prflx", "relay"].includes(fields[7] ?? "")
  );
}

function isNumber(text: string | undefined, max: number): boolean {
  return text !== undefined && /^\+?[0-9]+$/.test(text) && Number(text) <= max;
}
