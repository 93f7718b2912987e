import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { folder, host, launch, linkOf, makeFile, open, remove, run, serve, sha256 } from "./harness.mjs";

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

const into = (name) => {
  const path = join(dir, name);
  mkdirSync(path);
  return path;
};

async function enter(page, code) {
  await page.getByLabel("Have a code?").fill(code);
  await page.getByRole("button", { name: "Receive" }).click();
}

test("a code typed on the page receives from a terminal", { timeout: 60_000 }, async () => {
  const file = makeFile(join(dir, "typed.bin"), 1_200_000);
  const sender = run(["send", "--no-qr", "--server", server.local, file]);
  const [, code] = await sender.line(/code\s+([\d ]+)\n/);
  const { page, complaints, context } = await open(browser, server.local);
  await enter(page, code.trim());
  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: /^Download/ }).click();
  assert.equal(await sha256(await (await downloading).path()), await sha256(file));
  assert.equal(await sender.exit, 0, sender.output);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a wrong code says so, twice at most, and the sender counts it", { timeout: 60_000 }, async () => {
  const sender = run(["send", "--no-qr", "--server", server.local, makeFile(join(dir, "w.bin"), 10)]);
  const [, spaced] = await sender.line(/code\s+([\d ]+)\n/);
  const code = spaced.replace(/ /g, "").trim();
  const wrong = code.slice(0, -1) + ((Number(code.at(-1)) + 1) % 10);
  const { page, context } = await open(browser, server.local);
  await enter(page, wrong);
  await page.getByRole("heading", { name: /Wrong code/ }).waitFor();
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("heading", { name: /Wrong code/ }).waitFor();
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByRole("heading", { name: /guessing/ }).waitFor();
  await sender.stop();
  await context.close();
});

test("what is no code is said beside the field", { timeout: 30_000 }, async () => {
  const { page, context } = await open(browser, `${server.local}/?id=12`);
  assert.match(await page.getByLabel("Have a code?").inputValue(), /^12 ?$/);
  await enter(page, "12");
  await page.getByText("The code is not complete.").waitFor();
  await enter(page, "990000");
  await page.getByRole("heading", { name: "This share is not active." }).waitFor();
  await context.close();
});

