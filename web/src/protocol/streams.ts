// How many connections carry file data, and what the two sides say about those beside the first: the twin of
// `protocol/src/streams.rs`, which draws the conversation.
//
// Only the side that sends files offers, so no two offers cross. A side that says nothing of `streams` in its greeting is never offered any.

import type { Ctl, Direction, Hello } from "./ctl.ts";
import {
  STREAM_UNDER_WAY_BYTES,
  STREAMS_AUTO_FIRST,
  STREAMS_AUTO_MAX,
  STREAMS_FAR_FROM,
  STREAMS_LOOKS,
  STREAMS_MAX,
  STREAMS_RELAYED_MAX,
  TRICKLED_CANDIDATES_MAX,
} from "./limits.ts";
import { parseSdp, type Candidate, type Sdp, type SdpKind } from "./sdp.ts";
import { broken, type TransferError } from "./transfer_error.ts";

/** How many connections a side wants file data to go over: as many as help on the path in use, or so many on any path, through a relay two at most. */
export type Streams = "auto" | number;

/** The feature of who can do this, and wants more than one. */
export const STREAMS = "streams";

/** What a greeting says; one of a side that knows nothing of this wants one. */
export function streamsOf({ features, streams }: Pick<Hello, "features" | "streams">): Streams {
  if (!features.includes(STREAMS)) return 1;
  return streams ? Math.min(streams, STREAMS_MAX) : "auto";
}

/** How many are to be used for certain; `undefined` where both sides leave it to the path. */
export function agreedStreams(ours: Streams, theirs: Streams): number | undefined {
  if (ours === "auto") return theirs === "auto" ? undefined : theirs;
  return theirs === "auto" ? ours : Math.min(ours, theirs);
}

/** What is seen of the path, about once a second. */
export interface Look {
  /** The latest round trip, in milliseconds, where the browser tells. */
  readonly roundTrip: number | undefined;
  /** Whether bytes wait to be sent. */
  readonly isBusy: boolean;
  /** The bytes of file data that left in a second. */
  readonly rate: number;
  /** Whether a relay passes them on. */
  readonly isRelayed: boolean;
}

/** What is said about a further connection: its two descriptions, an address of the speaker, that the receiver takes data from it. */
export type Stripe =
  | { readonly t: "offer" | "answer"; readonly sdp: Sdp }
  | { readonly t: "candidate"; readonly candidate: Candidate }
  | { readonly t: "open" };

type StripeFrame = Extract<Ctl, { n: number }>;

/** The frame that says it of connection `n`. */
export function stripeFrame(n: number, stripe: Stripe): Ctl {
  switch (stripe.t) {
    case "offer":
    case "answer":
      return { t: `pc_${stripe.t}`, n, sdp: stripe.sdp.text };
    case "candidate":
      return { t: "pc_candidate", n, ...stripe.candidate };
    case "open":
      return { t: "pc_open", n };
  }
}

/** Whether a frame speaks of a further connection. */
export function isOfStripe(frame: Ctl): frame is StripeFrame {
  return frame.t === "pc_offer" || frame.t === "pc_answer" || frame.t === "pc_candidate" || frame.t === "pc_open";
}

/** What was said of one further connection. */
interface Said {
  isOffered: boolean;
  isAnswered: boolean;
  isOpen: boolean;
  candidates: number;
}

/** What was said on a channel about the connections beside it, on one side. */
export class Stripes {
  readonly #role: Direction;
  #ours: Streams;
  /** Once the peer has greeted on the present channel. */
  #theirs: Streams | undefined;
  /** How many connections there are, with those that are being opened. */
  #connections = 1;
  #spare = new Spare();
  /** What was said of each, from the first. */
  #said = nothingSaid();

  constructor(hello: Hello) {
    this.#role = hello.role;
    this.#ours = streamsOf(hello);
  }

  /** Takes note of what the peer wants. */
  greet(hello: Hello): void {
    this.#theirs = streamsOf(hello);
  }

  /** Begins anew on another channel. */
  reset(): void {
    this.#theirs = undefined;
    this.#connections = 1;
    this.#spare = new Spare();
    this.#said = nothingSaid();
  }

  /** Wants one from here on; returns the greeting that says so. */
  refuse(hello: Hello): Hello {
    this.#ours = 1;
    return { ...hello, features: hello.features.filter((feature) => feature !== STREAMS), streams: undefined };
  }

