// Large files with flat memory, on https (here: this machine's own address) and on plain http alike, and resume.
//
// P2PSHARE_E2E_MIB sets the size; 2048 is what the product promises.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { folder, launch, makeFile, open, remove, run, serve, sha256, watchMemory } from "./harness.mjs";

const MIB = Number(process.env.P2PSHARE_E2E_MIB ?? 200);
const timeout = 60_000 + MIB * 1_000;
let browser;
let server;
let file;
const dir = folder();
before(async () => {
  browser = await launch();
  server = await serve();
  file = makeFile(join(dir, "large.bin"), MIB * 1048576 + 12_345);
});
after(async () => {
  await browser.close();
  await server.stop();
  remove(dir);
});

const report = (what, started, mib) => {
  const seconds = (performance.now() - started) / 1000;
  console.log(`# ${what}: ${(MIB * 1.048576 / seconds).toFixed(1)} MB/s, renderer at most ${mib.toFixed(0)} MiB`);
};

for (const place of ["local", "lan"]) {
  test(`a page receives a large file at ${place}`, { timeout }, async () => {
    const sender = run(["send", "--no-qr", "--server", server[place], file]);
    const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
    const { page, complaints, context } = await open(browser, link);
    const button = page.getByRole("button", { name: /^Download/ });
    await button.waitFor();
    const started = performance.now();
    const { result: download, mib } = await watchMemory(async () => {
      const downloading = page.waitForEvent("download", { timeout });
      await button.click();
      const found = await downloading;
      report(`terminal to page, ${place === "lan" ? "IndexedDB" : "OPFS"}`, started, mib_());
      await found.path();
      return found;
      function mib_() {
        return 0;
      }
    });
    console.log(`# renderer at most ${mib().toFixed(0)} MiB`);
    assert.ok(mib() < 400, `renderer ${mib()} MiB`);
    assert.equal(await sha256(await download.path()), await sha256(file));
    assert.equal(await sender.exit, 0, sender.output);
    assert.deepEqual(complaints, []);
    await context.close();
  });

  test(`a page sends a large file at ${place}`, { timeout }, async () => {
    const out = join(dir, `out-${place}`);
    mkdirSync(out);
    const { page, complaints, context } = await open(browser, server[place]);
    await page.locator("#files").setInputFiles(file);
    await page.getByRole("button", { name: "Share", exact: true }).click();
    await page.locator("[data-link]", { hasText: "v1." }).waitFor();
    const link = await page.locator("[data-link]").textContent();
    const started = performance.now();
    const { mib } = await watchMemory(async () => {
      const receiver = run(["recv", link, "--yes", "-o", out]);
      assert.equal(await receiver.exit, 0, receiver.output);
    });
    report("page to terminal", started, mib());
    assert.ok(mib() < 400, `renderer ${mib()} MiB`);
    assert.equal(await sha256(join(out, "large.bin")), await sha256(file));
    assert.deepEqual(complaints, []);
    await context.close();
  });

  test(`after a reload at ${place} the rest is fetched`, { timeout }, async () => {
    const sender = run(["send", "--no-qr", "--keep", "--server", server[place], file]);
    const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
    const { page, context } = await open(browser, link);
    await page.getByRole("button", { name: /^Download/ }).click();
    await page.waitForFunction(() => (document.querySelector("progress")?.value ?? 0) > 60e6, undefined, { timeout });
    await page.reload();
    const button = page.getByRole("button", { name: /^Resume: \d+ MB of/ });
    const saved = Number(/Resume: (\d+) MB/.exec(await button.textContent())[1]);
    assert.ok(saved >= 55, `${saved} MB were saved`);
    const downloading = page.waitForEvent("download", { timeout });
    await button.click();
    await page.waitForFunction(() => document.querySelector("progress") !== null, undefined, { timeout });
    const first = await page.evaluate(() => document.querySelector("progress")?.value ?? 0);
    const download = await downloading;
    assert.equal(await sha256(await download.path()), await sha256(file));
    console.log(`# resumed with ${saved} MB saved; the bar began at ${(first / 1e6).toFixed(0)} MB`);
    await sender.stop();
    await context.close();
  });
}
