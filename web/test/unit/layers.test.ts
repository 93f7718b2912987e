// The layers hold: what may not know of each other does not.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";

const src = join(import.meta.dirname, "../../src");
const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));

/** Which folder may import from which, beside itself; files that lie in no folder by their names. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  net: ["protocol", "failure.ts", "verdict.ts"],
  disk: ["protocol", "net/random.ts"],
  session: ["protocol", "net", "disk", "failure.ts"],
  ui: ["protocol", "disk", "session", "app.ts", "state.ts", "failure.ts", "verdict.ts"],
};

test.each(Object.keys(MAY))("%s knows what it may know", (layer) => {
  for (const file of files.filter((name) => name.startsWith(`${layer}/`))) {
    const text = readFileSync(join(src, file), "utf8");
    for (const [, path] of text.matchAll(/ from "(\.[^"]+)"/g)) {
      const target = relative(src, join(src, dirname(file), path ?? "").replace(/\?.*/, ""));
      const isAllowed = [layer, ...(MAY[layer] ?? [])].some((may) => target === may || target.startsWith(`${may}/`));
      expect(isAllowed, `${file} imports ${target}`).toBe(true);
    }
  }
});

test("only net names WebRTC and WebSockets, only disk the browser's storage, only ui and main the document", () => {
  const words: readonly (readonly [RegExp, RegExp])[] = [
    [/new (RTCPeerConnection|WebSocket)\(/, /^net\//],
    [/\b(indexedDB|showDirectoryPicker|createSyncAccessHandle|storage\.getDirectory)\b/, /^disk\//],
    [/\bdocument\./, /^(ui\/|main\.ts|disk\/save(_stream)?\.ts)/],
  ];
  for (const file of files) {
    const text = readFileSync(join(src, file), "utf8");
    for (const [word, home] of words) expect(home.test(file) || !word.test(text), `${file}: ${String(word)}`).toBe(true);
  }
});

test.each(files)("%s says what it is, and has under 400 lines", (file) => {
  const text = readFileSync(join(src, file), "utf8");
  expect(text.startsWith("// ")).toBe(true);
  expect(text.split("\n").length).toBeLessThanOrEqual(400);
});
