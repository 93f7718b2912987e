// A folder that the person chose: files are written where they are to stay. Nothing has its name in it before it is whole, as
// the browser writes beside it until the file is closed.

import type { Bytes } from "../protocol/bytes.ts";
import type { Hash } from "../protocol/hash.ts";
import { CHUNK_BYTES } from "../protocol/limits.ts";
import { numbered } from "../protocol/local_name.ts";
import type { StoredEntry } from "./messages.ts";
import { readable, type Store } from "./store.ts";

interface Open {
  readonly folder: FileSystemDirectoryHandle;
  readonly handle: FileSystemFileHandle;
  readonly writable: FileSystemWritableFileStream;
}

export class FolderStore implements Store {
  readonly #root: FileSystemDirectoryHandle;
  /** What the names at the top became, where they were taken. */
  readonly #tops = new Map<string, Promise<string>>();
  readonly #open = new Map<number, Promise<Open>>();
  readonly #done = new Map<number, FileSystemFileHandle>();

  constructor(root: FileSystemDirectoryHandle) {
    this.#root = root;
  }

  /** Nothing of an earlier session is found again: its folder may be any. */
  leftover(): Promise<number> {
    return Promise.resolve(0);
  }

  open(): Promise<readonly (readonly [number, Hash])[]> {
    return Promise.resolve([]);
  }

  /** Makes a folder that may stay empty. */
  async makeFolder(path: string): Promise<void> {
    await this.#folderOf(path.split("/"));
  }

  /** Nothing lies here when a transfer begins, and what is being written cannot be read. */
  read(): Promise<Bytes> {
    return Promise.resolve(new Uint8Array());
  }

  async write(entry: StoredEntry, chunk: number, bytes: Bytes): Promise<void> {
    if (this.#done.has(entry.id)) throw new DOMException("the file is complete", "InvalidStateError");
    const { writable } = await this.#get(entry);
    await writable.write({ type: "write", position: chunk * CHUNK_BYTES, data: bytes });
  }

  async commit(entry: StoredEntry): Promise<void> {
    if (this.#done.has(entry.id)) return;
    const { writable, handle } = await this.#get(entry);
    await writable.close();
    this.#open.delete(entry.id);
    this.#done.set(entry.id, handle);
  }

  async file(entry: StoredEntry): Promise<Blob> {
    const handle = this.#done.get(entry.id);
    if (!handle) throw new DOMException("the file is not complete", "NotFoundError");
    return readable(await handle.getFile());
  }

  /** Takes back what is not whole; a whole file stays. */
  async discard(entry: StoredEntry): Promise<void> {
    const open = await this.#open.get(entry.id)?.catch(() => undefined);
    this.#open.delete(entry.id);
    await open?.writable.abort();
    await open?.folder.removeEntry(open.handle.name).catch(() => undefined);
  }

  async close(): Promise<void> {
    for (const id of [...this.#open.keys()]) await this.discard({ id, key: "", size: 0 });
  }

  #get(entry: StoredEntry): Promise<Open> {
    const known = this.#open.get(entry.id);
    if (known) return known;
    const opening = this.#create(entry.path ?? entry.key);
    this.#open.set(entry.id, opening);
    return opening;
  }

  async #create(path: string): Promise<Open> {
    const components = path.split("/");
    const folder = await this.#folderOf(components.slice(0, -1));
    const name = components.at(-1) ?? "file";
    const handle = await folder.getFileHandle(components.length === 1 ? await this.#top(name, false) : name, { create: true });
    return { folder, handle, writable: await handle.createWritable() };
  }

  async #folderOf(components: readonly string[]): Promise<FileSystemDirectoryHandle> {
    const [top, ...rest] = components;
    if (top === undefined) return this.#root;
    let folder = await this.#root.getDirectoryHandle(await this.#top(top, true), { create: true });
    for (const name of rest) folder = await folder.getDirectoryHandle(name, { create: true });
    return folder;
  }

  /** The name of something at the top: nothing that is there already is touched. */
  #top(name: string, isFolder: boolean): Promise<string> {
    const known = this.#tops.get(name);
    if (known) return known;
    const free = freeName(this.#root, name, isFolder);
    this.#tops.set(name, free);
    return free;
  }
}

async function freeName(folder: FileSystemDirectoryHandle, name: string, isFolder: boolean): Promise<string> {
  for (let number = 0; ; number++) {
    const candidate = number === 0 ? name : numbered(name, number, isFolder);
    try {
      await folder.getFileHandle(candidate);
    } catch (error) {
      const { name: kind } = error as DOMException;
      if (kind === "NotFoundError") return candidate;
      // A folder has that name; anything else is no question of names.
      if (kind !== "TypeMismatchError") throw error;
    }
  }
}
