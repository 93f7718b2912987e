// What the person chose to send: files, folders with their real paths, and texts.

import { utf8Length } from "../protocol/bytes.ts";
import { fitsAFrame } from "../protocol/ctl.ts";
import { OFFER_ENTRIES_MAX, PATH_COMPONENT_BYTES_MAX, PATH_DEPTH_MAX, TEXT_BYTES_MAX } from "../protocol/limits.ts";
import { Offer, type Entry } from "../protocol/offer.ts";

/** A chosen thing with its place; a folder has no file. */
export interface Item {
  readonly path: readonly string[];
  readonly file: File | Blob | undefined;
  readonly kind: "file" | "dir" | "text";
  readonly mtime?: number | undefined;
}

/** A frozen offer with its files. */
export class Source {
  readonly offer = new Offer();
  readonly #files: (Blob | undefined)[] = [];

  constructor(items: readonly Item[]) {
    const entries: Entry[] = items.map(({ path, file, kind, mtime }) => ({
      path,
      kind,
      size: file?.size ?? 0,
      ...(mtime === undefined ? {} : { mtime }),
    }));
    this.offer.extend(entries);
    for (const item of items) this.#files.push(item.file);
  }

  file(entry: number): Blob | undefined {
    return this.#files[entry];
  }
}

export function itemOfFile(file: File, folder: readonly string[] = []): Item {
  const relative = file.webkitRelativePath === "" ? [file.name] : file.webkitRelativePath.split("/");
  // The wire counts nanoseconds.
  return { path: [...folder, ...relative].map(wireName), file, kind: "file", mtime: file.lastModified * 1_000_000 };
}

export function itemOfText(text: string): Item {
  const file = new Blob([text], { type: "text/plain" });
  // A long text goes as a file.
  return file.size <= TEXT_BYTES_MAX
    ? { path: ["text"], file, kind: "text" }
    : { path: ["text.txt"], file, kind: "file" };
}

/** What cannot be sent is left out: deeper or longer than any path may be, or one more than an offer holds. */
export function addItems(old: readonly Item[], added: readonly Item[]): readonly Item[] {
  const seen = new Set(old.map(keyOf));
  const fits = added.filter((item) => {
    const entry: Entry = { path: item.path, kind: item.kind, size: item.file?.size ?? 0 };
    const isNew = item.kind === "text" || !seen.has(keyOf(item));
    seen.add(keyOf(item));
    return isNew && item.path.length <= PATH_DEPTH_MAX && fitsAFrame(entry);
  });
  return [...old, ...fits].slice(0, OFFER_ENTRIES_MAX);
}

/** Everything in a drop, folders walked to their ends. The entries must be taken before the event is over. */
export async function itemsOfDrop(transfer: DataTransfer): Promise<Item[]> {
  const entries = [...transfer.items].map((item) => (item.kind === "file" ? item.webkitGetAsEntry() : null));
  const files = [...transfer.files];
  const text = transfer.getData("text/plain");
  const items: Item[] = [];
  for (const entry of entries) if (entry) await walk(entry, [], items);
  if (items.length === 0) items.push(...files.map((file) => itemOfFile(file)));
  if (items.length === 0 && text !== "") items.push(itemOfText(text));
  return items;
}

async function walk(entry: FileSystemEntry, folder: readonly string[], out: Item[]): Promise<void> {
  if (out.length >= OFFER_ENTRIES_MAX) return;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    out.push(itemOfFile(file, folder));
    return;
  }
  const path = [...folder, entry.name];
  out.push({ path: path.map(wireName), file: undefined, kind: "dir" });
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A reader gives some at a time until there are none.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const inner of some) await walk(inner, path, out);
  }
}

/** A name as it may travel: the few characters that no path component has become `_`. */
function wireName(name: string): string {
  const safe = name.replace(/[/\\\0]|\p{Surrogate}/gu, "_");
  if (safe === "" || safe === "." || safe === "..") return "_";
  let cut = safe;
  while (utf8Length(cut) > PATH_COMPONENT_BYTES_MAX) cut = [...cut].slice(0, -1).join("");
  return cut;
}

function keyOf(item: Item): string {
  return item.path.join("/");
}