test("a page shares with a terminal by code", { timeout: 60_000 }, async () => {
  const file = makeFile(join(dir, "up.bin"), 9_000_001);
  const out = into("up");
  const { page, complaints, context } = await open(browser, server.local);
  const { code } = await host(page, file);
  const receiver = run(["recv", code, "--yes", "--server", server.local, "-o", out]);
  assert.equal(await receiver.exit, 0, receiver.output);
  assert.equal(await sha256(join(out, "up.bin")), await sha256(file));
  await page.getByRole("heading", { name: "Sent" }).waitFor();
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a page shares with a terminal by link, from plain http", { timeout: 60_000 }, async () => {
  const file = makeFile(join(dir, "lan.bin"), 2_000_001);
  const out = into("lan");
  const { page, complaints, context } = await open(browser, server.lan);
  const { link } = await host(page, file);
  assert.ok(link.startsWith(server.lan));
  const receiver = run(["recv", link, "--yes", "-o", out]);
  assert.equal(await receiver.exit, 0, receiver.output);
  assert.equal(await sha256(join(out, "lan.bin")), await sha256(file));
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a folder goes from a terminal to a page and comes out of its archive as it was", { timeout: 60_000 }, async () => {
  const tree = join(dir, "tree");
  makeFile(join(tree, "a/one.bin"), 1_500_000);
  makeFile(join(tree, "two.bin"), 100_000);
  writeFileSync(join(tree, "empty"), "");
  mkdirSync(join(tree, "nothing"));
  writeFileSync(join(tree, "naïve – ü.txt"), "text");
  const sender = run(["send", "--no-qr", "--server", server.local, tree]);
  const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
  const { page, complaints, context } = await open(browser, link);
  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: /^Download/ }).click();
  const download = await downloading;
  assert.equal(download.suggestedFilename(), "tree.zip");
  const out = into("unzipped");
  execFileSync("python3", ["-m", "zipfile", "-e", await download.path(), out]);
  execFileSync("diff", ["-r", tree, join(out, "tree")]);
  assert.equal(await sender.exit, 0, sender.output);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("a folder is written into a folder that the person chose, beside what is there", { timeout: 60_000 }, async () => {
  const tree = join(dir, "photos");
  makeFile(join(tree, "a/one.bin"), 2_500_000);
  makeFile(join(tree, "two.bin"), 1_048_576);
  writeFileSync(join(tree, "empty"), "");
  mkdirSync(join(tree, "nothing"));
  const sender = run(["send", "--no-qr", "--server", server.local, tree]);
  const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
  const { page, complaints, context } = await open(browser, undefined);
  // No picker opens without a screen: a folder of the page's own stands in for the person's.
  await page.addInitScript(() => {
    globalThis.showDirectoryPicker = async () => {
      const picked = await (await navigator.storage.getDirectory()).getDirectoryHandle("Picked", { create: true });
      await picked.getDirectoryHandle("photos", { create: true });
      return picked;
    };
  });
  await page.goto(link);
  await page.getByRole("button", { name: "Save into a folder…" }).click();
  await page.getByText("They are in the folder Picked.").waitFor();
  const found = await page.evaluate(async () => {
    const list = {};
    const walk = async (folder, path) => {
      for await (const [name, handle] of folder.entries()) {
        if (handle.kind === "directory") {
          list[`${path}${name}/`] = "";
          await walk(handle, `${path}${name}/`);
        } else {
          const bytes = await (await handle.getFile()).arrayBuffer();
          list[path + name] = [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
        }
      }
    };
    await walk(await globalThis.showDirectoryPicker(), "");
    return list;
  });
  assert.deepEqual(found, {
    "photos/": "",
    "photos (1)/": "",
    "photos (1)/a/": "",
    "photos (1)/a/one.bin": await sha256(join(tree, "a/one.bin")),
    "photos (1)/two.bin": await sha256(join(tree, "two.bin")),
    "photos (1)/empty": await sha256(join(tree, "empty")),
    "photos (1)/nothing/": "",
  });
  assert.equal(await sender.exit, 0, sender.output);
  assert.deepEqual(complaints, []);
  await context.close();
});

test("only the chosen entries are fetched", { timeout: 60_000 }, async () => {
  const [one, two] = [makeFile(join(dir, "one.bin"), 400_000), makeFile(join(dir, "two.bin"), 400_000)];
  const sender = run(["send", "--no-qr", "--server", server.local, one, two]);
  const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
  const { page, context } = await open(browser, link);
  await page.getByLabel(/^one\.bin/).uncheck();
  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: /^Download · 400 kB/ }).click();
  const download = await downloading;
  assert.equal(download.suggestedFilename(), "two.bin");
  assert.equal(await sha256(await download.path()), await sha256(two));
  await sender.exit;
  await context.close();
});

test("a declined offer is told to the sender", { timeout: 60_000 }, async () => {
  const sender = run(["send", "--no-qr", "--server", server.local, makeFile(join(dir, "no.bin"), 10)]);
  const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
  const { page, context } = await open(browser, link);
  await page.getByRole("button", { name: "Decline" }).click();
  await page.getByLabel("Have a code?").waitFor();
  assert.equal(await sender.exit, 11, sender.output);
  await context.close();
});

test("from page to page, with a password and a number to compare, for several receivers", { timeout: 90_000 }, async () => {
  const file = makeFile(join(dir, "p2p.bin"), 5_000_001);
  const sending = await open(browser, server.local);
  const { link, code } = await host(sending.page, file, async () => {
    await sending.page.getByText("Options").click();
    await sending.page.getByLabel("Password").fill("geheim");
    await sending.page.getByLabel(/Several receivers/).check();
    await sending.page.getByLabel(/Compare a number/).check();
  });
  for (const way of ["link", "code"]) {
    const receiving = await open(browser, way === "link" ? link : server.lan);
    if (way === "code") await enter(receiving.page, code);
    const give = async (password) => {
      await receiving.page.getByLabel("Password").fill(password);
      await receiving.page.getByRole("button", { name: "Continue" }).click();
    };
    await receiving.page.getByText("3 tries left").waitFor();
    if (way === "link") {
      await give("falsch");
      await receiving.page.getByText("Wrong password.").waitFor();
      await receiving.page.getByText("2 tries left").waitFor();
    }
    await give("geheim");
    await receiving.page.getByRole("heading", { name: /same|show this number/ }).waitFor();
    const numbers = await Promise.all([sending, receiving].map(({ page }) => page.locator("p.big.digits", { hasText: /^\d{3} \d{3}$/ }).first().textContent()));
    assert.equal(numbers[0], numbers[1]);
    await sending.page.getByRole("button", { name: "Yes, the same" }).click();
    await receiving.page.getByRole("button", { name: "Yes, the same" }).click();
    const downloading = receiving.page.waitForEvent("download");
    await receiving.page.getByRole("button", { name: /^Download/ }).click();
    assert.equal(await sha256(await (await downloading).path()), await sha256(file));
    await receiving.page.getByRole("heading", { name: "Received" }).waitFor();
    assert.deepEqual(receiving.complaints, []);
    await receiving.context.close();
  }
  await sending.page.getByText("Has everything").nth(1).waitFor();
  assert.deepEqual(sending.complaints, []);
  await sending.context.close();
});

