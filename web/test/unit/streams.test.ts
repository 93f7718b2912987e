// How many connections there are to be, and what may be said of them: the tests of `protocol/src/streams.rs`.

import { describe, expect, test } from "vitest";

import { decodeCtl, encodeCtl, type Ctl, type Hello } from "../../src/protocol/ctl.ts";
import { STREAMS_MAX, TRICKLED_CANDIDATES_MAX } from "../../src/protocol/limits.ts";
import { Offer } from "../../src/protocol/offer.ts";
import { Receiver } from "../../src/protocol/receiver.ts";
import { Sender } from "../../src/protocol/sender.ts";
import { agreedStreams, isOfStripe, stripeFrame, Stripes, streamsOf, type Look, type Streams } from "../../src/protocol/streams.ts";
import { TransferError } from "../../src/protocol/transfer_error.ts";
import { sdpText } from "./sdp.ts";

const FAR: Look = { roundTrip: 40, isBusy: false, rate: 0, isRelayed: false };

test("a strange number is cut down and who says nothing wants one", () => {
  expect(streamsOf(hello("sends", ["streams"], 0xffff_ffff))).toBe(STREAMS_MAX);
  expect(streamsOf(hello("sends", ["streams"], 0))).toBe("auto");
  expect(streamsOf(hello("sends", ["quic"], 4))).toBe(1);
  expect(streamsOf(announced("sends", "auto"))).toBe("auto");
  expect(streamsOf(announced("sends", 3))).toBe(3);
});

test("what one person decides holds for both and of two the lower", () => {
  const agreed = [agreedStreams("auto", "auto"), agreedStreams("auto", 3), agreedStreams(3, "auto"), agreedStreams(8, 3)];
  expect(agreed).toEqual([undefined, 3, 3, 3]);
});

test("what was decided is opened once on each channel", () => {
  const stripes = new Stripes(announced("sends", "auto"));
  expect(stripes.look(FAR), "the peer has not greeted").toEqual([]);
  stripes.greet(announced("receives", 3));
  expect([stripes.look(FAR), stripes.look(FAR)]).toEqual([[1, 2], []]);
  stripes.reset();
  expect(stripes.look(FAR)).toEqual([]);
  stripes.greet(announced("receives", 3));
  expect(stripes.look({ ...FAR, roundTrip: undefined })).toEqual([1, 2]);
});

const SLOW = 200_000;
const times = (count: number, ms: number): number[] => Array.from({ length: count }, () => ms);

test.each<[string, number[], boolean, number, number[]]>([
  ["a path with room", [80, 82, 85], true, SLOW, [3]],
  ["one that still has", times(6, 80), true, SLOW, [3, 4]],
  ["no more than eight", times(100, 80), true, SLOW, [3, 4]],
  ["nothing waits", times(100, 80), false, SLOW, []],
  ["nearby", times(100, 2), true, SLOW, []],
  ["a queue now and then", [80, 80, 120, 80, 80, 160, 80, 80], true, SLOW, []],
  ["a full path", times(100, 40), true, 8_000_000, []],
  ["just room enough", times(100, 80), true, 1_600_000, [3, 4]],
  ["just too much under way", times(6, 80), true, 1_700_000, []],
])("left to the path more are opened as long as it has room: %s", (_, roundTrips, isBusy, rate, expected) => {
  const stripes = new Stripes(announced("sends", "auto"));
  stripes.greet(announced("receives", "auto"));
  const opened = roundTrips.map((roundTrip) => stripes.look({ ...FAR, roundTrip, isBusy, rate }).length);
  expect(opened.filter((count) => count > 0)).toEqual(expected);
});

test("through a relay there are two, whatever a person says", () => {
  const told = new Stripes(announced("sends", "auto"));
  told.greet(announced("receives", 8));
  expect([told.look({ ...FAR, isRelayed: true }), told.look({ ...FAR, isRelayed: true })]).toEqual([[1], []]);
  const stripes = new Stripes(announced("sends", "auto"));
  stripes.greet(announced("receives", "auto"));
  const opened = times(100, 80).map((roundTrip) => stripes.look({ roundTrip, isBusy: true, rate: SLOW, isRelayed: true }).length);
  expect(opened.filter((count) => count > 0)).toEqual([1]);
});

test("what each connection has under way decides", () => {
  const stripes = new Stripes(announced("sends", "auto"));
  stripes.greet(announced("receives", "auto"));
  const opened = [1_600_000, 6_000_000].map((rate) =>
    times(3, 80).reduce((sum, roundTrip) => sum + stripes.look({ ...FAR, roundTrip, isBusy: true, rate }).length, 0),
  );
  expect(opened, "four of them have less than 128 KiB each").toEqual([3, 4]);
});

