// Large files with flat memory, on https (here: this machine's own address) and on plain http alike, and resume.
//
// P2PSHARE_E2E_MIB sets the size; 2048 is what the product promises. With P2PSHARE_E2E_NETNS and P2PSHARE_E2E_LAN, the name of a
// network namespace and its address, the programs run in there, as on another machine: take b_115 then.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { folder, host, launchProfile, makeFile, open, remove, run, serve, sha256, watchMemory } from "./harness.mjs";

const MIB = Number(process.env.P2PSHARE_E2E_MIB ?? 80);
const BYTES = MIB * 1048576 + 12_345;
const timeout = 60_000 + MIB * 1_000;
let server;
let file;
const dir = folder();
before(async () => {
  server = await serve();
  file = makeFile(join(dir, "large.bin"), BYTES);
});
after(async () => {
  await server.stop();
  remove(dir);
});

/** Prints how a transfer went, and holds the renderer to its bound. */
function judge(what, started, { most, heap = 0 }) {
  const rate = BYTES / 1000 / (performance.now() - started);
  console.log(`# ${what}: ${rate.toFixed(1)} MB/s, renderer at most ${most.toFixed(0)} MiB, heap ${heap.toFixed(0)} MiB`);
  assert.ok(most < 400, `renderer ${most} MiB`);
  assert.ok(heap < 200, `heap ${heap} MiB`);
}

/** Makes `page` count the bytes of files that reach it: `arrived(page)`. */
const countArrivals = (page) =>
  page.addInitScript(() => {
    // The count outlives a reload.
    globalThis.arrived = Number(sessionStorage.getItem("arrived") ?? 0);
    addEventListener("pagehide", () => sessionStorage.setItem("arrived", globalThis.arrived));
    const { createDataChannel } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.createDataChannel = function (label, init) {
      const lane = createDataChannel.call(this, label, init);
      lane.addEventListener("message", ({ data }) => {
        if (label === "data") globalThis.arrived += data.byteLength;
      });
      return lane;
    };
  });
const arrived = (page) => page.evaluate(() => globalThis.arrived);

/** Shares the file for as many as come. */
async function offered(place) {
  const sender = run(["send", "--no-qr", "--keep", "--server", server[place], file]);
  const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
  return { sender, link };
}

for (const [place, name] of [
  ["local", "b_117 a page"],
  ["lan", "b_115 a page on plain http"],
]) {
  test(`${name} receives a large file in flat memory`, { timeout }, async () => {
    const { sender, link } = await offered(place);
    const { page, complaints, context } = await open(await launchProfile(), link);
    if (place === "lan") {
      assert.equal(await page.evaluate(() => typeof crypto.subtle), "undefined");
      await page.getByText("Opened over http").waitFor();
    }
    const button = page.getByRole("button", { name: /^Download/ });
    await button.waitFor();
    const started = performance.now();
    const memory = watchMemory(page);
    const downloading = page.waitForEvent("download", { timeout });
    await button.click();
    const failed = page.getByRole("button", { name: "Start over" }).waitFor({ timeout }).then(async () => {
      throw new Error(await page.locator("main").textContent());
    });
    failed.catch(() => undefined);
    const download = await Promise.race([downloading, failed]);
    judge(`terminal to page, ${place}`, started, memory.look());
    const path = await download.path();
    judge("with the file in the downloads", started, memory.stop());
    assert.equal(await sha256(path), await sha256(file));
    await sender.line(/sent /i);
    await sender.stop();
    assert.deepEqual(complaints, []);
    await context.close();
  });

  test(`${name} sends a large file in flat memory`, { timeout }, async () => {
    const out = join(dir, `out-${place}`);
    mkdirSync(out);
    const { page, complaints, context } = await open(await launchProfile(), server[place]);
    const { link } = await host(page, file);
    const started = performance.now();
    const memory = watchMemory(page);
    const receiver = run(["recv", link, "--yes", "-o", out]);
    assert.equal(await receiver.exit, 0, receiver.output);
    judge(`page to terminal, ${place}`, started, memory.stop());
    assert.equal(await sha256(join(out, "large.bin")), await sha256(file));
    remove(out);
    assert.deepEqual(complaints, []);
    await context.close();
  });

  test(`${name} that is reloaded in the middle fetches the rest and little more`, { timeout }, async () => {
    const { sender, link } = await offered(place);
    const { page, context } = await open(await launchProfile(), undefined);
    await countArrivals(page);
    await page.goto(link);
    await page.getByRole("button", { name: /^Download/ }).click();
    await page.waitForFunction((half) => (document.querySelector("progress")?.value ?? 0) > half, BYTES / 2, { timeout });
    await page.reload();
    const button = page.getByRole("button", { name: /^Resume: [\d.]+ .B of/ });
    const offer = await button.textContent();
    const downloading = page.waitForEvent("download", { timeout });
    await button.click();
    const download = await downloading;
    const again = (await arrived(page)) - BYTES;
    console.log(`# ${offer}; ${((100 * again) / BYTES).toFixed(1)} % came twice`);
    assert.ok(again < 0.05 * BYTES + 8e6, `${again} bytes came twice`);
    assert.equal(await sha256(await download.path()), await sha256(file));
    await sender.stop();
    await context.close();
  });
}
