// What a side that joins does with a connection on which the other one does not greet.

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { Failure } from "../../src/failure.ts";
import { SILENCE_MAX } from "../../src/protocol/limits.ts";
import { hearDirection } from "../../src/session/joining.ts";
import type { LineHandler } from "../../src/session/line.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test.each<[string, (handler: LineHandler) => void, string]>([
  ["is silent", () => void vi.advanceTimersByTime(SILENCE_MAX), "lost"],
  ["sends data before anything else", (handler) => handler.data(new ArrayBuffer(1)), "bind_missing"],
  ["does not come back", (handler) => handler.lost(), "lost"],
])("a peer that %s costs no connection that stays", async (_, act, reason) => {
  let handler: LineHandler | undefined;
  let isClosed = false;
  const heard = hearDirection({
    listen: (listener) => void (handler = listener),
    unlisten: () => undefined,
    giveBack: () => undefined,
    close: () => void (isClosed = true),
  }).catch((failure: unknown) => (failure as Failure).reason.t);
  act(handler!);
  expect([await heard, isClosed]).toEqual([reason, true]);
});
