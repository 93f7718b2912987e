// Looks for another connection to the same peer while the present one may still work, in the room that the keys of both name.

import { Failure } from "../failure.ts";
import type { Ice } from "../net/ice.ts";
import { Pairing, type Paired, type PairingHost } from "../net/pair.ts";
import { random } from "../net/random.ts";
import { Signaling } from "../net/signaling.ts";
import type { ServerMessage } from "../protocol/envelope.ts";
import type { SessionKeys } from "../protocol/keys.ts";
import { drawEntropy } from "../protocol/pairing/entropy.ts";
import { GuestPairing } from "../protocol/pairing/guest.ts";
import { HostPairing } from "../protocol/pairing/host.ts";
import type { Role } from "../protocol/role.ts";
import { roomOfResumeId } from "../protocol/room.ts";
import { deliver } from "./mail.ts";

/**
 * What is looked for: any connection, as the present one is lost or silent; one without a relay; or one of datagrams, as the
 * present one is the server's WebSocket.
 */
export type Goal = "any" | "direct" | "datagrams";

export class Search {
  readonly #keys: readonly SessionKeys[];
  readonly #ice: Ice;
  readonly #neededDetour: boolean;
  readonly #found: (found: Paired) => void;
  #goal: Goal;
  #isOver = false;
  #pause: number | undefined;
  #attempt: Attempt | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #grace: ReturnType<typeof setTimeout> | undefined;

  /**
   * Looks for the peer that holds one of these keys, newest first. Where the server's WebSocket was needed before, it will
   * not be waited for again.
   */
  constructor(keys: readonly SessionKeys[], ice: Ice, goal: Goal, neededDetour: boolean, found: (found: Paired) => void) {
    this.#keys = keys;
    this.#ice = ice;
    this.#goal = goal;
    this.#neededDetour = neededDetour;
    this.#found = found;
    this.#schedule();
  }

  get goal(): Goal {
    return this.#goal;
  }

  /** Looks for something else from now on. What is about to succeed is given a moment. */
  change(goal: Goal): void {
    this.#goal = goal;
    clearTimeout(this.#grace);
    this.#grace = setTimeout(() => {
      this.#pause = undefined;
      this.#stopAttempt();
      this.#schedule();
    }, GRACE);
  }

  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#grace);
    this.#stopAttempt();
  }

  #stopAttempt(): void {
    clearTimeout(this.#timer);
    const attempt = this.#attempt;
    this.#attempt = undefined;
    attempt?.stop();
  }

  #schedule(): void {
    const pace = paceOf(this.#goal, this.#keys[0]?.role ?? "guest");
    const pause = this.#pause ?? pace.first;
    this.#pause = Math.min(Math.max(pause * pace.grows, pace.least), pace.most);
    this.#timer = setTimeout(() => void this.#try(), pause);
  }

  async #try(): Promise<void> {
    const attempt = new Attempt(this.#keys, this.#iceOfGoal(), this.#goal, this.#neededDetour);
    this.#attempt = attempt;
    const found = await attempt.run().catch((error: unknown) => this.#note(error));
    if (this.#isOver || this.#attempt !== attempt) {
      found?.channel.close();
      return;
    }
    this.#attempt = undefined;
    if (found) {
      this.#isOver = true;
      clearTimeout(this.#grace);
      this.#found(found);
    } else {
      this.#schedule();
    }
  }

  /** A server that is asked too often says how long it wants to be left alone. */
  #note(error: unknown): undefined {
    const reason = error instanceof Failure ? error.reason : undefined;
    if (reason?.t === "refused") this.#pause = Math.max(this.#pause ?? 0, 1_000 * (reason.retryAfter ?? 0));
  }

  #iceOfGoal(): Ice {
    return this.#goal === "direct" ? { servers: this.#ice.servers, hasRelay: false } : this.#ice;
  }
}

/** One try to meet the peer. */
class Attempt {
  readonly #keys: readonly SessionKeys[];
  readonly #ice: Ice;
  readonly #goal: Goal;
  readonly #neededDetour: boolean;
  #signaling: Signaling | undefined;
  #pairing: Pairing | undefined;
  /** The guest that this side pairs with as a host. */
  #cid: number | undefined;
  #reject: ((failure: Failure) => void) | undefined;
  #isStopped = false;

  constructor(keys: readonly SessionKeys[], ice: Ice, goal: Goal, neededDetour: boolean) {
    this.#keys = keys;
    this.#ice = ice;
    this.#goal = goal;
    this.#neededDetour = neededDetour;
  }

  stop(): void {
    this.#isStopped = true;
    this.#fail(new Failure({ t: "stopped" }));
    this.#pairing?.cancel();
    this.#signaling?.close();
  }

