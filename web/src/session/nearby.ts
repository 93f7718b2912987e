// One connection to the server for the devices of this network: it tells who is there, and lets others see this page if it may.

import { fetchIce, granted, NO_ICE, NO_RELAY } from "../net/ice.ts";
import { Pairing } from "../net/pair.ts";
import { random } from "../net/random.ts";
import { Signaling } from "../net/signaling.ts";
import type { Bytes } from "../protocol/bytes.ts";
import type { DeviceIdentity } from "../protocol/device_identity.ts";
import type { ServerMessage } from "../protocol/envelope.ts";
import { HostIdentity } from "../protocol/host_identity.ts";
import { Knocks } from "../protocol/knocks.ts";
import { fragmentOf, roomOfLink } from "../protocol/link.ts";
import type { Device } from "../protocol/nearby.ts";
import { drawEntropy } from "../protocol/pairing/entropy.ts";
import { HostPairing } from "../protocol/pairing/host.ts";
import { Line } from "./line.ts";

export interface NearbyHandler {
  /** Who else is there; `undefined` where the server cannot tell. */
  devices(devices: readonly Device[] | undefined): void;
  /** Somebody is at the door: the person compares the number and lets it in or not. `met` is its key, if it shows one. */
  knock(from: string, digits: string, met: Bytes | undefined): Promise<boolean>;
  /** Whoever was at the door is gone. */
  left(): void;
  /** Whoever was at the door is let in and connected. */
  entered(line: Line): void;
}

export class Nearby {
  readonly #handler: NearbyHandler;
  readonly #device: () => DeviceIdentity;
  readonly #knocks = new Knocks();
  /** A link of its own for each connection: nobody finds this page again by it. */
  readonly #identity = new HostIdentity(random(32));
  readonly #link = { secret: random(16), hostKeyHash: this.#identity.publicKeyHash };
  #name: string | undefined;
  #isOpen = false;
  #signaling: Signaling | undefined;
  #ice = NO_ICE;
  #guest: { readonly cid: number; readonly pairing: Pairing } | undefined;
  #isOver = false;

  /** `device` tells the key by which others may know this page. */
  constructor(device: () => DeviceIdentity, handler: NearbyHandler) {
    this.#device = device;
    this.#handler = handler;
  }

  /** Looks around; says at the end that the connection is over, unless it was stopped. */
  async start(name: string | undefined, ended: () => void): Promise<void> {
    this.#name = name;
    const closed = (): void => {
      if (this.#isOver) return;
      this.stop();
      ended();
    };
    try {
      const signaling = await Signaling.connect({ message: (message) => this.#take(message), closed });
      this.#signaling = signaling;
      if (this.#isOver) {
        signaling.close();
        return;
      }
      signaling.say({ type: "look" });
      // The name as it is by now.
      this.show(this.#name);
      this.#ice = await fetchIce();
    } catch {
      closed();
    }
  }

  /** Lets others see this page under a name, or no longer. */
  show(name: string | undefined): void {
    this.#name = name;
    const room = roomOfLink(this.#link);
    if (name === undefined) {
      if (this.#isOpen) this.#signaling?.say({ type: "bye", room });
      this.#isOpen = false;
    } else if (this.#isOpen) {
      this.#signaling?.say({ type: "show", room, name, kind: "page", link: fragmentOf(this.#link) });
    } else {
      this.#signaling?.say({ type: "create", v: 1, kind: "link", room, ttl: LIFETIME_S });
    }
  }

  stop(): void {
    this.#isOver = true;
    if (this.#guest && !this.#guest.pairing.isPaired) this.#guest.pairing.cancel();
    this.#signaling?.close();
  }

  #take(message: ServerMessage): void {
    switch (message.type) {
      case "nearby":
        this.#handler.devices(message.devices.filter(({ room }) => room !== roomOfLink(this.#link)));
        break;
      case "created":
        this.#isOpen = true;
        this.show(this.#name);
        break;
      case "peer":
        this.#serve(message.cid);
        break;
      case "from":
        if (message.cid === this.#guest?.cid) this.#guest.pairing.feed({ t: "received", bytes: message.body });
        break;
      case "left":
        if (message.cid === this.#guest?.cid && !this.#guest.pairing.isPaired) this.#guest.pairing.cancel();
        break;
      case "turn":
        if (message.cid === this.#guest?.cid) this.#guest?.pairing.begin(granted(message));
        break;
      case "ended":
        this.#isOpen = false;
        this.show(this.#name);
        break;
      case "error":
        if (message.code === "no_nearby") this.#handler.devices(undefined);
        else if (message.code === "no_relay") this.#guest?.pairing.begin(NO_RELAY);
        break;
      case "joined":
      case "need_pow":
        break;
    }
  }

  #serve(cid: number): void {
    const signaling = this.#signaling;
    if (!this.#knocks.admit(this.#guest ? 1 : 0, performance.now())) {
      signaling?.say({ type: "kick", cid, why: "kicked" });
      return;
    }
    const secret = { t: "link", link: this.#link, identity: this.#identity } as const;
    const machine = new HostPairing(secret, { shortNumber: true, device: this.#device() }, drawEntropy(random), performance.now());
    const pairing = new Pairing(machine, false, this.#ice, {
      askForRelay: () => signaling?.say({ type: "turn", cid }),
      send: (body) => signaling?.say({ type: "to", cid, body }),
      proven: () => signaling?.say({ type: "report", cid, what: "ok" }),
      paired: () => undefined,
      askPassword: () => Promise.reject(new Error("a host asks nobody for a password")),
      confirm: (digits, from, met) => this.#handler.knock(from ?? "", digits, met),
      wrongPassword: () => undefined,
    });
    this.#guest = { cid, pairing };
    pairing.done
      .then((paired) => {
        this.#guest = undefined;
        this.#handler.entered(new Line(paired, this.#ice));
      }, () => {
        this.#guest = undefined;
        signaling?.say({ type: "kick", cid, why: "kicked" });
        this.#handler.left();
      });
  }
}

/** How long a page may be seen without a break, in seconds. */
const LIFETIME_S = 24 * 3600;
