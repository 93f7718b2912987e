// Devices of one network that see each other: pages and terminals, with a server of their own and without.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { binary, folder, launch, open, remove, run, serve } from "./harness.mjs";

let browser;
let server;
const dir = folder();
const note = join(dir, "note.txt");
before(async () => {
  browser = await launch();
  server = await serve();
  writeFileSync(note, "to somebody nearby");
});
after(async () => {
  for (const child of people) child.kill();
  await browser.close();
  await server.stop();
  remove(dir);
});

const people = [];

/** A person in front of a terminal, which `script` makes; what is typed goes to the program. */
function person(more, ...args) {
  const env = { ...process.env, XDG_CONFIG_HOME: "/nonexistent", HOME: homedir(), P2PSHARE_NAME: "ann", P2PSHARE_NO_LAN: "true", ...more };
  const child = spawn("script", ["-q", "-f", "-e", "-c", [binary, ...args].join(" "), "/dev/null"], { env, stdio: ["pipe", "pipe", "inherit"] });
  people.push(child);
  let screen = "";
  const waiting = new Set();
  child.stdout.on("data", (bytes) => {
    screen += bytes;
    for (const look of waiting) look();
  });
  return {
    exit: new Promise((resolve) => child.on("close", resolve)),
    type: (line) => child.stdin.write(`${line}\n`),
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`no ${pattern} in:\n${screen}`)), 20_000);
        const look = () => {
          const match = pattern.exec(screen);
          if (!match) return;
          clearTimeout(late);
          waiting.delete(look);
          resolve(match);
        };
        waiting.add(look);
        look();
      }),
  };
}

/** A page that lets itself be seen under a name, another one in each test: those of the last test are seen for a moment longer. */
async function visible(url, name) {
  const opened = await open(browser, url);
  await opened.page.getByLabel("Let others on this network see this device").check();
  const field = opened.page.getByLabel("The name that others see");
  await field.fill(name);
  await field.press("Tab");
  return opened;
}

const digits = (page) => page.locator(".big.digits").first().textContent();

/** Takes what was offered and returns it. */
async function download(page) {
  const downloading = page.waitForEvent("download", { timeout: 30_000 });
  await page.getByRole("button", { name: /^Download/ }).click();
  const path = await (await downloading).path();
  await page.getByRole("heading", { name: "Received" }).waitFor();
  return readFileSync(path, "utf8");
}

test("a page sends to another page by its name", { timeout: 90_000 }, async () => {
  const bob = await visible(server.local, "Bob's phone");
  const ann = await visible(server.local, "Ann");
  await ann.page.locator("#files").setInputFiles(note);
  await ann.page.getByRole("button", { name: "Send to Bob's phone" }).click();
  await ann.page.getByRole("heading", { name: "Does Bob's phone show this number?" }).waitFor();
  await bob.page.getByRole("heading", { name: "Ann wants to send something" }).waitFor();
  assert.equal(await digits(bob.page), await digits(ann.page));
  await ann.page.getByRole("button", { name: "Yes, the same" }).click();
  assert.ok(!(await bob.page.locator("body").textContent()).includes("note.txt"), "its name was told before anybody was let in");
  await bob.page.getByRole("button", { name: "Yes, accept" }).click();
  assert.equal(await download(bob.page), "to somebody nearby");
  await ann.page.getByRole("heading", { name: "Sent" }).waitFor();
  for (const { complaints, context } of [ann, bob]) {
    assert.deepEqual(complaints, []);
    await context.close();
  }
});

test("what a person types stays when somebody else appears", { timeout: 60_000 }, async () => {
  const { page, context } = await open(browser, `${server.local}/?id=417`);
  const [code, name] = [page.locator("#code"), page.getByLabel("The name that others see")];
  await code.press("End");
  await code.pressSequentially("12");
  await page.getByLabel("Let others on this network see this device").check();
  await name.fill("Half a na");
  const other = await visible(server.local, "Newcomer");
  await page.getByRole("button", { name: "Send to Newcomer" }).waitFor();
  assert.equal(await name.inputValue(), "Half a na");
  assert.equal(await code.inputValue(), "417 12");
  await other.context.close();
  await context.close();
});

test("a name that is given while the server is being reached counts", { timeout: 60_000 }, async () => {
  const other = await open(browser, server.local);
  const context = await browser.newContext();
  const page = await context.newPage();
  let reach;
  const reached = new Promise((resolve) => (reach = resolve));
  await page.routeWebSocket(/./, (socket) => reached.then(() => socket.connectToServer()));
  await page.goto(server.local);
  await page.getByLabel("Let others on this network see this device").check();
  const name = page.getByLabel("The name that others see");
  await name.fill("Quick");
  await name.press("Tab");
  reach();
  await other.page.getByRole("button", { name: "Send to Quick" }).waitFor();
  await context.close();
  await other.context.close();
});

