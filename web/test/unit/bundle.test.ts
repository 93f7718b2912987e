// Several connections that share the data of one.

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Bundle } from "../../src/net/bundle.ts";
import type { Channel, ChannelHandler } from "../../src/net/channel.ts";
import { Pulse, type Seen } from "../../src/net/pulse.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("each frame goes to the connection with the least that waits, and none to one that is closed", () => {
  const { bundle, first, further } = bundled(2);
  const sent = [first, ...further].map((channel) => channel.data);
  for (let i = 0; i < 30; i++) bundle.sendData(new Uint8Array(10));
  expect(sent.map((frames) => frames.length)).toEqual([10, 10, 10]);
  first.waiting = 0;
  bundle.sendData(new Uint8Array(10));
  expect(first.data.length).toBe(11);
  further[0]!.waiting = 0;
  further[0]!.isOpen = false;
  bundle.sendData(new Uint8Array(10));
  expect(sent.map((frames) => frames.length)).toEqual([12, 10, 10]);
});

test("where nothing waits in any of them they take turns", () => {
  const { bundle, first, further } = bundled(2);
  for (let i = 0; i < 10; i++) {
    bundle.sendData(new Uint8Array(10));
    for (const channel of [first, ...further]) channel.waiting = 0;
  }
  expect([first, ...further].map(({ data }) => data.length)).toEqual([4, 3, 3]);
});

test("there is room as long as one of them has some", () => {
  const { bundle, first, further } = bundled(1);
  first.hasRoom = false;
  expect(bundle.hasRoom).toBe(true);
  further[0]!.isOpen = false;
  expect(bundle.hasRoom).toBe(false);
});

test("only data is taken from a further connection", () => {
  const { heard, first, further } = bundled(1);
  further[0]!.handler?.ctl(Uint8Array.of(1));
  further[0]!.handler?.disturbed(true);
  further[0]!.handler?.data(new ArrayBuffer(3));
  further[0]!.handler?.drained();
  first.handler?.ctl(Uint8Array.of(2));
  expect(heard).toEqual(["data 3", "drained", "ctl 2"]);
});

test("one that is lost takes the others along", () => {
  const { bundle, heard, first, further } = bundled(2);
  further[1]!.handler?.lost();
  expect(heard).toEqual([]);
  vi.runAllTimers();
  expect(heard).toEqual(["lost"]);
  expect([bundle.broke, bundle.isOpen]).toEqual([true, false]);
  expect([first, ...further].every(({ isOpen }) => !isOpen)).toBe(true);
});

test("one that stands still takes the others along, unless the first one does as well", () => {
  const both = bundled(1);
  both.first.handler?.disturbed(true);
  both.further[0]!.handler?.disturbed(true);
  vi.runAllTimers();
  expect(both.heard).toEqual(["disturbed"]);
  const back = bundled(1);
  back.further[0]!.handler?.disturbed(true);
  vi.advanceTimersByTime(4_000);
  back.further[0]!.handler?.disturbed(false);
  vi.runAllTimers();
  expect(back.heard).toEqual([]);
  const alone = bundled(1);
  alone.further[0]!.handler?.disturbed(true);
  vi.runAllTimers();
  expect([alone.heard, alone.bundle.broke]).toEqual([["lost"], true]);
});

test("one that is lost in an outage, or right after it, is no reason to keep to one connection", () => {
  const outage = bundled(2);
  outage.first.handler?.disturbed(true);
  outage.further[1]!.handler?.lost();
  vi.runAllTimers();
  expect([outage.heard, outage.bundle.broke]).toEqual([["disturbed", "lost"], false]);
  const brokeAfter = (ms: number): boolean => {
    const { bundle, first, further } = bundled(2);
    first.handler?.disturbed(true);
    first.handler?.disturbed(false);
    vi.advanceTimersByTime(ms);
    further[1]!.handler?.lost();
    vi.runAllTimers();
    return bundle.broke;
  };
  expect([brokeAfter(0), brokeAfter(8_000), brokeAfter(10_000)]).toEqual([false, false, true]);
});

test("one that sends nothing any more while others do counts as lost", () => {
  const { bundle, heard, first, further } = bundled(2);
  const second = (): void => {
    for (let i = 0; i < 6; i++) bundle.sendData(new Uint8Array(10));
    for (const channel of [first, further[0]!]) channel.waiting = 0;
    bundle.look();
  };
  for (let i = 0; i < 4; i++) second();
  vi.runAllTimers();
  expect(heard).toEqual([]);
  for (let i = 0; i < 4; i++) second();
  vi.runAllTimers();
  expect([heard, bundle.broke]).toEqual([["lost"], true]);
  expect(further[1]!.data.length, "it gets no more than the others have waiting").toBe(3);
});