  /** Says which further connections the sender is to open, once the peer has greeted. */
  look(look: Look): number[] {
    const before = this.#connections;
    // Of more that ask a relay for addresses at once each side would get some for other ones.
    const most = look.isRelayed ? STREAMS_RELAYED_MAX : STREAMS_MAX;
    this.#connections = Math.max(before, Math.min(this.#wanted(look), most));
    const opened = Array.from({ length: this.#connections - before }, (_, i) => before + i);
    for (const n of opened) this.#saidOf(n).isOffered = true;
    return opened;
  }

  #wanted(look: Look): number {
    if (this.#theirs === undefined) return 1;
    const agreed = agreedStreams(this.#ours, this.#theirs);
    if (agreed !== undefined) return agreed;
    if (!this.#spare.look(look, this.#connections)) return 1;
    return Math.min(Math.max(2 * this.#connections, STREAMS_AUTO_FIRST), STREAMS_AUTO_MAX);
  }

  /** Checks what the peer says; returns the number of the connection and what is said of it. Throws. */
  hear(frame: StripeFrame): { n: number; said: Stripe } {
    const { n } = frame;
    const stripe = parse(frame);
    if (n < 1 || n >= STREAMS_MAX || !this.#isExpected(this.#saidOf(n), stripe)) throw refused(frame);
    return { n, said: stripe };
  }

  /** Whether that may be said; what is said once may not come again. */
  #isExpected(said: Said, stripe: Stripe): boolean {
    const isSender = this.#role === "sends";
    switch (stripe.t) {
      case "offer": {
        // Each is described as soon as it can be, so they come in any order.
        const isNew = !isSender && this.#ours !== 1 && !said.isOffered;
        said.isOffered ||= isNew;
        return isNew;
      }
      case "answer": {
        const isNew = isSender && said.isOffered && !said.isAnswered;
        said.isAnswered ||= isNew;
        return isNew;
      }
      case "open": {
        const isNew = isSender && said.isAnswered && !said.isOpen;
        said.isOpen ||= isNew;
        return isNew;
      }
      case "candidate":
        said.candidates++;
        return said.isOffered && said.candidates <= TRICKLED_CANDIDATES_MAX;
    }
  }

  #saidOf(n: number): Said {
    const said = this.#said[n - 1];
    if (!said) throw new Error(`there is no connection ${n}`);
    return said;
  }
}

/**
 * Finds out whether a path has room that the connections on it do not use.
 *
 * Where bytes wait and the round trip is as short as ever, nothing waits on the way: what holds the bytes up is that some of
 * them were lost. That happens on a path without losses of its own, too, but there each connection has more on its way.
 */
class Spare {
  /** The shortest round trip. */
  #lowest = Infinity;
  /** How often in a row there was room. */
  #looks = 0;

  /** Takes in a look; returns whether there has been room for a while. Counts from the beginning then. */
  look({ roundTrip = Infinity, isBusy, rate }: Look, connections: number): boolean {
    this.#lowest = Math.min(this.#lowest, roundTrip);
    const isIdle = roundTrip <= this.#lowest * 1.25 + JITTER;
    const underWay = (rate * this.#lowest) / 1000 / connections;
    const isFar = Number.isFinite(roundTrip) && this.#lowest >= STREAMS_FAR_FROM;
    this.#looks = isBusy && isIdle && isFar && underWay < STREAM_UNDER_WAY_BYTES ? this.#looks + 1 : 0;
    if (this.#looks < STREAMS_LOOKS) return false;
    this.#looks = 0;
    return true;
  }
}

/** By how much more than a quarter the round trip of an empty path may vary, in milliseconds. */
const JITTER = 5;

function nothingSaid(): Said[] {
  return Array.from({ length: STREAMS_MAX - 1 }, () => ({ isOffered: false, isAnswered: false, isOpen: false, candidates: 0 }));
}

function parse(frame: StripeFrame): Stripe {
  switch (frame.t) {
    case "pc_offer":
      return { t: "offer", sdp: readSdp(frame, frame.sdp, "offer") };
    case "pc_answer":
      return { t: "answer", sdp: readSdp(frame, frame.sdp, "answer") };
    case "pc_candidate": {
      const { candidate, sdpMid, sdpMLineIndex } = frame;
      const place = { ...(sdpMid === undefined ? {} : { sdpMid }), ...(sdpMLineIndex === undefined ? {} : { sdpMLineIndex }) };
      return { t: "candidate", candidate: { candidate, ...place } };
    }
    case "pc_open":
      return { t: "open" };
  }
}

function readSdp(frame: StripeFrame, text: string, kind: SdpKind): Sdp {
  const parsed = parseSdp(text, kind);
  if ("error" in parsed) throw refused(frame);
  return parsed.sdp;
}

function refused({ t }: StripeFrame): TransferError {
  return broken(`\`${t}\` is not allowed at this point`);
}