test("a path whose round trip is not known is left alone", () => {
  const stripes = new Stripes(announced("sends", "auto"));
  stripes.greet(announced("receives", "auto"));
  for (let i = 0; i < 100; i++) expect(stripes.look({ ...FAR, roundTrip: undefined, isBusy: true, rate: SLOW })).toEqual([]);
});

describe("of further connections", () => {
  test("each is answered and opened once", () => {
    const sender = new Stripes(announced("sends", 3));
    sender.greet(announced("receives", "auto"));
    expect(() => hear(sender, answer(1)), "none is offered").toThrow(TransferError);
    sender.look(FAR);
    expect(() => hear(sender, { t: "pc_open", n: 1 }), "before the answer").toThrow(TransferError);
    expect(hear(sender, answer(1))).toBe(1);
    expect(() => hear(sender, answer(1))).toThrow(TransferError);
    expect(hear(sender, { t: "pc_open", n: 1 })).toBe(1);
    expect(() => hear(sender, { t: "pc_open", n: 1 })).toThrow(TransferError);
    for (const wrong of [answer(0), answer(3), answer(257), offer(1), candidate(9)]) {
      expect(() => hear(sender, wrong), JSON.stringify(wrong)).toThrow(TransferError);
    }
  });

  test("a receiver takes each offer once and no more than the limits say", () => {
    const receiver = new Stripes(announced("receives", "auto"));
    for (const wrong of [candidate(1), answer(1)]) expect(() => hear(receiver, wrong)).toThrow(TransferError);
    for (let n = STREAMS_MAX - 1; n > 0; n--) expect(hear(receiver, offer(n))).toBe(n);
    for (const wrong of [offer(STREAMS_MAX), offer(1), offer(0)]) expect(() => hear(receiver, wrong)).toThrow(TransferError);
    for (let i = 0; i < TRICKLED_CANDIDATES_MAX; i++) hear(receiver, candidate(2));
    expect(() => hear(receiver, candidate(2))).toThrow(TransferError);
  });

  test("a description that is none is refused, and the number is free", () => {
    const receiver = new Stripes(announced("receives", "auto"));
    for (const text of ["v=0", sdpText("active"), "", "x".repeat(5000)]) {
      expect(() => hear(receiver, { t: "pc_offer", n: 1, sdp: text })).toThrow(TransferError);
    }
    expect(hear(receiver, offer(1))).toBe(1);
  });

  test("after one broke no more are wanted", () => {
    const receiver = new Stripes(announced("receives", "auto"));
    const refusing = receiver.refuse(announced("receives", 3));
    expect([streamsOf(refusing), refusing.streams]).toEqual([1, undefined]);
    expect(() => hear(receiver, offer(1))).toThrow(TransferError);
  });

  test("who did not say that it can is offered none", () => {
    expect(() => hear(new Stripes(hello("receives", [])), offer(1))).toThrow(TransferError);
    const sender = new Stripes(announced("sends", "auto"));
    sender.greet(hello("receives", ["quic"]));
    expect(sender.look(FAR)).toEqual([]);
  });

  test("what is said arrives as it was said", () => {
    for (const frame of [offer(1), answer(2), { ...candidate(3), sdpMid: "0", sdpMLineIndex: 0 }, { t: "pc_open", n: 15 }] as Ctl[]) {
      expect(decodeCtl(encodeCtl(frame))).toEqual(frame);
    }
    const receiver = new Stripes(announced("receives", "auto"));
    const frames: Ctl[] = [offer(7), { t: "pc_candidate", n: 7, candidate: "", sdpMid: "0" }];
    for (const frame of frames.filter(isOfStripe)) {
      const { n, said } = receiver.hear(frame);
      expect(stripeFrame(n, said)).toEqual(frame);
    }
  });
});

describe("a receiver", () => {
  const greeted = (features: string[]): Receiver => {
    const receiver = new Receiver({ v: 1, name: "", agent: "", features }, 0);
    tell(receiver, { t: "hello", ...announced("sends", 3) });
    return receiver;
  };

  test("hands on what is said, takes it as often as the rules say, and ends the session otherwise", () => {
    const receiver = greeted(["streams"]);
    tell(receiver, offer(2));
    expect(outputs(receiver)).toContain("stripe");
    expect(() => tell(receiver, offer(2))).toThrow(TransferError);
    expect(() => tell(greeted(["streams"]), offer(STREAMS_MAX))).toThrow(TransferError);
    expect(() => tell(greeted(["streams"]), { t: "pc_open", n: 1 })).toThrow(TransferError);
    expect(() => tell(greeted([]), offer(1))).toThrow(TransferError);
  });

  test("greets without it after one broke, and takes no offer then", () => {
    const receiver = greeted(["streams"]);
    tell(receiver, offer(1));
    receiver.handleInput({ t: "broken" }, 0);
    receiver.handleInput({ t: "reconnected" }, 0);
    const said = greetings(receiver);
    expect(said.map((greeting) => greeting.features)).toEqual([[]]);
    tell(receiver, { t: "hello", ...announced("sends", 3) });
    expect(() => tell(receiver, offer(1))).toThrow(TransferError);
  });

  test("takes the same numbers again on another channel", () => {
    const receiver = greeted(["streams"]);
    tell(receiver, offer(1));
    receiver.handleInput({ t: "reconnected" }, 0);
    expect(greetings(receiver).at(-1)?.features).toEqual(["streams"]);
    tell(receiver, { t: "hello", ...announced("sends", 3) });
    tell(receiver, offer(1));
  });
});

