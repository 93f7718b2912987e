// Random bytes of the system; present also where `crypto.subtle` is not.

import type { Bytes } from "../protocol/bytes.ts";

export function random(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length));
}
