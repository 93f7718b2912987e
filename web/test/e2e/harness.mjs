// Browsers, binaries and what they print.

import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, existsSync, readdirSync, readFileSync, mkdirSync, mkdtempSync, openSync, writeSync, closeSync, rmSync } from "node:fs";
import { homedir, networkInterfaces, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.env.CARGO_TARGET_DIR ?? join(here, "../../../target");

/** The command line program; built with `cargo build`. */
export const binary = process.env.P2PSHARE_BIN ?? join(target, process.env.P2PSHARE_PROFILE ?? "debug", "p2pshare");

/** A network namespace for the programs, and their address as the browser outside sees it; for tests at "lan" only. */
const everybodys = process.env.P2PSHARE_E2E_NETNS;
const otherAddress = process.env.P2PSHARE_E2E_LAN;
export const shots = join(here, "../../screenshots");
mkdirSync(shots, { recursive: true });

/** A new folder for one test file; it removes it at the end. */
export const folder = (parent = tmpdir()) => mkdtempSync(join(parent, "p2pshare-e2e-"));

/** An address of this machine on its network: a page from there is not a secure context. */
export function lanAddress() {
  if (otherAddress) return otherAddress;
  const all = Object.values(networkInterfaces()).flat();
  return all.find((address) => address.family === "IPv4" && !address.internal)?.address;
}

const FLAGS = [
  "--no-sandbox",
  "--disable-features=WebRtcHideLocalIpsWithMdns",
  "--allow-loopback-in-peer-connection",
  "--disable-background-timer-throttling",
  "--disable-renderer-backgrounding",
  "--disable-backgrounding-occluded-windows",
];

/** Starts Chromium; `isThrottled` leaves pages in the background as slow as it makes them. */
export async function launch({ isThrottled = false, ...more } = {}) {
  const args = isThrottled ? FLAGS.filter((flag) => !flag.includes("background") && !flag.includes("occluded")) : FLAGS;
  const ignoreDefaultArgs = FLAGS.filter((flag) => !args.includes(flag));
  return chromium.launch({ ...options(args), ignoreDefaultArgs, ...more });
}

/** Starts Chromium as a person has it, with a profile on disk: what a private window stores lies in memory. */
export async function launchProfile() {
  const profile = folder();
  const context = await chromium.launchPersistentContext(profile, {
    ...options(FLAGS),
    acceptDownloads: true,
    viewport: { width: 390, height: 800 },
  });
  // The browser still tidies up when it says that it is closed.
  process.on("exit", () => remove(profile));
  return { newContext: () => Promise.resolve(context) };
}

function options(args) {
  const executablePath = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/google-chrome"].find(existsSync);
  return { executablePath, args, headless: true };
}

/** A page that notes every error of the console and every broken rule of the policy. */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ acceptDownloads: true, viewport: { width: 1100, height: 800 }, ...options });
  const page = context.pages().find((blank) => blank.url() === "about:blank") ?? (await context.newPage());
  const complaints = [];
  page.on("console", (message) => {
    // Plain http: the browser says that it ignores the header. Nothing is wrong then.
    if (message.text().includes("Cross-Origin-Opener-Policy header has been ignored")) return;
    if (process.env.VERBOSE) console.error(`[page] ${message.text()}`);
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => void dialog.accept());
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  if (url) await page.goto(url);
  return { page, context, complaints, requests };
}

