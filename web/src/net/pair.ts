// Drives one pairing: the machine, the server's mail and the connection that is being set up.

import { Failure } from "../failure.ts";
import type { Bytes } from "../protocol/bytes.ts";
import type { SessionKeys } from "../protocol/keys.ts";
import { PairingError } from "../protocol/pairing/error.ts";
import type { GuestPairing } from "../protocol/pairing/guest.ts";
import { HostPairing } from "../protocol/pairing/host.ts";
import type { Input, Output } from "../protocol/pairing/messages.ts";
import type { PasswordCost, StretchedPassword } from "../protocol/password.ts";
import { bind } from "./bind.ts";
import type { Channel } from "./channel.ts";
import { Detour, type DetourUse } from "./detour.ts";
import { NO_RELAY, type Grant, type Ice } from "./ice.ts";
import { Peer } from "./peer.ts";

/** What a pairing needs of its surroundings. */
export interface PairingHost {
  send(body: Bytes): void;
  /** Host: the guest knows the code or link. */
  proven?(): void;
  /** Both sides are proven; the connection follows. */
  paired(): void;
  askPassword(attemptsLeft: number, salt: Bytes, cost: PasswordCost): Promise<StretchedPassword>;
  /** `from` is what a guest calls itself that nobody expects, `met` the key that the other device proved to hold. */
  confirm(digits: string, from?: string, met?: Bytes): Promise<boolean>;
  wrongPassword(attemptsLeft: number): void;
  /** Asks the server for access to its relay; the answer goes to `begin`. */
  askForRelay(): void;
  /** The host counts a proof before anything is sent on. */
  judged?(error: PairingError): void;
}

/** A connection that is bound to a pairing, and the pairing's keys. */
export interface Paired {
  readonly channel: Channel;
  readonly keys: SessionKeys;
}

/** A pairing under way; `done` is the bound connection. */
export class Pairing {
  readonly done: Promise<Paired>;
  readonly #machine: GuestPairing | HostPairing;
  readonly #host: PairingHost;
  readonly #peer: Peer;
  readonly #isGuest: boolean;
  #keys: SessionKeys | undefined;
  /** Host: whether the guest is known to know the code or link. */
  #isProven = false;
  #met: Bytes | undefined;
  #isOpen = false;
  #isOver = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #openTimer: ReturnType<typeof setTimeout> | undefined;
  #resolve!: (paired: Paired) => void;
  #reject!: (failure: Error) => void;
  #relayTimer: ReturnType<typeof setTimeout> | undefined;
  /** Whether the search for addresses may begin, and whether it has. */
  #isBeginning: boolean;
  #isBegun: boolean;
  /** Access to the relay, while both sides are not proven. */
  #granted: Grant | undefined;
  /** The host's answer, and what came after it, until then. */
  #answer: string | undefined;
  readonly #waiting: (() => Promise<void>)[] = [];
  readonly #detourUse: DetourUse;
  /** The way through the server, in case that no other opens. */
  #detour: Detour | undefined;
  #hasFailed = false;
  /** The way that is being bound. */
  #channel: Channel | undefined;
  /** What the stack is told, in its order. */
  #stack: Promise<void> = Promise.resolve();

