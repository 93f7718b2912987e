// What strangers on the way, hostile pages and hostile names get: nothing.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { folder, lanAddress, launch, makeFile, open, remove, run, serve, sha256 } from "./harness.mjs";

let browser;
let server;
const dir = folder();
before(async () => {
  browser = await launch();
  server = await serve({ P2PSHARE_LOG: "trace" });
});
after(async () => {
  await browser.close();
  await server.stop();
  remove(dir);
});

async function offerOf(...paths) {
  const sender = run(["send", "--no-qr", "--server", server.local, ...paths]);
  const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
  const [, code] = /code\s+([\d ]+)\n/.exec(sender.output);
  return { sender, link, code: code.replace(/ /g, "") };
}

test("b_110 a page of another origin cannot frame the client", { timeout: 30_000 }, async () => {
  const foreign = createServer((_, response) => {
    response.setHeader("content-type", "text/html");
    response.end(`<iframe src="${server.local}/" onload="document.title = 'tried'"></iframe>`);
  });
  await new Promise((ready) => foreign.listen(0, "127.0.0.1", ready));
  const { page, context, complaints } = await open(browser, `http://localhost:${foreign.address().port}/`);
  await page.waitForFunction(() => document.title === "tried");
  const [frame] = page.mainFrame().childFrames();
  assert.equal(await frame.locator("#app").count(), 0);
  assert.ok(complaints.some((complaint) => complaint.includes("frame-ancestors")), complaints.join());
  const refused = await fetch(`${server.local}/ws`, { headers: { origin: `http://localhost:${foreign.address().port}` } });
  assert.equal(refused.status, 403, "b_083");
  await context.close();
  foreign.close();
});

test("b_111 names that look like markup stay names", { timeout: 60_000 }, async () => {
  const names = ["<img src=x onerror=alert(1)>", '"><script>alert(1)<', "javascript:alert(1)"];
  for (const name of names) writeFileSync(join(dir, name), "x");
  const { sender, link } = await offerOf(...names.map((name) => join(dir, name)));
  const { page, complaints, context } = await open(browser, link);
  let dialogs = 0;
  page.on("dialog", () => dialogs++);
  for (const name of names) await page.getByText(name, { exact: true }).waitFor();
  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: /^Download/ }).click();
  await downloading;
  await page.getByRole("heading", { name: "Received" }).waitFor();
  await page.getByText("Details").click();
  assert.equal(await page.locator("img, main script").count(), 0);
  assert.equal(dialogs, 0);
  assert.deepEqual(complaints, []);
  await sender.exit;
  await context.close();
});

for (const [name, content] of [
  ["page.html", "<script>document.title = 'mine'; fetch('/healthz')</script>"],
  ["drawing.svg", "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"],
]) {
  test(`b_112 ${name} is saved and never shown`, { timeout: 60_000 }, async () => {
    const path = join(dir, name);
    writeFileSync(path, content);
    const { sender, link } = await offerOf(path);
    const { page, complaints, requests, context } = await open(browser, undefined);
    await page.addInitScript(() => {
      globalThis.types = [];
      const create = URL.createObjectURL;
      URL.createObjectURL = (blob) => {
        globalThis.types.push(blob.type);
        return create(blob);
      };
    });
    await page.goto(link);
    const downloading = page.waitForEvent("download");
    await page.getByRole("button", { name: /^Download/ }).click();
    const download = await downloading;
    assert.equal(download.suggestedFilename(), name);
    assert.equal(await sha256(await download.path()), await sha256(path));
    await page.getByRole("heading", { name: "Received" }).waitFor();
    assert.deepEqual(await page.evaluate(() => globalThis.types), ["application/octet-stream"]);
    assert.equal(context.pages().length, 1);
    assert.equal(page.url(), `${server.local}/`);
    assert.ok(!requests.some((request) => request.endsWith("/healthz")));
    assert.deepEqual(complaints, []);
    assert.equal(await sender.exit, 0, sender.output);
    await context.close();
  });
}

test("b_069 and b_114 the server sees neither names nor addresses nor secrets of a transfer to a page", { timeout: 60_000 }, async () => {
  const name = "a-name-that-nobody-else-has.txt";
  const path = makeFile(join(dir, name), 700_000);
  const { sender, link } = await offerOf(path);
  const { page, complaints, requests, context } = await open(browser, undefined);
  const frames = [];
  page.on("websocket", (socket) => {
    socket.on("framesent", ({ payload }) => frames.push(String(payload)));
    socket.on("framereceived", ({ payload }) => frames.push(String(payload)));
  });
  await page.goto(link);
  await page.getByRole("button", { name: /^Download/ }).click();
  assert.equal(await sender.exit, 0, sender.output);
  const bodies = frames.map((frame) => JSON.parse(frame).body).filter(Boolean);
  assert.ok(bodies.length >= 3, "the two sides have paired through the server");
  const seen = [...frames, ...bodies.map((body) => Buffer.from(body, "base64url").toString("latin1")), server.output, ...requests.slice(1)].join("\n");
  const secret = link.slice(link.indexOf("#") + 1);
  for (const word of [name, "candidate:", "a=fingerprint", "a=ice", secret, secret.slice(3, 25), lanAddress()]) {
    assert.ok(!seen.includes(word), `${word} was seen`);
  }
  assert.equal(await page.evaluate(() => location.hash), "");
  assert.deepEqual(complaints, []);
  await context.close();
});

test("b_069 the secret digits of a code are in nothing that the server sees", { timeout: 60_000 }, async () => {
  const path = makeFile(join(dir, "coded.bin"), 1_000);
  const { sender, code } = await offerOf(path);
  const { page, context } = await open(browser, undefined);
  const frames = [];
  page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => frames.push(String(payload))));
  await page.goto(server.local);
  await page.getByLabel("Have a code?").fill(code);
  await page.getByRole("button", { name: "Receive" }).click();
  await page.getByRole("button", { name: /^Download/ }).click();
  assert.equal(await sender.exit, 0, sender.output);
  const { room } = frames.map((frame) => JSON.parse(frame)).find(({ type }) => type === "join");
  assert.ok(code.startsWith(room) && code.length === room.length + 4, "the server is told the leading digits only");
  assert.ok(!frames.some((frame) => frame.includes(code)));
  await context.close();
});
