// What the browser has no room for goes straight to the downloads.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { folder, launchProfile, makeFile, open, remove, run, serve, sha256, watchMemory } from "./harness.mjs";

const BYTES = (Number(process.env.P2PSHARE_E2E_MIB ?? 48) << 20) + 77;
const timeout = 60_000 + BYTES / 1_000;
let server;
const dir = folder();
before(async () => {
  server = await serve();
});
after(async () => {
  await server.stop();
  remove(dir);
});

/** A page in a browser that says that its storage is small. */
async function cramped(link) {
  const opened = await open(await launchProfile());
  await opened.context.addInitScript(() => {
    navigator.storage.estimate = () => Promise.resolve({ quota: 20e6, usage: 1e6 });
  });
  await opened.page.goto(link);
  return opened;
}

async function download(page) {
  const button = page.getByRole("button", { name: /^Download/ });
  await page.getByText("Goes straight to your downloads").waitFor();
  const downloading = page.waitForEvent("download", { timeout });
  await button.click();
  const found = await downloading;
  await page.getByRole("heading", { name: "Received" }).waitFor({ timeout });
  return found;
}

test("a file that is too large for the browser's storage is streamed to the downloads", { timeout }, async () => {
  const file = makeFile(join(dir, "film ü.mp4"), BYTES);
  const sender = run(["send", "--no-qr", "--server", server.local, file]);
  const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
  const { page, complaints, context } = await cramped(link);
  const memory = watchMemory(page);
  const saved = await download(page);
  console.log(`# renderer at most ${memory.stop().most.toFixed(0)} MiB`);
  assert.equal(saved.suggestedFilename(), "film ü.mp4");
  assert.equal(await sha256(await saved.path()), await sha256(file));
  assert.equal(await sender.exit, 0, sender.output);
  assert.equal(await page.getByRole("button", { name: "Save again" }).count(), 0);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a folder that is too large is streamed as an archive", { timeout }, async () => {
  const tree = join(dir, "tree");
  mkdirSync(join(tree, "empty folder"), { recursive: true });
  for (let i = 0; i < 40; i++) makeFile(join(tree, "part", `${i}.bin`), 900_000 + i);
  writeFileSync(join(tree, "empty"), "");
  const sender = run(["send", "--no-qr", "--server", server.local, tree]);
  const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
  const { page, complaints, context } = await cramped(link);
  const saved = await download(page);
  assert.equal(saved.suggestedFilename(), "tree.zip");
  const out = join(dir, "out");
  execFileSync("python3", ["-m", "zipfile", "-t", await saved.path()]);
  execFileSync("python3", ["-m", "zipfile", "-e", await saved.path(), out]);
  execFileSync("diff", ["-r", tree, join(out, "tree")]);
  assert.equal(readFileSync(join(out, "tree", "empty")).length, 0);
  assert.equal(await sender.exit, 0, sender.output);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("who stops the transfer has no download that looks whole", { timeout }, async () => {
  const file = makeFile(join(dir, "stopped.bin"), 40_000_000);
  const sender = run(["send", "--no-qr", "--limit", "4MB", "--server", server.local, file]);
  const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
  const { page, context } = await cramped(link);
  const downloading = page.waitForEvent("download", { timeout });
  await page.getByRole("button", { name: /^Download/ }).click();
  const found = await downloading;
  await page.getByRole("button", { name: "Cancel" }).click();
  assert.notEqual(await found.failure(), null);
  assert.notEqual(await sender.exit, 0);
  await context.close();
});