  /** Throws `Failure`. */
  async run(): Promise<Paired> {
    if (this.#keys[0]?.role === "host") return this.#meet(this.#keys);
    let last = new Failure({ t: "lost" });
    for (const keys of this.#keys) {
      if (this.#isStopped) break;
      try {
        return await this.#meet([keys]);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        last = error;
        // Only where nobody was there an older room is worth a look.
        if (error.reason.t !== "refused") break;
      }
    }
    throw last;
  }

  /** Opens the rooms as their host and pairs with the guest that comes, or enters the one as a guest. */
  async #meet(all: readonly SessionKeys[]): Promise<Paired> {
    let isLeft = false;
    let late: ReturnType<typeof setTimeout> | undefined;
    try {
      return await new Promise<Paired>((resolve, reject) => {
        this.#reject = reject;
        const begin = (pairing: Pairing): void => {
          clearTimeout(late);
          this.#pairing = pairing;
          pairing.done.then(resolve, reject);
        };
        const isHost = all[0]?.role === "host";
        // A server that is not reached, or where nobody comes, is tried anew: the way to it may be another one by then.
        late = setTimeout(() => this.#fail(new Failure({ t: "server" })), CONNECT_MAX);
        Signaling.connect({
          message: (message) => (isHost ? this.#asHost(message, all, begin) : this.#asGuest(message, all, begin)),
          closed: () => this.#fail(new Failure({ t: "server" })),
        }).then((signaling) => {
          if (isLeft || this.#isStopped) {
            signaling.close();
            return;
          }
          this.#signaling = signaling;
          clearTimeout(late);
          const most = isHost ? (this.#goal === "any" ? TURN_MAX : BETTER_TURN_MAX) : TURN_MAX;
          late = setTimeout(() => this.#fail(new Failure({ t: "server" })), most);
          for (const keys of all) {
            const room = roomOfResumeId(keys.resumeId);
            signaling.say(isHost ? { type: "create", v: 1, kind: "resume", room } : { type: "join", v: 1, room });
          }
        }, reject);
      });
    } finally {
      isLeft = true;
      clearTimeout(late);
      this.#pairing = this.#cid = undefined;
      this.#signaling?.close();
      this.#signaling = undefined;
    }
  }

  #asHost(message: ServerMessage, all: readonly SessionKeys[], begin: (pairing: Pairing) => void): void {
    if (message.type === "peer" && !this.#pairing) {
      const keys = all.find(({ resumeId }) => roomOfResumeId(resumeId) === message.room);
      if (!keys) return;
      const { cid } = message;
      this.#cid = cid;
      const secret = { t: "resume", room: message.room, key: keys.resumeKey } as const;
      const machine = new HostPairing(secret, { shortNumber: false }, drawEntropy(random), performance.now());
      begin(this.#pair(machine, false, {
        send: (body) => this.#signaling?.say({ type: "to", cid, body }),
        askForRelay: () => this.#signaling?.say({ type: "turn", cid }),
        proven: () => this.#signaling?.say({ type: "report", cid, what: "ok" }),
        paired: () => undefined,
      }));
    } else if (message.type === "error" ? message.code === "no_relay" : !("cid" in message) || message.cid === this.#cid) {
      deliver(message, this.#pairing, (failure) => this.#fail(failure));
    }
  }

  #asGuest(message: ServerMessage, [keys]: readonly SessionKeys[], begin: (pairing: Pairing) => void): void {
    if (message.type === "joined" && keys && !this.#pairing) {
      const secret = { t: "resume", room: message.room, key: keys.resumeKey } as const;
      const machine = new GuestPairing(secret, { shortNumber: false }, drawEntropy(random), performance.now());
      begin(this.#pair(machine, true, {
        send: (body) => this.#signaling?.say({ type: "to", body }),
        askForRelay: () => this.#signaling?.say({ type: "turn" }),
        paired: () => undefined,
      }));
    } else {
      deliver(message, this.#pairing, (failure) => this.#fail(failure));
    }
  }

  #pair(machine: GuestPairing | HostPairing, isGuest: boolean, host: Pick<PairingHost, "send" | "askForRelay" | "proven" | "paired">): Pairing {
    const detour = this.#goal !== "any" ? "never" : this.#neededDetour ? "soon" : "late";
    const nobody = (): Promise<never> => Promise.reject(new Error("nobody is asked when a connection comes back"));
    const questions = { askPassword: nobody, confirm: () => Promise.resolve(false), wrongPassword: () => undefined };
    return new Pairing(machine, isGuest, this.#ice, { ...host, ...questions }, detour);
  }

  /** Two sides that are proven need the server only for candidates that come late. */
  #fail(failure: Failure): void {
    if (this.#pairing?.isPaired) return;
    this.#pairing?.fail(failure);
    this.#reject?.(failure);
  }
}

/** How often it is tried: the pauses in milliseconds, and how much longer each is than the one before. */
interface Pace {
  readonly first: number;
  readonly least: number;
  readonly most: number;
  readonly grows: number;
}

function paceOf(goal: Goal, role: Role): Pace {
  if (goal === "any") return EAGER;
  // The host only has to be there.
  return role === "host" ? WAITING : PATIENT;
}

/** The other side needs about as long to notice. */
const EAGER: Pace = { first: 0, least: 300, most: 2_400, grows: 2 };

/** A path that is not there is rarely there a moment later. */
const PATIENT: Pace = { first: 5_000, least: 10_000, most: 160_000, grows: 2 };
const WAITING: Pace = { first: 3_000, least: 3_000, most: 3_000, grows: 1 };

/** How long the server may take to answer: a wish that got lost is repeated by the network ever more rarely. */
const CONNECT_MAX = 5_000;

/** How long one connection to the server is waited on before another one makes sure. */
const TURN_MAX = 15_000;

/** The same where nothing depends on it. */
const BETTER_TURN_MAX = 600_000;

/** How long an attempt may go on after something else is looked for: the peer may have taken its connection already. */
const GRACE = 2_000;
