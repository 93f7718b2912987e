// How fast files move to and from a page, beside a bare data channel between two pages in the same run.
//
//   npm run bench            256 MiB each, three times, with the program that cargo build --release made
//   P2PSHARE_BENCH_MIB=1024 P2PSHARE_BENCH_TIMES=1 npm run bench
//
// Prints a table of the medians; asserts nothing.

import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { binary, folder, host, launch, makeFile, open, remove, run, serve } from "../e2e/harness.mjs";

const MIB = Number(process.env.P2PSHARE_BENCH_MIB ?? 256);
const TIMES = Number(process.env.P2PSHARE_BENCH_TIMES ?? 3);
const ONLY = process.env.P2PSHARE_BENCH_ONLY;
const BYTES = MIB * 1048576;
const timeout = 60_000 + MIB * 2_000;

if (!existsSync(binary)) throw new Error(`there is no ${binary}: cargo build --release`);
const dir = folder("/dev/shm");
const file = makeFile(join(dir, "bench.bin"), BYTES);
const browser = await launch();
const server = await serve();

const seconds = async (work) => {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
};

/** Messages of 64 KiB from one page to another, no file, no hash, no disk: what the browser's own stack gives. */
async function bare() {
  const [a, b] = [await open(browser, undefined), await open(browser, undefined)];
  const setUp = () => {
    globalThis.pc = new RTCPeerConnection();
    globalThis.dc = globalThis.pc.createDataChannel("data", { negotiated: true, id: 0 });
    globalThis.dc.binaryType = "arraybuffer";
    globalThis.opened = new Promise((resolve) => (globalThis.dc.onopen = resolve));
    globalThis.gathered = () =>
      new Promise((resolve) => {
        if (globalThis.pc.iceGatheringState === "complete") resolve(globalThis.pc.localDescription.sdp);
        else globalThis.pc.addEventListener("icegatheringstatechange", () => globalThis.pc.iceGatheringState === "complete" && resolve(globalThis.pc.localDescription.sdp));
      });
  };
  await a.page.evaluate(setUp);
  await b.page.evaluate(setUp);
  const offer = await a.page.evaluate(async () => {
    await globalThis.pc.setLocalDescription();
    return globalThis.gathered();
  });
  const answer = await b.page.evaluate(async (sdp) => {
    await globalThis.pc.setRemoteDescription({ type: "offer", sdp });
    await globalThis.pc.setLocalDescription();
    return globalThis.gathered();
  }, offer);
  await a.page.evaluate((sdp) => globalThis.pc.setRemoteDescription({ type: "answer", sdp }), answer);
  await a.page.evaluate(() => globalThis.opened);
  const arrived = b.page.evaluate(
    (bytes) =>
      new Promise((resolve) => {
        let seen = 0;
        globalThis.dc.onmessage = ({ data }) => {
          seen += data.byteLength;
          if (seen >= bytes) resolve();
        };
      }),
    BYTES,
  );
  const taken = await seconds(async () => {
    await a.page.evaluate(async (bytes) => {
      const message = new Uint8Array(65536);
      const { dc } = globalThis;
      dc.bufferedAmountLowThreshold = 256 << 10;
      for (let left = bytes; left > 0; left -= message.length) {
        if (dc.bufferedAmount > 1 << 20) await new Promise((resolve) => (dc.onbufferedamountlow = resolve));
        dc.send(message);
      }
    }, BYTES);
    await arrived;
  });
  await a.context.close();
  await b.context.close();
  return taken;
}

async function terminalToPage(place) {
  const sender = run(["send", "--no-qr", "--server", server[place], file]);
  const [link] = await sender.line(/http:\/\/\S+#v1\.\S{43}/);
  const { page, context } = await open(browser, link);
  const button = page.getByRole("button", { name: /^Download/ });
  await button.waitFor();
  const taken = await seconds(async () => {
    await button.click();
    await sender.exit;
  });
  await context.close();
  return taken;
}

async function pageToTerminal(place) {
  const out = join(dir, "out");
  mkdirSync(out);
  const { page, context } = await open(browser, server[place]);
  const { link } = await host(page, file);
  const taken = await seconds(() => run(["recv", link, "--yes", "-o", out]).exit);
  rmSync(out, { recursive: true });
  await context.close();
  return taken;
}

async function pageToPage() {
  const sending = await open(browser, server.local);
  const { link } = await host(sending.page, file);
  const { page, context } = await open(browser, link);
  const button = page.getByRole("button", { name: /^Download/ });
  await button.waitFor();
  const taken = await seconds(async () => {
    await button.click();
    await sending.page.getByRole("heading", { name: "Sent" }).waitFor({ timeout });
  });
  await context.close();
  await sending.context.close();
  return taken;
}

const WAYS = [
  ["bare data channel, page to page", bare],
  ["terminal to page", () => terminalToPage("local")],
  ["terminal to page, plain http", () => terminalToPage("lan")],
  ["page to terminal", () => pageToTerminal("local")],
  ["page to terminal, plain http", () => pageToTerminal("lan")],
  ["page to page", pageToPage],
];

const rates = new Map(WAYS.map(([name]) => [name, []]));
try {
  // Turn by turn, so that other work on the machine hits all alike.
  for (let turn = 0; turn < TIMES; turn++) {
    for (const [name, way] of WAYS) {
      if (ONLY && !new RegExp(ONLY).test(name)) continue;
      const rate = BYTES / 1e6 / (await way());
      rates.get(name).push(rate);
      console.error(`${name}: ${rate.toFixed(1)} MB/s`);
    }
  }
} finally {
  await browser.close();
  await server.stop();
  remove(dir);
}
const median = (all) => [...all].sort((a, b) => a - b)[all.length >> 1];
console.log(`| moving ${MIB} MiB on one machine | MB/s |\n|---|---|`);
for (const [name, all] of rates) if (all.length > 0) console.log(`| ${name} | ${median(all).toFixed(0)} |`);
