// What host and guest say to each other through the server.
//
//   0x01 host_hello    sid 16 | Ya 32 | ADa (rest)
//   0x02 guest_proof   Yb 32 | lv(ADb) | Tg 32 | sealed frame (rest)
//   0x03 host_proof    Th 32 | n_h 16 | lv(nothing, or public key 32 and signature 64) | sealed frame (rest)
//   0x04 fail          code 1
//   0x10 sealed        sealed frame (rest)

import { concat, type Bytes } from "./bytes.ts";
import type { HostAuth } from "./host_identity.ts";
import { ASSOCIATED_DATA_BYTES_MAX, PEER_MESSAGE_BYTES_MAX } from "./limits.ts";
import { lvCat, lvTake } from "./lv.ts";

export interface HostHello {
  readonly t: "host_hello";
  readonly sid: Bytes;
  readonly element: Bytes;
  readonly ad: Bytes;
}

export interface GuestProof {
  readonly t: "guest_proof";
  readonly element: Bytes;
  readonly ad: Bytes;
  readonly proof: Bytes;
  readonly sealed: Bytes;
}

export interface HostProof {
  readonly t: "host_proof";
  readonly proof: Bytes;
  readonly nonce: Bytes;
  readonly auth: HostAuth | undefined;
  readonly sealed: Bytes;
}

/** Why a side gives up before there is a sealed channel. Anybody on the way could have written it. */
export type FailCode = "wrong_code" | "version" | "violation" | "canceled" | "not_active";

export type PeerMessage =
  | HostHello
  | GuestProof
  | HostProof
  | { readonly t: "fail"; readonly code: FailCode }
  | { readonly t: "sealed"; readonly sealed: Bytes };

export function encodePeerMessage(message: PeerMessage): Bytes {
  switch (message.t) {
    case "host_hello":
      return concat(byte(0x01), message.sid, message.element, message.ad);
    case "guest_proof":
      return concat(byte(0x02), message.element, lvCat(message.ad), message.proof, message.sealed);
    case "host_proof": {
      const auth = message.auth ? concat(message.auth.publicKey, message.auth.signature) : new Uint8Array();
      return concat(byte(0x03), message.proof, message.nonce, lvCat(auth), message.sealed);
    }
    case "fail":
      return concat(byte(0x04), byte(FAIL_CODES.indexOf(message.code) + 1));
    case "sealed":
      return concat(byte(0x10), message.sealed);
  }
}

/** Parses the bytes of a message; `undefined` when they are no message of this version. */
export function parsePeerMessage(bytes: Uint8Array): PeerMessage | undefined {
  if (bytes.length > PEER_MESSAGE_BYTES_MAX) return undefined;
  const reader = new Reader(bytes.subarray(1));
  switch (bytes[0]) {
    case 0x01: {
      const [sid, element] = [reader.take(16), reader.take(32)];
      const ad = reader.rest();
      return sid && element && ad.length <= ASSOCIATED_DATA_BYTES_MAX ? { t: "host_hello", sid, element, ad } : undefined;
    }
    case 0x02: {
      const [element, ad, proof] = [reader.take(32), reader.takeLv(), reader.take(32)];
      if (!element || !ad || !proof || ad.length > ASSOCIATED_DATA_BYTES_MAX) return undefined;
      return { t: "guest_proof", element, ad, proof, sealed: reader.rest() };
    }
    case 0x03: {
      const [proof, nonce, auth] = [reader.take(32), reader.take(16), reader.takeLv()];
      if (!proof || !nonce || !auth || (auth.length !== 0 && auth.length !== 96)) return undefined;
      const hostAuth = auth.length === 0 ? undefined : { publicKey: auth.slice(0, 32), signature: auth.slice(32) };
      return { t: "host_proof", proof, nonce, auth: hostAuth, sealed: reader.rest() };
    }
    case 0x04: {
      const code = bytes.length === 2 ? FAIL_CODES[(bytes[1] ?? 0) - 1] : undefined;
      return code ? { t: "fail", code } : undefined;
    }
    case 0x10:
      return { t: "sealed", sealed: reader.rest() };
    default:
      return undefined;
  }
}

class Reader {
  #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(length: number): Bytes | undefined {
    if (this.#bytes.length < length) return undefined;
    const taken = this.#bytes.slice(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return taken;
  }

  takeLv(): Bytes | undefined {
    const taken = lvTake(this.#bytes);
    if (!taken) return undefined;
    this.#bytes = taken[1];
    return taken[0].slice();
  }

  rest(): Bytes {
    return this.#bytes.slice();
  }
}

function byte(value: number): Bytes {
  return Uint8Array.of(value);
}

const FAIL_CODES: readonly FailCode[] = ["wrong_code", "version", "violation", "canceled", "not_active"];
