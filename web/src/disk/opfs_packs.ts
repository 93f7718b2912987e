// Files of one chunk at most, many in one: a file of its own takes the browser milliseconds.
//
// Each session that stores any has a folder `pack-…`: `data` with the bytes, one file after the other, and `index` with a record
// for each, written after its bytes: the file's key, its hash, where it begins and how long it is.

import { random } from "../net/random.ts";
import { fromHex, hex, type Bytes } from "../protocol/bytes.ts";
import type { Hash } from "../protocol/hash.ts";
import type { StoredEntry } from "./messages.ts";
import { closeAll, openPair, parts, writeAll, type SyncHandle } from "./opfs.ts";
import { readable } from "./store.ts";

/** Where a file lies. */
interface Place {
  readonly pack: string;
  readonly hash: Hash;
  readonly from: number;
  readonly length: number;
}

interface Writing {
  readonly pack: string;
  readonly data: SyncHandle;
  readonly index: SyncHandle;
}

export class OpfsPacks {
  /** What lies here, by key. */
  #places: Promise<Map<string, Place>> | undefined;
  #writing: Promise<Writing> | undefined;
  #closing = Promise.resolve();
  /** The packs as blobs, once they are read. */
  readonly #files = new Map<string, Promise<Blob>>();

  /** The hash of a file that an earlier session left. */
  async kept(entry: StoredEntry): Promise<Hash | undefined> {
    const place = (await this.#all()).get(entry.key);
    return place?.length === entry.size ? place.hash : undefined;
  }

  async write(entry: StoredEntry, bytes: Bytes, hash: Hash): Promise<void> {
    const places = await this.#all();
    this.#writing ??= create();
    const { pack, data, index } = await this.#writing;
    const [from, at] = [data.getSize(), index.getSize()];
    writeAll(data, bytes, from);
    const place = { pack, hash, from, length: bytes.length };
    writeAll(index, record(entry.key, place), at);
    places.set(entry.key, place);
  }

  async file(entry: StoredEntry): Promise<Blob> {
    // Of an empty file nothing is written.
    if (entry.size === 0) return new Blob();
    const place = (await this.#all()).get(entry.key);
    if (!place) throw new DOMException("the file is not stored", "NotFoundError");
    // A blob of a file that is written to cannot be read.
    await this.close();
    const file = this.#files.get(place.pack) ?? fileOf(place.pack);
    this.#files.set(place.pack, file);
    return (await file).slice(place.from, place.from + place.length);
  }

  /** Takes a file out; a pack that is empty goes. */
  async discard(entry: StoredEntry): Promise<void> {
    const places = await this.#all();
    const place = places.get(entry.key);
    places.delete(entry.key);
    if (!place || [...places.values()].some(({ pack }) => pack === place.pack)) return;
    await this.close();
    await (await parts()).removeEntry(place.pack, { recursive: true }).catch(() => undefined);
  }

  close(): Promise<void> {
    const writing = this.#writing;
    this.#writing = undefined;
    if (writing) {
      this.#closing = writing.then(({ pack, data, index }) => {
        closeAll([data, index]);
        this.#files.delete(pack);
      });
    }
    return this.#closing;
  }

  #all(): Promise<Map<string, Place>> {
    this.#places ??= readAll();
    return this.#places;
  }
}

async function create(): Promise<Writing> {
  const pack = `${PREFIX}${hex(random(8))}`;
  const folder = await (await parts()).getDirectoryHandle(pack, { create: true });
  const [data, index] = await openPair(folder, ["data", "index"]);
  return { pack, data, index };
}

async function readAll(): Promise<Map<string, Place>> {
  const places = new Map<string, Place>();
  for await (const [pack, folder] of (await parts()).entries()) {
    if (folder.kind !== "directory" || !pack.startsWith(PREFIX)) continue;
    const read = async (): Promise<Bytes> =>
      new Uint8Array(await (await (await folder.getFileHandle("index")).getFile()).arrayBuffer());
    // One that cannot be read holds nothing for us.
    const index = await read().catch(() => new Uint8Array());
    for (let at = 0; at + RECORD <= index.length; at += RECORD) {
      const [key, place] = parse(index.subarray(at, at + RECORD), pack);
      places.set(key, place);
    }
  }
  return places;
}

/** The bytes of a pack, once it is sure that they can be read. */
async function fileOf(pack: string): Promise<Blob> {
  const folder = await (await parts()).getDirectoryHandle(pack);
  return readable(await (await folder.getFileHandle("data")).getFile());
}

function record(key: string, { hash, from, length }: Place): Bytes {
  const bytes = new Uint8Array(RECORD);
  bytes.set(fromHex(key, 16) ?? [], 0);
  bytes.set(fromHex(hash, 32) ?? [], 16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(48, BigInt(from));
  view.setUint32(56, length);
  return bytes;
}

function parse(bytes: Bytes, pack: string): [string, Place] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const place = { pack, hash: hex(bytes.subarray(16, 48)), from: Number(view.getBigUint64(48)), length: view.getUint32(56) };
  return [hex(bytes.subarray(0, 16)), place];
}

const PREFIX = "pack-";
const RECORD = 60;
