// The sealed channel of one side: frames in, frames out.

import type { Bytes } from "../bytes.ts";
import { Malformed } from "../json.ts";
import type { KeySchedule } from "../keys.ts";
import { peerOf, type Role } from "../role.ts";
import { NotSealed, Opener, Sealer, TooLong } from "../seal.ts";
import { encodeSealedFrame, parseSealedFrame, type SealedFrame } from "../sealed_frame.ts";
import { PairingError, violation } from "./error.ts";

export class Channel {
  readonly #sealer: Sealer;
  readonly #opener: Opener;

  /** Both directions at their first frame, seen from `role`. */
  constructor(keys: KeySchedule, role: Role, sid: Bytes) {
    this.#sealer = new Sealer(keys, role, sid);
    this.#opener = new Opener(keys, peerOf(role), sid);
  }

  /** Only a description of the own WebRTC stack can be too long. */
  seal(frame: SealedFrame): Bytes {
    try {
      return this.#sealer.seal(encodeSealedFrame(frame));
    } catch (error) {
      if (error instanceof TooLong) throw new PairingError("local_description", "too long");
      throw error;
    }
  }

  open(sealed: Uint8Array): SealedFrame {
    try {
      return parseSealedFrame(this.#opener.open(sealed));
    } catch (error) {
      if (error instanceof NotSealed) throw violation("a sealed frame that was altered, lost or repeated");
      if (error instanceof Malformed) throw violation("a malformed frame");
      throw error;
    }
  }
}
