// The worker: hashes, stores and stretches.

import { concat } from "../protocol/bytes.ts";
import { hashOf } from "../protocol/hash.ts";
import { CHUNK_BYTES } from "../protocol/limits.ts";
import { stretch } from "../protocol/password.ts";
import { combineCrc, crc32 } from "./crc32.ts";
import { FolderStore } from "./folder_store.ts";
import { IdbStore } from "./idb_store.ts";
import { MemoryStore } from "./memory_store.ts";
import type { Answers, Ask, Place, Reply, Request, StoredEntry, StoreKind } from "./messages.ts";
import { OpfsStore } from "./opfs_store.ts";
import { StreamStore } from "./stream_store.ts";
import { lengthOf, type Store } from "./store.ts";

/** A file that is being received: its place and the CRC of each chunk, for an archive. */
interface Target {
  entry: StoredEntry;
  readonly crcs: number[];
}

let store: Store = new MemoryStore();
let targets = new Map<number, Target>();
/** Whether the files go into an archive, which needs their CRCs. */
let isArchive = false;

async function perform(request: Request): Promise<Answers[keyof Answers]> {
  switch (request.t) {
    case "probe":
      return { opfs: await OpfsStore.isUsable(), idb: await IdbStore.isUsable() };
    case "leftover": {
      const kept = storeOf(request.kind);
      let bytes = 0;
      for (const entry of request.entries) bytes += await kept.leftover(entry);
      await kept.close();
      return { bytes };
    }
    case "open":
      isArchive = request.isArchive;
      return openAll(await opened(request), request.entries);
    case "write":
      return write(request);
    case "commit":
      await commit(target(request.entry), request.size);
      return undefined;
    case "discard":
      await store.discard(target(request.entry).entry);
      return undefined;
    case "file":
      return file(target(request.entry));
    case "finish":
      if (store instanceof StreamStore) await store.finish();
      return undefined;
    case "clear":
      for (const { entry } of targets.values()) await store.discard(entry);
      return undefined;
    case "sweep":
      await sweep();
      return undefined;
    case "close":
      await store.close();
      return undefined;
    case "read": {
      const bytes = new Uint8Array(await request.file.slice(request.from, request.to).arrayBuffer());
      return { bytes, hash: hashOf(bytes) };
    }
    case "stretch":
      return stretch(request.prepared, request.salt, request.cost);
  }
}

function storeOf(kind: StoreKind): Store {
  switch (kind) {
    case "memory":
    case "folder":
    case "stream":
      return new MemoryStore();
    case "opfs":
      return new OpfsStore();
    case "idb":
      return new IdbStore();
  }
}

async function opened({ kind, place, stream }: Extract<Request, { t: "open" }>): Promise<Store> {
  if (stream) return new StreamStore(stream.port, stream.outline);
  return place ? openFolder(place) : storeOf(kind);
}

async function openFolder({ root, folders }: Place): Promise<Store> {
  const folder = new FolderStore(root);
  for (const path of folders) await folder.makeFolder(path);
  return folder;
}

async function openAll(opened: Store, entries: readonly StoredEntry[]): Promise<Answers["open"]> {
  await store.close();
  store = opened;
  targets = new Map();
  const present: [number, [number, string][]][] = [];
  for (const entry of entries) {
    const kept = await store.open(entry);
    const found: Target = { entry, crcs: [] };
    targets.set(entry.id, found);
    const chunks: [number, string][] = [];
    for (const [chunk, hash] of kept) {
      // What was noted is looked at again: the bytes may not have reached the disk before a crash.
      const bytes = await store.read(entry, chunk);
      if (bytes.length !== lengthOf(entry, chunk) || hashOf(bytes) !== hash) continue;
      if (isArchive) found.crcs[chunk] = crc32(bytes);
      chunks.push([chunk, hash]);
    }
    if (chunks.length > 0) present.push([entry.id, chunks]);
  }
  return { present };
}

async function write(request: Extract<Request, { t: "write" }>): Promise<Answers["write"]> {
  const { entry, crcs } = target(request.entry);
  const bytes = concat(...request.pieces);
  if (hashOf(bytes) !== request.hash) {
    // What comes again would come too late: all that waits for it is as much as may wait.
    if (store instanceof StreamStore) throw new DOMException("a chunk is not what was promised", "DataError");
    return { isWritten: false };
  }
  const chunk = request.offset / CHUNK_BYTES;
  if (isArchive) crcs[chunk] = crc32(bytes);
  await store.write(entry, chunk, bytes, request.hash);
  return { isWritten: true };
}

async function commit(found: Target, size: number): Promise<void> {
  found.entry = { ...found.entry, size };
  await store.commit(found.entry);
}

async function file({ entry, crcs }: Target): Promise<Answers["file"]> {
  const whole = await store.file(entry);
  if (whole.size !== entry.size) throw new DOMException("the stored file is not whole", "NotFoundError");
  const crc = crcs.reduce((sum, piece, chunk) => combineCrc(sum, piece, lengthOf(entry, chunk)), 0);
  return { file: whole, crc };
}

async function sweep(): Promise<void> {
  if (await OpfsStore.isUsable()) await OpfsStore.sweep();
  if (await IdbStore.isUsable()) await IdbStore.sweep();
}

function target(id: number): Target {
  const found = targets.get(id);
  if (!found) throw new Error("no such entry");
  return found;
}

async function reply(ask: Ask): Promise<Reply> {
  try {
    return { id: ask.id, answer: await perform(ask) };
  } catch (thrown) {
    const { name, message } = thrown instanceof Error ? thrown : new Error(String(thrown));
    return { id: ask.id, error: { name, message } };
  }
}

/** Requests are done one after the other, in their order; chunks and files beside those next to them, and reads beside all. */
let last: Promise<unknown> = Promise.resolve();
const beside: Promise<unknown>[] = [];

self.onmessage = ({ data }: MessageEvent<Ask>) => {
  const work = (): Promise<void> => reply(data).then((answer) => post(answer));
  if (data.t === "read" || data.t === "stretch") {
    void work();
  } else if (isBeside(data)) {
    if (beside.length === BESIDE_MAX && !(store instanceof StreamStore)) wait();
    beside.push(last.then(work));
  } else {
    wait();
    last = last.then(work);
  }
};

/** Whether this may be done beside others of its kind. In a stream a piece may wait for one that comes after it. */
function isBeside({ t }: Ask): boolean {
  return t === "write" || t === "commit" || t === "file" || (store instanceof StreamStore && (t === "discard" || t === "close"));
}

/** Lets what follows wait for what was begun. */
function wait(): void {
  last = Promise.all(beside.splice(0));
}

/** How many chunks and files are written at the same time. */
const BESIDE_MAX = 16;

function post(answer: Reply): void {
  const isRead = "answer" in answer && answer.answer !== undefined && "bytes" in answer.answer;
  const { buffer } = isRead && answer.answer.bytes instanceof Uint8Array ? answer.answer.bytes : { buffer: undefined };
  self.postMessage(answer, { transfer: buffer ? [buffer] : [] });
}
