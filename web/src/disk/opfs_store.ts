// The origin's private file system: flat memory, and what is there survives a reload or a crash.
//
// One folder for each file of more than a chunk, named by its key: `data` with the bytes in their places, and `hashes` with 33
// bytes for each chunk, a 1 and its hash, written after the bytes.

import { random } from "../net/random.ts";
import { fromHex, hex, type Bytes } from "../protocol/bytes.ts";
import { chunkCount, type Hash } from "../protocol/hash.ts";
import { CHUNK_BYTES } from "../protocol/limits.ts";
import type { StoredEntry } from "./messages.ts";
import { closeAll, openPair, openSync, parts, writeAll, type SyncHandle } from "./opfs.ts";
import { OpfsPacks } from "./opfs_packs.ts";
import { KEPT_FOR, lengthOf, readable, type Store } from "./store.ts";

interface Open {
  readonly data: SyncHandle;
  readonly hashes: SyncHandle;
}

export class OpfsStore implements Store {
  readonly #open = new Map<number, Promise<Open>>();
  readonly #packs = new OpfsPacks();
  /** The folders that were here before. */
  readonly #before = names();

  async leftover(entry: StoredEntry): Promise<number> {
    if (isSmall(entry)) return (await this.#packs.kept(entry)) === undefined ? 0 : entry.size;
    if (!(await this.#before).has(entry.key)) return 0;
    try {
      const folder = await (await parts()).getDirectoryHandle(entry.key);
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
    if (isSmall(entry)) {
      const hash = await this.#packs.kept(entry);
      return hash === undefined || entry.size === 0 ? [] : [[0, hash]];
    }
    if (!(await this.#before).has(entry.key)) return [];
    const { hashes } = await this.#get(entry);
    const bytes = new Uint8Array(hashes.getSize());
    hashes.read(bytes, { at: 0 });
    return stored(bytes, entry);
  }

  async read(entry: StoredEntry, chunk: number): Promise<Bytes> {
    if (isSmall(entry)) return new Uint8Array(await (await this.#packs.file(entry)).arrayBuffer());
    const bytes = new Uint8Array(lengthOf(entry, chunk));
    const length = (await this.#get(entry)).data.read(bytes, { at: chunk * CHUNK_BYTES });
    return bytes.subarray(0, length);
  }

  async write(entry: StoredEntry, chunk: number, bytes: Bytes, hash: Hash): Promise<void> {
    if (isSmall(entry)) return this.#packs.write(entry, bytes, hash);
    const { data, hashes } = await this.#get(entry);
    writeAll(data, bytes, chunk * CHUNK_BYTES);
    writeAll(hashes, Uint8Array.of(1, ...(fromHex(hash, 32) ?? [])), chunk * RECORD);
  }

  async commit(entry: StoredEntry): Promise<void> {
    const open = await this.#open.get(entry.id);
    this.#open.delete(entry.id);
    if (open) closeAll([open.data, open.hashes]);
  }

  async file(entry: StoredEntry): Promise<Blob> {
    if (isSmall(entry)) return this.#packs.file(entry);
    const folder = await (await parts()).getDirectoryHandle(entry.key);
    return readable(await (await folder.getFileHandle("data")).getFile());
  }

  async discard(entry: StoredEntry): Promise<void> {
    if (isSmall(entry)) return this.#packs.discard(entry);
    await this.commit(entry);
    await (await parts()).removeEntry(entry.key, { recursive: true }).catch(() => undefined);
  }

  async close(): Promise<void> {
    for (const id of [...this.#open.keys()]) await this.commit({ id, key: "", size: 0 });
    await this.#packs.close();
  }

  #get(entry: StoredEntry): Promise<Open> {
    const opening = this.#open.get(entry.id) ?? open(entry.key);
    this.#open.set(entry.id, opening);
    return opening;
  }

  /** Deletes what nobody came back for. */
  static async sweep(): Promise<void> {
    const folder = await parts();
    for await (const [name, handle] of folder.entries()) {
      if (handle.kind !== "directory") continue;
      const data = await handle.getFileHandle("data").catch(() => undefined);
      const changed = (await data?.getFile())?.lastModified ?? 0;
      if (changed < Date.now() - KEPT_FOR) {
        await folder.removeEntry(name, { recursive: true }).catch(() => undefined);
      }
    }
  }

  /** Whether this browser has it here, by trying: private windows may refuse. */
  static async isUsable(): Promise<boolean> {
    try {
      const folder = await parts();
      // Nobody else tries the same file, in this tab or another: two handles of one file exclude each other.
      const name = `probe-${hex(random(8))}`;
      (await openSync(folder, name)).close();
      await folder.removeEntry(name);
      return true;
    } catch {
      return false;
    }
  }
}

/** Whether a file shares its place with others. A stream, whose size is not known, does not. */
function isSmall(entry: StoredEntry): boolean {
  return entry.size <= CHUNK_BYTES;
}

async function open(key: string): Promise<Open> {
  const folder = await (await parts()).getDirectoryHandle(key, { create: true });
  const [data, hashes] = await openPair(folder, ["data", "hashes"]);
  return { data, hashes };
}

async function names(): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  for await (const name of (await parts()).keys()) found.add(name);
  return found;
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

const RECORD = 33;
