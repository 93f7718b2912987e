// Whole transfers between both machines over a simulated link.

import { describe, expect, test } from "vitest";

import { encodeCtl, offerPages, type Ctl } from "../../src/protocol/ctl.ts";
import { encodeDataFrame } from "../../src/protocol/data_frame.ts";
import { chunkRange, hashOf } from "../../src/protocol/hash.ts";
import { CHUNK_BYTES, SILENCE_MAX } from "../../src/protocol/limits.ts";
import { Offer, type Entry } from "../../src/protocol/offer.ts";
import { Receiver } from "../../src/protocol/receiver.ts";
import type { ReceiverOutput } from "../../src/protocol/receiver_io.ts";
import { Sender } from "../../src/protocol/sender.ts";
import { TransferError } from "../../src/protocol/transfer_error.ts";
import { content, hello, Link } from "./link.ts";

const MIB = CHUNK_BYTES;

describe("a transfer", () => {
  test("moves files and folders as they were", () => {
    const sizes = [0, 1, MIB - 1, MIB, MIB + 1, 9 * MIB + 77, 4096];
    const link = new Link([...sizes.map((size, i) => content(i, size)), undefined]);
    expect(link.run()).toBeUndefined();
    for (const id of link.contents.keys()) expect(link.holds(id), `entry ${id}`).toBe(true);
    expect(link.committed.size).toBe(8);
    expect(link.dataBytes).toBe(sizes.reduce((a, b) => a + b));
    expect(link.senderEvents.at(-1)).toEqual({ t: "progress", bytes: link.dataBytes, entries: 8 });
  });

  test("moves only what was chosen", () => {
    const link = new Link([content(1, 10), content(2, 3 * MIB), content(3, 10)]);
    link.acceptance = { entries: [0, 2], present: new Map() };
    expect(link.run()).toBeUndefined();
    expect([...link.committed]).toEqual([0, 2]);
    expect(link.dataBytes).toBe(20);
  });

  test("continues with what an earlier session left", () => {
    const bytes = content(1, 4 * MIB + 5);
    const link = new Link([bytes]);
    const good = (chunk: number): readonly [number, string] => [chunk, hashOf(bytes.subarray(...chunkRange(chunk, bytes.length)))];
    link.acceptance = { entries: [0], present: new Map([[0, [good(0), [1, "0".repeat(64)], good(3)]]]) };
    link.put(0, 0, bytes.subarray(0, MIB));
    link.put(0, 3, bytes.subarray(3 * MIB, 4 * MIB));
    expect(link.run()).toBeUndefined();
    expect(link.holds(0)).toBe(true);
    expect(link.dataBytes).toBe(2 * MIB + 5);
  });

  test("b_042 asks once again for a chunk that does not verify", () => {
    const link = new Link([content(1, 2 * MIB)]);
    link.corruptOnce = true;
    expect(link.run()).toBeUndefined();
    expect(link.holds(0)).toBe(true);
  });

  test("goes on without an entry that cannot be read", () => {
    const link = new Link([content(1, 10), content(2, 24 * MIB), content(3, 10)]);
    link.unreadable = 1;
    link.unreadableFrom = 23;
    expect(link.run()).toBeUndefined();
    expect([...link.committed]).toEqual([0, 2]);
    expect(link.receiverEvents).toContainEqual({ t: "skipped", entry: 1, reason: "unreadable" });
    // Nothing of the one that was given up.
    expect(link.senderEvents.at(-1)).toEqual({ t: "progress", bytes: 20, entries: 2 });
  });

  test("ignores what is on its way of the last entry when that is given up", () => {
    const link = new Link([content(1, 24 * MIB)]);
    link.unreadable = 0;
    link.unreadableFrom = 12;
    // The word of it overtakes what was sent before, which arrives before the two have said goodbye.
    [link.delay, link.dataDelay] = [20, 40];
    expect(link.run()).toBeUndefined();
    expect(link.committed.size).toBe(0);
  });

  test("goes on with the others when an entry is given up after it got its name", () => {
    const link = new Link([new Uint8Array(), content(1, 24 * MIB)]);
    // Far away the second one is under way for longer than that.
    link.dataDelay = 500;
    link.skip(0, 300);
    expect(link.run()).toBeUndefined();
    expect([...link.committed]).toEqual([0, 1]);
    expect(link.holds(1)).toBe(true);
    const last = link.receiverEvents.filter(({ t }) => t === "progress").at(-1);
    expect(last).toEqual({ t: "progress", bytes: 24 * MIB, entries: 1 });
  });

  test("shows a text and stores nothing of it", () => {
    const text = new TextEncoder().encode("héllo");
    const link = new Link([text], "text");
    expect(link.run()).toBeUndefined();
    expect(link.receiverEvents).toContainEqual({ t: "text", entry: 0, text: "héllo" });
  });

  test("never has more outstanding than its window", () => {
    const link = new Link([content(1, 16 * MIB)]);
    link.delay = 40;
    expect(link.run()).toBeUndefined();
    expect(link.outstandingMax).toBeLessThanOrEqual(64 * MIB);
  });

  test("is put together from what comes over several connections", () => {
    const link = new Link([content(1, 5 * MIB + 77), content(2, 100), content(3, MIB)]);
    link.spread(4);
    expect(link.run()).toBeUndefined();
    for (const id of link.contents.keys()) expect(link.holds(id), `entry ${id}`).toBe(true);
    expect(link.dataBytes).toBe(6 * MIB + 177);
  });

  test("stops for a pause and goes on after it", () => {
    const link = new Link([content(1, 8 * MIB)]);
    link.pauseAt = 0;
    expect(link.run()).toBeUndefined();
    expect(link.senderEvents).toContainEqual({ t: "paused", paused: true });
    expect(link.holds(0)).toBe(true);
  });

  test.each([
    ["files, a folder and one that cannot be read", (link: Link) => (link.unreadable = 2)],
    ["what an earlier session left", (link: Link) => link.leave(0, 0)],
    ["a pause", (link: Link) => (link.pauseAt = 0)],
    ["several connections", (link: Link) => link.spread(3)],
  ])("loses nothing to a cut at any moment: %s", { timeout: 60_000 }, (_, prepare) => {
    let isCut = true;
    for (let at = 1; isCut; at++) {
      const link = new Link([content(1, MIB + 70_000), content(2, 10), content(3, 10), undefined]);
      prepare(link);
      link.cutAt = at;
      expect(link.run(), `cut at ${at}`).toBeUndefined();
      isCut = link.isCut;
      for (const id of [0, 1, 3]) expect(link.holds(id), `entry ${id} of a transfer cut at ${at}`).toBe(true);
      expect(link.committed.size).toBe(link.unreadable === undefined ? 4 : 3);
    }
  });

  test("that was silent too long goes on over another connection", () => {
    const receiver = new Receiver(hello, 0);
    say(receiver, { t: "hello", ...hello, role: "sends" });
    expect(() => receiver.handleInput({ t: "timed_out" }, SILENCE_MAX)).toThrow(TransferError);
    receiver.handleInput({ t: "reconnected" }, SILENCE_MAX);
    say(receiver, { t: "hello", ...hello, role: "sends" });
    for (const page of offerPages([file("a", 10)])) say(receiver, page);
    const outputs = drained(receiver);
    expect(outputs.some((output) => output.t === "report" && output.event.t === "offered")).toBe(true);
  });

  test("ends when the receiver declines", () => {
    const link = new Link([content(1, 10)]);
    link.declines = true;
    expect(link.run()?.reason).toEqual({ t: "declined", reason: "declined" });
  });
});

