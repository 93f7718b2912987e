// A connection and those beside it, which carry a share of its file data.
//
// SCTP slows down with every packet that is lost. Several connections are slowed down one by one, and each frame goes to the one
// with the least that waits, so that one that stands still gets no more. Frames may overtake each other on the way, and nothing
// but `data` is taken from a further connection. When one of them is lost, or stands still while the first does not, what it carried
// is lost, too, so the first one counts as lost with it.

import type { Bytes } from "../protocol/bytes.ts";
import type { Channel, ChannelHandler, Path, Recipe } from "./channel.ts";
import { Pulse, type Seen } from "./pulse.ts";

/** One of those beside the first, and what it was given. */
interface Further {
  readonly channel: Channel;
  pulse: Pulse;
}

export class Bundle {
  readonly #first: Channel;
  readonly #further: Further[] = [];
  /** The bytes that each was given to send, the first one included. */
  readonly #given = new Map<Channel, number>();
  /** Whose turn it is to send. */
  #turn = 0;
  #handler: ChannelHandler | undefined;
  #broke = false;
  #isOver = false;
  /** Whether nothing arrives or leaves over the first one for a while, and until when it counts as the reason if another one breaks. */
  #isDisturbed = false;
  #outageUntil = 0;
  #lastWords: ReturnType<typeof setTimeout> | undefined;

  constructor(first: Channel) {
    this.#first = first;
  }

  get isOpen(): boolean {
    return this.#first.isOpen;
  }

  /** Whether any data lane takes another frame. */
  get hasRoom(): boolean {
    return this.#first.hasRoom || this.#further.some(({ channel }) => channel.isOpen && channel.hasRoom);
  }

  /** Whether file data waits to be sent. */
  get isBusy(): boolean {
    return this.#first.waiting > 0 || this.#further.some(({ channel }) => channel.waiting > 0);
  }

  get payloadBytes(): number {
    return this.#first.payloadBytes;
  }

  get recipe(): Recipe | undefined {
    return this.#first.recipe;
  }

  get connections(): number {
    return 1 + this.#further.length;
  }

  /** Whether all of them ended because a further one did, and not for want of a path. */
  get broke(): boolean {
    return this.#broke;
  }

  /** Shares file data with a further connection to the same peer from now on. */
  join(further: Channel): void {
    this.#further.push({ channel: further, pulse: new Pulse() });
    let still: ReturnType<typeof setTimeout> | undefined;
    further.listen({
      // The peer's MAC, said once more.
      ctl: () => undefined,
      data: (message) => this.#handler?.data(message),
      drained: () => this.#handler?.drained(),
      disturbed: (isDisturbed) => {
        clearTimeout(still);
        // What disturbs the first one as well may pass for both.
        if (isDisturbed) still = setTimeout(() => this.#isDisturbed || this.#lostOne(), STILL_MAX);
      },
      lost: () => this.#lostOne(),
    });
  }

  listen(handler: ChannelHandler): void {
    this.#handler = handler;
    this.#first.listen({
      ctl: (frame) => this.#handler?.ctl(frame),
      data: (message) => this.#handler?.data(message),
      drained: () => this.#handler?.drained(),
      disturbed: (isDisturbed) => {
        this.#isDisturbed = isDisturbed;
        this.#outageUntil = isDisturbed ? Infinity : performance.now() + AFTERMATH;
        this.#handler?.disturbed(isDisturbed);
      },
      lost: () => this.#end(),
    });
  }

  unlisten(): void {
    this.#handler = undefined;
    this.#first.unlisten();
  }

  giveBack(frames: readonly Uint8Array[]): void {
    this.#first.giveBack(frames);
  }

  sendCtl(frame: Bytes): void {
    this.#first.sendCtl(frame);
  }

  sendData(message: Bytes): void {
    if (this.#further.length === 0) {
      this.#first.sendData(message);
      return;
    }
    const all = this.#all;
    // What has left and is not acknowledged does not show: where as much waits in several, they take turns.
    const open = [...all.slice(this.#turn), ...all.slice(0, this.#turn)].filter(({ isOpen }) => isOpen);
    const least = open.reduce((one, other) => (other.waiting < one.waiting ? other : one), open[0] ?? this.#first);
    this.#turn = all.indexOf(least) + 1;
    this.#given.set(least, (this.#given.get(least) ?? 0) + message.length);
    least.sendData(message);
  }

  get #all(): Channel[] {
    return [this.#first, ...this.#further.map(({ channel }) => channel)];
  }

  /** Looks, about once a second, whether what is sent over one of them stands still while others get ahead. */
  look(): void {
    const all = this.#all.reduce((sum, channel) => sum + this.#seenOf(channel).left, 0);
    for (const one of this.#further) {
      const own = this.#seenOf(one.channel);
      // After an outage each of them begins again in its own time.
      if (this.#isDisturbed) one.pulse = new Pulse();
      else if (one.pulse.look(own, all - own.left)) this.#lostOne();
    }
  }

  #seenOf(channel: Channel): Seen {
    const { waiting } = channel;
    return { left: (this.#given.get(channel) ?? 0) - waiting, waiting };
  }

  async path(): Promise<Path | undefined> {
    const path = await this.#first.path();
    return path && { ...path, connections: this.connections };
  }

  close(): void {
    this.#isOver = true;
    this.#handler = undefined;
    clearTimeout(this.#lastWords);
    for (const channel of this.#all) channel.close();
  }

  /** Where all of them end the first one has the word, and has things to say before that. */
  #lostOne(): void {
    if (this.#isOver) return;
    this.#lastWords ??= setTimeout(() => {
      // In an outage, too, one is lost before the others.
      this.#broke = performance.now() >= this.#outageUntil;
      this.#end();
    }, LAST_WORDS);
  }

  #end(): void {
    if (this.#isOver) return;
    const handler = this.#handler;
    this.close();
    handler?.lost();
  }
}

/** How long a further connection may stand still while the first one does not, in milliseconds. */
const STILL_MAX = 5_000;

/** How long after an outage connections may be lost that it cost, in milliseconds. */
const AFTERMATH = 10_000;

/** How long the first connection may take to say why all of them end, in milliseconds. */
const LAST_WORDS = 1_000;
