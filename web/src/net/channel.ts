// What a session needs of its way to the other side, whichever it is.

import { utf8, type Bytes } from "../protocol/bytes.ts";
import type { Connection } from "../protocol/keys.ts";

/** What arrives. */
export interface ChannelHandler {
  ctl(frame: Uint8Array): void;
  data(message: ArrayBuffer): void;
  /** The data lane has room again. */
  drained(): void;
  /** Nothing arrives or leaves for a while; nothing is lost yet. */
  disturbed(isDisturbed: boolean): void;
  /** The connection is over; said once. */
  lost(): void;
}

/** The path that packets take, its round trip in milliseconds, and how many connections share the file data. */
export interface Path {
  readonly kind: "lan" | "direct" | "relay" | "websocket";
  readonly roundTrip: number | undefined;
  readonly connections: number;
}

/** What it takes to make a further connection to the same peer: the reflectors and relays of the first one. */
export type Recipe = readonly RTCIceServer[];

/** Two lanes to the other side, `ctl` and `data`, both ordered and reliable. */
export interface Channel {
  readonly isOpen: boolean;
  /** Whether the data lane takes another frame. */
  readonly hasRoom: boolean;
  /** Bytes in the data lane that wait to be sent. */
  readonly waiting: number;
  /** Most bytes of payload in one data frame. */
  readonly payloadBytes: number;
  /** How to make a further connection; absent where that is of no use. */
  readonly recipe?: Recipe;
  /** The two ends, as the bind step names them. */
  connection(): Connection;
  /** Hands everything to `handler` from here on, what arrived early included. */
  listen(handler: ChannelHandler): void;
  /** Keeps what arrives until somebody listens again. */
  unlisten(): void;
  /** Puts control frames back, in front of what came meanwhile, for whoever listens next. */
  giveBack(frames: readonly Uint8Array[]): void;
  sendCtl(frame: Bytes): void;
  sendData(message: Bytes): void;
  path(): Promise<Path | undefined>;
  close(): void;
}

/** Hears nothing: whatever still comes over a channel that is done with is dropped. */
export const DEAF: ChannelHandler = {
  ctl: () => undefined,
  data: () => undefined,
  drained: () => undefined,
  disturbed: () => undefined,
  lost: () => undefined,
};

/** Who listens, and what arrived before anybody did: a few frames, as a peer that is not bound is not answered. */
export class Inbox {
  handler: ChannelHandler | undefined;
  readonly #early: { readonly data: unknown; readonly isCtl: boolean }[] = [];

  listen(handler: ChannelHandler): void {
    this.handler = handler;
    for (const { data, isCtl } of this.#early.splice(0)) this.take(data, isCtl);
  }

  giveBack(frames: readonly Uint8Array[]): void {
    this.#early.unshift(...frames.map((data) => ({ data, isCtl: true })));
  }

  /** Passes on or keeps what arrived; `false` if that is more than anybody may say so early. */
  take(data: unknown, isCtl: boolean): boolean {
    const { handler } = this;
    if (!handler) return this.#early.push({ data, isCtl }) <= EARLY_MAX;
    if (isCtl) handler.ctl(data instanceof Uint8Array ? data : typeof data === "string" ? utf8(data) : new Uint8Array(data as ArrayBuffer));
    else if (data instanceof ArrayBuffer) handler.data(data);
    return true;
  }
}

/** Bytes that may wait to be sent: more makes control messages wait behind them and is no faster. */
export const SEND_BUFFER_HIGH = 1 << 20;
export const SEND_BUFFER_LOW = 256 << 10;

/** Messages that may come before somebody listens: repeats of the peer's MAC, and the pages of a long offer. */
const EARLY_MAX = 4096;
