// The way to a peer that this side has paired with: renewed when it is lost, replaced when there is a better one.

import { Bundle } from "../net/bundle.ts";
import { DEAF, type ChannelHandler, type Path } from "../net/channel.ts";
import { Further } from "../net/further.ts";
import { withoutRelays, type Ice } from "../net/ice.ts";
import type { Paired } from "../net/pair.ts";
import type { Bytes } from "../protocol/bytes.ts";
import { encodeCtl } from "../protocol/ctl.ts";
import type { SessionKeys } from "../protocol/keys.ts";
import { stripeFrame, type Look, type Stripe } from "../protocol/streams.ts";
import { Search, type Goal } from "./search.ts";

/** What happens on a line. */
export interface LineHandler extends Pick<ChannelHandler, "ctl" | "data" | "drained" | "disturbed"> {
  /** Another connection takes over: what was on its way is lost, and whether that is so because a further one broke. */
  replaced(isBroken: boolean): void;
  /** So many connections carry the file data. */
  spread?(connections: number): void;
  /** The peer did not come back in time; said once. */
  lost(): void;
  /** The path in use, again and again. */
  path?(path: Path): void;
  /** What decides about further connections, about as often, where those could be of use. */
  look?(look: Look): void;
}

export class Line {
  #channel: Bundle;
  /** Opens further connections beside the channel. */
  #further: Further | undefined;
  #keys: SessionKeys;
  /** The keys before: the peer may not have got as far as the newest. */
  #previous: SessionKeys | undefined;
  readonly #ice: Ice;
  #handler: LineHandler | undefined;
  #search: Search | undefined;
  #isDisturbed = false;
  /** Until when a channel that came back is not relied upon. */
  #distrusted = 0;
  /** Whether the channel is lost, and no other is there yet. */
  #isLost = false;
  #isOver = false;
  #path: Path | undefined;
  /** The bytes of file data that were sent, and how many of them when at the last look. */
  #sent = 0;
  #seen = { sent: 0, at: performance.now() };
  #looks: ReturnType<typeof setInterval> | undefined;
  #giveUp: ReturnType<typeof setTimeout> | undefined;

  constructor({ channel, keys }: Paired, ice: Ice) {
    this.#channel = new Bundle(channel);
    this.#keys = keys;
    this.#ice = ice;
  }

  get isOpen(): boolean {
    return !this.#isLost && this.#channel.isOpen;
  }

  get hasRoom(): boolean {
    return this.isOpen && this.#channel.hasRoom;
  }

  get payloadBytes(): number {
    return this.#channel.payloadBytes;
  }

  /** Hands everything to `handler` from here on, what arrived early included. */
  listen(handler: LineHandler): void {
    this.#handler = handler;
    this.#looks ??= setInterval(() => void this.#look(), LOOK_EVERY);
    void this.#look();
    this.#attach();
  }

  /** Keeps what arrives until somebody listens again. */
  unlisten(): void {
    this.#handler = undefined;
    this.#channel.unlisten();
  }

  /** Puts control frames back, in front of what came meanwhile, for whoever listens next. */
  giveBack(frames: readonly Uint8Array[]): void {
    this.#channel.giveBack(frames);
  }

  sendCtl(frame: Bytes): void {
    if (!this.#isLost) this.#channel.sendCtl(frame);
  }

  sendData(message: Bytes): void {
    if (this.#isLost) return;
    this.#sent += message.length;
    this.#channel.sendData(message);
  }

  /** Has the path looked at soon: something about it has changed. */
  hurry(): void {
    void this.#look();
  }

  /** Opens a further connection beside the channel. */
  connect(n: number): void {
    this.#opener()?.open(n);
  }

  /** Takes in what the peer says of a further connection. */
  hear(n: number, said: Stripe): void {
    this.#opener()?.hear(n, said);
  }

  #opener(): Further | undefined {
    const { recipe } = this.#channel;
    if (!recipe || this.#isLost || this.#isOver) return undefined;
    const isDirect = this.#path !== undefined && this.#path.kind !== "relay";
    this.#further ??= new Further(isDirect ? withoutRelays(recipe) : recipe, this.#keys, {
      say: (n, said) => this.sendCtl(encodeCtl(stripeFrame(n, said))),
      ready: (channel) => {
        this.#channel.join(channel);
        this.#handler?.spread?.(this.#channel.connections);
      },
    });
    return this.#further;
  }

