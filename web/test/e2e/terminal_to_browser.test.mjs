import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { folder, launch, makeFile, open, remove, run, sha256 } from "./harness.mjs";

let browser;
const dir = folder();
before(async () => (browser = await launch()));
after(async () => {
  await browser.close();
  remove(dir);
});

for (const place of ["127.0.0.1", "lan"]) {
  test(`a link opened at ${place}: one tap, the file is saved, the sender is done`, { timeout: 120_000 }, async () => {
    const file = makeFile(join(dir, `${place}.bin`), 3_500_001);
    const sender = run(["send", "--no-qr", file]);
    const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
    const url = place === "lan" ? link : link.replace(/\/\/[^:]+/, "//127.0.0.1");
    const { page, complaints, requests } = await open(browser, url, { viewport: { width: 390, height: 800 } });
    assert.equal(await page.evaluate(() => isSecureContext), place !== "lan");
    const downloading = page.waitForEvent("download");
    await page.getByRole("button", { name: /^Download/ }).click();
    const download = await downloading;
    assert.equal(download.suggestedFilename(), `${place}.bin`);
    assert.equal(await sha256(await download.path()), await sha256(file));
    await page.getByRole("heading", { name: "Received" }).waitFor();
    assert.equal(await sender.exit, 0, sender.output);
    assert.deepEqual(complaints, []);
    assert.equal(await page.evaluate(() => location.hash), "", "b_114 the secret is out of the address");
    const origin = new URL(url).origin;
    assert.deepEqual(requests.filter((request) => !request.startsWith(origin) && !request.startsWith("blob:")), []);
    assert.ok(!requests.slice(1).some((request) => request.includes("v1.")), "b_114 the secret is in no request");
    await page.context().close();
  });
}
