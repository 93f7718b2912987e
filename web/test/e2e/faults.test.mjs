// Servers that stop, tabs that close and pages that nobody looks at.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { folder, host, launch, makeFile, open, remove, run, serve, sha256 } from "./harness.mjs";

let browser;
const dir = folder();
let file;
before(async () => {
  browser = await launch();
  file = makeFile(join(dir, "file.bin"), 40_000_001);
});
after(async () => {
  await browser.close();
  remove(dir);
});

test("with its server stopped after the pairing a page receives all the same", { timeout: 90_000 }, async () => {
  const server = await serve();
  const sender = run(["send", "--no-qr", "--server", server.local, file]);
  const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
  const { page, context } = await open(browser, link);
  const button = page.getByRole("button", { name: /^Download/ });
  await button.waitFor();
  await server.stop();
  const downloading = page.waitForEvent("download");
  await button.click();
  assert.equal(await sha256(await (await downloading).path()), await sha256(file));
  assert.equal(await sender.exit, 0, sender.output);
  await context.close();
});

test("with its server stopped after the pairing a page sends all the same", { timeout: 90_000 }, async () => {
  const server = await serve();
  const out = join(dir, "out");
  mkdirSync(out);
  const { page, context } = await open(browser, server.local);
  const { link } = await host(page, file);
  const receiver = run(["recv", link, "--yes", "-o", out]);
  await page.locator("progress").or(page.getByRole("heading", { name: "Sent" })).first().waitFor();
  await server.stop();
  assert.equal(await receiver.exit, 0, receiver.output);
  assert.equal(await sha256(join(out, "file.bin")), await sha256(file));
  await page.getByRole("heading", { name: "Sent" }).waitFor();
  await context.close();
});

for (const way of ["closed", "reloaded"]) {
  test(`b_116 a tab that is ${way} in the middle is told to the sender, and the rest is fetched later`, { timeout: 120_000 }, async () => {
    const server = await serve();
    const sender = run(["send", "--json", "--keep", "--limit", "8MB", "--server", server.local, file]);
    const [, link] = await sender.line(/"link":"(http:\/\/[^"]+)"/);
    const { page, context } = await open(browser, link);
    await page.getByRole("button", { name: /^Download/ }).click();
    await page.waitForFunction(() => (document.querySelector("progress")?.value ?? 0) > 10e6);
    const started = performance.now();
    let again = page;
    if (way === "closed") {
      again = await context.newPage();
      await page.close();
      await again.goto(link);
    } else {
      await page.reload();
    }
    await sender.line(/"event":"(reconnecting|stalled|error)"/, 35_000);
    console.log(`# the sender heard of it after ${((performance.now() - started) / 1000).toFixed(1)} s`);
    const resume = again.getByRole("button", { name: /^Resume: \d+(\.\d)? MB of/ });
    const downloading = again.waitForEvent("download", { timeout: 60_000 });
    await resume.click();
    assert.equal(await sha256(await (await downloading).path()), await sha256(file));
    await sender.stop();
    await context.close();
    await server.stop();
  });
}

test("b_116 a connection that breaks is looked for again, and the rest comes without a word", { timeout: 120_000 }, async () => {
  const server = await serve();
  const sender = run(["send", "--no-qr", "--limit", "8MB", "--server", server.local, file]);
  const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
  const { page, context } = await open(browser, undefined);
  await page.addInitScript(() => {
    const { createDataChannel } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.createDataChannel = function (label, init) {
      return (globalThis.lane = createDataChannel.call(this, label, init));
    };
  });
  await page.goto(link);
  const downloading = page.waitForEvent("download", { timeout: 90_000 });
  await page.getByRole("button", { name: /^Download/ }).click();
  await page.waitForFunction(() => (document.querySelector("progress")?.value ?? 0) > 10e6);
  await page.evaluate(() => globalThis.lane.onclose());
  await page.getByText("Reconnecting").waitFor();
  assert.equal(await sha256(await (await downloading).path()), await sha256(file));
  assert.equal(await sender.exit, 0, sender.output);
  await context.close();
  await server.stop();
});