describe("a sender", () => {
  const greeted = (theirs: Streams): Sender => {
    const offer = new Offer();
    offer.extend([{ path: ["a"], kind: "file", size: 10 }]);
    const sender = new Sender(offer, { v: 1, name: "", agent: "", features: ["streams"] }, 65_536, 0);
    tell(sender, { t: "hello", ...announced("receives", theirs) });
    return sender;
  };

  test("opens what both agree on when it looks at the path, and hands on what is said", () => {
    const sender = greeted(3);
    expect(opens(sender)).toEqual([1, 2]);
    tell(sender, answer(2));
    tell(sender, { t: "pc_open", n: 2 });
    expect(outputs(sender)).toEqual(["stripe", "stripe"]);
    expect(opens(sender)).toEqual([]);
    expect(() => tell(sender, { t: "pc_open", n: 2 })).toThrow(TransferError);
    expect(() => tell(greeted(3), offer(1))).toThrow(TransferError);
    expect(() => tell(greeted("auto"), answer(1))).toThrow(TransferError);
  });

  test("opens none after one broke, and says so", () => {
    const sender = greeted(3);
    expect(opens(sender)).toEqual([1, 2]);
    sender.handleInput({ t: "broken" }, 0);
    sender.handleInput({ t: "reconnected" }, 0);
    expect(greetings(sender).map((greeting) => greeting.features)).toEqual([[]]);
    tell(sender, { t: "hello", ...announced("receives", 3) });
    expect(opens(sender)).toEqual([]);
  });

  test("waits for the greeting on another channel, in the middle of a transfer too", () => {
    const sender = greeted(3);
    tell(sender, { t: "accept", last: true });
    sender.handleInput({ t: "reconnected" }, 0);
    expect(opens(sender)).toEqual([]);
    tell(sender, { t: "hello", ...announced("receives", 2) });
    expect(opens(sender)).toEqual([1]);
  });
});

type Machine = Pick<Receiver | Sender, "pollOutput"> & { handleInput(input: { t: "ctl"; bytes: Uint8Array }, now: number): void };

/** What a sender opens when it looks at the path. */
function opens(sender: Sender): number[] {
  outputs(sender);
  sender.handleInput({ t: "path", look: FAR }, 0);
  const all: number[] = [];
  for (let output = sender.pollOutput(0); output.t !== "wait"; output = sender.pollOutput(0)) if (output.t === "connect") all.push(output.n);
  return all;
}

function tell(machine: Machine, frame: Ctl): void {
  machine.handleInput({ t: "ctl", bytes: encodeCtl(frame) }, 0);
}

function outputs(machine: Machine): string[] {
  const all: string[] = [];
  for (let output = machine.pollOutput(0); output.t !== "wait"; output = machine.pollOutput(0)) all.push(output.t);
  return all;
}

/** What it says of itself, of all that it has to say. */
function greetings(machine: Machine): Hello[] {
  const all: Hello[] = [];
  for (let output = machine.pollOutput(0); output.t !== "wait"; output = machine.pollOutput(0)) {
    const frame = output.t === "send" ? decodeCtl(output.bytes) : undefined;
    if (frame?.t === "hello") all.push(frame);
  }
  return all;
}

function hear(stripes: Stripes, frame: Ctl): number {
  if (!isOfStripe(frame)) throw new Error(frame.t);
  return stripes.hear(frame).n;
}

function hello(role: Hello["role"], features: string[], streams?: number): Hello {
  return { v: 1, role, name: "", agent: "", features, streams };
}

/** The greeting of a command line whose person wants so many. */
function announced(role: Hello["role"], streams: Streams): Hello {
  if (streams === 1) return hello(role, []);
  return hello(role, ["streams"], streams === "auto" ? undefined : streams);
}

function offer(n: number): Ctl {
  return { t: "pc_offer", n, sdp: sdpText("actpass") };
}

function answer(n: number): Ctl {
  return { t: "pc_answer", n, sdp: sdpText("active") };
}

function candidate(n: number): Ctl {
  return { t: "pc_candidate", n, candidate: "" };
}
