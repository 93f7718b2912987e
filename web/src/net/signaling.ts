// The WebSocket to the signalling server that served this page.

import { Failure } from "../failure.ts";
import { decodeServerMessage, encodeEnvelope, type ClientMessage, type ServerMessage } from "../protocol/envelope.ts";

export interface SignalingHandler {
  message(message: ServerMessage): void;
  /** The connection is over; said once. */
  closed(): void;
}

export class Signaling {
  readonly #socket: WebSocket;
  #handler: SignalingHandler | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** Connects. What arrives goes to the handler from the first message on. Throws `Failure`. */
  static connect(handler: SignalingHandler): Promise<Signaling> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(new URL("/ws", location.href.replace(/^http/, "ws")));
      const signaling = new Signaling(socket);
      const late = setTimeout(() => socket.close(), CONNECT_MAX);
      socket.onopen = () => {
        clearTimeout(late);
        signaling.#handler = handler;
        resolve(signaling);
      };
      socket.onmessage = ({ data }: MessageEvent<unknown>) => signaling.#take(data);
      socket.onclose = () => {
        clearTimeout(late);
        reject(new Failure({ t: "server" }));
        signaling.#end();
      };
    });
  }

  say(message: ClientMessage): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(encodeEnvelope(message));
  }

  /** Leaves; the handler hears nothing more. */
  close(): void {
    this.#handler = undefined;
    this.say({ type: "bye" });
    this.#socket.close();
  }

  #take(data: unknown): void {
    let message: ServerMessage;
    try {
      message = decodeServerMessage(typeof data === "string" ? data : "");
    } catch {
      // A server that does not keep to the protocol is none.
      this.#socket.close();
      return;
    }
    this.#handler?.message(message);
  }

  #end(): void {
    const handler = this.#handler;
    this.#handler = undefined;
    handler?.closed();
  }
}

/** How long the server may take to answer. */
const CONNECT_MAX = 15_000;
