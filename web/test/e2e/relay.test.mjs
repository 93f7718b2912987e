// A page that may use nothing but the server's relay.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { folder, host, launch, makeFile, open, remove, run, serve, sha256 } from "./harness.mjs";

let browser;
let server;
const dir = folder();
before(async () => {
  browser = await launch();
  server = await serve({}, ["--relay", "--relay-rate", "10000"]);
});
after(async () => {
  await browser.close();
  await server.stop();
  remove(dir);
});

/** 64 MiB for a figure; less is enough to see that it works. The browser asks no relay on its own machine's loopback. */
const BYTES = Number(process.env.RELAY_MIB ?? 8) << 20;

/** A page whose connections are relayed, whatever else would work. */
async function relayed() {
  const { page, context, complaints } = await open(browser);
  await context.addInitScript(() => {
    const Direct = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Direct {
      constructor(configuration) {
        super({ ...configuration, iceTransportPolicy: "relay" });
      }
    };
  });
  return { page, context, complaints };
}

const rate = (began) => `${((BYTES * 8) / 1e6 / ((performance.now() - began) / 1000)).toFixed(0)} Mbit/s`;

test("a page that is relayed receives from a terminal", { timeout: 120_000 }, async () => {
  const file = makeFile(join(dir, "there.bin"), BYTES);
  const sender = run(["send", "--no-qr", "--server", server.lan, file]);
  const [, link] = await sender.line(/link\s+(\S+)/);
  const { page, complaints, context } = await relayed();
  await page.goto(link);
  const downloading = page.waitForEvent("download");
  const began = performance.now();
  await page.getByRole("button", { name: /^Download/ }).click();
  const path = await (await downloading).path();
  console.log(`through the relay to Chromium: ${rate(began)}`);
  assert.equal(await sha256(path), await sha256(file));
  assert.equal(await sender.exit, 0, sender.output);
  assert.match(sender.output, /relay/);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a page that is relayed sends to a terminal", { timeout: 120_000 }, async () => {
  const file = makeFile(join(dir, "back.bin"), BYTES);
  const into = join(dir, "into");
  mkdirSync(into);
  const { page, context } = await relayed();
  await page.goto(server.lan);
  const { code } = await host(page, file);
  const began = performance.now();
  const receiver = run(["recv", "--yes", "--server", server.lan, "-o", into, code]);
  assert.equal(await receiver.exit, 0, receiver.output);
  console.log(`through the relay from Chromium: ${rate(began)}`);
  assert.equal(await sha256(join(into, "back.bin")), await sha256(file));
  assert.match(receiver.output, /relay/);
  await context.close();
});

/** A page that no path leads to: no address of its own, and no relay but the server's WebSocket. */
async function withoutUdp() {
  const opened = await open(browser);
  await opened.context.addInitScript(() => {
    const Direct = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Direct {
      constructor() {
        super({ iceTransportPolicy: "relay" });
      }
      setConfiguration() {}
    };
  });
  return opened;
}

test("where nothing but TCP gets through a page receives by the server's WebSocket", { timeout: 120_000 }, async () => {
  const file = makeFile(join(dir, "tunnel.bin"), BYTES);
  const sender = run(["send", "--no-qr", "--server", server.lan, file]);
  const [, link] = await sender.line(/link\s+(\S+)/);
  const { page, complaints, context } = await withoutUdp();
  await page.goto(link);
  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: /^Download/ }).click();
  await page.getByText("Relayed by the server").waitFor();
  const path = await (await downloading).path();
  assert.equal(await sha256(path), await sha256(file));
  assert.equal(await sender.exit, 0, sender.output);
  assert.match(sender.output, /relay \(websocket\)/);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("where nothing but TCP gets through a page sends to a terminal and to another page", { timeout: 120_000 }, async () => {
  const file = makeFile(join(dir, "tunnel-back.bin"), BYTES);
  const { page, context } = await withoutUdp();
  await page.goto(server.lan);
  const { code } = await host(page, file);
  const into = join(dir, "tunnel-into");
  mkdirSync(into);
  const receiver = run(["recv", "--yes", "--server", server.lan, "-o", into, code]);
  assert.equal(await receiver.exit, 0, receiver.output);
  assert.equal(await sha256(join(into, "tunnel-back.bin")), await sha256(file));
  assert.match(receiver.output, /relay \(websocket\)/);

  await page.goto(server.lan);
  const { link } = await host(page, file);
  const other = await open(browser, link);
  const downloading = other.page.waitForEvent("download");
  await other.page.getByRole("button", { name: /^Download/ }).click();
  const path = await (await downloading).path();
  assert.equal(await sha256(path), await sha256(file));
  await Promise.all([context.close(), other.context.close()]);
});