  constructor(machine: GuestPairing | HostPairing, isGuest: boolean, ice: Ice, host: PairingHost, detour: DetourUse = "late") {
    this.#machine = machine;
    this.#detourUse = detour;
    this.#isGuest = isGuest;
    this.#host = host;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#peer = new Peer(ice, {
      candidate: (candidate) => this.feed({ t: "local_candidate", candidate }),
      open: () => {
        this.#isOpen = true;
        this.#bindWhenReady();
      },
      failed: () => {
        this.#hasFailed = true;
        if (this.#detour?.isLeft) this.#detour.hurry();
        else this.fail(new Failure({ t: "no_path" }));
      },
    });
    this.#isBegun = this.#isBeginning = !ice.hasRelay;
    if (ice.hasRelay) host.askForRelay();
    if (isGuest) this.#later(async () => this.feed({ t: "local_description", sdp: await this.#peer.offer() }));
    this.#carryOut();
  }

  /** Whether both sides are proven, so that the server is needed for late candidates only. */
  get isPaired(): boolean {
    return this.#keys !== undefined;
  }

  /** Looks for addresses, with the relay that the server grants once both sides are proven. */
  begin({ servers, credential }: Grant): void {
    clearTimeout(this.#relayTimer);
    if (this.#isBeginning || this.#isOver) return;
    const keys = this.#keys;
    if (credential && !keys) {
      // People may still be asked, and no address leaves before they have answered.
      this.#granted = { servers, credential };
      return;
    }
    this.#isBeginning = true;
    if (credential && keys && this.#detourUse !== "never") {
      this.#detour = new Detour(credential, keys, this.#detourUse, {
        taken: (tunnel) => this.#take(tunnel, keys),
        none: () => {
          if (this.#hasFailed) this.fail(new Failure({ t: "no_path" }));
        },
      });
    }
    this.#later(async () => {
      await this.#peer.begin(servers);
      this.#isBegun = true;
      const answer = this.#answer;
      if (answer !== undefined) await this.#peer.acceptAnswer(answer);
      for (const work of this.#waiting.splice(0)) await work();
    });
  }

  feed(input: Input): void {
    if (this.#isOver) return;
    try {
      this.#machine.handleInput(input, performance.now());
    } catch (error) {
      if (!(error instanceof PairingError)) throw error;
      this.#host.judged?.(error);
      this.#carryOut();
      this.fail(new Failure({ t: "pairing", code: error.code, byPeer: error.byPeer }));
      return;
    }
    if (!this.#isProven && this.#machine instanceof HostPairing && this.#machine.isGuestProven) {
      this.#isProven = true;
      this.#host.proven?.();
    }
    this.#carryOut();
  }

  /** Stops; the peer is told. */
  cancel(): void {
    this.feed({ t: "canceled" });
    this.fail(new Failure({ t: "stopped" }));
  }

  fail(failure: Failure): void {
    if (this.#isOver) return;
    this.#end();
    this.#detour?.cancel();
    this.#peer.close();
    this.#reject(failure);
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#openTimer);
    clearTimeout(this.#relayTimer);
  }

  #carryOut(): void {
    for (;;) {
      const output = this.#machine.pollOutput();
      if (output.t === "wait") {
        clearTimeout(this.#timer);
        const { until } = output;
        if (until === undefined) return;
        this.#timer = setTimeout(() => this.feed({ t: "timed_out" }), Math.max(0, until - performance.now()) + 1);
        return;
      }
      this.#perform(output);
    }
  }

  #perform(output: Exclude<Output, { t: "wait" }>): void {
    switch (output.t) {
      case "send":
        this.#host.send(output.bytes);
        break;
      case "remote_description":
        this.#later(() => this.#describe(output.sdp.text));
        break;
      case "remote_candidate":
        this.#whenBegun(() => this.#peer.addCandidate(output.candidate));
        break;
      case "ask_password":
        void this.#host
          .askPassword(output.attemptsLeft, output.salt, output.cost)
          .then((stretched) => this.feed({ t: "password", stretched }), () => this.cancel());
        break;
      case "show_short_number":
        void this.#host.confirm(output.digits, output.from, this.#met).then((same) => this.feed({ t: "confirmed", same }));
        break;
      case "met":
        this.#met = output.key;
        break;
      case "wrong_password":
        this.#host.wrongPassword(output.attemptsLeft);
        break;
      case "paired":
        this.#keys = output.keys;
        this.#openTimer = setTimeout(() => this.fail(new Failure({ t: "no_path" })), OPEN_MAX);
        this.#relayTimer = setTimeout(() => this.begin(NO_RELAY), RELAY_MAX);
        this.#host.paired();
        if (this.#granted) this.begin(this.#granted);
        this.#bindWhenReady();
        break;
    }
  }

  /** Hands the peer's description to the stack: a guest has its answer now, a host makes one. */
  async #describe(sdp: string): Promise<void> {
    if (this.#isGuest && this.#isBegun) await this.#peer.acceptAnswer(sdp);
    else if (this.#isGuest) this.#answer = sdp;
    else this.feed({ t: "local_description", sdp: await this.#peer.answer(sdp) });
  }

  #whenBegun(work: () => Promise<void>): void {
    if (this.#isBegun) this.#later(work);
    else this.#waiting.push(work);
  }

  #later(work: () => Promise<void>): void {
    this.#stack = this.#stack.then(work).catch((error: unknown) => {
      this.fail(error instanceof Failure ? error : new Failure({ t: "internal", detail: String(error) }));
    });
  }

  /** Which of two ways is used the guest decides: with a path it needs no detour, and a host waits for what comes first. */
  #bindWhenReady(): void {
    const keys = this.#keys;
    if (!keys || !this.#isOpen || this.#isOver) return;
    this.#end();
    if (this.#isGuest) this.#detour?.cancel();
    this.#bind(this.#peer, keys);
  }

  #take(tunnel: Channel, keys: SessionKeys): void {
    this.#end();
    this.#peer.close();
    this.#bind(tunnel, keys);
  }

  #bind(channel: Channel, keys: SessionKeys): void {
    this.#channel = channel;
    bind(channel, keys).then(
      () => {
        this.#detour?.cancel();
        this.#resolve({ channel, keys });
      },
      (error: unknown) => {
        if (this.#channel !== channel) return;
        this.#detour?.cancel();
        channel.close();
        this.#reject(error instanceof Failure ? error : new Failure({ t: "internal", detail: String(error) }));
      },
    );
  }
}

/** How long the server may take to give access to its relay: it has all that it needs by then. */
const RELAY_MAX = 3_000;

/** How long the search for a path may take once both sides are proven. */
const OPEN_MAX = 30_000;
