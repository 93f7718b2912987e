// Links that go away in the middle and come back: everything goes on by itself.
//
// Needs root, for a machine of its own (a network namespace) behind a link that is taken down. P2PSHARE_E2E_OUTAGE says for how
// many seconds.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { folder, host, launch, makeFile, open, remove, run, serve, sha256 } from "./harness.mjs";

const skip = process.getuid() !== 0 && "only root can take a link down";
const seconds = Number(process.env.P2PSHARE_E2E_OUTAGE ?? 8);
const namespace = `p2pshare-e2e-${process.pid}`;
const [near, far] = [`pe${process.pid}a`, `pe${process.pid}b`];
// Networks of tests that run at the same time do not meet.
const subnet = `10.${100 + (process.pid % 100)}.${(process.pid >> 7) % 250}`;
const ip = (...args) => execFileSync("ip", args);
const dir = folder();
let server;
let origin;
let browser;
let farBrowser;
before(async () => {
  if (skip) return;
  ip("netns", "add", namespace);
  ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", namespace);
  ip("addr", "add", `${subnet}.1/24`, "dev", near);
  ip("link", "set", near, "up");
  for (const device of ["lo", far]) ip("-n", namespace, "link", "set", device, "up");
  ip("-n", namespace, "addr", "add", `${subnet}.2/24`, "dev", far);
  // A browser shows the address that leads to the rest of the world, and no other.
  ip("-n", namespace, "route", "add", "default", "via", `${subnet}.1`);
  server = await serve();
  origin = `http://${subnet}.1:${server.port}`;
  browser = await launch();
  const wrapper = join(dir, "far-browser");
  const chromium = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/google-chrome"].find(existsSync);
  writeFileSync(wrapper, `#!/bin/sh\nexec ip netns exec ${namespace} ${chromium} "$@"\n`);
  chmodSync(wrapper, 0o755);
  farBrowser = await launch({ executablePath: wrapper });
});
after(async () => {
  if (skip) return;
  await browser?.close();
  await farBrowser?.close();
  await server?.stop();
  ip("netns", "del", namespace);
  remove(dir);
});

/** A program on the machine behind the link. */
const farRun = (args) => run(args, { namespace });

/** Takes the link away once something moves, and gives it back. */
async function outage(page) {
  await page.waitForFunction(() => (document.querySelector("progress")?.value ?? 0) > 2e6);
  ip("link", "set", near, "down");
  const down = performance.now();
  await page.getByText("Reconnecting").first().waitFor();
  console.log(`# noticed after ${((performance.now() - down) / 1000).toFixed(1)} s`);
  await new Promise((go) => setTimeout(go, seconds * 1000 - (performance.now() - down)));
  ip("link", "set", near, "up");
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
  const file = makeFile(join(dir, "one.bin"), 40_000_001);
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
  const file = makeFile(join(dir, "two.bin"), 40_000_001);
  const out = join(dir, "out");
  mkdirSync(out);
  const { page, context } = await open(browser, server.local);
  const { link } = await host(page, file);
  const receiver = farRun(["recv", link.replace(server.local, origin), "--yes", "--limit", "3MB", "-o", out]);
  await outage(page);
  assert.equal(await receiver.exit, 0, receiver.output);
  assert.equal(await sha256(join(out, "two.bin")), await sha256(file));
  await page.getByRole("heading", { name: "Sent" }).waitFor();
  await context.close();
});

test("a page that sends to a terminal's inbox goes on after an outage", { skip, timeout: 180_000 }, async () => {
  const file = makeFile(join(dir, "three.bin"), 40_000_001);
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
  const file = makeFile(join(dir, "four.bin"), 150_000_001);
  const { page, context } = await open(browser, server.local);
  const { link } = await host(page, file);
  const far = await open(farBrowser, link.replace(server.local, origin));
  const path = await received(far.page);
  await outage(page);
  assert.equal(await sha256(await path()), await sha256(file));
  await page.getByRole("heading", { name: "Sent" }).waitFor();
  await context.close();
  await far.context.close();
});
