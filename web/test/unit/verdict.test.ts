// What a test of the network is taken to mean.

import { expect, test } from "vitest";

import { findings, verdict, type Measured, type Seen } from "../../src/verdict.ts";

const server = { version: "0.1.0", hasRelay: true, answeredMs: 5, clockAhead: 0 };
const easy: Seen = { isAnswered: true, isMapped: true, isStrict: false, portCount: 2, isV6: false };
const works = { udp: true, socket: true, letsIn: undefined };

test.each<[string, Partial<Measured>]>([
  ["direct", { udp: easy, relay: works }],
  ["direct", { udp: { ...easy, isMapped: false }, relay: undefined }],
  ["direct", { udp: easy, relay: { udp: false, socket: false, letsIn: true } }],
  ["direct_mostly", { udp: easy, relay: undefined }],
  ["direct_mostly", { udp: easy, relay: { udp: false, socket: false, letsIn: false } }],
  ["direct_or_relay", { udp: { ...easy, isStrict: true }, relay: works }],
  ["direct_or_relay", { udp: { ...easy, isStrict: true }, relay: { ...works, udp: undefined } }],
  ["strict", { udp: { ...easy, isStrict: true }, relay: undefined }],
  ["relay_only", { udp: { ...easy, isAnswered: false }, relay: { ...works, udp: false } }],
  ["udp_blocked", { udp: { ...easy, isAnswered: false }, relay: { ...works, udp: false, socket: false } }],
  ["untold", { udp: undefined, relay: works }],
  ["websocket_blocked", { udp: easy, socketMs: undefined }],
  ["server_unreachable", { server: undefined, socketMs: undefined }],
])("%s", (expected, measured) => {
  expect(verdict({ server, socketMs: 3, udp: easy, relay: undefined, ...measured })).toBe(expected);
});

test("what could not be looked at is not listed as good", () => {
  const page = { isSecure: true, store: "opfs" } as const;
  const states = (measured: Partial<Measured>): Record<string, string> =>
    Object.fromEntries(findings({ server, socketMs: 3, udp: easy, relay: works, ...measured }, page).map(({ t, state }) => [t, state]));
  expect(states({})).toMatchObject({ server: "ok", websocket: "ok", udp: "ok", nat: "ok", relay: "ok", clock: "ok" });
  expect(states({ udp: { ...easy, portCount: 1 } }).nat).toBe("note");
  expect(states({ udp: { ...easy, isAnswered: false } })).not.toHaveProperty("nat");
  expect(states({ relay: undefined }).relay).toBe("note");
  expect(states({ relay: { ...works, udp: false, socket: false } }).relay).toBe("bad");
  expect(states({ server: undefined })).toEqual({ server: "bad", secure: "ok", store: "ok" });
});

test.each([
  ["open", { relay: { ...works, letsIn: true } }],
  ["moderate", { relay: { ...works, letsIn: false } }],
  ["easy", { relay: works }],
  ["easy", { relay: undefined }],
  ["strict", { udp: { ...easy, isStrict: true }, relay: { ...works, letsIn: true } }],
  ["none", { udp: { ...easy, isMapped: false }, relay: works }],
  ["untold", { udp: { ...easy, portCount: 1 }, relay: { ...works, letsIn: true } }],
])("a NAT is said to be %s", (expected, measured: Partial<Measured>) => {
  const page = { isSecure: true, store: "opfs" } as const;
  const found = findings({ server, socketMs: 3, udp: easy, relay: works, ...measured }, page).find(({ t }) => t === "nat");
  expect(found).toMatchObject({ says: expected });
});
