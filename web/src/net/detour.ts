// The way through the server's WebSocket, which is taken when no other path opens in time.

import type { SessionKeys } from "../protocol/keys.ts";
import { Tunnel, type Credential } from "./tunnel.ts";

export interface DetourHandler {
  /** This way is taken, and no other any more. */
  taken(tunnel: Tunnel): void;
  /** There is no such way. */
  none(): void;
}

/** When it may be taken: late, soon where it was needed before, or never. */
export type DetourUse = "late" | "soon" | "never";

export class Detour {
  readonly #open: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tunnel: Tunnel | undefined;
  #isOver = false;

  /** Plans to take it, after a while in which a better path is looked for. */
  constructor(credential: Credential, keys: SessionKeys, use: Exclude<DetourUse, "never">, handler: DetourHandler) {
    this.#open = () => {
      const tunnel = new Tunnel(credential, keys, {
        begun: () => {
          this.#isOver = true;
          handler.taken(tunnel);
        },
        refused: () => {
          if (!this.#isOver) handler.none();
          this.#isOver = true;
        },
      });
      this.#tunnel = tunnel;
    };
    this.#timer = setTimeout(() => this.hurry(), use === "late" ? BETTER_FIRST : BETTER_SOON);
  }

  /** Whether it may still be taken. */
  get isLeft(): boolean {
    return !this.#isOver;
  }

  /** Opens it at once: there is nothing better to be waited for. */
  hurry(): void {
    clearTimeout(this.#timer);
    if (!this.#isOver && !this.#tunnel) this.#open();
  }

  /** Another way was taken. */
  cancel(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#tunnel?.close();
  }
}

/** How long a better path is looked for first. */
const BETTER_FIRST = 6_000;

/** The same where there was nothing better before. */
const BETTER_SOON = 1_000;