test("a page sends files and a folder into an inbox, with a password", { timeout: 90_000 }, async () => {
  const out = into("inbox");
  const tree = join(dir, "album");
  makeFile(join(tree, "x/one.bin"), 700_000);
  makeFile(join(tree, "two.bin"), 1_300_000);
  const file = makeFile(join(dir, "inbox.bin"), 2_500_000);
  const secret = join(dir, "password");
  writeFileSync(secret, "geheim\n");
  const inbox = run(["recv", "--yes", "--no-qr", "--server", server.lan, "-o", out, `--password=${secret}`]);
  const [link] = await inbox.line(/http:\/\/\S+#v1\.\S{43}/);
  const { page, complaints, context } = await open(browser, link);
  await page.getByLabel("Password").fill("geheim");
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("heading", { name: /^Send to/ }).waitFor();
  await page.locator("#files").setInputFiles(file);
  await page.locator("#folder").setInputFiles(tree);
  await page.getByText("album").waitFor();
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByRole("heading", { name: "Sent" }).waitFor();
  assert.equal(await inbox.exit, 0, inbox.output);
  assert.equal(await sha256(join(out, "inbox.bin")), await sha256(file));
  execFileSync("diff", ["-r", tree, join(out, "album")]);
  assert.deepEqual(complaints, []);
  await context.close();
});

for (const place of ["local", "lan"]) {
  test(`a stream of unknown length arrives at ${place}`, { timeout: 60_000 }, async () => {
    const file = makeFile(join(dir, `stream-${place}.bin`), 7_300_001);
    const sender = run(["send", "-", "--name", "stream.bin", "--no-qr", "--server", server[place]]);
    const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
    const { page, complaints, context } = await open(browser, link);
    const downloading = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download" }).click();
    sender.child.stdin.end(readFileSync(file));
    const download = await downloading;
    assert.equal(download.suggestedFilename(), "stream.bin");
    assert.equal(await sha256(await download.path()), await sha256(file));
    assert.equal(await sender.exit, 0, sender.output);
    assert.deepEqual(complaints, []);
    await context.close();
  });
}

test("a pasted text goes from page to page and is shown", { timeout: 60_000 }, async () => {
  const text = 'two\nlines <img src=x onerror="alert(1)"> \u202e';
  const sending = await open(browser, server.local);
  await sending.page.evaluate((pasted) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", pasted);
    document.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
  }, text);
  await sending.page.getByRole("button", { name: "Share", exact: true }).click();
  const receiving = await open(browser, await linkOf(sending.page));
  await receiving.page.getByRole("button", { name: /^Download/ }).click();
  await receiving.page.getByRole("heading", { name: "Received" }).waitFor();
  assert.equal(await receiving.page.locator("pre").textContent(), text.replace("\u202e", "\\u{202e}"));
  assert.deepEqual([...sending.complaints, ...receiving.complaints], []);
  await sending.context.close();
  await receiving.context.close();
});

test("a link made at this machine's own address names the one for others, or says that it opens here only", { timeout: 60_000 }, async () => {
  const { elsewhere } = await (await fetch(`${server.local}/api/config`)).json();
  const port = server.port + 1;
  const inward = run(["serve", "--listen", `127.0.0.1:${port}`], { namespace: undefined });
  await inward.line(/listening/);
  for (const [place, expected] of [[server.local, elsewhere], [server.lan, server.lan], [`http://127.0.0.1:${port}`, undefined]]) {
    const { page, complaints, context } = await open(browser, place);
    await host(page, makeFile(join(dir, "small.bin"), 10));
    const link = await page.locator("[data-link]").textContent();
    assert.equal(new URL(link).origin, expected ?? place);
    assert.equal(await page.getByText("opens on this device only").count(), expected === undefined ? 1 : 0, place);
    assert.ok((await fetch(new URL("/healthz", link))).ok);
    assert.deepEqual(complaints, []);
    await context.close();
  }
  await inward.stop();
});

test("the page is served with its policy", { timeout: 30_000 }, async () => {
  const response = await fetch(server.local);
  assert.match(response.headers.get("content-security-policy"), /frame-ancestors 'none'/);
  assert.equal(response.headers.get("referrer-policy"), "no-referrer");
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
});
