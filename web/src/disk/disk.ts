// The page's end of the worker.

import workerUrl from "./worker.ts?worker&url";

import type { Answers, Ask, Reply, Request } from "./messages.ts";
import { ownScript } from "./scripts.ts";

export class Disk {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve(value: never): void; reject(error: Error): void }>();
  #next = 0;

  constructor() {
    this.#worker = new Worker(ownScript(workerUrl), { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      const waiting = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if ("answer" in data) waiting?.resolve(data.answer as never);
      else waiting?.reject(new DOMException(data.error.message, data.error.name));
    };
    this.#worker.onerror = (event) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(event.message));
      this.#waiting.clear();
    };
  }

  ask<R extends Request>(request: R, transfer: Transferable[] = []): Promise<Answers[R["t"]]> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      const ask: Ask = { ...request, id };
      this.#worker.postMessage(ask, transfer);
    });
  }

  end(): void {
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) reject(new DOMException("ended", "AbortError"));
    this.#waiting.clear();
  }
}
