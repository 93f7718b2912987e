// Links that go away in the middle and come back: everything goes on by itself.
//
// Needs root, for a machine of its own (a network namespace) behind a link that is taken down. P2PSHARE_E2E_OUTAGE says for how
// many seconds.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { folder, host, lanAddress, launch, makeFile, open, remove, run, serve, sha256 } from "./harness.mjs";
import { cable, Machine, skip } from "./machines.mjs";

const seconds = Number(process.env.P2PSHARE_E2E_OUTAGE ?? 8);
// Networks of tests that run at the same time do not meet.
const subnet = `10.${100 + (process.pid % 100)}.${(process.pid >> 7) % 250}`;
const dir = folder();
let far;
let link;
let server;
let origin;
let browser;
before(async () => {
  if (skip) return;
  far = new Machine("far");
  link = cable([undefined, `${subnet}.1/24`], [far, `${subnet}.2/24`]);
  // A browser shows the address that leads to the rest of the world, and no other.
  far.ip("route", "add", "default", "via", `${subnet}.1`);
  server = await serve({}, ["--relay", "--relay-allow", `${subnet}.0/24`, "--relay-allow", `${lanAddress()}/32`]);
  origin = `http://${subnet}.1:${server.port}`;
  browser = await launch();
});
after(async () => {
  if (skip) return;
  await browser?.close();
  await server?.stop();
  far?.remove();
  remove(dir);
});

/** A program on the machine behind the link. */
const farRun = (args) => run(args, { namespace: far.namespace });

/** Takes the link away once something moves, and gives it back. */
async function outage(page) {
  await page.waitForFunction(() => (document.querySelector("progress")?.value ?? 0) > 2e6);
  link.down();
  const down = performance.now();
  await page.getByText("Reconnecting").first().waitFor();
  console.log(`# noticed after ${((performance.now() - down) / 1000).toFixed(1)} s`);
  await new Promise((go) => setTimeout(go, seconds * 1000 - (performance.now() - down)));
  link.up();
  const up = performance.now();
  const had = await page.locator("progress").first().evaluate((bar) => bar.value);
  await page.waitForFunction((had) => (document.querySelector("progress")?.value ?? Infinity) > had, had, { timeout: 60_000 });
  console.log(`# went on ${((performance.now() - up) / 1000).toFixed(1)} s after the link was back`);
}

async function received(page) {
  const downloading = page.waitForEvent("download", { timeout: 120_000 });
  await page.getByRole("button", { name: /^Download/ }).click();
  return async () => (await downloading).path();
}

test("a page that receives from a terminal goes on after an outage", { skip, timeout: 180_000 }, async () => {
  const file = makeFile(join(dir, "one.bin"), 24_000_001);
  const sender = farRun(["send", "--no-qr", "--limit", "3MB", "--server", origin, file]);
  const [, fragment] = await sender.line(/http:\/\/\S+#(v1\.\S{43})/);
  const { page, context } = await open(browser, `${server.local}/#${fragment}`);
  const path = await received(page);
  await outage(page);
  assert.equal(await sha256(await path()), await sha256(file));
  assert.equal(await sender.exit, 0, sender.output);
  await context.close();
});

test("a page that sends to a terminal goes on after an outage", { skip, timeout: 180_000 }, async () => {
  const file = makeFile(join(dir, "two.bin"), 24_000_001);
  const out = join(dir, "out");
  mkdirSync(out);
  const { page, context } = await open(browser, server.local);
  const shared = await host(page, file);
  const receiver = farRun(["recv", shared.link.replace(server.local, origin), "--yes", "--limit", "3MB", "-o", out]);
  await outage(page);
  assert.equal(await receiver.exit, 0, receiver.output);
  assert.equal(await sha256(join(out, "two.bin")), await sha256(file));
  await page.getByRole("heading", { name: "Sent" }).waitFor();
  await context.close();
});

test("a page that sends to a terminal's inbox goes on after an outage", { skip, timeout: 180_000 }, async () => {
  const file = makeFile(join(dir, "three.bin"), 24_000_001);
  const out = join(dir, "inbox");
  mkdirSync(out);
  const receiver = farRun(["recv", "--yes", "--no-qr", "--limit", "3MB", "--server", origin, "-o", out]);
  const [, fragment] = await receiver.line(/http:\/\/\S+#(v1\.\S{43})/);
  const { page, context } = await open(browser, `${server.local}/#${fragment}`);
  await page.locator("#files").setInputFiles(file);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await outage(page);
  assert.equal(await receiver.exit, 0, receiver.output);
  assert.equal(await sha256(join(out, "three.bin")), await sha256(file));
  await page.getByRole("heading", { name: "Sent" }).waitFor();
  await context.close();
});

test("pages go on after an outage, with what they had", { skip, timeout: 240_000 }, async () => {
  const file = makeFile(join(dir, "four.bin"), 90_000_001);
  const farBrowser = await far.launch(dir);
  const { page, context } = await open(browser, server.local);
  const shared = await host(page, file);
  const other = await open(farBrowser, shared.link.replace(server.local, origin));
  const path = await received(other.page);
  await outage(page);
  assert.equal(await sha256(await path()), await sha256(file));
  await page.getByRole("heading", { name: "Sent" }).waitFor();
  await context.close();
  await farBrowser.close();
});

test("a page that is relayed moves to a direct path once there is one", { skip, timeout: 120_000 }, async () => {
  const file = makeFile(join(dir, "five.bin"), 200_000_001);
  far.rules(`table ip only {
    chain out {
      type filter hook output priority 0
      udp dport != ${server.port} drop
    }
  }`);
  const sender = farRun(["send", "--no-qr", "--limit", "4MB", "--server", origin, file]);
  const [, fragment] = await sender.line(/http:\/\/\S+#(v1\.\S{43})/);
  const { page, context } = await open(browser, `${server.local}/#${fragment}`);
  await page.getByRole("button", { name: /^Download/ }).click();
  await page.locator(".badge.relay").waitFor();
  far.rules("flush ruleset");
  await page.locator(".badge.lan, .badge.direct").waitFor({ timeout: 60_000 });
  const had = await page.locator("progress").evaluate((bar) => bar.value);
  await page.waitForFunction((had) => document.querySelector("progress").value > had, had);
  await page.getByRole("button", { name: "Cancel" }).click();
  await context.close();
  await sender.stop();
});
