// Connections that are opened beside a first one.

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Further } from "../../src/net/further.ts";
import { SessionKeys } from "../../src/protocol/keys.ts";
import { sdp, sdpText } from "./sdp.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("the side that answers gives one up before the side that offered it", async () => {
  const stacks: Stack[] = [];
  vi.stubGlobal("RTCPeerConnection", class extends Stack {
    constructor() {
      super();
      stacks.push(this);
    }
  });
  const { further, said } = opener();
  further.open(1);
  further.open(2, sdp("offer"));
  await vi.advanceTimersByTimeAsync(0);
  expect(said).toEqual(["1 offer", "2 answer"]);
  const closed = (): boolean[] => stacks.map(({ isClosed }) => isClosed);
  await vi.advanceTimersByTimeAsync(9_999);
  expect(closed()).toEqual([false, false]);
  await vi.advanceTimersByTimeAsync(1);
  expect(closed()).toEqual([false, true]);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(closed()).toEqual([true, true]);
});

test("a browser that has no more connections to give leaves it at those that there are", async () => {
  vi.stubGlobal("RTCPeerConnection", function () {
    throw new DOMException("Cannot create so many PeerConnections", "UnknownError");
  });
  const { further, said } = opener();
  further.open(1);
  further.hear(2, { t: "offer", sdp: sdp("offer") });
  further.hear(2, { t: "candidate", candidate: { candidate: "" } });
  await vi.runAllTimersAsync();
  further.stop();
  expect(said).toEqual([]);
});

/** A browser's stack that describes itself and finds nobody. */
class Stack {
  isClosed = false;
  localDescription = null;
  createDataChannel = (): object => ({});
  createOffer = (): Promise<object> => Promise.resolve({ type: "offer", sdp: sdpText("actpass") });
  createAnswer = (): Promise<object> => Promise.resolve({ type: "answer", sdp: sdpText("active") });
  setLocalDescription = (): Promise<void> => Promise.resolve();
  setRemoteDescription = (): Promise<void> => Promise.resolve();

  close(): void {
    this.isClosed = true;
  }
}

/** What opens them, and what it says of which. */
function opener(): { further: Further; said: string[] } {
  const said: string[] = [];
  const none = new Uint8Array(32);
  const further = new Further([], new SessionKeys("host", none, none, none, { host: none, guest: none }), {
    say: (n, { t }) => void said.push(`${n} ${t}`),
    ready: () => void said.push("ready"),
  });
  return { further, said };
}
