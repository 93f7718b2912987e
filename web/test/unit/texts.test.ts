// Codes, links, JSON and names at the door.

import { describe, expect, test } from "vitest";

import { base64url, fromBase64url } from "../../src/protocol/bytes.ts";
import { codeText, generateCode, parseCode, spacedCode } from "../../src/protocol/code.ts";
import { decodeCtl } from "../../src/protocol/ctl.ts";
import { fragmentOf, parseFragment } from "../../src/protocol/link.ts";
import { preparePassword, stretch } from "../../src/protocol/password.ts";
import { ShareGuard } from "../../src/protocol/share_guard.ts";

describe("a code", () => {
  test.each([
    ["123456", "123 456"],
    ["1234567", "123 4567"],
    ["12345678", "1234 5678"],
    ["12-345678", "12-345 678"],
  ])("%s is shown as %s and parses to the same", (text, spaced) => {
    const parsed = parseCode(text);
    if ("error" in parsed) throw new Error(parsed.error);
    expect(codeText(parsed.code)).toBe(text);
    expect(spacedCode(parsed.code)).toBe(spaced);
    expect(parseCode(spaced)).toEqual(parsed);
  });

  test.each([
    ["", "empty"],
    ["  ", "empty"],
    ["12345", "too_short"],
    ["1234", "too_short"],
    ["123", "secret_too_short"],
    ["12-345", "secret_too_short"],
    ["12-1234567890123", "secret_too_long"],
    ["12-34-56", "second_dash"],
    ["-123456", "too_short"],
    ["12345a", "not_a_digit"],
    ["12345٦", "not_a_digit"],
    ["012345", "leading_zero"],
  ])("%j is none: %s", (text, error) => {
    expect(parseCode(text)).toEqual({ error });
  });

  test("has digits that are drawn without bias", () => {
    const bytes = [255, 250, 249, 0, 10, 21];
    expect(generateCode("12", () => Uint8Array.of(bytes.shift()!)).secret).toBe("9001");
  });
});

describe("a link", () => {
  test("is read back from its fragment", () => {
    const link = { secret: new Uint8Array(16).fill(251), hostKeyHash: new Uint8Array(16).fill(2) };
    expect(fragmentOf(link)).toHaveLength(46);
    expect(parseFragment(fragmentOf(link))).toEqual({ link });
  });

  test.each([
    ["", "no_fragment"],
    ["v2.x", "version"],
    ["x", "fragment"],
    ["v1.AA", "length"],
    [`v1.${"A".repeat(42)}B`, "encoding"],
    [`v1.${"A".repeat(42)}/`, "encoding"],
  ])("%s is none: %s", (fragment, error) => {
    expect(parseFragment(fragment)).toEqual({ error });
  });
});

test("base64url has one spelling", () => {
  for (let length = 0; length < 9; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => 251 - i);
    expect(fromBase64url(base64url(bytes))).toEqual(bytes);
  }
  for (const text of ["A", "AQ==", "AR", "+/8", "AQ "]) expect(fromBase64url(text)).toBeUndefined();
});

describe("b_044 a control frame is refused", () => {
  test.each([
    [""],
    ["x"],
    ["[]"],
    ["{}"],
    ['{"t":"nothing"}'],
    ['{"t":"ping","t":"ping"}'],
    ['{"t":"want","ranges":[[0,-1,2]]}'],
    ['{"t":"want","ranges":[[0,1e300,2]]}'],
    ['{"t":"want","ranges":[[4294967296,0,2]]}'],
    ['{"t":"want","ranges":[[0,0.5,2]]}'],
    ['{"t":"progress","bytes":NaN,"entries":0}'],
    [`{"t":"ping","x":${"[".repeat(10_000)}${"]".repeat(10_000)}}`],
    [`{"t":"ping","x":"${"x".repeat(8192)}"}`],
    ['{"t":"hello","v":1,"role":"sends","name":"' + "x".repeat(65) + '"}'],
    ['{"t":"done","root":"AB"}'],
  ])("%.60s", (text) => {
    expect(() => decodeCtl(new TextEncoder().encode(text))).toThrow();
  });

  test("but not for keys that it does not know", () => {
    expect(decodeCtl(new TextEncoder().encode('{"t":"ping","__proto__":{"x":1},"later":[1]}'))).toEqual({ t: "ping" });
  });
});

test("a password is the same whatever keyboard it was typed on", () => {
  expect(preparePassword("caf\u0065\u0301\u00a0x")).toEqual({ prepared: "caf\u00e9 x" });
  expect(preparePassword("")).toEqual({ error: "empty" });
  expect(preparePassword("a\tb")).toEqual({ error: "control_character" });
  expect(preparePassword("x".repeat(1025))).toEqual({ error: "too_long" });
  const salt = new Uint8Array(16);
  expect(stretch("a", salt, { m: 8, t: 1, p: 1 }).key).not.toEqual(stretch("b", salt, { m: 8, t: 1, p: 1 }).key);
});

test("b_052 three wrong codes retire a code, and the next guest compares the number", () => {
  const guard = new ShareGuard();
  expect([guard.wrongCode(), guard.wrongCode(), guard.wrongCode()]).toEqual([2, 1, 0]);
  expect(guard.isCodeRetired).toBe(true);
  guard.codeReplaced();
  expect([guard.isCodeRetired, guard.isShortNumberDue]).toEqual([false, true]);
  guard.paired();
  expect(guard.isShortNumberDue).toBe(false);
});
