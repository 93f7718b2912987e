// The side that opens a share: it holds the rooms at the server, one for its code and one for its link, and pairs with every
// guest.

import { Failure } from "../failure.ts";
import { fetchIce, granted, NO_ICE } from "../net/ice.ts";
import { Pairing, type PairingHost } from "../net/pair.ts";
import { random } from "../net/random.ts";
import { Signaling } from "../net/signaling.ts";
import { generateCode, spacedCode, type Code } from "../protocol/code.ts";
import type { ClientMessage, ServerMessage } from "../protocol/envelope.ts";
import { HostIdentity } from "../protocol/host_identity.ts";
import { fragmentOf, roomOfLink, type Link } from "../protocol/link.ts";
import { drawEntropy } from "../protocol/pairing/entropy.ts";
import { HostPairing } from "../protocol/pairing/host.ts";
import type { HostSecret } from "../protocol/pairing/secret.ts";
import type { StretchedPassword } from "../protocol/password.ts";
import { ShareGuard } from "../protocol/share_guard.ts";
import { Line } from "./line.ts";

export interface ShareOptions {
  readonly password: StretchedPassword | undefined;
  /** How many guests may fetch it; any number if absent. */
  readonly max: number | undefined;
  /** Whether every guest compares the short number. */
  readonly verify: boolean;
}

export interface HostingHandler extends Pick<PairingHost, "confirm"> {
  /** How guests find the share; again when the code changed. */
  shared(code: string, link: string): void;
  /** A wrong code was tried; this many are left before it changes. */
  wrongCode(left: number): void;
  wrongPassword(left: number): void;
  /** A guest is connected. */
  guest(line: Line): void;
  /** A guest that had the right code could not be connected. */
  guestFailed(failure: Failure): void;
  /** Whether the server is connected. */
  online(isOnline: boolean): void;
  /** The server asks to wait so many seconds before it opens the share. */
  crowded(seconds: number): void;
  /** The share cannot be held. */
  failed(failure: Failure): void;
}

interface Guest {
  readonly pairing: Pairing;
  readonly machine: HostPairing;
}

interface Room {
  token?: string | undefined;
  isOpen: boolean;
}

