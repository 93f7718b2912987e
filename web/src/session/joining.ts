// The side that joins a share with a code or link.

import { Failure } from "../failure.ts";
import { fetchIce, type Ice } from "../net/ice.ts";
import { Pairing, type PairingHost } from "../net/pair.ts";
import { random } from "../net/random.ts";
import { Signaling } from "../net/signaling.ts";
import { decodeCtl, encodeCtl, type Direction } from "../protocol/ctl.ts";
import type { DeviceIdentity } from "../protocol/device_identity.ts";
import { PING_INTERVAL, SILENCE_MAX } from "../protocol/limits.ts";
import { drawEntropy } from "../protocol/pairing/entropy.ts";
import { GuestPairing } from "../protocol/pairing/guest.ts";
import { roomOf, type Invitation } from "../protocol/pairing/secret.ts";
import { Line } from "./line.ts";
import { deliver } from "./mail.ts";

/** The steps that a person sees. */
export type JoinStep = "server" | "pairing" | "connecting";

export interface JoinHandler extends Pick<PairingHost, "askPassword" | "confirm"> {
  step(step: JoinStep): void;
}

/** A device as it shows itself to one that does not expect it. */
export interface Self {
  readonly name: string;
  readonly device: DeviceIdentity;
}

/** A join under way. */
export class Joining {
  readonly #secret: Invitation;
  readonly #handler: JoinHandler;
  readonly #self: Self | undefined;
  #signaling: Signaling | undefined;
  #pairing: Pairing | undefined;
  #machine: GuestPairing | undefined;
  #isStopped = false;

  /** `self` is what this side says of itself, where the host does not expect anybody; both then compare a number. */
  constructor(secret: Invitation, handler: JoinHandler, self?: Self) {
    this.#self = self;
    this.#secret = secret;
    this.#handler = handler;
  }

  /** Whether the host could test a guess: such a failure counts against the code. */
  get isExposed(): boolean {
    return this.#machine?.isExposed ?? false;
  }

  /** Joins; the connection that comes out is bound to the pairing. Throws `Failure`. */
  async run(): Promise<Line> {
    this.#handler.step("server");
    const asked = fetchIce();
    try {
      await this.#enter();
      const ice = await asked;
      return new Line(await this.#pair(ice).done, ice);
    } finally {
      this.#signaling?.close();
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#pairing?.cancel();
    this.#signaling?.close();
  }

  /** Mail that came before the pairing could take it. */
  readonly #early: Uint8Array[] = [];

  /** Enters the room. */
  async #enter(): Promise<void> {
    let entered!: () => void;
    let refused!: (failure: Failure) => void;
    const answer = new Promise<void>((resolve, reject) => {
      entered = resolve;
      refused = reject;
    });
    const fail = (failure: Failure): void => {
      refused(failure);
      // Two sides that are proven need the server only for candidates that come late.
      if (this.#pairing && !this.#pairing.isPaired) this.#pairing.fail(failure);
    };
    this.#signaling = await Signaling.connect({
      message: (message) => {
        if (message.type === "joined") entered();
        else if (message.type === "from" && !this.#pairing) this.#early.push(message.body);
        else deliver(message, this.#pairing, fail);
      },
      closed: () => fail(new Failure({ t: "server" })),
    });
    this.#signaling.say({ type: "join", v: 1, room: roomOf(this.#secret) });
    await answer;
    if (this.#isStopped) throw new Failure({ t: "stopped" });
  }

  #pair(ice: Ice): Pairing {
    this.#handler.step("pairing");
    const machine = new GuestPairing(this.#secret, { shortNumber: this.#self !== undefined, ...this.#self }, drawEntropy(random), performance.now());
    this.#machine = machine;
    this.#pairing = new Pairing(machine, true, ice, {
      send: (body) => this.#signaling?.say({ type: "to", body }),
      askForRelay: () => this.#signaling?.say({ type: "turn" }),
      paired: () => this.#handler.step("connecting"),
      askPassword: this.#handler.askPassword,
      confirm: this.#handler.confirm,
      wrongPassword: () => undefined,
    });
    for (const bytes of this.#early.splice(0)) this.#pairing.feed({ t: "received", bytes });
    return this.#pairing;
  }
}

/**
 * Waits for the host's hello, without taking it, to learn which way the files go. Whoever waits gives signs of life.
 * Throws `Failure`; the line is closed then.
 */
export async function hearDirection(line: Pick<Line, "listen" | "unlisten" | "giveBack" | "close">): Promise<Direction> {
  const heard: Uint8Array[] = [];
  return new Promise((resolve, reject) => {
    const fail = (failure: Failure): void => {
      clearTimeout(late);
      line.close();
      reject(failure);
    };
    const late = setTimeout(() => fail(new Failure({ t: "lost" })), SILENCE_MAX);
    line.listen({
      ctl: (bytes) => {
        heard.push(bytes);
        let role: Direction | undefined;
        try {
          const frame = decodeCtl(bytes);
          if (frame.t === "bind" || frame.t === "ping") return;
          if (frame.t === "hello") role = frame.role;
        } catch {
          // The machine that takes the frame again says what is wrong with it.
        }
        clearTimeout(late);
        line.unlisten();
        line.giveBack(heard);
        resolve(role ?? "sends");
      },
      data: () => fail(new Failure({ t: "bind_missing" })),
      drained: () => undefined,
      disturbed: () => undefined,
      replaced: () => heard.splice(0),
      lost: () => fail(new Failure({ t: "lost" })),
    });
  });
}

/** Gives signs of life while a person chooses what to send; returns how to stop. */
export function keepAlive(line: Line): () => void {
  const timer = setInterval(() => line.sendCtl(encodeCtl({ t: "ping" })), PING_INTERVAL);
  return () => clearInterval(timer);
}
