// Opens a download of the browser that is filled as bytes arrive, through the page's service worker.

import saverUrl from "./saver.ts?worker&url";

import { random } from "../net/random.ts";
import { hex } from "../protocol/bytes.ts";
import type { SaverRequest, SaverSays } from "./saver_messages.ts";
import { ownScript } from "./scripts.ts";

/** Whether a browser can do that: not on plain http, and not in every private window. */
export function canSaveStream(): boolean {
  return "serviceWorker" in navigator;
}

/** A download under way. */
export interface SaveStream {
  /** Where its bytes go. */
  readonly port: MessagePort;
  /** Nothing more comes. */
  end(): void;
}

/** Begins a download; the size is told if it is known. Throws when the browser does not play along. */
export async function saveStream(name: string, size: number | undefined): Promise<SaveStream> {
  const worker = await saver();
  const { port1, port2 } = new MessageChannel();
  // Below the script, as that is as far as it may reach.
  const path = new URL(`save/${hex(random(16))}`, new URL(saverUrl, location.href)).pathname;
  const isReady = new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new DOMException("the service worker does not answer", "TimeoutError")), START_MAX);
    port1.onmessage = ({ data }: MessageEvent<SaverSays>) => {
      if (data !== "ready") return;
      clearTimeout(late);
      resolve();
    };
  });
  const say = (request: SaverRequest, transfer: Transferable[] = []): void => worker.postMessage(request, transfer);
  say({ t: "save", path, name, size, port: port2 }, [port2]);
  await isReady;
  port1.onmessage = null;
  const frame = document.createElement("iframe");
  frame.hidden = true;
  frame.src = path;
  document.body.append(frame);
  const alive = setInterval(() => say({ t: "alive" }), ALIVE_EVERY);
  return {
    port: port1,
    end: () => {
      clearInterval(alive);
      setTimeout(() => frame.remove(), START_MAX);
    },
  };
}

async function saver(): Promise<ServiceWorker> {
  const registration = await navigator.serviceWorker.register(ownScript(saverUrl), { type: "module" });
  const worker = registration.active ?? registration.waiting ?? registration.installing;
  if (!worker) throw new DOMException("no service worker", "NotSupportedError");
  if (worker.state === "activated") return worker;
  return new Promise((resolve, reject) => {
    worker.addEventListener("statechange", () => {
      if (worker.state === "activated") resolve(worker);
      else if (worker.state === "redundant") reject(new DOMException("no service worker", "NotSupportedError"));
    });
  });
}

/** How long the service worker may take to start, and a download to be noticed. */
const START_MAX = 10_000;

/** Browsers end a service worker that hears nothing for 30 s, also in the middle of a download. */
const ALIVE_EVERY = 10_000;
