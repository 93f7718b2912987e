// Hashes, checksums, archives and names.

import { crc32 as reference } from "node:zlib";

import { blake3 as library } from "@noble/hashes/blake3.js";
import { expect, test } from "vitest";

import { combineCrc, crc32 } from "../../src/disk/crc32.ts";
import { blake3 } from "../../src/protocol/blake3.ts";
import { hex } from "../../src/protocol/bytes.ts";
import { localName, localPaths, shown } from "../../src/protocol/local_name.ts";

test("the fast hash is BLAKE3", () => {
  const bytes = Uint8Array.from({ length: 40_000 }, (_, i) => (i * 7 + (i >> 8)) & 255);
  const sizes = [0, 1, 63, 64, 65, 1023, 1024, 1025, 2048, 2049, 3072, 3073, 4096, 5000, 8192, 16_384, 31_744, 40_000];
  for (const size of sizes) {
    const piece = bytes.subarray(0, size);
    expect(hex(blake3(piece)), `${size} bytes`).toBe(hex(library(piece)));
  }
  expect(hex(blake3(bytes.subarray(3, 2051)))).toBe(hex(library(bytes.subarray(3, 2051))));
  expect(hex(blake3(new Uint8Array()))).toBe("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
});

test("a checksum of pieces is that of the whole", () => {
  const bytes = Uint8Array.from({ length: 5000 }, (_, i) => (i * 31) & 255);
  expect(crc32(bytes)).toBe(reference(bytes));
  for (const at of [0, 1, 1024, 4999, 5000]) {
    const [a, b] = [bytes.subarray(0, at), bytes.subarray(at)];
    expect(combineCrc(crc32(a), crc32(b), b.length)).toBe(reference(bytes));
  }
});

test("b_007 and b_009: names fit every disk and deceive nobody", () => {
  for (const [offered, local] of [
    ["plain.txt", "plain.txt"],
    ["CON", "_CON"],
    ["nul.txt", "_nul.txt"],
    ["COM1.tar.gz", "_COM1.tar.gz"],
    ["x.", "x_"],
    ["a:b", "a_b"],
    ["aux ", "aux_"],
    ["invoice\u202efdp.exe", "invoice_fdp.exe"],
    ["\u001b[31m", "_[31m"],
  ] as const) {
    expect(localName(offered)).toBe(local);
  }
  expect(new TextEncoder().encode(localName("😀".repeat(63))).length).toBeLessThanOrEqual(240);
  expect(shown("a\u202eb")).toBe("a\\u{202e}b");
});

test("b_010 two files never get one name", () => {
  const file = (...path: string[]) => ({ path, kind: "file", size: 0 }) as const;
  expect(localPaths([file("README"), file("readme"), file("d", "e\u0301"), file("d", "é"), file("D", "x")])).toEqual([
    "README",
    "readme (1)",
    "d/e\u0301",
    "d/é (1)",
    "D (1)/x",
  ]);
});
