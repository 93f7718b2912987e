// The origin's private file system: flat memory, and what is there survives a reload or a crash.
//
// One folder for each file, named by its key: `data` with the bytes in their places, and `hashes` with 33 bytes for each
// chunk, a 1 and its hash, written after the bytes.

import { fromHex, hex, type Bytes } from "../protocol/bytes.ts";
import { chunkCount, type Hash } from "../protocol/hash.ts";
import { CHUNK_BYTES } from "../protocol/limits.ts";
import type { StoredEntry } from "./messages.ts";
import { KEPT_FOR, lengthOf, type Store } from "./store.ts";

/** The part of a synchronous handle that is used; a worker has it, a page has not. */
interface SyncHandle {
  read(into: Uint8Array, options: { at: number }): number;
  write(from: Uint8Array, options: { at: number }): number;
  flush(): void;
  close(): void;
  getSize(): number;
}

interface SyncFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<SyncHandle>;
}

interface Open {
  readonly folder: FileSystemDirectoryHandle;
  readonly data: SyncHandle;
  readonly hashes: SyncHandle;
}

export class OpfsStore implements Store {
  readonly #open = new Map<number, Open>();

  async leftover(entry: StoredEntry): Promise<number> {
    try {
      const folder = await (await root()).getDirectoryHandle(entry.key);
      const hashes = await (await folder.getFileHandle("hashes")).getFile();
      return stored(new Uint8Array(await hashes.arrayBuffer()), entry).reduce(
        (sum, [chunk]) => sum + lengthOf(entry, chunk),
        0,
      );
    } catch {
      return 0;
    }
  }

  async open(entry: StoredEntry): Promise<readonly (readonly [number, Hash])[]> {
    const folder = await (await root()).getDirectoryHandle(entry.key, { create: true });
    const handle = async (name: string): Promise<SyncHandle> =>
      ((await folder.getFileHandle(name, { create: true })) as SyncFileHandle).createSyncAccessHandle();
    const data = await handle("data");
    const hashes = await handle("hashes").catch((error: unknown) => {
      data.close();
      throw error;
    });
    this.#open.set(entry.id, { folder, data, hashes });
    const bytes = new Uint8Array(hashes.getSize());
    hashes.read(bytes, { at: 0 });
    return stored(bytes, entry);
  }

  read(entry: StoredEntry, chunk: number): Promise<Bytes> {
    const bytes = new Uint8Array(lengthOf(entry, chunk));
    const length = this.#get(entry).data.read(bytes, { at: chunk * CHUNK_BYTES });
    return Promise.resolve(bytes.subarray(0, length));
  }

  write(entry: StoredEntry, chunk: number, bytes: Bytes, hash: Hash): Promise<void> {
    const { data, hashes } = this.#get(entry);
    const written = data.write(bytes, { at: chunk * CHUNK_BYTES });
    if (written !== bytes.length) throw new DOMException("short write", "QuotaExceededError");
    hashes.write(Uint8Array.of(1, ...(fromHex(hash, 32) ?? [])), { at: chunk * RECORD });
    return Promise.resolve();
  }

  commit(entry: StoredEntry): Promise<void> {
    const open = this.#open.get(entry.id);
    open?.data.flush();
    open?.hashes.flush();
    open?.data.close();
    open?.hashes.close();
    this.#open.delete(entry.id);
    return Promise.resolve();
  }

  async file(entry: StoredEntry): Promise<Blob> {
    const folder = await (await root()).getDirectoryHandle(entry.key);
    return (await folder.getFileHandle("data")).getFile();
  }

  async discard(entry: StoredEntry): Promise<void> {
    await this.commit(entry);
    await (await root()).removeEntry(entry.key, { recursive: true }).catch(() => undefined);
  }

  async close(): Promise<void> {
    for (const id of [...this.#open.keys()]) await this.commit({ id, key: "", size: 0 });
  }

  #get(entry: StoredEntry): Open {
    const open = this.#open.get(entry.id);
    if (!open) throw new Error("the file is not open");
    return open;
  }

  /** Deletes what nobody came back for. */
  static async sweep(finished: ReadonlySet<string>): Promise<void> {
    const folder = await root();
    for await (const [name, handle] of folder.entries()) {
      if (handle.kind !== "directory") continue;
      const data = await (handle).getFileHandle("data").catch(() => undefined);
      const changed = (await data?.getFile())?.lastModified ?? 0;
      if (finished.has(name) || changed < Date.now() - KEPT_FOR) {
        await folder.removeEntry(name, { recursive: true }).catch(() => undefined);
      }
    }
  }

  /** Whether this browser has it here, by trying: private windows may refuse. */
  static async isUsable(): Promise<boolean> {
    try {
      const folder = await root();
      const file = (await folder.getFileHandle("probe", { create: true })) as SyncFileHandle;
      (await file.createSyncAccessHandle()).close();
      await folder.removeEntry("probe");
      return true;
    } catch {
      return false;
    }
  }
}

function stored(bytes: Uint8Array, entry: StoredEntry): (readonly [number, Hash])[] {
  const chunks: (readonly [number, Hash])[] = [];
  const count = Math.min(chunkCount(entry.size), Math.floor(bytes.length / RECORD));
  for (let chunk = 0; chunk < count; chunk++) {
    const record = bytes.subarray(chunk * RECORD, (chunk + 1) * RECORD);
    if (record[0] === 1) chunks.push([chunk, hex(record.subarray(1))]);
  }
  return chunks;
}

async function root(): Promise<FileSystemDirectoryHandle> {
  return (await navigator.storage.getDirectory()).getDirectoryHandle("parts", { create: true });
}

const RECORD = 33;