describe("b_043 a receiver ends the session for", () => {
  const start = (): Receiver => {
    const receiver = new Receiver(hello, 0);
    say(receiver, { t: "hello", ...hello, role: "sends" });
    for (const page of offerPages([file("a", 10)])) say(receiver, page);
    return receiver;
  };

  test("data before it accepted", () => {
    const message = encodeDataFrame({ entry: 0, offset: 0, bytes: new Uint8Array(10) }).buffer;
    expect(() => start().handleInput({ t: "data", message }, 0)).toThrow(TransferError);
  });

  test.each([
    ["another entry", 1, 0, 10],
    ["another place", 0, 1, 10],
    ["more than was asked for", 0, 0, 11],
  ])("%s", (_, entry, offset, length) => {
    const receiver = start();
    receiver.handleInput({ t: "accept", acceptance: { entries: [0], present: new Map() } }, 0);
    const message = encodeDataFrame({ entry, offset, bytes: new Uint8Array(length) }).buffer;
    expect(() => receiver.handleInput({ t: "data", message }, 0)).toThrow(TransferError);
  });

  test.each([
    [["..", "x"]],
    [["/etc/passwd"]],
    [["a\\..\\b"]],
    [[""]],
    [["."]],
    [[]],
    [["\0"]],
    [["\ud800"]],
    [["x".repeat(256)]],
    [Array.from({ length: 65 }, () => "x")],
  ])("b_001 the path %j", (path) => {
    const receiver = new Receiver(hello, 0);
    say(receiver, { t: "hello", ...hello, role: "sends" });
    const page: Ctl = { t: "offer", page: 0, entries: [{ path, kind: "file", size: 1 }], last: true };
    expect(() => say(receiver, page)).toThrow(TransferError);
  });
});

describe("b_045 a sender ends the session for", () => {
  test.each<[string, Ctl]>([
    ["an entry that is not on offer", { t: "want", ranges: [[1, 0, 1]] }],
    ["bytes behind the end", { t: "want", ranges: [[0, 0, 11]] }],
    ["an empty range", { t: "want", ranges: [[0, 5, 5]] }],
    ["chunks that are not there", { t: "verify", chunks: [[0, 1, 1]] }],
    ["a frame of the other side", { t: "hashes", chunks: [] }],
    ["another root", { t: "done", root: "0".repeat(64) }],
  ])("%s", (_, frame) => {
    const offer = new Offer();
    offer.extend([file("a", 10)]);
    const sender = new Sender(offer, hello, 65_536, 0);
    const tell = (ctl: Ctl): void => sender.handleInput({ t: "ctl", bytes: encodeCtl(ctl) }, 0);
    tell({ t: "hello", ...hello, role: "receives" });
    tell({ t: "accept", last: true });
    expect(() => tell(frame)).toThrow(TransferError);
  });
});

function say(receiver: Receiver, frame: Ctl): void {
  receiver.handleInput({ t: "ctl", bytes: encodeCtl(frame) }, 0);
}

function drained(receiver: Receiver): ReceiverOutput[] {
  const outputs: ReceiverOutput[] = [];
  for (let output = receiver.pollOutput(0); output.t !== "wait"; output = receiver.pollOutput(0)) outputs.push(output);
  return outputs;
}

function file(name: string, size: number): Entry {
  return { path: [name], kind: "file", size };
}
