// All randomness of one handshake, drawn at its start.

import type { Bytes } from "../bytes.ts";
import { PASSWORD_ATTEMPTS_MAX } from "../limits.ts";

export interface Entropy {
  readonly sid: Bytes;
  readonly scalar: Bytes;
  readonly nonce: Bytes;
  readonly passwordScalars: readonly Bytes[];
}

export function drawEntropy(random: (length: number) => Bytes): Entropy {
  const [sid, scalar, nonce] = [random(16), random(64), random(16)];
  return { sid, scalar, nonce, passwordScalars: Array.from({ length: PASSWORD_ATTEMPTS_MAX }, () => random(64)) };
}
