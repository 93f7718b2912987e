// A connection through the server's WebSocket: sealed messages, for where nothing but TCP to the server gets through.

import { utf8, type Bytes } from "../protocol/bytes.ts";
import { HEADER_BYTES } from "../protocol/data_frame.ts";
import type { Connection, Endpoint, SessionKeys } from "../protocol/keys.ts";
import { DATA_PAYLOAD_BYTES } from "../protocol/limits.ts";
import { peerOf, type Role } from "../protocol/role.ts";
import { TUNNEL_READY, TunnelEnds, type TunnelLane } from "../protocol/tunnel.ts";
import { Inbox, SEND_BUFFER_HIGH, SEND_BUFFER_LOW, type Channel, type ChannelHandler, type Path } from "./channel.ts";

/** What the server granted, and wants to see. */
export interface Credential {
  readonly username: string;
  readonly credential: string;
}

export interface TunnelHandler {
  /** Both sides are there and the guest takes this way. */
  begun(): void;
  /** There is no such way; said instead. */
  refused(): void;
}

export class Tunnel implements Channel {
  readonly #role: Role;
  readonly #ends: TunnelEnds;
  readonly #socket: WebSocket;
  readonly #inbox = new Inbox();
  readonly #opening: TunnelHandler;
  #state: "waiting" | "ready" | "begun" | "over" = "waiting";
  #roundTrip: number | undefined;
  #heardAt = 0;
  #isSilent = false;
  #pings: ReturnType<typeof setInterval> | undefined;
  #draining: ReturnType<typeof setInterval> | undefined;

  constructor(credential: Credential, keys: SessionKeys, opening: TunnelHandler) {
    this.#role = keys.role;
    this.#ends = new TunnelEnds(keys);
    this.#opening = opening;
    this.#socket = new WebSocket(new URL("/relay", location.href.replace(/^http/, "ws")));
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => this.#socket.send(JSON.stringify(credential));
    this.#socket.onmessage = ({ data }: MessageEvent<unknown>) => this.#hear(data);
    this.#socket.onclose = () => this.#end();
  }

  get isOpen(): boolean {
    return this.#state === "begun";
  }

  get waiting(): number {
    return this.#socket.bufferedAmount;
  }

  get hasRoom(): boolean {
    if (this.waiting < SEND_BUFFER_HIGH) return true;
    // A WebSocket does not tell when it has room again.
    this.#draining ??= setInterval(() => {
      if (this.isOpen && this.#socket.bufferedAmount > SEND_BUFFER_LOW) return;
      this.#stopDraining();
      this.#inbox.handler?.drained();
    }, DRAIN_LOOK);
    return false;
  }

  get payloadBytes(): number {
    return DATA_PAYLOAD_BYTES - HEADER_BYTES;
  }

  /** Both ends are known by the keys that seal, so there is nothing to tell but which end it is. */
  connection(): Connection {
    return { local: END[this.#role], remote: END[peerOf(this.#role)] };
  }

  listen(handler: ChannelHandler): void {
    this.#inbox.listen(handler);
    if (this.#state === "over") queueMicrotask(() => handler.lost());
  }

  unlisten(): void {
    this.#inbox.handler = undefined;
  }

  giveBack(frames: readonly Uint8Array[]): void {
    this.#inbox.giveBack(frames);
  }

  sendCtl(frame: Bytes): void {
    this.#send("ctl", frame);
  }

  sendData(message: Bytes): void {
    this.#send("data", message);
  }

  path(): Promise<Path> {
    return Promise.resolve({ kind: "websocket", roundTrip: this.#roundTrip, connections: 1 });
  }

  close(): void {
    this.#inbox.handler = undefined;
    this.#stop();
    this.#socket.close();
  }

  #send(lane: TunnelLane, body: Uint8Array): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(this.#ends.seal(lane, body));
  }

  #hear(data: unknown): void {
    switch (this.#state) {
      case "waiting":
        if (data !== TUNNEL_READY) this.#end();
        else if (this.#role === "host") this.#state = "ready";
        else {
          this.#send("begin", new Uint8Array());
          this.#begin();
        }
        break;
      case "ready":
      case "begun":
        if (!this.#take(data)) this.#end();
        break;
      case "over":
        break;
    }
  }

  /** Takes a sealed message; `false` if it is none, or not what comes next. */
  #take(data: unknown): boolean {
    if (!(data instanceof ArrayBuffer)) return false;
    let message: ReturnType<TunnelEnds["open"]>;
    try {
      message = this.#ends.open(new Uint8Array(data));
    } catch {
      return false;
    }
    const { lane, body } = message;
    this.#notice();
    if ((lane === "begin") !== (this.#state === "ready")) return false;
    switch (lane) {
      case "begin":
        this.#begin();
        return true;
      case "ctl":
        return this.#inbox.take(body, true);
      case "data":
        return this.#inbox.take(body.buffer, false);
      case "ping":
        this.#send("pong", body);
        return true;
      case "pong":
        this.#roundTrip = body.length === 8 ? performance.now() - new DataView(body.buffer).getFloat64(0) : undefined;
        return true;
    }
  }

  /** Both sides ping, so that who says nothing at all is not reached. */
  #notice(isHeard = true): void {
    if (isHeard) this.#heardAt = performance.now();
    const isSilent = performance.now() - this.#heardAt > SILENCE;
    if (isSilent === this.#isSilent) return;
    this.#isSilent = isSilent;
    this.#inbox.handler?.disturbed(isSilent);
  }

  #begin(): void {
    this.#state = "begun";
    this.#notice();
    const ping = (): void => {
      this.#notice(false);
      const stamp = new Uint8Array(8);
      new DataView(stamp.buffer).setFloat64(0, performance.now());
      this.#send("ping", stamp);
    };
    // The first tells the round trip; all are a sign of life for servers and proxies.
    ping();
    this.#pings = setInterval(ping, PING_EVERY);
    this.#opening.begun();
  }

  #end(): void {
    const { state, handler } = { state: this.#state, handler: this.#inbox.handler };
    this.#stop();
    this.#socket.close();
    if (state === "waiting" || state === "ready") this.#opening.refused();
    else if (state === "begun") handler?.lost();
  }

  #stop(): void {
    this.#state = "over";
    clearInterval(this.#pings);
    this.#stopDraining();
  }

  #stopDraining(): void {
    clearInterval(this.#draining);
    this.#draining = undefined;
  }
}

const END: Readonly<Record<Role, Endpoint>> = {
  host: { fingerprint: new Uint8Array(32).fill(utf8("h")[0] ?? 0), iceUfrag: "tunnel-host" },
  guest: { fingerprint: new Uint8Array(32).fill(utf8("g")[0] ?? 0), iceUfrag: "tunnel-guest" },
};

/** How often a full socket is looked at. */
const DRAIN_LOOK = 5;

/** How often the round trip is measured. */
const PING_EVERY = 2_000;

/** How long the other side may be silent before the connection counts as disturbed. */
const SILENCE = 8_000;