test("whoever is tapped first is whom the next choice is for, and may say no", { timeout: 90_000 }, async () => {
  const bob = await visible(server.local, "Ben");
  const ann = await open(browser, server.local);
  await ann.page.getByRole("button", { name: "Send to Ben" }).click();
  await ann.page.getByText("Choose what to send to Ben.").waitFor();
  await ann.page.locator("#files").setInputFiles(note);
  await bob.page.getByRole("dialog").waitFor();
  await bob.page.keyboard.press("Escape");
  await ann.page.getByRole("heading", { name: "Stopped: the two sides showed different numbers." }).waitFor();
  await bob.page.getByRole("dialog").waitFor({ state: "detached" });
  await bob.page.getByText("Have a code?").waitFor();
  await ann.context.close();
  await bob.context.close();
});

test("who is not visible any more is seen by nobody", { timeout: 60_000 }, async () => {
  const bob = await visible(server.local, "Cleo");
  const ann = await open(browser, server.local);
  await ann.page.getByRole("button", { name: "Send to Cleo" }).waitFor();
  await bob.page.getByLabel("Let others on this network see this device").uncheck();
  await ann.page.getByRole("button", { name: "Send to Cleo" }).waitFor({ state: "detached" });
  await bob.page.getByLabel("Let others on this network see this device").check();
  await ann.page.getByRole("button", { name: "Send to Cleo" }).waitFor();
  await bob.context.close();
  await ann.page.getByRole("button", { name: "Send to Cleo" }).waitFor({ state: "detached" });
  await ann.context.close();
});

test("a terminal sends to a page", { timeout: 90_000 }, async () => {
  const bob = await visible(server.local, "Bea");
  const listed = run(["nearby", "--json", "--no-lan", "--server", server.local]);
  assert.equal(await listed.exit, 0, listed.output);
  const events = listed.output.trim().split("\n").map((line) => JSON.parse(line));
  const named = events.filter(({ server: at, name }) => at === server.local && name === "Bea").map(({ name, kind }) => ({ name, kind }));
  assert.deepEqual(named, [{ name: "Bea", kind: "page" }]);
  const ann = person({}, "send", note, "--to", "bea", "--server", server.local);
  const [, number] = await ann.until(/Does Bea show the number (\d{3} \d{3})\?/);
  await bob.page.getByRole("heading", { name: "ann wants to send something" }).waitFor();
  assert.equal(await digits(bob.page), number);
  ann.type("y");
  await bob.page.getByRole("button", { name: "Yes, accept" }).click();
  assert.equal(await download(bob.page), "to somebody nearby");
  assert.equal(await ann.exit, 0);
  await bob.context.close();
});

test("a page sends to a terminal, at the server inside it", { timeout: 90_000 }, async () => {
  const to = join(dir, "to");
  mkdirSync(to);
  const bob = person({}, "recv", "--nearby", "bob", "-o", to);
  const [, url] = await bob.until(/open (http:\/\/\S+) in a browser/);
  const ann = await visible(url, "Ann");
  await ann.page.locator("#files").setInputFiles(note);
  await ann.page.getByRole("button", { name: "Send to bob" }).click();
  const [, number] = await bob.until(/Does Ann show the number (\d{3} \d{3})\?/);
  await ann.page.getByRole("heading", { name: "Does bob show this number?" }).waitFor();
  assert.equal(await digits(ann.page), number);
  bob.type("y");
  await ann.page.getByRole("button", { name: "Yes, the same" }).click();
  await bob.until(/Receive note.txt/);
  bob.type("y");
  assert.equal(await bob.exit, 0);
  assert.equal(readFileSync(join(to, "note.txt"), "utf8"), "to somebody nearby");
  await ann.page.getByRole("heading", { name: "Sent" }).waitFor();
  await ann.context.close();
});

/** Sends to a device that is remembered: nothing is asked on either side. */
async function sendAgain(ann, bob, name) {
  await ann.goto(server.local);
  await bob.goto(server.local);
  await ann.locator("#files").setInputFiles(note);
  await ann.getByRole("button", { name: `Send to ${name}` }).click();
  assert.equal(await download(bob), "to somebody nearby");
  await ann.getByRole("heading", { name: "Sent" }).waitFor();
}

