// Several connections carry the data of one transfer, and one of them that breaks loses nothing.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { folder, host, launch, makeFile, open, remove, run, serve, sha256 } from "./harness.mjs";

let browser;
let server;
let file;
const dir = folder();
before(async () => {
  browser = await launch();
  server = await serve();
  file = makeFile(join(dir, "film.bin"), 24_000_001);
});
after(async () => {
  await browser.close();
  await server.stop();
  remove(dir);
});

/** A page that counts what each of its connections carries, and lets a test break one. */
async function counting(url) {
  const opened = await open(browser, undefined);
  await opened.page.addInitScript(() => {
    globalThis.lanes = { ctl: [], data: [] };
    const { createDataChannel } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.createDataChannel = function (label, init) {
      const lane = createDataChannel.call(this, label, init);
      globalThis.lanes[label].push(lane);
      lane.carried = 0;
      lane.addEventListener("message", ({ data }) => (lane.carried += data.byteLength ?? data.length));
      const { send } = lane;
      lane.send = (data) => {
        lane.carried += data.byteLength;
        send.call(lane, data);
      };
      return lane;
    };
  });
  await opened.page.goto(url);
  return opened;
}

/** The bytes that each data lane of a page carried. */
const carried = (page) => page.evaluate(() => globalThis.lanes.data.map((lane) => lane.carried));

/** Waits until a page's second data lane, or a later one, carries something. */
const spread = (page) => page.waitForFunction(() => globalThis.lanes.data.slice(1).some((lane) => lane.carried > 0));

/** Over how many connections data went after one of the first three broke: there is to be no other beside the new one. */
const afterwards = async (page) => (await carried(page)).slice(3).filter((bytes) => bytes > 0).length;

/** How many connections a program saw in the end. */
const connections = ({ output }) => Number([...output.matchAll(/"connections":(\d+)/g)].at(-1)[1]);

async function sendToPage(...options) {
  const sender = run(["send", "--json", "--limit", "8MB", ...options, "--server", server.local, file]);
  const [, link] = await sender.line(/"link":"(http:\/\/[^"]+)"/);
  const { page, context, complaints } = await counting(link);
  const download = new Promise((resolve) => page.once("download", resolve));
  await page.getByRole("button", { name: /^Download/ }).click();
  return { sender, page, context, complaints, arrived: async () => sha256(await (await download).path()) };
}

test("a terminal that sends over three connections has a page receive over three", { timeout: 90_000 }, async () => {
  const { sender, page, context, complaints, arrived } = await sendToPage("--streams", "3");
  await spread(page);
  assert.equal(await arrived(), await sha256(file));
  assert.equal(await sender.exit, 0, sender.output);
  assert.equal(connections(sender), 3);
  const lanes = await carried(page);
  assert.equal(lanes.length, 3);
  assert.ok(lanes.every((bytes) => bytes > 1e6), lanes.join());
  assert.deepEqual(complaints, []);
  await context.close();
});

test("nearby a page keeps to the one connection that it needs", { timeout: 90_000 }, async () => {
  const { sender, page, context, arrived } = await sendToPage();
  assert.equal(await arrived(), await sha256(file));
  assert.equal(await sender.exit, 0, sender.output);
  assert.equal((await carried(page)).length, 1);
  await context.close();
});

test("a further connection that breaks while a page receives costs nothing but time", { timeout: 120_000 }, async () => {
  const { sender, page, context, arrived } = await sendToPage("--streams", "3");
  await spread(page);
  await page.evaluate(() => globalThis.lanes.data[1].onclose());
  assert.equal(await arrived(), await sha256(file));
  assert.equal(await sender.exit, 0, sender.output);
  assert.match(sender.output, /"event":"reconnecting"/);
  assert.equal(await afterwards(page), 1);
  await context.close();
});

test("a terminal that hears a further connection break goes on with the page as well", { timeout: 120_000 }, async () => {
  const { sender, page, context, arrived } = await sendToPage("--streams", "3");
  await spread(page);
  // The browser tells the other side, and the page nothing.
  await page.evaluate(() => globalThis.lanes.data[1].close());
  await sender.line(/"event":"reconnecting"/);
  assert.equal(await arrived(), await sha256(file));
  assert.equal(await sender.exit, 0, sender.output);
  assert.equal(await afterwards(page), 1);
  await context.close();
});

for (const [what, frames] of [
  ["offers one connection twice", [{ t: "pc_offer", n: 9 }, { t: "pc_offer", n: 9 }]],
  ["offers more than there may be", [{ t: "pc_offer", n: 16 }]],
  ["opens what nobody offered", [{ t: "pc_open", n: 1 }]],
]) {
  test(`a sender that ${what} is stopped`, { timeout: 60_000 }, async () => {
    const { sender, page, context } = await sendToPage();
    await page.waitForFunction(() => (document.querySelector("progress")?.value ?? 0) > 0);
    await page.evaluate(async (frames) => {
      const pc = new RTCPeerConnection();
      pc.createDataChannel("ctl", { negotiated: true, id: 0 });
      const { sdp } = await pc.createOffer();
      for (const frame of frames) globalThis.lanes.ctl[0].onmessage({ data: JSON.stringify({ ...frame, sdp }) });
    }, frames);
    await page.getByRole("heading", { name: "Stopped: the other side broke the rules of the transfer." }).waitFor();
    assert.notEqual(await sender.exit, 0, sender.output);
    await context.close();
  });
}