/** Runs the program; `line(pattern)` waits for output, `exit` is its exit code. */
export function run(args, { env = {}, namespace = everybodys } = {}) {
  const [program, ...rest] = namespace ? ["ip", "netns", "exec", namespace, binary, ...args] : [binary, ...args];
  const child = spawn(program, rest, {
    env: { ...process.env, XDG_CONFIG_HOME: "/nonexistent", HOME: homedir(), ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const process_ = { child, output: "" };
  const waiting = [];
  const hear = (bytes) => {
    process_.output += bytes;
    for (const wait of [...waiting]) wait();
  };
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  process_.exit = new Promise((resolve) => child.on("close", (code, signal) => resolve(code ?? signal)));
  process_.line = (pattern, ms = 20_000) =>
    new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`no ${pattern} in:\n${process_.output}`)), ms);
      const look = () => {
        const match = pattern.exec(process_.output);
        if (!match) return;
        clearTimeout(late);
        waiting.splice(waiting.indexOf(look), 1);
        resolve(match);
      };
      waiting.push(look);
      look();
    });
  process_.stop = async () => {
    child.kill("SIGINT");
    const late = setTimeout(() => child.kill("SIGKILL"), 5_000);
    await process_.exit;
    clearTimeout(late);
  };
  return process_;
}

/** A server of its own on a free port; its address as a page sees it. */
export async function serve(env = {}, more = []) {
  // Below those that the system gives to connections.
  const port = 12_000 + Math.floor(Math.random() * 20_000);
  const server = run(["serve", "--listen", `0.0.0.0:${port}`, ...more], { env });
  for (let i = 0; i < 100; i++) {
    const isUp = await fetch(`http://${everybodys ? otherAddress : "127.0.0.1"}:${port}/healthz`).then((r) => r.ok, () => false);
    if (isUp) return Object.assign(server, { port, local: `http://127.0.0.1:${port}`, lan: `http://${lanAddress()}:${port}` });
    await new Promise((go) => setTimeout(go, 100));
  }
  throw new Error(`no server: ${server.output}`);
}

/** Opens a share in a page; returns its code and link. */
export async function host(page, files, prepare = async () => {}) {
  await page.locator("#files").setInputFiles(files);
  await prepare();
  await page.getByRole("button", { name: "Share", exact: true }).click();
  await page.locator("[data-code]", { hasText: /\d/ }).waitFor();
  const code = (await page.locator("[data-code]").textContent()).replace(/ /g, "");
  return { code, link: await linkOf(page) };
}

/** The link on the screen, at the address where the page itself was opened: it names the machine's for others. */
export async function linkOf(page) {
  const link = await page.locator("[data-link]", { hasText: "v1." }).textContent();
  return `${new URL(page.url()).origin}/${new URL(link).hash}`;
}

/** A file of random bytes. */
export function makeFile(path, bytes) {
  mkdirSync(dirname(path), { recursive: true });
  const file = openSync(path, "w");
  for (let left = bytes; left > 0; ) {
    const piece = randomBytes(Math.min(left, 1 << 22));
    writeSync(file, piece);
    left -= piece.length;
  }
  closeSync(file);
  return path;
}

export async function sha256(path) {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece);
  return hash.digest("hex");
}

export const remove = (path) => rmSync(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });

/** Watches the most memory that a renderer of this test's browsers and the heap of a page have, in MiB. */
export function watchMemory(page) {
  const seen = { most: 0, heap: 0 };
  const timer = setInterval(() => {
    seen.most = Math.max(seen.most, rendererMemory());
    void page.evaluate(() => performance.memory.usedJSHeapSize / 1048576).then(
      (heap) => (seen.heap = Math.max(seen.heap, heap)),
      () => undefined,
    );
  }, 500);
  return {
    look: () => ({ ...seen }),
    stop: () => {
      clearInterval(timer);
      return seen;
    },
  };
}

function rendererMemory() {
  let most = 0;
  for (const pid of descendants()) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("--type=renderer")) continue;
      const [, kib] = /^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
      most = Math.max(most, Number(kib) / 1024);
    } catch {
      // It has ended.
    }
  }
  return most;
}

/** The processes that this one started, and theirs. */
function descendants() {
  const parents = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const [, parent] = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
      parents.set(pid, parent);
    } catch {
      // It has ended.
    }
  }
  const isOurs = (pid) => {
    for (let at = parents.get(pid); at && at !== "0"; at = parents.get(at)) if (at === String(process.pid)) return true;
    return false;
  };
  return [...parents.keys()].filter(isOurs);
}
