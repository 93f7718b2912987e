// The golden vectors that the Rust crate passes as well.

import { readFileSync } from "node:fs";

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { describe, expect, test } from "vitest";

import { concat, fromHex, hex, utf8, type Bytes } from "../../src/protocol/bytes.ts";
import { Exchange, generator, InvalidElement, scalarMultVfy, scalarOf } from "../../src/protocol/cpace.ts";
import { decodeClientMessage, decodeServerMessage, encodeEnvelope } from "../../src/protocol/envelope.ts";
import { ciOf, KeySchedule, prsOf } from "../../src/protocol/keys.ts";
import { lvCat } from "../../src/protocol/lv.ts";
import { NotSealed, Opener, Sealer } from "../../src/protocol/seal.ts";
import { TunnelEnds } from "../../src/protocol/tunnel.ts";

describe("cpace-draft.json", () => {
  const v = vector<Record<string, string> & { invalid: string[]; valid: Record<string, string> }>("cpace-draft");
  const get = (name: string): Bytes => bytes(v[name] ?? "");

  test("the generator and both elements are the draft's", () => {
    const g = generator(get("prs"), get("ci"), get("sid"));
    expect(g.toHex()).toBe(v.g);
    expect(g.multiply(scalarOf(get("ya"))).toHex()).toBe(v.Ya);
    expect(g.multiply(scalarOf(get("yb"))).toHex()).toBe(v.Yb);
  });

  test("both sides reach the draft's key", () => {
    const [host, guest] = (["host", "guest"] as const).map(
      (role) => new Exchange(role, get("prs"), get("ci"), get("sid"), get(role === "host" ? "ya" : "yb")),
    );
    expect(hex(host!.finish(get("ADa"), get("Yb"), get("ADb")))).toBe(v.ISK_IR);
    expect(hex(guest!.finish(get("ADb"), get("Ya"), get("ADa")))).toBe(v.ISK_IR);
    expect(hex(scalarMultVfy(scalarOf(get("ya")), get("Yb")))).toBe(v.K);
  });

  test("invalid elements are refused", () => {
    const s = scalarOf(bytes(v.valid.s!));
    expect(hex(scalarMultVfy(s, bytes(v.valid.X!)))).toBe(v.valid.scalar_mult_vfy);
    for (const invalid of v.invalid) expect(() => scalarMultVfy(s, bytes(invalid))).toThrow(InvalidElement);
  });
});

test("pairing.json: the pairing is the same to the byte", () => {
  const { outputs } = vector<{ outputs: Record<string, string | number> }>("pairing");
  const is = (name: string, value: Uint8Array): void => expect(hex(value), name).toBe(outputs[name]);
  const sid = Uint8Array.from({ length: 16 }, (_, i) => i);
  const [prs, ci] = [prsOf("code", utf8("3456")), ciOf("code", "12")];
  const [nH, nG] = [new Uint8Array(16).fill(0x33), new Uint8Array(16).fill(0x44)];
  const adA = lvCat(utf8("1"), utf8("1"), Uint8Array.of(0));
  const adB = lvCat(utf8("1"), sha256(concat(utf8("p2pshare/1 sas-commit"), nG)));
  const host = new Exchange("host", prs, ci, sid, scalar(0x11, 1));
  const guest = new Exchange("guest", prs, ci, sid, scalar(0x22, 2));
  const [ya, yb] = [host.element, guest.element];
  is("Ya", ya);
  is("Yb", yb);
  const isk = host.finish(adA, yb, adB);
  is("isk", isk);
  is("isk", guest.finish(adB, ya, adA));

  const keys = KeySchedule.first({ sid, ci, host: { element: ya, ad: adA }, guest: { element: yb, ad: adB } }, isk);
  is("th", keys.th);
  is("Tg", keys.guestProof());
  is("Th", keys.hostProof(nH));
  is("k_sig_h2g", keys.sealingKey("host"));
  is("k_sig_g2h", keys.sealingKey("guest"));
  const session = keys.sessionKeys("host");
  is("k_resume", session.resumeKey);
  is("resume_id", session.resumeId);
  expect(keys.shortNumber(nH, nG)).toBe(outputs.sas);

  const [local, remote] = [
    { fingerprint: new Uint8Array(32).fill(5), iceUfrag: "host" },
    { fingerprint: new Uint8Array(32).fill(6), iceUfrag: "guest" },
  ];
  const macInput = lvCat(local.fingerprint, remote.fingerprint, utf8("host"), utf8("guest"));
  const mac = hmac(sha256, bytes(outputs.k_bind as string), concat(utf8("host"), macInput));
  expect(hex(session.bindMac({ local, remote }))).toBe(hex(mac));
  expect(keys.sessionKeys("guest").isBindMac({ local: remote, remote: local }, mac)).toBe(true);
  expect(keys.sessionKeys("guest").isBindMac({ local, remote }, mac)).toBe(false);

  const json = utf8('{"t":"offer"}');
  const sealed = new Sealer(keys, "host", sid).seal(json);
  is("sealed0_sha256", sha256(sealed));
  expect(sealed.length).toBe(outputs.sealed_len);
  expect(new Opener(keys, "host", sid).open(sealed)).toEqual(json);

  const ends = { host: new TunnelEnds(session), guest: new TunnelEnds(keys.sessionKeys("guest")) };
  const [first, second] = [ends.host.seal("ctl", utf8('{"t":"ping"}')), ends.host.seal("data", utf8("headbody"))];
  is("tunnel_h2g_0", first);
  is("tunnel_h2g_1", second);
  is("tunnel_g2h_0", ends.guest.seal("begin", new Uint8Array()));
  expect(ends.guest.open(first)).toEqual({ lane: "ctl", body: utf8('{"t":"ping"}') });
  expect(() => ends.guest.open(first)).toThrow(NotSealed);
  expect(() => ends.host.open(second)).toThrow(NotSealed);
});

describe("envelope.json", () => {
  const v = vector<{ client: unknown[]; server: unknown[]; refused: { why: string; text: string }[] }>("envelope");

  test.each(v.client.map((message) => [JSON.stringify(message)]))("client %s", (text) => {
    expect(JSON.parse(encodeEnvelope(decodeClientMessage(text)))).toEqual(JSON.parse(text));
  });

  test.each(v.server.map((message) => [JSON.stringify(message)]))("server %s", (text) => {
    expect(JSON.parse(encodeEnvelope(decodeServerMessage(text)))).toEqual(JSON.parse(text));
  });

  test.each(v.refused.map(({ why, text }) => [why, text]))("refused: %s", (_, text) => {
    expect(() => decodeClientMessage(text)).toThrow();
    expect(() => decodeServerMessage(text)).toThrow();
  });
});

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the caller says what the file holds
function vector<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../../protocol/vectors/${name}.json`, import.meta.url), "utf8")) as T;
}

function bytes(text: string): Bytes {
  return fromHex(text, text.length / 2)!;
}

/** 31 times a byte and a last one, little-endian. */
function scalar(byte: number, last: number): Bytes {
  return Uint8Array.from({ length: 64 }, (_, i) => (i < 31 ? byte : i === 31 ? last : 0));
}
