// The chunk hashes of a transfer, and the roots that follow from them. Both sides keep one and compare its root at the end.

import { chunkCount, entryRoot, shareRoot, type Hash } from "./hash.ts";

interface Record {
  /** `undefined` while a stream has not ended. */
  size: number | undefined;
  /** Grows as chunks come: a claimed size allocates nothing. */
  readonly hashes: (Hash | undefined)[];
}

export class Ledger {
  readonly #entries = new Map<number, Record>();

  /** Adds an entry whose bytes are to be moved. */
  insert(entry: number, size: number | undefined): void {
    this.#entries.set(entry, { size, hashes: [] });
  }

  /** Notes the size of a stream that has ended. */
  setSize(entry: number, size: number): void {
    const record = this.#entries.get(entry);
    if (record) record.size = size;
  }

  /** Leaves an entry out of the root. */
  remove(entry: number): void {
    this.#entries.delete(entry);
  }

  /** Notes the hash of a chunk; an entry that is not in the ledger is ignored. */
  record(entry: number, chunk: number, hash: Hash): void {
    const record = this.#entries.get(entry);
    if (!record) return;
    while (record.hashes.length <= chunk) record.hashes.push(undefined);
    record.hashes[chunk] = hash;
  }

  /** The root of an entry, once all its chunks are known. */
  entryRoot(entry: number): Hash | undefined {
    const record = this.#entries.get(entry);
    if (record?.size === undefined) return undefined;
    const hashes = record.hashes.filter((hash) => hash !== undefined);
    return hashes.length === chunkCount(record.size) ? entryRoot(hashes, record.size) : undefined;
  }

  /** The root over all entries, once all are known. */
  shareRoot(): Hash | undefined {
    const roots: [number, Hash][] = [];
    for (const id of [...this.#entries.keys()].sort((a, b) => a - b)) {
      const root = this.entryRoot(id);
      if (root === undefined) return undefined;
      roots.push([id, root]);
    }
    return shareRoot(roots);
  }
}
