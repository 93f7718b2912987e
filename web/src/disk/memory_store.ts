// Small shares stay in memory; the browser may move blobs to its own disk.

import type { Bytes } from "../protocol/bytes.ts";
import type { StoredEntry } from "./messages.ts";
import { readable, type Store } from "./store.ts";

export class MemoryStore implements Store {
  readonly #chunks = new Map<number, Blob[]>();

  leftover(): Promise<number> {
    return Promise.resolve(0);
  }

  open(entry: StoredEntry): Promise<readonly []> {
    this.#chunks.set(entry.id, []);
    return Promise.resolve([]);
  }

  async read(entry: StoredEntry, chunk: number): Promise<Bytes> {
    return new Uint8Array((await this.#chunks.get(entry.id)?.[chunk]?.arrayBuffer()) ?? new ArrayBuffer());
  }

  write(entry: StoredEntry, chunk: number, bytes: Bytes): Promise<void> {
    const chunks = this.#chunks.get(entry.id);
    if (chunks) chunks[chunk] = new Blob([bytes]);
    return Promise.resolve();
  }

  commit(): Promise<void> {
    return Promise.resolve();
  }

  file(entry: StoredEntry): Promise<Blob> {
    return readable(new Blob(this.#chunks.get(entry.id) ?? []));
  }

  discard(entry: StoredEntry): Promise<void> {
    this.#chunks.delete(entry.id);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#chunks.clear();
    return Promise.resolve();
  }
}
