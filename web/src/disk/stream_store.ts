// A download of the browser that is filled as bytes arrive: one file, or an archive of several. Nothing is kept, so that nothing
// has to fit into the browser's storage; and nothing can be gone on with.
//
// A download grows from its beginning to its end. What comes before its turn waits in memory, as part of what the receiver
// has outstanding, so that it is bounded there.

import type { Bytes } from "../protocol/bytes.ts";
import { chunkCount } from "../protocol/hash.ts";
import { combineCrc, crc32 } from "./crc32.ts";
import type { Outline, StoredEntry } from "./messages.ts";
import type { SaverSays } from "./saver_messages.ts";
import type { Store } from "./store.ts";
import { descriptor, directoryHeader, endOfDirectory, localHeader, type ZipEntry } from "./zip.ts";

interface Piece {
  readonly bytes: Bytes;
  resolve(): void;
  reject(error: Error): void;
}

export class StreamStore implements Store {
  readonly #port: MessagePort;
  readonly #outline: Outline;
  /** What came before its turn, by file and chunk. */
  readonly #pieces = new Map<number, Map<number, Piece>>();
  /** The sizes of the files that are whole. */
  readonly #whole = new Map<number, number>();
  readonly #skipped = new Set<number>();
  /** Where the download is: at which part of the outline, and at which chunk of that. */
  #part = 0;
  #chunk = 0;
  #crc = 0;
  /** Where the present file's header is. */
  #header = 0;
  #written = 0;
  readonly #directory: Bytes[] = [];
  /** Whether anything of the present part is in the download. */
  #isBegun = false;
  #isAdvancing = false;
  #isNews = false;
  #advancing = Promise.resolve();
  #state: "open" | "ended" | Error = "open";
  #pulled: () => void = () => undefined;
  #mayGive = false;

  constructor(port: MessagePort, outline: Outline) {
    this.#port = port;
    this.#outline = outline;
    port.onmessage = ({ data }: MessageEvent<SaverSays>) => {
      if (data === "cancel") this.#fail(new DOMException("the download was stopped in the browser", "AbortError"));
      this.#mayGive = data === "pull";
      this.#pulled();
    };
  }

  leftover(): Promise<number> {
    return Promise.resolve(0);
  }

  open(): Promise<readonly []> {
    return Promise.resolve([]);
  }

  /** Nothing is kept to be read. */
  read(): Promise<Bytes> {
    return Promise.resolve(new Uint8Array());
  }

  /** Resolves when the browser took it. */
  write(entry: StoredEntry, chunk: number, bytes: Bytes): Promise<void> {
    return new Promise((resolve, reject) => {
      const pieces = this.#pieces.get(entry.id) ?? new Map<number, Piece>();
      this.#pieces.set(entry.id, pieces.set(chunk, { bytes, resolve, reject }));
      this.#advance();
    });
  }

  commit(entry: StoredEntry): Promise<void> {
    this.#whole.set(entry.id, entry.size);
    this.#advance();
    return this.#check();
  }

  /** The download itself is the file. */
  file(): Promise<Blob> {
    return Promise.reject(new DOMException("a download cannot be read", "NotFoundError"));
  }

  /** Leaves a file out. What is in the download already cannot be taken back. */
  discard(entry: StoredEntry): Promise<void> {
    this.#skipped.add(entry.id);
    const isBegun = this.#isBegun && this.#outline.parts[this.#part]?.id === entry.id;
    if (isBegun) this.#fail(new DOMException("a file changed while it was sent", "DataError"));
    this.#advance();
    return this.#check();
  }

  /** Ends the download, all of which was given. */
  async finish(): Promise<void> {
    this.#advance();
    await this.#advancing;
    await this.#check();
    if (this.#part < this.#outline.parts.length) throw new DOMException("the download is not whole", "DataError");
    if (this.#outline.isArchive) {
      const at = this.#written;
      const length = this.#directory.reduce((sum, header) => sum + header.length, 0);
      for (const header of this.#directory) await this.#give(header);
      await this.#give(endOfDirectory(this.#directory.length, length, at));
    }
    this.#state = "ended";
    this.#port.postMessage("end");
  }

  close(): Promise<void> {
    if (this.#state === "open") this.#fail(new DOMException("stopped", "AbortError"));
    return Promise.resolve();
  }

  #advance(): void {
    this.#isNews = true;
    if (!this.#isAdvancing) this.#advancing = this.#keepAdvancing();
  }

  async #keepAdvancing(): Promise<void> {
    this.#isAdvancing = true;
    try {
      while (this.#isNews) {
        this.#isNews = false;
        await this.#advanceAll();
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
    this.#isAdvancing = false;
  }

  /** Gives what is there in its turn. */
  async #advanceAll(): Promise<void> {
    for (let part = this.#outline.parts[this.#part]; part && this.#state === "open"; part = this.#outline.parts[this.#part]) {
      const { id } = part;
      const size = part.isFolder ? 0 : this.#whole.get(id);
      const piece = this.#pieces.get(id)?.get(this.#chunk);
      if (!this.#isBegun && this.#skipped.has(id)) {
        this.#part++;
      } else if (piece) {
        if (!this.#isBegun) await this.#begin(this.#zipEntry(part, part.size));
        this.#pieces.get(id)?.delete(this.#chunk++);
        this.#crc = combineCrc(this.#crc, crc32(piece.bytes), piece.bytes.length);
        await this.#give(piece.bytes);
        piece.resolve();
      } else if (size !== undefined && this.#chunk === chunkCount(size)) {
        if (!this.#isBegun) await this.#begin(this.#zipEntry(part, 0));
        await this.#end(this.#zipEntry(part, size));
      } else {
        return;
      }
    }
  }

  #zipEntry(part: Outline["parts"][number], size: number): ZipEntry {
    const { name, isFolder, time } = part;
    return { name, isFolder, size, crc: this.#crc, time, isStreamed: !isFolder };
  }

  async #begin(entry: ZipEntry): Promise<void> {
    this.#isBegun = true;
    this.#header = this.#written;
    if (this.#outline.isArchive) await this.#give(localHeader(entry));
  }

  async #end(entry: ZipEntry): Promise<void> {
    if (this.#outline.isArchive) {
      if (entry.isStreamed) await this.#give(descriptor(entry));
      this.#directory.push(directoryHeader(entry, this.#header));
    }
    this.#part++;
    this.#chunk = 0;
    this.#crc = 0;
    this.#isBegun = false;
  }

  /** Hands bytes to the browser as soon as it has room. */
  async #give(bytes: Bytes): Promise<void> {
    while (!this.#mayGive && this.#state === "open") await new Promise<void>((resolve) => (this.#pulled = resolve));
    await this.#check();
    this.#mayGive = false;
    this.#written += bytes.length;
    this.#port.postMessage(bytes, [bytes.buffer]);
  }

  #check(): Promise<void> {
    return this.#state instanceof Error ? Promise.reject(this.#state) : Promise.resolve();
  }

  #fail(error: Error): void {
    if (this.#state !== "open") return;
    this.#state = error;
    this.#port.postMessage("abort");
    for (const pieces of this.#pieces.values()) for (const { reject } of pieces.values()) reject(error);
    this.#pieces.clear();
    this.#pulled();
  }
}
