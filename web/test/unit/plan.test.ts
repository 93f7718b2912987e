// What was asked for may come in any order, once.

import { describe, expect, test } from "vitest";

import type { DataFrame } from "../../src/protocol/data_frame.ts";
import { CHUNK_BYTES, PIECES_MAX, WINDOW_BYTES_START, WINDOW_BYTES_STRIPE } from "../../src/protocol/limits.ts";
import { Plan } from "../../src/protocol/plan.ts";
import { TransferError } from "../../src/protocol/transfer_error.ts";
import { Window } from "../../src/protocol/window.ts";

describe("a plan", () => {
  test("takes the frames of a range in any order and none twice", () => {
    const plan = asked(2 * CHUNK_BYTES, CHUNK_BYTES + 3000);
    for (const offset of [2000, 1000, 0, 5000, 3000, 4000]) {
      expect(plan.deliver(frame(offset, 1000)), `${offset}`).toBe(true);
      expect(() => plan.deliver(frame(offset, 1000)), `${offset} again`).toThrow(TransferError);
    }
    expect(plan.outstanding).toBe(CHUNK_BYTES + 3000 - 6000);
    for (const [offset, bytes] of [[5999, 2], [CHUNK_BYTES - 1, 2], [CHUNK_BYTES + 2999, 2], [CHUNK_BYTES + 3000, 1]] as const) {
      expect(() => plan.deliver(frame(offset, bytes)), `${offset}`).toThrow(TransferError);
    }
    plan.interrupt();
    expect(plan.outstanding).toBe(0);
    expect(plan.nextRange(Infinity, 1)).toEqual([0, 6000, CHUNK_BYTES]);
    expect(plan.nextRange(Infinity, 1)).toEqual([0, CHUNK_BYTES, CHUNK_BYTES + 3000]);
  });

  test("asks again, in order, for what a lost connection did not bring", () => {
    const plan = asked(CHUNK_BYTES, 10_000);
    for (const offset of [7000, 2000, 4000]) plan.deliver(frame(offset, 1000));
    plan.interrupt();
    const missing = Array.from({ length: 4 }, () => plan.nextRange(Infinity, 1));
    expect(missing).toEqual([[0, 0, 2000], [0, 3000, 4000], [0, 5000, 7000], [0, 8000, 10_000]]);
  });

  test("cuts a sender off that leaves gaps everywhere", () => {
    const plan = asked(CHUNK_BYTES, CHUNK_BYTES);
    const deliver = (n: number): boolean => plan.deliver(frame(2 * n + 1, 1));
    for (let n = 0; n < PIECES_MAX - 1; n++) deliver(n);
    expect(() => deliver(PIECES_MAX - 1)).toThrow(TransferError);
  });

  test("drops what is late of an entry that was given up, and no more than was asked for", () => {
    const plan = asked(3 * CHUNK_BYTES, 2 * CHUNK_BYTES);
    plan.deliver(frame(1000, 1000));
    plan.remove(0);
    expect(plan.outstanding).toBe(0);
    for (const [offset, bytes] of [[2 * CHUNK_BYTES - 1, 2], [2 * CHUNK_BYTES, 1]] as const) {
      expect(() => plan.deliver(frame(offset, bytes)), `${offset}`).toThrow(TransferError);
    }
    for (const [offset, bytes] of [[CHUNK_BYTES, CHUNK_BYTES], [2000, CHUNK_BYTES - 2000], [0, 1000]] as const) {
      expect(plan.deliver(frame(offset, bytes)), `${offset}`).toBe(false);
    }
    expect(() => plan.deliver(frame(0, 1))).toThrow(TransferError);
  });

  test("goes on however many entries are given up", () => {
    const plan = asked(CHUNK_BYTES, CHUNK_BYTES);
    for (let entry = 1; entry <= PIECES_MAX; entry++) {
      plan.add(entry, 1, []);
      expect(plan.nextRange(1, 1)).toEqual([entry, 0, 1]);
      plan.remove(entry);
    }
    expect(plan.deliver(frame(0, 1))).toBe(true);
  });

  test("forgets what was asked for beyond the end of a stream", () => {
    const plan = new Plan();
    plan.addStream(0);
    plan.nextRange(2 * CHUNK_BYTES, 1);
    plan.deliver(frame(1000, 1000));
    plan.endStream(0, 3000);
    expect(plan.outstanding).toBe(2000);
    expect(() => plan.deliver(frame(2000, 1001))).toThrow(TransferError);
    expect([plan.deliver(frame(2000, 1000)), plan.deliver(frame(0, 1000))]).toEqual([true, true]);
    expect([plan.outstanding, plan.nextEntry]).toEqual([0, undefined]);
  });

  test("holds a stream back whose early part is late", () => {
    const plan = new Plan();
    plan.addStream(0);
    const most = 4 * CHUNK_BYTES;
    expect(plan.roomWithin(most)).toBe(most);
    expect(plan.nextRange(most, 1)).toEqual([0, 0, most]);
    expect(plan.roomWithin(most)).toBe(0);
    const arrive = (chunk: number): number => {
      plan.deliver(frame(chunk * CHUNK_BYTES, CHUNK_BYTES));
      return plan.roomWithin(most);
    };
    expect([arrive(1), arrive(2), arrive(0), arrive(3)]).toEqual([0, 0, 3 * CHUNK_BYTES, most]);
  });
});

test("several connections have as many times the least of a window", () => {
  const window = new Window(0);
  expect(window.bytes).toBe(WINDOW_BYTES_START);
  window.spread(4);
  expect(window.bytes).toBe(4 * WINDOW_BYTES_STRIPE);
  const settled = new Window(0);
  settled.requested(0, 0);
  settled.delivered(1, 400);
  for (let ms = 1; ms < 1000; ms++) settled.delivered(12_500, 400 + ms);
  const before = settled.bytes;
  settled.spread(4);
  expect(settled.bytes, "it was larger already").toBe(before);
  expect(before).toBeGreaterThan(4 * WINDOW_BYTES_STRIPE);
});

/** A plan for one entry of `size` bytes, of which the first `bytes` were asked for. */
function asked(size: number, bytes: number): Plan {
  const plan = new Plan();
  plan.add(0, size, []);
  plan.nextRange(bytes, 1);
  return plan;
}

function frame(offset: number, bytes: number): DataFrame {
  return { entry: 0, offset, bytes: new Uint8Array(bytes) };
}
