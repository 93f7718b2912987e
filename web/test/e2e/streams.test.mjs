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

/** A page that counts what each of its connections carries, and has the first further one that does meet with what a test says. */
async function counting(url, more = () => {}) {
  const opened = await open(browser, undefined);
  await opened.page.addInitScript(() => {
    globalThis.lanes = { ctl: [], data: [] };
    const { createDataChannel } = RTCPeerConnection.prototype;
    RTCPeerConnection.prototype.createDataChannel = function (label, init) {
      const lane = createDataChannel.call(this, label, init);
      const at = globalThis.lanes[label].push(lane) - 1;
      lane.carried = 0;
      lane.pc = this;
      const count = (bytes) => {
        lane.carried += bytes;
        if (label === "ctl" || at === 0) return;
        globalThis.meet?.(at);
        globalThis.meet = undefined;
      };
      lane.addEventListener("message", ({ data }) => count(data.byteLength ?? data.length));
      const { send } = lane;
      lane.send = (data) => {
        send.call(lane, data);
        count(data.byteLength);
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

/** How many connections a program saw in the end. */
const connections = ({ output }) => Number([...output.matchAll(/"connections":(\d+)/g)].at(-1)[1]);

/** Asserts that both sides used three connections for what was moved, and all of them. */
async function assertSpread({ page, complaints }, program) {
  assert.equal(connections(program), 3, program.output);
  const lanes = await carried(page);
  assert.equal(lanes.length, 3);
  assert.ok(lanes.every((bytes) => bytes > 1e6), lanes.join());
  assert.deepEqual(complaints, []);
}

/** Asserts that data went on after one of the first three broke, and at last over one connection with none beside it. */
async function assertWentOn({ page }, program) {
  assert.match(program.output, /"event":"reconnecting"/);
  assert.equal(connections(program), 1, program.output);
  const lanes = await carried(page);
  assert.ok(lanes.slice(3).some((bytes) => bytes > 0), lanes.join());
}

/** Has a page do something to its first further connection that carries data, as soon as it does. */
const meet = (page, act) => page.evaluate(`globalThis.meet = ${act}`);

/** In a page: has it believe that a further connection has ended. */
function breakHere(at) {
  globalThis.lanes.data[at].onclose();
}

/** In a page: ends a further connection with all that is on its way, so that the other side is told and the page is not. */
function closeUnheard(at) {
  const { ctl, data } = globalThis.lanes;
  for (const lane of [ctl[at], data[at]]) lane.onclose = null;
  data[at].pc.close();
}

/** Both, and the side that sees it. */
const BREAKS = [["page", breakHere], ["terminal", closeUnheard]];

/** A page to which a program is about to send, over so many connections from the first byte. */
async function sendToPage(count, limit = "8MB") {
  const options = count > 1 ? ["--streams", `${count}`] : [];
  const sender = run(["send", "--json", "--limit", limit, ...options, "--server", server.local, file]);
  const [, link] = await sender.line(/"link":"(http:\/\/[^"]+)"/);
  const opened = await counting(link);
  const download = new Promise((resolve) => opened.page.once("download", resolve));
  await sender.line(new RegExp(`"connections":${count}`));
  const accept = () => opened.page.getByRole("button", { name: /^Download/ }).click();
  return { sender, opened, accept, arrived: async () => sha256(await (await download).path()) };
}

test("a terminal that sends over three connections has a page receive over three", { timeout: 90_000 }, async () => {
  const { sender, opened, accept, arrived } = await sendToPage(3);
  const badge = opened.page.getByText("· 3 connections").waitFor();
  await accept();
  await badge;
  assert.equal(await arrived(), await sha256(file));
  assert.equal(await sender.exit, 0, sender.output);
  await assertSpread(opened, sender);
  await opened.context.close();
});

test("nearby a page keeps to the one connection that it needs", { timeout: 90_000 }, async () => {
  const { sender, opened, accept, arrived } = await sendToPage(1);
  await accept();
  assert.equal(await arrived(), await sha256(file));
  assert.equal(await sender.exit, 0, sender.output);
  assert.equal((await carried(opened.page)).length, 1);
  await opened.context.close();
});

for (const [where, breakOne] of BREAKS) {
  test(`a further connection that is seen to break at the ${where} while the page receives costs nothing but time`, { timeout: 120_000 }, async () => {
    const { sender, opened, accept, arrived } = await sendToPage(3);
    await meet(opened.page, breakOne);
    await accept();
    assert.equal(await arrived(), await sha256(file));
    assert.equal(await sender.exit, 0, sender.output);
    await assertWentOn(opened, sender);
    await opened.context.close();
  });
}

/** In a page: has its data lanes look full until a test lets them go. */
function holdBack() {
  const { createDataChannel } = RTCPeerConnection.prototype;
  const { get } = Object.getOwnPropertyDescriptor(RTCDataChannel.prototype, "bufferedAmount");
  let isHeld = true;
  RTCPeerConnection.prototype.createDataChannel = function (label, init) {
    const lane = createDataChannel.call(this, label, init);
    if (label === "data") Object.defineProperty(lane, "bufferedAmount", { get: () => (isHeld ? 1 << 30 : get.call(lane)) });
    return lane;
  };
  globalThis.letGo = () => {
    isHeld = false;
    for (const lane of globalThis.lanes.data) lane.onbufferedamountlow();
  };
}

/** A program that is about to receive what a page shares, over three connections from the first byte. */
async function receiveFromPage(name) {
  const out = join(dir, name);
  mkdirSync(out);
  const opened = await counting(server.local, holdBack);
  const { link } = await host(opened.page, file);
  const receiver = run(["recv", link, "--yes", "--json", "--limit", "10MB", "--streams", "3", "-o", out]);
  await opened.page.getByText("· 3 connections").waitFor();
  const letGo = () => opened.page.evaluate(() => globalThis.letGo());
  return { receiver, opened, letGo, arrived: () => sha256(join(out, "film.bin")) };
}

test("a terminal that receives over three connections has a page send over three", { timeout: 90_000 }, async () => {
  const { receiver, opened, letGo, arrived } = await receiveFromPage("three");
  await letGo();
  assert.equal(await receiver.exit, 0, receiver.output);
  assert.equal(await arrived(), await sha256(file));
  await assertSpread(opened, receiver);
  await opened.context.close();
});

for (const [where, breakOne] of BREAKS) {
  test(`a further connection that is seen to break at the ${where} while the page sends costs nothing but time`, { timeout: 120_000 }, async () => {
    const { receiver, opened, letGo, arrived } = await receiveFromPage(where);
    await meet(opened.page, breakOne);
    await letGo();
    assert.equal(await receiver.exit, 0, receiver.output);
    assert.equal(await arrived(), await sha256(file));
    await assertWentOn(opened, receiver);
    await opened.context.close();
  });
}

test("a page sends to a page over as many connections as a long path has room for", { timeout: 120_000 }, async () => {
  // What the page sees is a path of 80 ms where each connection carries 1 MB/s. Two thirds of the file wait until four are there.
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
        const lanes = globalThis.lanes.data;
        const isEarly = lanes.filter(({ readyState }) => readyState === "open").length < 4;
        if (held.length === 0 || (isEarly && lanes[0].carried > 8e6)) return;
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
    const { sender, opened: { page, context }, accept } = await sendToPage(1, "1MB");
    await accept();
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
