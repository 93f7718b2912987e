// Opens further connections beside a line's channel.
//
// They are described over the channel itself, which is authenticated, and prove like the first one that they belong to the
// pairing. One that does not come up in time is given up.

import type { SessionKeys } from "../protocol/keys.ts";
import { TRICKLED_CANDIDATES_MAX } from "../protocol/limits.ts";
import { parseSdp, type Candidate, type Sdp, type SdpKind } from "../protocol/sdp.ts";
import type { Stripe } from "../protocol/streams.ts";
import { bind } from "./bind.ts";
import type { Channel, Recipe } from "./channel.ts";
import { Peer } from "./peer.ts";

export interface FurtherHandler {
  /** The peer is to be told this. */
  say(n: number, said: Stripe): void;
  /** It can be used: data may come over it, and on the sender's side leave. */
  ready(channel: Channel): void;
}

export class Further {
  readonly #recipe: Recipe;
  readonly #keys: SessionKeys;
  readonly #handler: FurtherHandler;
  /** Those that are being opened, by number. */
  readonly #opening = new Map<number, Opening>();

  constructor(recipe: Recipe, keys: SessionKeys, handler: FurtherHandler) {
    this.#recipe = recipe;
    this.#keys = keys;
    this.#handler = handler;
  }

  /** Takes in what the peer says of one. An offer has it opened. */
  hear(n: number, said: Stripe): void {
    if (said.t === "offer") this.open(n, said.sdp);
    // One that was given up hears nothing.
    else this.#opening.get(n)?.hear(said);
  }

  /** Opens one; the receiver of files does so when it gets an offer. */
  open(n: number, offer?: Sdp): void {
    const handler: OpeningHandler = {
      say: (said) => this.#handler.say(n, said),
      ready: (channel) => {
        this.#opening.delete(n);
        this.#handler.ready(channel);
      },
      failed: () => this.#opening.delete(n),
    };
    try {
      this.#opening.set(n, new Opening(this.#recipe, this.#keys, offer, handler));
    } catch {
      // A browser has only so many connections, of all its pages together: the data goes over those that there are.
    }
  }

  /** Gives up those that are not open yet. */
  stop(): void {
    for (const opening of this.#opening.values()) opening.stop();
    this.#opening.clear();
  }
}

interface OpeningHandler {
  say(said: Stripe): void;
  ready(channel: Channel): void;
  failed(): void;
}

/** One that is being opened. */
class Opening {
  readonly #peer: Peer;
  readonly #keys: SessionKeys;
  /** What is answered, on the side of the receiver of files. */
  readonly #offer: Sdp | undefined;
  readonly #handler: OpeningHandler;
  readonly #late: ReturnType<typeof setTimeout>;
  #isBound = false;
  /** Whether the receiver takes data from it, which goes without saying on its own side. */
  #isTaken: boolean;
  #isOver = false;
  /** How many addresses the peer was told. */
  #told = 0;
  /** Addresses that came before the peer's description. */
  readonly #early: Candidate[] = [];
  #isDescribed: boolean;
  /** What the stack is told, in its order. */
  #stack: Promise<void> = Promise.resolve();

  constructor(recipe: Recipe, keys: SessionKeys, offer: Sdp | undefined, handler: OpeningHandler) {
    this.#keys = keys;
    this.#offer = offer;
    this.#handler = handler;
    this.#isTaken = this.#isDescribed = offer !== undefined;
    // As if a relay followed: nothing is looked for before the description is said.
    this.#peer = new Peer({ servers: recipe, hasRelay: true }, {
      candidate: (candidate) => this.#tell(candidate),
      open: () => void this.#bind(),
      failed: () => this.#fail(),
    });
    this.#late = setTimeout(() => this.#fail(), offer ? ANSWER_MAX : OPEN_MAX);
    this.#later(() => this.#describe());
  }

  hear(said: Stripe): void {
    switch (said.t) {
      case "offer":
        break;
      case "answer":
        this.#later(() => this.#describeRemote(said.sdp));
        break;
      case "candidate":
        this.#later(() => this.#add(said.candidate));
        break;
      case "open":
        this.#isTaken = true;
        this.#finish();
        break;
    }
  }

  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#late);
    this.#peer.close();
  }

  async #describe(): Promise<void> {
    const kind: SdpKind = this.#offer ? "answer" : "offer";
    const parsed = parseSdp(await (this.#offer ? this.#peer.answer(this.#offer.text) : this.#peer.offer()), kind);
    if ("error" in parsed) throw new Error(parsed.error);
    this.#say({ t: kind, sdp: parsed.sdp });
    await this.#peer.begin([]);
  }

  async #describeRemote(answer: Sdp): Promise<void> {
    await this.#peer.acceptAnswer(answer.text);
    this.#isDescribed = true;
    for (const candidate of this.#early.splice(0)) await this.#peer.addCandidate(candidate);
  }

  async #add(candidate: Candidate): Promise<void> {
    if (this.#isDescribed) await this.#peer.addCandidate(candidate);
    else this.#early.push(candidate);
  }

  #tell(candidate: Candidate): void {
    if (++this.#told <= TRICKLED_CANDIDATES_MAX) this.#say({ t: "candidate", candidate });
  }

  #say(said: Stripe): void {
    if (!this.#isOver) this.#handler.say(said);
  }

  #later(work: () => Promise<void>): void {
    this.#stack = this.#stack.then(() => (this.#isOver ? undefined : work())).catch(() => this.#fail());
  }

  async #bind(): Promise<void> {
    try {
      await bind(this.#peer, this.#keys);
      this.#isBound = true;
      this.#finish();
    } catch {
      this.#fail();
    }
  }

  #finish(): void {
    if (this.#isOver || !this.#isBound || !this.#isTaken) return;
    clearTimeout(this.#late);
    this.#handler.ready(this.#peer);
    if (this.#offer) this.#say({ t: "open" });
    this.#isOver = true;
  }

  #fail(): void {
    if (this.#isOver) return;
    this.stop();
    this.#handler.failed();
  }
}

/** How long one may take, in milliseconds: by then it is of little use. */
const OPEN_MAX = 15_000;

/**
 * How long it may take on the side that answers, which says that it is open: a word that came too late would end a connection that is in
 * use there, and the others with it.
 */
const ANSWER_MAX = OPEN_MAX - 5_000;