test("b_116 a connection that breaks while a page writes into a folder goes on there", { timeout: 120_000 }, async () => {
  const server = await serve();
  const small = makeFile(join(dir, "small.bin"), 100_000);
  const sender = run(["send", "--no-qr", "--limit", "8MB", "--server", server.local, small, file]);
  const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
  const { page, context } = await open(browser, undefined);
  await page.addInitScript(() => {
    globalThis.showDirectoryPicker = async () => (await navigator.storage.getDirectory()).getDirectoryHandle("Picked", { create: true });
    globalThis.arrived = 0;
    const { createDataChannel } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.createDataChannel = function (label, init) {
      const lane = (globalThis.lane = createDataChannel.call(this, label, init));
      lane.addEventListener("message", ({ data }) => {
        if (label === "data") globalThis.arrived += data.byteLength;
      });
      return lane;
    };
  });
  await page.goto(link);
  await page.getByRole("button", { name: "Save into a folder…" }).click();
  await page.waitForFunction(() => (document.querySelector("progress")?.value ?? 0) > 10e6);
  await page.evaluate(() => globalThis.lane.onclose());
  await page.getByText("Reconnecting").waitFor();
  await page.getByText("They are in the folder Picked.").waitFor({ timeout: 90_000 });
  assert.equal(await sender.exit, 0, sender.output);
  const found = await page.evaluate(async () => {
    const list = {};
    for await (const [name, handle] of (await globalThis.showDirectoryPicker()).entries()) {
      const bytes = await (await handle.getFile()).arrayBuffer();
      list[name] = [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    }
    return list;
  });
  assert.deepEqual(found, { "file.bin": await sha256(file), "small.bin": await sha256(small) });
  const again = (await page.evaluate(() => globalThis.arrived)) - 40_100_001;
  assert.ok(again < 10e6, `${again} bytes came twice`);
  await context.close();
  await server.stop();
});

test("b_116 a receiver that was killed comes back to the page that sends, with the same link", { timeout: 120_000 }, async () => {
  const server = await serve();
  const out = join(dir, "killed");
  mkdirSync(out);
  const { page, context } = await open(browser, server.local);
  const { code, link } = await host(page, file);
  const killed = run(["recv", link, "--yes", "--limit", "4MB", "--json", "-o", out]);
  await killed.line(/"bytes":[1-9]\d{6,},"event":"progress"/);
  killed.child.kill("SIGKILL");
  await page.getByText("Reconnecting").waitFor({ timeout: 20_000 });
  assert.equal((await page.locator("[data-code]").textContent()).replaceAll(" ", ""), code);
  const receiver = run(["recv", link, "--yes", "--json", "-o", out]);
  assert.equal(await receiver.exit, 0, receiver.output);
  const [, kept] = /"event":"resumed","from":(\d+)/.exec(receiver.output);
  assert.ok(Number(kept) >= 1_000_000, kept);
  assert.equal(await sha256(join(out, "file.bin")), await sha256(file));
  await page.getByRole("heading", { name: "Sent" }).waitFor();
  await context.close();
  await server.stop();
});

test("b_116 a page that its browser takes offline goes on", { timeout: 120_000 }, async () => {
  const server = await serve();
  const sender = run(["send", "--no-qr", "--limit", "8MB", "--server", server.local, file]);
  const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
  const { page, context } = await open(browser, link);
  const downloading = page.waitForEvent("download", { timeout: 90_000 });
  await page.getByRole("button", { name: /^Download/ }).click();
  await page.waitForFunction(() => (document.querySelector("progress")?.value ?? 0) > 10e6);
  // The browser takes the server away; what is between the two devices is theirs.
  await context.setOffline(true);
  await page.waitForFunction(() => (document.querySelector("progress")?.value ?? 0) > 20e6);
  await context.setOffline(false);
  assert.equal(await sha256(await (await downloading).path()), await sha256(file));
  assert.equal(await sender.exit, 0, sender.output);
  await context.close();
  await server.stop();
});

test("b_116 a page in the background that sends goes on", { timeout: 120_000 }, async () => {
  const server = await serve();
  const throttled = await launch({ isThrottled: true });
  const out = join(dir, "hidden");
  mkdirSync(out);
  const { page, context } = await open(throttled, server.local);
  const { link } = await host(page, file);
  await (await context.newPage()).bringToFront();
  const receiver = run(["recv", link, "--yes", "-o", out]);
  assert.equal(await receiver.exit, 0, receiver.output);
  assert.equal(await sha256(join(out, "file.bin")), await sha256(file));
  await throttled.close();
  await server.stop();
});

test("b_116 a page in the background goes on", { timeout: 120_000 }, async () => {
  const server = await serve();
  const throttled = await launch({ isThrottled: true });
  const sender = run(["send", "--no-qr", "--server", server.local, file]);
  const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
  const { page, context } = await open(throttled, link);
  const button = page.getByRole("button", { name: /^Download/ });
  await button.waitFor();
  await button.click();
  await (await context.newPage()).bringToFront();
  assert.equal(await sender.exit, 0, sender.output);
  await throttled.close();
  await server.stop();
});
