// How a share opens at a server that refuses one of its rooms.

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import type { ServerMessage } from "../../src/protocol/envelope.ts";
import { encodeEnvelope } from "../../src/protocol/envelope.ts";
import { Hosting } from "../../src/session/hosting.ts";

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("location", new URL("http://localhost/"));
  vi.stubGlobal("fetch", () => Promise.reject(new Error("there is none")));
  vi.stubGlobal("WebSocket", Socket);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("a room that the server refuses for the moment is asked for again, the link's as well as the code's", async () => {
  const { heard, hear, asked } = await opening();
  expect(asked()).toEqual(["code", "link"]);
  hear({ type: "created", room: "12", token: TOKEN, expires: 9 });
  hear({ type: "error", code: "rate_limited", room: linkRoom(), retry_after: 3 });
  expect(heard).toEqual(["online", "wait 3 s"]);
  await vi.advanceTimersByTimeAsync(2_999);
  expect(asked()).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(asked()).toEqual(["link"]);
  hear({ type: "created", room: linkRoom(), token: TOKEN, expires: 9 });
  expect(heard).toEqual(["online", "wait 3 s", "shared"]);
  const other = await opening();
  other.hear({ type: "error", code: "rate_limited", retry_after: 1 });
  other.asked();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(other.asked()).toEqual(["code"]);
});

test.each<[string, ServerMessage]>([
  ["for good", { type: "error", code: "server_full" }],
  ["for longer than a person waits", { type: "error", code: "rate_limited", retry_after: 61 }],
])("a share ends whose link's room is refused %s before anybody was told of it", async (_, refusal) => {
  const { heard, hear, asked } = await opening();
  hear({ type: "created", room: "12", token: TOKEN, expires: 9 });
  asked();
  hear({ ...refusal, room: linkRoom() } as ServerMessage);
  expect(heard).toEqual(["online", "refused"]);
  await vi.runAllTimersAsync();
  expect(asked()).toEqual([]);
});

test("what is refused of a guest, or of a link while its code works, ends no share", async () => {
  const { heard, hear } = await opening();
  hear({ type: "created", room: "12", token: TOKEN, expires: 9 });
  hear({ type: "created", room: linkRoom(), token: TOKEN, expires: 9 });
  hear({ type: "error", code: "no_relay" });
  hear({ type: "ended", room: linkRoom(), why: "expired" });
  hear({ type: "error", code: "server_full", room: linkRoom() });
  expect(heard).toEqual(["online", "shared"]);
});

const TOKEN = "A".repeat(22);

/** The connection that was opened last. */
let socket: Socket;

class Socket {
  static readonly OPEN = 1;
  readonly readyState = 1;
  readonly said: { type: string; kind: string; room?: string }[] = [];
  onopen: (() => void) | undefined;
  onmessage: ((event: { data: string }) => void) | undefined;

  constructor() {
    // eslint-disable-next-line @typescript-eslint/no-this-alias
    socket = this;
    queueMicrotask(() => this.onopen?.());
  }

  send(text: string): void {
    this.said.push(JSON.parse(text) as Socket["said"][number]);
  }
}

/** The room of the link, which the share asked for. */
function linkRoom(): string {
  return socket.said.find(({ kind }) => kind === "link")!.room!;
}

/** A share that opens: what is heard of it, what it hears, and for what rooms it has asked since it was last looked at. */
async function opening(): Promise<{ heard: string[]; hear: (message: ServerMessage) => void; asked: () => string[] }> {
  const heard: string[] = [];
  const note = (what: string) => () => void heard.push(what);
  const hosting = new Hosting({ password: undefined, max: 1, verify: false }, {
    shared: note("shared"),
    wrongCode: note("wrong code"),
    wrongPassword: note("wrong password"),
    confirm: () => Promise.resolve(true),
    guest: note("guest"),
    guestFailed: note("guest failed"),
    online: note("online"),
    crowded: (seconds) => void heard.push(`wait ${seconds} s`),
    failed: ({ reason }) => void heard.push(reason.t),
  });
  await hosting.start();
  let seen = 0;
  return {
    heard,
    hear: (message) => socket.onmessage?.({ data: encodeEnvelope(message) }),
    asked: () => {
      const kinds = socket.said.slice(seen).map(({ kind }) => kind);
      seen = socket.said.length;
      return kinds;
    },
  };
}