test("pages that remember each other compare no number, until one is forgotten", { timeout: 120_000 }, async () => {
  const bob = await visible(server.local, "Bert");
  const ann = await visible(server.local, "Anna");
  for (const { page } of [ann, bob]) await page.getByRole("link", { name: "Open Nearby" }).click();
  await ann.page.getByRole("button", { name: "Send to Bert" }).click();
  await ann.page.locator("#files").setInputFiles(note);
  await ann.page.getByLabel("Remember this device").check();
  await bob.page.getByRole("dialog").getByLabel("Remember this device").check();
  await ann.page.getByRole("button", { name: "Yes, the same" }).click();
  await bob.page.getByRole("button", { name: "Yes, accept" }).click();
  assert.equal(await download(bob.page), "to somebody nearby");
  await ann.page.getByRole("heading", { name: "Sent" }).waitFor();

  await sendAgain(ann.page, bob.page, "Bert");
  await sendAgain(bob.page, ann.page, "Anna");

  await ann.page.goto(`${server.local}/nearby`);
  await ann.page.getByText("Bert").first().waitFor();
  await ann.page.getByRole("button", { name: "Forget Bert" }).click();
  await ann.page.getByText("None yet.").waitFor();
  await bob.page.goto(server.local);
  await ann.page.getByRole("button", { name: "Send to Bert" }).click();
  await ann.page.locator("#files").setInputFiles(note);
  await ann.page.getByRole("heading", { name: "Does Bert show this number?" }).waitFor();
  // Who has forgotten everybody is known to nobody.
  await bob.page.getByRole("heading", { name: "Anna wants to send something" }).waitFor();
  for (const { complaints, context } of [ann, bob]) {
    assert.deepEqual(complaints, []);
    await context.close();
  }
});

test("who is remembered by one side alone still has its number shown there", { timeout: 90_000 }, async () => {
  const bob = await visible(server.local, "Bruno");
  const ann = await visible(server.local, "Aila");
  await ann.page.getByRole("button", { name: "Send to Bruno" }).click();
  await ann.page.locator("#files").setInputFiles(note);
  await bob.page.getByRole("dialog").getByLabel("Remember this device").check();
  await ann.page.getByLabel("Remember this device").check();
  // Ticked here, and then not.
  await ann.page.getByLabel("Remember this device").uncheck();
  await ann.page.getByRole("button", { name: "Yes, the same" }).click();
  await bob.page.getByRole("button", { name: "Yes, accept" }).click();
  await download(bob.page);
  await ann.page.getByRole("heading", { name: "Sent" }).waitFor();
  await ann.page.getByRole("button", { name: "Send something" }).click();
  await bob.page.goto(server.local);
  await ann.page.getByRole("button", { name: "Send to Bruno" }).click();
  await ann.page.locator("#files").setInputFiles(note);
  await ann.page.getByRole("heading", { name: "Does Bruno show this number?" }).waitFor();
  await bob.page.getByText("Waiting for the other side").waitFor();
  assert.equal(await digits(bob.page), await digits(ann.page));
  await ann.page.getByRole("button", { name: "Yes, the same" }).click();
  await download(bob.page);
  await bob.context.close();
  await ann.context.close();
});

test("a page and a terminal that remember each other compare no number", { timeout: 120_000 }, async () => {
  const [to, then] = [join(dir, "known"), join(dir, "known-again")];
  for (const folder of [to, then]) mkdirSync(folder);
  const env = { XDG_STATE_HOME: join(dir, "state"), P2PSHARE_NO_LAN: "true" };
  const args = ["recv", "--nearby", "carl", "--remember", "--server", server.local, "-o", to];
  const carl = person(env, ...args);
  await carl.until(/Visible on this network as carl/);
  const ann = await visible(server.local, "Anke");
  await ann.page.locator("#files").setInputFiles(note);
  await ann.page.getByRole("button", { name: "Send to carl" }).click();
  const [, number] = await carl.until(/Does Anke show the number (\d{3} \d{3})\?/);
  await ann.page.getByLabel("Remember this device").check();
  assert.equal(await digits(ann.page), number);
  carl.type("y");
  await ann.page.getByRole("button", { name: "Yes, the same" }).click();
  await carl.until(/Receive note.txt/);
  carl.type("y");
  assert.equal(await carl.exit, 0);

  const again = run(["recv", "--nearby", "carl", "--yes", "--server", server.local, "-o", then], { env });
  await again.line(/Visible on this network as carl/);
  await ann.page.goto(server.local);
  await ann.page.locator("#files").setInputFiles(note);
  await ann.page.getByRole("button", { name: "Send to carl" }).click();
  await ann.page.getByRole("heading", { name: "Sent" }).waitFor();
  assert.equal(await again.exit, 0, again.output);
  assert.equal(readFileSync(join(then, "note.txt"), "utf8"), "to somebody nearby");

  // Under whatever name it comes, it is known by its key.
  await ann.page.goto(server.local);
  const looker = await open(browser, server.local);
  await looker.page.getByRole("button", { name: "Send to Anke" }).waitFor();
  const sender = run(["send", note, "--to", "Anke", "--server", server.local], { env: { ...env, P2PSHARE_NAME: "carl's other name" } });
  assert.equal(await download(ann.page), "to somebody nearby");
  assert.equal(await sender.exit, 0, sender.output);
  await looker.context.close();
  await ann.context.close();
});
