// Every screen in light and dark at three widths: written to `web/screenshots` to be looked at, and checked for accessibility.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { folder, host, launch, linkOf, makeFile, open, remove, run, serve, shots } from "./harness.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WIDTHS = [320, 360, 1100];
let browser;
let server;
const dir = folder();
before(async () => {
  browser = await launch();
  server = await serve();
});
after(async () => {
  await browser.close();
  await server.stop();
  remove(dir);
});

/** Takes pictures of what is on screen and looks for barriers. */
async function capture(page, name) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: width < 500 ? 700 : 800 });
      await page.screenshot({ path: join(shots, `${name}-${colorScheme}-${width}.png`), fullPage: true });
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${name} is ${overflow} px too wide at ${width}`);
    }
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
    assert.deepEqual(found, [], `${name}, ${colorScheme}`);
  }
}

/** A page with the checker in it: put there by the browser, past the page's own policy. */
async function visit(url) {
  const opened = await open(browser, undefined, { bypassCSP: true });
  await opened.context.addInitScript(axe);
  await opened.page.goto(url);
  return opened;
}

test("home", { timeout: 60_000 }, async () => {
  const { page, context } = await visit(server.local);
  await capture(page, "home");
  await page.getByLabel("Have a code?").fill("12");
  await page.getByRole("button", { name: "Receive" }).click();
  await capture(page, "home-error");
  await context.close();
});

test("a share whose link opens on this device only", { timeout: 60_000 }, async () => {
  const port = server.port + 1;
  const inward = run(["serve", "--listen", `127.0.0.1:${port}`], { namespace: undefined });
  await inward.line(/listening/);
  const { page, context } = await visit(`http://127.0.0.1:${port}`);
  await host(page, makeFile(join(dir, "only-here.bin"), 10));
  await page.getByText("opens on this device only").waitFor();
  assert.equal(await page.locator(".qr").count(), 0, "a code that other devices cannot use");
  await capture(page, "share-only-here");
  await context.close();
  await inward.stop();
});

test("home over plain http", { timeout: 60_000 }, async () => {
  const { page, context } = await visit(server.lan);
  await page.getByText("Opened over http").waitFor();
  await capture(page, "home-http");
  await context.close();
});

test("choosing and sharing", { timeout: 90_000 }, async () => {
  const tree = join(dir, "Holiday 2026");
  makeFile(join(tree, "beach.jpg"), 2_400_000);
  makeFile(join(tree, "a/hills.jpg"), 3_100_000);
  const files = [makeFile(join(dir, "A rather long name of a document that somebody wrote.pdf"), 912_000), makeFile(join(dir, "film.mp4"), 9_800_000)];
  const { page, context } = await visit(server.local);
  await page.locator("#files").setInputFiles(files);
  await page.locator("#folder").setInputFiles(tree);
  await page.getByText("Holiday 2026").waitFor();
  await capture(page, "chosen");
  await page.getByText("Options").click();
  await page.getByLabel(/Several receivers/).check();
  await capture(page, "options");
  await page.getByRole("button", { name: "Share", exact: true }).click();
  await page.locator("[data-code]", { hasText: /\d/ }).waitFor();
  await capture(page, "share");
  const out = join(dir, "shared");
  mkdirSync(out);
  const receiver = run(["recv", await linkOf(page), "--yes", "-o", out]);
  assert.equal(await receiver.exit, 0, receiver.output);
  await page.getByText("Has everything").waitFor();
  await capture(page, "share-served");
  await context.close();
});

test("password, number, offer, progress and end", { timeout: 120_000 }, async () => {
  const sending = await open(browser, server.local);
  writeFileSync(join(dir, "note.txt"), "x");
  await sending.page.locator("#files").setInputFiles([makeFile(join(dir, "video.mkv"), 60_000_000), join(dir, "note.txt")]);
  await sending.page.getByText("Options").click();
  await sending.page.getByLabel("Password").fill("x");
  await sending.page.getByLabel(/Compare a number/).check();
  await sending.page.getByRole("button", { name: "Share", exact: true }).click();
  const { page, context } = await visit(await linkOf(sending.page));
  await page.getByLabel("Password").waitFor();
  await capture(page, "password");
  await page.getByLabel("Password").fill("x");
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("button", { name: "Yes, the same" }).waitFor();
  await capture(page, "verify");
  await sending.page.getByRole("button", { name: "Yes, the same" }).click();
  await page.getByRole("button", { name: "Yes, the same" }).click();
  const button = page.getByRole("button", { name: /^Download/ });
  await button.waitFor();
  await capture(page, "offer");
  const downloading = page.waitForEvent("download", { timeout: 60_000 });
  await button.click();
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("Paused").waitFor();
  await page.getByText("Direct").first().waitFor();
  await capture(page, "receiving");
  await page.getByRole("button", { name: "Resume" }).click();
  await downloading;
  await page.getByRole("heading", { name: "Received" }).waitFor();
  await capture(page, "received");
  await sending.context.close();
  await context.close();
});