export class Hosting {
  readonly #options: ShareOptions;
  readonly #handler: HostingHandler;
  readonly #identity = new HostIdentity(random(32));
  readonly #link: Link = { secret: random(16), hostKeyHash: this.#identity.publicKeyHash };
  readonly #guard = new ShareGuard();
  readonly #guests = new Map<number, Guest>();
  #code: Code | undefined;
  #codeRoom: Room = { isOpen: false };
  #linkRoom: Room = { isOpen: false };
  #signaling: Signaling | undefined;
  #ice = NO_ICE;
  #paired = 0;
  /** Whether anybody was told how to find the share. */
  #isShared = false;
  /** Until when a server that asks to wait is asked again. */
  #patientUntil = 0;
  #isOver = false;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ShareOptions, handler: HostingHandler) {
    this.#options = options;
    this.#handler = handler;
  }

  async start(): Promise<void> {
    this.#ice = await fetchIce();
    try {
      await this.#connect();
    } catch {
      this.#handler.failed(new Failure({ t: "server" }));
    }
  }

  /** Takes no more guests; those that are connected go on. */
  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#retry);
    for (const { pairing } of this.#guests.values()) if (!pairing.isPaired) pairing.cancel();
    this.#signaling?.close();
  }

  async #connect(): Promise<void> {
    this.#signaling = await Signaling.connect({
      message: (message) => this.#take(message),
      closed: () => this.#reconnect(RETRY_FIRST),
    });
    if (this.#isOver) {
      this.#signaling.close();
      return;
    }
    this.#handler.online(true);
    this.#patientUntil = performance.now() + CROWDED_MAX;
    this.#say(this.#codeRequest());
    this.#say(this.#linkRequest());
  }

  /** Gets the rooms back after the connection to the server was lost. */
  #reconnect(pause: number): void {
    if (this.#isOver) return;
    this.#handler.online(false);
    this.#codeRoom.isOpen = false;
    this.#linkRoom.isOpen = false;
    for (const { pairing } of this.#guests.values()) if (!pairing.isPaired) pairing.fail(new Failure({ t: "server" }));
    this.#retry = setTimeout(() => {
      this.#connect().catch(() => this.#reconnect(Math.min(pause * 1.5, RETRY_MAX)));
    }, pause);
  }

  #codeRequest(): ClientMessage {
    return this.#request("code", this.#code?.nameplate, this.#codeRoom.token);
  }

  #linkRequest(): ClientMessage {
    return this.#request("link", roomOfLink(this.#link), this.#linkRoom.token);
  }

  #request(kind: "code" | "link", room: string | undefined, token: string | undefined): ClientMessage {
    // Who comes back takes a place again, so that places are counted here and not at the server.
    return { type: "create", v: 1, kind, room, token, ttl: LIFETIME_S };
  }

  #say(message: ClientMessage): void {
    this.#signaling?.say(message);
  }

  #take(message: ServerMessage): void {
    switch (message.type) {
      case "created":
        this.#opened(message.room, message.token);
        break;
      case "peer":
        if (this.#wantsMore) this.#serve(message.cid, message.room);
        else this.#say({ type: "kick", cid: message.cid, why: "kicked" });
        break;
      case "from":
        this.#guests.get(message.cid)?.pairing.feed({ t: "received", bytes: message.body });
        break;
      case "left": {
        const pairing = this.#guests.get(message.cid)?.pairing;
        if (pairing && !pairing.isPaired) pairing.fail(new Failure({ t: "peer_left", why: message.why }));
        break;
      }
      case "ended":
        this.#lost(message.room);
        break;
      case "error":
        this.#refused(message);
        break;
      case "turn":
        this.#guests.get(message.cid ?? 0)?.pairing.begin(granted(message));
        break;
      case "joined":
      case "nearby":
      case "need_pow":
        break;
    }
  }

  /** Notes that a room is open. A nameplate that is new gets secret digits of its own. */
  #opened(room: string, token: string): void {
    if (room === roomOfLink(this.#link)) {
      this.#linkRoom = { token, isOpen: true };
    } else {
      if (this.#code?.nameplate !== room) this.#code = generateCode(room, random);
      this.#codeRoom = { token, isOpen: true };
    }
    if (this.#code && this.#codeRoom.isOpen && this.#linkRoom.isOpen) {
      this.#isShared = true;
      const origin = this.#ice.elsewhere ?? location.origin;
      this.#handler.shared(spacedCode(this.#code), `${origin}/#${fragmentOf(this.#link)}`);
    }
  }

  /** Takes in that the server refused something: a room, as long as that is not open. A code that is new has no room yet. */
  #refused({ code, room, retry_after: seconds }: Extract<ServerMessage, { type: "error" }>): void {
    if (code === "not_active" && room !== undefined) {
      this.#lost(room);
      return;
    }
    const isLink = room === roomOfLink(this.#link);
    if ((isLink ? this.#linkRoom : this.#codeRoom).isOpen) return;
    if (code === "rate_limited" && seconds !== undefined && performance.now() + 1_000 * seconds < this.#patientUntil) {
      if (!this.#isShared) this.#handler.crowded(seconds);
      const signaling = this.#signaling;
      setTimeout(() => signaling?.say(isLink ? this.#linkRequest() : this.#codeRequest()), 1_000 * Math.max(1, seconds));
    } else if (!isLink || !this.#isShared) {
      this.#handler.failed(new Failure({ t: "refused", code, retryAfter: seconds }));
    }
  }

  /** Asks anew for what the server forgot. The link stays as it is; a code does not. */
  #lost(room: string): void {
    if (room === roomOfLink(this.#link)) {
      this.#linkRoom = { isOpen: false };
    } else {
      this.#code = undefined;
      this.#codeRoom = { isOpen: false };
    }
    this.#reopen();
  }

  /** Lends the place of a guest that is not heard to whoever comes with the same code or link. */
  lend(): void {
    this.#paired--;
  }

  /** The guest is there again. */
  takeBack(): void {
    this.#paired++;
  }

  #reopen(): void {
    if (this.#isOver) return;
    if (!this.#linkRoom.isOpen) this.#say(this.#linkRequest());
    if (!this.#codeRoom.isOpen) this.#say(this.#codeRequest());
  }

  get #wantsMore(): boolean {
    return this.#options.max === undefined || this.#paired < this.#options.max;
  }

  #secretOf(room: string): HostSecret | undefined {
    if (room === roomOfLink(this.#link)) return { t: "link", link: this.#link, identity: this.#identity };
    return this.#code?.nameplate === room ? { t: "code", code: this.#code } : undefined;
  }

  #serve(cid: number, room: string): void {
    const secret = this.#secretOf(room);
    if (!secret) return;
    const { password } = this.#options;
    const machine = new HostPairing(
      secret,
      {
        password: password && { password, attempts: this.#guard.passwordAttempts },
        shortNumber: this.#options.verify || this.#guard.isShortNumberDue,
      },
      drawEntropy(random),
      performance.now(),
    );
    const pairing = new Pairing(machine, false, this.#ice, {
      askForRelay: () => this.#say({ type: "turn", cid }),
      send: (body) => this.#say({ type: "to", cid, body }),
      paired: () => {
        this.#paired++;
        this.#guard.paired();
      },
      proven: () => this.#say({ type: "report", cid, what: "ok" }),
      askPassword: () => Promise.reject(new Error("a host asks nobody for a password")),
      confirm: this.#handler.confirm,
      wrongPassword: () => this.#countWrongPassword(),
      judged: (error) => {
        if (error.code === "wrong_code" && !error.byPeer) this.#countWrongCode(cid);
      },
    });
    this.#guests.set(cid, { pairing, machine });
    pairing.done.then((paired) => this.#handler.guest(new Line(paired, this.#ice)), (error: unknown) => {
      if (!(error instanceof Failure)) return;
      if (!pairing.isPaired) {
        // Who knows the code or link and is not let in might stay, and take a place from others.
        if (error.reason.t === "pairing") this.#say({ type: "kick", cid, why: "kicked" });
        return;
      }
      this.#handler.guestFailed(error);
      this.lend();
    }).finally(() => this.#guests.delete(cid));
  }

  #countWrongCode(cid: number): void {
    const left = this.#guard.wrongCode();
    this.#say({ type: "report", cid, what: "bad_proof" });
    this.#handler.wrongCode(left);
    for (const { machine } of this.#guests.values()) machine.demandShortNumber();
    if (!this.#guard.isCodeRetired) return;
    // A handshake that is in flight would be one guess more than the limit.
    for (const { machine, pairing } of this.#guests.values()) {
      machine.retire();
      pairing.feed({ t: "timed_out" });
    }
    this.#guard.codeReplaced();
    const retired = this.#code?.nameplate;
    this.#code = undefined;
    this.#codeRoom = { isOpen: false };
    this.#say({ type: "bye", room: retired });
    this.#say(this.#codeRequest());
  }

  #countWrongPassword(): void {
    this.#guard.wrongPassword();
    const left = this.#guard.passwordAttempts;
    this.#handler.wrongPassword(left);
    if (left === 0) for (const { machine } of this.#guests.values()) machine.lockPassword();
  }

  /** Lets passwords be tried again after too many were wrong. */
  unlockPassword(): void {
    this.#guard.unlockPassword();
  }
}

const LIFETIME_S = 24 * 3600;
/** How long a server is given that asks to wait, in milliseconds; a person would wait no longer. */
const CROWDED_MAX = 60_000;
const RETRY_FIRST = 1_000;
const RETRY_MAX = 30_000;
