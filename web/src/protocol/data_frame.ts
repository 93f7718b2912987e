// Data frames: `u32 entry ‖ u64 offset ‖ bytes`, big-endian, on the `data` channels. Every frame says where it belongs, so
// resume, striping and seeking are one mechanism.

import type { Bytes } from "./bytes.ts";
import { MESSAGE_BYTES_MAX } from "./limits.ts";

export interface DataFrame {
  readonly entry: number;
  /** The place of the first byte in the entry. */
  readonly offset: number;
  /** At least one; a view into the message. */
  readonly bytes: Bytes;
}

export const HEADER_BYTES = 12;

/** Encodes a frame into one message. */
export function encodeDataFrame(frame: DataFrame): Bytes {
  const message = new Uint8Array(HEADER_BYTES + frame.bytes.length);
  const view = new DataView(message.buffer);
  view.setUint32(0, frame.entry);
  view.setUint32(4, Math.floor(frame.offset / 2 ** 32));
  view.setUint32(8, frame.offset % 2 ** 32);
  message.set(frame.bytes, HEADER_BYTES);
  return message;
}

/** Decodes a message without copying its bytes; `undefined` when it is no data frame. */
export function decodeDataFrame(message: ArrayBuffer): DataFrame | undefined {
  const length = message.byteLength;
  if (length <= HEADER_BYTES || length > MESSAGE_BYTES_MAX) return undefined;
  const view = new DataView(message);
  const offset = view.getUint32(4) * 2 ** 32 + view.getUint32(8);
  if (!Number.isSafeInteger(offset + length)) return undefined;
  return { entry: view.getUint32(0), offset, bytes: new Uint8Array(message, HEADER_BYTES) };
}
