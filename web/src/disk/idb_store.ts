// IndexedDB: what a page on plain http has. Chunks are blobs, which browsers keep in files, so that memory stays flat.

import type { Bytes } from "../protocol/bytes.ts";
import { chunkCount, type Hash } from "../protocol/hash.ts";
import type { StoredEntry } from "./messages.ts";
import { KEPT_FOR, lengthOf, readable, type Store } from "./store.ts";

interface Row {
  readonly blob: Blob;
  readonly hash: Hash;
  readonly at: number;
}

export class IdbStore implements Store {
  readonly #db = open();

  /** The keys of which anything was here before. */
  readonly #before = this.#db.then(keysOf).then((keys) => new Set(keys));

  async leftover(entry: StoredEntry): Promise<number> {
    const chunks = await this.#chunks(entry);
    return chunks.reduce((sum, [chunk]) => sum + lengthOf(entry, chunk), 0);
  }

  open(entry: StoredEntry): Promise<readonly (readonly [number, Hash])[]> {
    return this.#chunks(entry);
  }

  async #chunks(entry: StoredEntry): Promise<(readonly [number, Hash])[]> {
    if (!(await this.#before).has(entry.key)) return [];
    const rows = (await this.#db).transaction("hashes").objectStore("hashes");
    const [keys, hashes] = await Promise.all([
      done(rows.getAllKeys(rangeOf(entry.key))),
      done(rows.getAll(rangeOf(entry.key)) as IDBRequest<Hash[]>),
    ]);
    return keys
      .map((key, i) => [(key as [string, number])[1], hashes[i] ?? ""] as const)
      .filter(([chunk]) => chunk < chunkCount(entry.size));
  }

  async read(entry: StoredEntry, chunk: number): Promise<Bytes> {
    const row = await this.#row(entry, chunk);
    return new Uint8Array((await row?.blob.arrayBuffer()) ?? new ArrayBuffer());
  }

  async #row(entry: StoredEntry, chunk: number): Promise<Row | undefined> {
    const chunks = (await this.#db).transaction("chunks").objectStore("chunks");
    return done(chunks.get([entry.key, chunk]) as IDBRequest<Row | undefined>);
  }

  async write(entry: StoredEntry, chunk: number, bytes: Bytes, hash: Hash): Promise<void> {
    const transaction = (await this.#db).transaction(["chunks", "hashes"], "readwrite", { durability: "relaxed" });
    const row: Row = { blob: new Blob([bytes]), hash, at: Date.now() };
    transaction.objectStore("chunks").put(row, [entry.key, chunk]);
    transaction.objectStore("hashes").put(hash, [entry.key, chunk]);
    await complete(transaction);
  }

  commit(): Promise<void> {
    return Promise.resolve();
  }

  async file(entry: StoredEntry): Promise<Blob> {
    const blobs: Blob[] = [];
    for (let chunk = 0; chunk < chunkCount(entry.size); chunk++) {
      const row = await this.#row(entry, chunk);
      if (!row) throw new DOMException("a chunk is gone", "NotFoundError");
      blobs.push(row.blob);
    }
    return readable(new Blob(blobs));
  }

  async discard(entry: StoredEntry): Promise<void> {
    await remove(await this.#db, entry.key);
  }

  async close(): Promise<void> {
    (await this.#db).close();
  }

  /** Deletes what nobody came back for. */
  static async sweep(): Promise<void> {
    const db = await open();
    for (const key of await keysOf(db)) {
      const chunks = db.transaction("chunks").objectStore("chunks");
      const cursor = await done(chunks.openCursor(rangeOf(key), "prev"));
      const row = cursor?.value as Row | undefined;
      if ((row?.at ?? 0) < Date.now() - KEPT_FOR) await remove(db, key);
    }
    db.close();
  }

  static async isUsable(): Promise<boolean> {
    try {
      (await open()).close();
      return true;
    } catch {
      return false;
    }
  }
}

async function keysOf(db: IDBDatabase): Promise<string[]> {
  const keys: string[] = [];
  const hashes = db.transaction("hashes").objectStore("hashes");
  for (let after: IDBKeyRange | undefined; ; ) {
    const cursor: IDBCursor | null = await done(hashes.openKeyCursor(after));
    if (!cursor) return keys;
    const [key] = cursor.key as [string, number];
    keys.push(key);
    after = IDBKeyRange.lowerBound([key, []], true);
  }
}

async function remove(db: IDBDatabase, key: string): Promise<void> {
  const transaction = db.transaction(["chunks", "hashes"], "readwrite");
  transaction.objectStore("chunks").delete(rangeOf(key));
  transaction.objectStore("hashes").delete(rangeOf(key));
  await complete(transaction);
}

/** All chunks of a file: a list sorts after every number. */
function rangeOf(key: string): IDBKeyRange {
  return IDBKeyRange.bound([key], [key, []]);
}

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open("parts", 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("chunks");
    request.result.createObjectStore("hashes");
  };
  return done(request);
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the database refused"));
  });
}

function complete(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    const fail = (): void => reject(transaction.error ?? new Error("the database refused"));
    transaction.onerror = fail;
    transaction.onabort = fail;
  });
}