test("what stands still in an outage counts from its end", () => {
  const { bundle, heard, first, further } = bundled(1);
  const look = (): void => {
    bundle.sendData(new Uint8Array(10));
    first.waiting = 0;
    bundle.look();
    vi.runAllTimers();
  };
  for (let i = 0; i < 2; i++) bundle.sendData(new Uint8Array(10));
  further[0]!.waiting = 5;
  for (let i = 0; i < 5; i++) look();
  first.handler?.disturbed(true);
  for (let i = 0; i < 9; i++) look();
  first.handler?.disturbed(false);
  for (let i = 0; i < 5; i++) look();
  expect(heard).toEqual(["disturbed", "disturbed"]);
  look();
  expect(heard.at(-1)).toBe("lost");
});

test("a connection that stands still counts as lost unless all of them do", () => {
  const seen = (left: number, waiting: number): Seen => ({ left, waiting });
  const lostAfter = (own: (second: number) => Seen, others: (second: number) => Seen): number => {
    const pulse = new Pulse();
    return Array.from({ length: 99 }, (_, i) => pulse.look(own(i + 1), others(i + 1).left)).indexOf(true) + 1;
  };
  const moves = (second: number): Seen => seen(second, 9);
  const stands = (): Seen => seen(1, 9);
  expect(lostAfter(stands, moves)).toBe(6);
  expect(lostAfter(stands, () => seen(7, 0)), "the others have nothing to do, and may be silent as well").toBe(0);
  expect(lostAfter(stands, stands), "the path is silent").toBe(0);
  expect(lostAfter(() => seen(1, 0), moves), "it has nothing to do").toBe(0);
  expect(lostAfter(moves, moves)).toBe(0);
  expect(lostAfter((second) => seen(Math.floor(second / 5), 9), moves), "it is slow").toBe(0);
  expect(lostAfter(stands, (second) => seen(Math.floor(second / 10), 9)), "only what the others got ahead counts").toBe(50);
});

test("they end with the first one, which has the last word", () => {
  const { bundle, heard, first, further } = bundled(1);
  further[0]!.handler?.lost();
  vi.advanceTimersByTime(500);
  first.handler?.ctl(Uint8Array.of(7));
  first.handler?.lost();
  vi.runAllTimers();
  expect(heard).toEqual(["ctl 7", "lost"]);
  expect(bundle.broke).toBe(false);
  expect(further[0]!.isOpen).toBe(false);
});

test("closed here, all are closed, and nothing is told of that", () => {
  const { bundle, heard, first, further } = bundled(2);
  further[0]!.handler?.lost();
  bundle.close();
  vi.runAllTimers();
  expect(heard).toEqual([]);
  expect([first, ...further].every(({ isOpen }) => !isOpen)).toBe(true);
});

/** Counts what it is given; everything waits. */
class Fake implements Channel {
  isOpen = true;
  hasRoom = true;
  waiting = 0;
  readonly payloadBytes = 100;
  readonly data: Uint8Array[] = [];
  handler: ChannelHandler | undefined;

  connection(): never {
    throw new Error("nobody asks");
  }

  listen(handler: ChannelHandler): void {
    this.handler = handler;
  }

  sendData(message: Uint8Array): void {
    this.data.push(message);
    this.waiting += message.length;
  }

  close(): void {
    this.isOpen = false;
  }

  unlisten = (): void => undefined;
  giveBack = (): void => undefined;
  sendCtl = (): void => undefined;
  path = (): Promise<undefined> => Promise.resolve(undefined);
}

/** A bundle of fakes, and what is heard of it. */
function bundled(count: number): { bundle: Bundle; heard: string[]; first: Fake; further: Fake[] } {
  const first = new Fake();
  const further = Array.from({ length: count }, () => new Fake());
  const bundle = new Bundle(first);
  const heard: string[] = [];
  bundle.listen({
    ctl: (frame) => void heard.push(`ctl ${String(frame[0])}`),
    data: (message) => void heard.push(`data ${message.byteLength}`),
    drained: () => void heard.push("drained"),
    disturbed: () => void heard.push("disturbed"),
    lost: () => void heard.push("lost"),
  });
  for (const channel of further) bundle.join(channel);
  return { bundle, heard, first, further };
}