test("an inbox, from choosing to the end", { timeout: 90_000 }, async () => {
  const out = join(dir, "inbox");
  mkdirSync(out);
  const inbox = run(["recv", "--yes", "--no-qr", "--server", server.local, "-o", out]);
  const [link] = await inbox.line(/http:\/\/\S+#v1\.\S{43}/);
  const { page, context } = await visit(link);
  await page.getByRole("heading", { name: /^Send to/ }).waitFor();
  await capture(page, "inbox");
  await page.locator("#files").setInputFiles(makeFile(join(dir, "letter.pdf"), 400_000));
  await page.getByText("letter.pdf").waitFor();
  await capture(page, "inbox-chosen");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByRole("heading", { name: "Sent" }).waitFor();
  await capture(page, "sent");
  assert.equal(await inbox.exit, 0, inbox.output);
  await context.close();
});

test("devices of one network, and one that knocks", { timeout: 90_000 }, async () => {
  const { page, context } = await visit(server.local);
  await page.getByLabel("Let others on this network see this device").check();
  await capture(page, "nearby-nobody");
  const others = [];
  for (const name of ["Ann", "Ann", "A tablet with quite a long name"]) {
    const other = await open(browser, server.local);
    await other.page.getByLabel("Let others on this network see this device").check();
    await other.page.getByLabel("The name that others see").fill(name);
    await other.page.getByLabel("The name that others see").press("Tab");
    await page.getByRole("button", { name: `Send to ${name}` }).nth(name === "Ann" ? others.length : 0).waitFor();
    others.push(other);
  }
  await capture(page, "nearby");
  await page.getByRole("button", { name: "Send to A tablet" }).click();
  await page.getByText("Choose what to send to A tablet").waitFor();
  await capture(page, "nearby-chosen");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("link", { name: "Open Nearby" }).click();
  await capture(page, "nearby-screen");
  await page.getByRole("button", { name: "Send to A tablet" }).click();
  await page.getByRole("heading", { name: "Send to A tablet" }).waitFor();
  await capture(page, "nearby-screen-chosen");
  await page.getByRole("button", { name: "Cancel" }).click();
  const [ann] = others;
  await ann.page.locator("#files").setInputFiles(makeFile(join(dir, "for-a-neighbour.txt"), 100));
  await ann.page.getByRole("button", { name: /^Send to Chrome/ }).click();
  await page.getByRole("dialog").waitFor();
  await page.getByRole("dialog").getByLabel("Remember this device").check();
  await capture(page, "knock");
  await page.getByRole("button", { name: "Yes, accept" }).click();
  await page.getByText("Waiting for the other side").waitFor();
  await capture(page, "knock-accepted");
  await ann.page.evaluate(axe);
  await ann.page.getByLabel("Remember this device").check();
  await capture(ann.page, "verify-nearby");
  await ann.page.getByRole("button", { name: "Yes, the same" }).click();
  await page.getByRole("button", { name: /^Download/ }).waitFor();
  await page.goto(`${server.local}/nearby`);
  await page.getByRole("button", { name: "Forget Ann" }).waitFor();
  await capture(page, "remembered");
  for (const other of others) await other.context.close();
  await context.close();
});

test("the test of the network", { timeout: 90_000 }, async () => {
  const relaying = await serve({}, ["--relay"]);
  const { page, context, complaints } = await visit(server.local);
  await page.getByRole("link", { name: "Test this network" }).click();
  await page.getByRole("heading", { name: "Direct connections should work" }).waitFor();
  await capture(page, "test");
  await page.getByText("Kept in the browser's own storage").waitFor();
  await page.goto(`${relaying.local}/test`);
  await page.getByText("Works over UDP and over the WebSocket").waitFor();
  assert.ok((await page.locator(".checks li.bad").count()) === 0, await page.locator("main").textContent());
  await page.getByRole("button", { name: "Copy the report" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  await page.getByRole("button", { name: "Back" }).click();
  await page.getByText("Have a code?").waitFor();
  assert.equal(new URL(page.url()).pathname, "/");
  assert.deepEqual(complaints, []);
  await context.close();
  await relaying.stop();
});

test("the test of a network without datagrams", { timeout: 90_000 }, async () => {
  // Nobody answers STUN at the address that the page asks.
  const silent = await serve({}, ["--udp-listen", "127.0.0.1:0"]);
  const { page, context } = await visit(`${silent.lan}/test`);
  await page.getByRole("heading", { name: "UDP is blocked here, and the server has no relay" }).waitFor();
  await capture(page, "test-blocked");
  await context.close();
  await silent.stop();
});

test("ends that are no success", { timeout: 60_000 }, async () => {
  const { page, context } = await visit(`${server.local}/#v1.short`);
  await capture(page, "bad-link");
  await page.goto(`${server.local}/#v1.${"A".repeat(43)}`);
  await page.reload();
  await page.getByRole("heading", { name: "This share is not active." }).waitFor();
  await capture(page, "not-active");
  await context.close();
});
