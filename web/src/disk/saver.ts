// The service worker: hands the browser a download whose bytes come from the page's worker, a piece whenever the browser has
// room. Nothing else passes through it.

import type { SaverRequest } from "./saver_messages.ts";

interface Scope {
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
  addEventListener(type: "install" | "activate", listener: (event: { waitUntil(work: Promise<void>): void }) => void): void;
  addEventListener(type: "message", listener: (event: MessageEvent<SaverRequest>) => void): void;
  addEventListener(
    type: "fetch",
    listener: (event: { readonly request: Request; respondWith(response: Response): void }) => void,
  ): void;
}

const scope = self as unknown as Scope;
const waiting = new Map<string, SaverRequest & { t: "save" }>();

scope.addEventListener("install", (event) => event.waitUntil(scope.skipWaiting()));
scope.addEventListener("activate", (event) => event.waitUntil(scope.clients.claim()));

scope.addEventListener("message", ({ data }) => {
  // A sign of life needs no answer: that it came is enough for the browser to let this run.
  if (data.t !== "save") return;
  waiting.set(data.path, data);
  data.port.postMessage("ready");
});

scope.addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  const save = waiting.get(pathname);
  if (!save) return;
  waiting.delete(pathname);
  event.respondWith(new Response(streamOf(save.port), { headers: headersOf(save) }));
});

function streamOf(port: MessagePort): ReadableStream<Uint8Array> {
  let given: () => void = () => undefined;
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        port.onmessage = ({ data }: MessageEvent<Uint8Array | "end" | "abort">) => {
          if (data === "end") controller.close();
          else if (data === "abort") controller.error(new Error("the transfer has ended"));
          else controller.enqueue(data);
          given();
        };
      },
      pull: () => {
        port.postMessage("pull");
        return new Promise((resolve) => (given = resolve));
      },
      cancel: () => port.postMessage("cancel"),
    },
    { highWaterMark: 0 },
  );
}

function headersOf({ name, size }: SaverRequest & { t: "save" }): HeadersInit {
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
  return {
    "content-type": "application/octet-stream",
    "content-disposition": `attachment; filename*=UTF-8''${encoded}`,
    "content-security-policy": "default-src 'none'",
    "x-content-type-options": "nosniff",
    ...(size === undefined ? {} : { "content-length": String(size) }),
  };
}