  #stopOpening(): void {
    this.#further?.stop();
    this.#further = undefined;
  }

  /** Finds the peer again: the channel is lost, or gives no sign of life. */
  renew(): void {
    if (this.#isOver || this.#isLost) return;
    this.#isLost = true;
    this.#stopOpening();
    this.#channel.listen(DEAF);
    this.#giveUp = setTimeout(() => {
      const handler = this.#handler;
      this.close();
      handler?.lost();
    }, RETRY);
    this.#lookFor("any");
    this.#disturbed(true);
  }

  close(): void {
    this.#leave();
    this.#channel.close();
  }

  /** Lets what was sent leave, for a moment, then closes. */
  async closeSoon(): Promise<void> {
    const { isOpen } = this;
    this.#leave();
    this.#channel.listen(DEAF);
    const until = performance.now() + FAREWELL;
    while (isOpen && this.#channel.isOpen && performance.now() < until) await new Promise((go) => setTimeout(go, 50));
    this.#channel.close();
  }

  #leave(): void {
    this.#isOver = true;
    this.#handler = undefined;
    this.#stopOpening();
    this.#search?.stop();
    this.#search = undefined;
    clearInterval(this.#looks);
    clearTimeout(this.#giveUp);
  }

  #attach(): void {
    const handler = this.#handler;
    if (!handler || this.#isLost) return;
    this.#channel.listen({
      ctl: (frame) => this.#handler?.ctl(frame),
      data: (message) => this.#handler?.data(message),
      drained: () => this.#handler?.drained(),
      disturbed: (isDisturbed) => this.#disturbed(isDisturbed),
      lost: () => this.renew(),
    });
  }

  #disturbed(isDisturbed: boolean): void {
    if (this.#isDisturbed === isDisturbed) return;
    this.#isDisturbed = isDisturbed;
    if (!isDisturbed) this.#distrusted = performance.now() + DISTRUST;
    this.#lookFor(this.#wish());
    this.#handler?.disturbed(isDisturbed);
  }

  /** Looks at the path, and for a better one where that may be. */
  async #look(): Promise<void> {
    const channel = this.#channel;
    channel.look();
    const path = this.#isLost ? undefined : await channel.path().catch(() => undefined);
    if (!path || channel !== this.#channel || this.#isOver) return;
    this.#path = path;
    this.#lookFor(this.#wish());
    this.#handler?.path?.(path);
    const look = this.#lookAtSpare(path);
    if (channel.recipe) this.#handler?.look?.(look);
  }

  #lookAtSpare({ roundTrip, kind }: Path): Look {
    const { sent, at } = this.#seen;
    this.#seen = { sent: this.#sent, at: performance.now() };
    const rate = (1000 * (this.#sent - sent)) / Math.max(1, this.#seen.at - at);
    return { roundTrip, isBusy: this.#channel.isBusy, rate, isRelayed: kind === "relay" };
  }

  /** What sort of connection would be better than the present one, if any. */
  #wish(): Goal | undefined {
    if (this.#isLost || this.#isDisturbed || performance.now() < this.#distrusted) return "any";
    if (this.#path?.kind === "websocket") return "datagrams";
    return this.#path?.kind === "relay" ? "direct" : undefined;
  }

  #lookFor(goal: Goal | undefined): void {
    if (this.#isOver || goal === this.#search?.goal) return;
    if (goal === undefined) {
      this.#search?.stop();
      this.#search = undefined;
    } else if (this.#search) {
      this.#search.change(goal);
    } else {
      const keys = [this.#keys, ...(this.#previous ? [this.#previous] : [])];
      this.#search = new Search(keys, this.#ice, goal, this.#path?.kind === "websocket", (found) => this.#replace(found));
    }
  }

  /** Goes on over another channel to the same peer, which is about to do the same. */
  #replace({ channel, keys }: Paired): void {
    const old = this.#channel;
    this.#stopOpening();
    old.listen(DEAF);
    // If the peer hears of its end first, it believes that all is lost.
    setTimeout(() => old.close(), OLD_MAX);
    this.#previous = this.#keys;
    this.#keys = keys;
    this.#channel = new Bundle(channel);
    this.#search = undefined;
    this.#path = undefined;
    this.#isLost = false;
    clearTimeout(this.#giveUp);
    this.#distrusted = 0;
    const wasDisturbed = this.#isDisturbed;
    this.#isDisturbed = false;
    if (wasDisturbed) this.#handler?.disturbed(false);
    this.#handler?.replaced(old.broke);
    this.#attach();
  }
}

/** How often the path is looked at, in milliseconds. */
const LOOK_EVERY = 1_000;

/** How long a lost peer is looked for, in milliseconds; command lines do as long. */
const RETRY = 10 * 60_000;

/** How long a channel is kept after another one took over. */
const OLD_MAX = 2_000;

/** How long the last control frames may take to leave. */
const FAREWELL = 2_000;

/**
 * How long another connection is looked for although the present one came back: SCTP repeats what was lost ever more rarely,
 * in a command line after a silence of fifteen seconds only when as many again have passed.
 */
const DISTRUST = 30_000;
