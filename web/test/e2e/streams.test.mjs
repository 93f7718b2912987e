// Several connections carry the data of one transfer, and one of them that breaks loses nothing.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { folder, host, launch, makeFile, open, remove, run, serve, sha256 } from "./harness.mjs";

let browser;
let server;
let file;
let long;
const dir = folder();
before(async () => {
  browser = await launch();
  server = await serve();
  file = makeFile(join(dir, "film.bin"), 24_000_001);
  // A receiver with a limit has asked for 16 MiB more than it has stored, before the first further connection opens.
  long = makeFile(join(dir, "long.bin"), 48_000_001);
});
after(async () => {
  await browser.close();
  await server.stop();
  remove(dir);
});

/** A page that counts what each of its connections carries, and lets a test break one. */
async function counting(url, more = () => {}) {
  const opened = await open(browser, undefined);
  await opened.page.addInitScript(() => {
    globalThis.lanes = { ctl: [], data: [] };
    const { createDataChannel } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.createDataChannel = function (label, init) {
      const lane = createDataChannel.call(this, label, init);
      globalThis.lanes[label].push(lane);
      lane.carried = 0;
      lane.pc = this;
      lane.addEventListener("message", ({ data }) => (lane.carried += data.byteLength ?? data.length));
      const { send } = lane;
      lane.send = (data) => {
        lane.carried += data.byteLength;
        send.call(lane, data);
      };
      return lane;
    };
  });
  await opened.page.addInitScript(more);
  await opened.page.goto(url);
  return opened;
}

/** The bytes that each data lane of a page carried. */
const carried = (page) => page.evaluate(() => globalThis.lanes.data.map((lane) => lane.carried));

/** Waits until a page's second data lane, or a later one, carries something. */
const spread = (page) => page.waitForFunction(() => globalThis.lanes.data.slice(1).some((lane) => lane.carried > 0));

/** Asserts that data went on after one of the first three broke, and at last over one connection with none beside it. */
async function assertWentOn(page, program) {
  const lanes = await carried(page);
  assert.ok(lanes.slice(3).some((bytes) => bytes > 0), lanes.join());
  assert.equal(connections(program), 1, program.output);
}

/** In a page: has it believe that a further connection has ended. */
function breakHere() {
  globalThis.lanes.data.find(({ carried }, i) => i > 0 && carried > 0).onclose();
}

/** In a page: ends a further connection with all that is on its way, so that the other side is told and the page is not. */
function closeUnheard() {
  const { ctl, data } = globalThis.lanes;
  const at = data.findIndex(({ carried }, i) => i > 0 && carried > 0);
  for (const lane of [ctl[at], data[at]]) lane.onclose = null;
  data[at].pc.close();
}

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
  await page.getByText("· 3 connections").waitFor();
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
  await page.evaluate(breakHere);
  assert.equal(await arrived(), await sha256(file));
  assert.equal(await sender.exit, 0, sender.output);
  assert.match(sender.output, /"event":"reconnecting"/);
  await assertWentOn(page, sender);
  await context.close();
});

test("a terminal that hears a further connection break goes on with the page as well", { timeout: 120_000 }, async () => {
  const { sender, page, context, arrived } = await sendToPage("--streams", "3");
  await spread(page);
  await page.evaluate(closeUnheard);
  await sender.line(/"event":"reconnecting"/);
  assert.equal(await arrived(), await sha256(file));
  assert.equal(await sender.exit, 0, sender.output);
  await assertWentOn(page, sender);
  await context.close();
});

/** A program that receives at 10 MB/s what a page shares. */
async function receiveFromPage(name, ...options) {
  const out = join(dir, name);
  mkdirSync(out);
  const { page, context, complaints } = await counting(server.local);
  const { link } = await host(page, long);
  const receiver = run(["recv", link, "--yes", "--json", "--limit", "10MB", ...options, "-o", out]);
  return { receiver, page, context, complaints, arrived: () => sha256(join(out, "long.bin")) };
}

test("a terminal that receives over three connections has a page send over three", { timeout: 90_000 }, async () => {
  const { receiver, page, context, complaints, arrived } = await receiveFromPage("three", "--streams", "3");
  assert.equal(await receiver.exit, 0, receiver.output);
  assert.equal(await arrived(), await sha256(long));
  assert.equal(connections(receiver), 3);
  const lanes = await carried(page);
  assert.equal(lanes.length, 3);
  assert.ok(lanes.every((bytes) => bytes > 1e6), lanes.join());
  assert.deepEqual(complaints, []);
  await context.close();
});

for (const [where, breakOne] of [["page", breakHere], ["terminal", closeUnheard]]) {
  test(`a further connection that is seen to break at the ${where} while the page sends costs nothing but time`, { timeout: 120_000 }, async () => {
    const { receiver, page, context, arrived } = await receiveFromPage(where, "--streams", "3");
    await spread(page);
    await page.evaluate(breakOne);
    assert.equal(await receiver.exit, 0, receiver.output);
    assert.equal(await arrived(), await sha256(long));
    assert.match(receiver.output, /"event":"reconnecting"/);
    await assertWentOn(page, receiver);
    await context.close();
  });
}

test("a page sends to a page over as many connections as a long path has room for", { timeout: 120_000 }, async () => {
  // What the page sees is a path of 80 ms where each connection carries 1 MB/s.
  const sending = await counting(server.local, () => {
    const { getStats, createDataChannel } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.getStats = async function () {
      const stats = new Map(await getStats.call(this));
      for (const [id, report] of stats) if (report.type === "candidate-pair") stats.set(id, { ...report, currentRoundTripTime: 0.08 });
      return stats;
    };
    RTCPeerConnection.prototype.createDataChannel = function (label, init) {
      const lane = createDataChannel.call(this, label, init);
      if (label === "ctl") return lane;
      const { send } = lane;
      const held = [];
      Object.defineProperty(lane, "bufferedAmount", { get: () => held.reduce((sum, { byteLength }) => sum + byteLength, 0) });
      lane.send = (message) => held.push(message);
      setInterval(() => {
        if (held.length === 0) return;
        send.call(lane, held.shift());
        lane.onbufferedamountlow();
      }, 64);
      return lane;
    };
  });
  const { link } = await host(sending.page, file);
  const receiving = await counting(link);
  const download = new Promise((resolve) => receiving.page.once("download", resolve));
  await receiving.page.getByRole("button", { name: /^Download/ }).click();
  assert.equal(await sha256(await (await download).path()), await sha256(file));
  await sending.page.getByRole("heading", { name: "Sent" }).waitFor();
  const lanes = await carried(receiving.page);
  assert.ok(lanes.length >= 4 && lanes.length <= 8, lanes.join());
  assert.ok(lanes.slice(0, 4).every((bytes) => bytes > 1e6), lanes.join());
  assert.deepEqual([sending.complaints, receiving.complaints], [[], []]);
  await receiving.context.close();
  await sending.context.close();
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
