// Many small files, which share a place in the browser's storage, and a reload in the middle of them.
//
// P2PSHARE_E2E_FILES sets their number; more than 32 MiB in all go to the disk.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { folder, launchProfile, open, remove, run, serve } from "./harness.mjs";

const FILES = Number(process.env.P2PSHARE_E2E_FILES ?? 400);
const timeout = 60_000;
let server;
const dir = folder();
const tree = join(dir, "tree");
before(async () => {
  server = await serve();
  for (let i = 0; i < FILES; i++) {
    const inner = join(tree, `part ${i % 7}`);
    mkdirSync(inner, { recursive: true });
    writeFileSync(join(inner, `${i}.bin`), randomBytes(90_000 + (i % 100)));
  }
  writeFileSync(join(tree, "empty"), "");
  writeFileSync(join(tree, "large.bin"), randomBytes(3_000_001));
});
after(async () => {
  await server.stop();
  remove(dir);
});

/** Every file below a folder with its hash. */
function hashes(top) {
  const files = readdirSync(top, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const named = files.map((entry) => {
    const path = join(entry.parentPath, entry.name);
    return [path.slice(top.length), createHash("sha256").update(readFileSync(path)).digest("hex")];
  });
  return Object.fromEntries(named.sort());
}

for (const place of ["local", "lan"]) {
  test(`many small files go on after a reload, at ${place}`, { timeout }, async () => {
    const sender = run(["send", "--no-qr", "--keep", "--server", server[place], tree]);
    const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
    const { page, complaints, context } = await open(await launchProfile(), link);
    await page.getByRole("button", { name: /^Download/ }).click();
    await page.waitForFunction(() => (document.querySelector("progress")?.value ?? 0) > 15e6, undefined, { timeout });
    await page.reload();
    const button = page.getByRole("button", { name: /^Resume: / });
    const [, saved] = /Resume: ([\d.]+) MB of/.exec(await button.textContent());
    assert.ok(Number(saved) > 14, `${saved} MB were kept`);
    const downloading = page.waitForEvent("download", { timeout });
    const began = performance.now();
    await button.click();
    const path = await (await downloading).path();
    console.log(`# the rest of ${FILES} files took ${((performance.now() - began) / 1000).toFixed(1)} s`);
    const out = join(dir, `out-${place}`);
    execFileSync("python3", ["-m", "zipfile", "-e", path, out]);
    assert.deepEqual(hashes(join(out, "tree")), hashes(tree));
    assert.deepEqual(complaints, []);
    await sender.stop();
    await context.close();
  });
}
