// The main flows in Firefox, by WebDriver BiDi.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import puppeteer from "puppeteer-core";

import { folder, makeFile, remove, run, serve, sha256 } from "./harness.mjs";

const executablePath = process.env.FIREFOX ?? ["/usr/bin/firefox-esr", "/usr/bin/firefox"].find(existsSync);
const skip = executablePath === undefined && "Firefox is not installed";
const dir = folder();
const downloads = join(dir, "downloads");
mkdirSync(downloads);
let browser;
let server;
before(async () => {
  if (skip) return;
  server = await serve();
  browser = await puppeteer.launch({
    browser: "firefox",
    executablePath,
    headless: true,
    extraPrefsFirefox: {
      "media.peerconnection.ice.loopback": true,
      "media.peerconnection.ice.obfuscate_host_addresses": false,
      "browser.download.folderList": 2,
      "browser.download.dir": downloads,
      "browser.download.useDownloadDir": true,
      "browser.download.always_ask_before_handling_new_types": false,
      "browser.helperApps.neverAsk.saveToDisk": "application/octet-stream,application/zip",
      "browser.download.manager.showWhenStarting": false,
    },
  });
});
after(async () => {
  await browser?.close();
  await server?.stop();
  remove(dir);
});

/** A page that notes every error of the console. */
async function open(url, viewport = { width: 1100, height: 800 }, context = browser) {
  const page = await context.newPage();
  await page.setViewport(viewport);
  const complaints = [];
  page.on("console", (message) => {
    if (message.text().includes("Cross-Origin-Opener-Policy")) return;
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(url);
  return { page, complaints };
}

const press = async (page, name) => {
  const button = await page.waitForSelector(`::-p-xpath(//button[starts-with(normalize-space(.), ${JSON.stringify(name)}) and not(@disabled)])`);
  await button.click();
};
const read = async (page, pattern) => {
  await page.waitForFunction((source) => new RegExp(source).test(document.body.innerText), { timeout: 60_000 }, pattern);
};

/** Waits until Firefox has moved a download to its name. */
async function downloaded(name, size) {
  const path = join(downloads, name);
  for (;;) {
    if (existsSync(path) && !existsSync(`${path}.part`) && statSync(path).size === size) return path;
    await new Promise((go) => setTimeout(go, 50));
  }
}

for (const place of ["local", "lan"]) {
  test(`firefox: a link opened at ${place}: one tap, the file is saved, the sender is done`, { skip, timeout: 120_000 }, async () => {
    const file = makeFile(join(dir, `ff-${place}.bin`), 40_500_001);
    const sender = run(["send", "--no-qr", "--server", server[place], file]);
    const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
    const { page, complaints } = await open(link, { width: 390, height: 800 });
    await press(page, "Download");
    await read(page, "Received");
    assert.equal(await sha256(await downloaded(`ff-${place}.bin`, 40_500_001)), await sha256(file));
    assert.equal(await sender.exit, 0, sender.output);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test(`firefox: a page at ${place} sends a file to a terminal`, { skip, timeout: 120_000 }, async () => {
    const file = makeFile(join(dir, `up-${place}.bin`), 9_000_001);
    const out = join(dir, `out-${place}`);
    mkdirSync(out);
    const { page, complaints } = await open(server[place]);
    await (await page.waitForSelector("#files")).uploadFile(file);
    await press(page, "Share");
    await page.waitForFunction(() => (document.querySelector("[data-link]")?.textContent ?? "").includes("v1."));
    const link = await page.$eval("[data-link]", (element) => element.textContent);
    const receiver = run(["recv", link, "--yes", "-o", out]);
    assert.equal(await receiver.exit, 0, receiver.output);
    assert.equal(await sha256(join(out, `up-${place}.bin`)), await sha256(file));
    await read(page, "Sent");
    assert.deepEqual(complaints, []);
    await page.close();
  });
}

test("firefox: from page to page, a password, a folder as an archive", { skip, timeout: 120_000 }, async () => {
  const files = [makeFile(join(dir, "one.bin"), 700_000), join(dir, "two.txt")];
  writeFileSync(files[1], "two");
  const sending = await open(server.local);
  await (await sending.page.waitForSelector("#files")).uploadFile(...files);
  await sending.page.waitForSelector("details summary");
  await sending.page.click("details summary");
  await sending.page.type("#share-password", "geheim");
  await press(sending.page, "Share");
  await sending.page.waitForFunction(() => (document.querySelector("[data-link]")?.textContent ?? "").includes("v1."));
  const link = await sending.page.$eval("[data-link]", (element) => location.origin + "/" + new URL(element.textContent).hash);
  const receiving = await open(link);
  await receiving.page.waitForSelector("#password");
  await receiving.page.type("#password", "geheim");
  await press(receiving.page, "Continue");
  await press(receiving.page, "Download");
  await read(receiving.page, "Received");
  await read(sending.page, "Sent");
  assert.deepEqual([...sending.complaints, ...receiving.complaints], []);
  await sending.page.close();
  await receiving.page.close();
});

/** Ticks the box whose label begins with a text. */
const tick = async (page, label) => {
  const box = await page.waitForSelector(`::-p-xpath(//label[starts-with(normalize-space(.), ${JSON.stringify(label)})]//input[@type="checkbox"])`);
  await box.click();
};

test("firefox: devices nearby compare a number once, and are remembered", { skip, timeout: 120_000 }, async () => {
  const note = join(dir, "near.txt");
  writeFileSync(note, "near");
  // People of their own, with what their browsers keep; a page that nobody looks at does not look around.
  const person = async () => open(`${server.local}/nearby`, undefined, await browser.createBrowserContext());
  const bob = await person();
  await tick(bob.page, "Let others on this network see this device");
  const name = await bob.page.waitForSelector(".name-field input");
  await name.click({ count: 3 });
  await name.type("Fox\n");
  await read(bob.page, "Fox");
  const ann = await person();
  const sendToFox = async () => {
    await (await ann.page.waitForSelector('button[aria-label="Send to Fox"]')).click();
    await (await ann.page.waitForSelector("#files")).uploadFile(note);
  };
  await sendToFox();
  await read(ann.page, "Does Fox show this number");
  await read(bob.page, "wants to send something");
  const [here, there] = await Promise.all([ann, bob].map(({ page }) => page.$eval(".big.digits", (element) => element.textContent)));
  assert.equal(here, there);
  await tick(ann.page, "Remember this device");
  await tick(bob.page, "Remember this device");
  await press(ann.page, "Yes, the same");
  await press(bob.page, "Yes, accept");
  await press(bob.page, "Download");
  await read(bob.page, "Received");
  await read(ann.page, "Sent");

  for (const { page } of [bob, ann]) {
    await page.bringToFront();
    await page.goto(`${server.local}/nearby`);
    await read(page, "(?i:remembered devices)[^]*Forget");
  }
  await sendToFox();
  await press(bob.page, "Download");
  await read(ann.page, "Sent");
  assert.deepEqual([...bob.complaints, ...ann.complaints], []);
  await bob.page.close();
  await ann.page.close();
});

test("firefox: the test of the network comes to an end, and says what it found", { skip, timeout: 60_000 }, async () => {
  const relaying = await serve({}, ["--relay"]);
  const { page, complaints } = await open(`${relaying.lan}/test`);
  await read(page, "Direct connections should work");
  await read(page, "Answers after \\d+ ms[^]*Reaches the server[^]*Kept in the browser's");
  assert.equal(await page.$(".checks li.bad"), null, await page.$eval("main", (main) => main.innerText));
  assert.deepEqual(complaints, []);
  await page.close();
  await relaying.stop();
});
