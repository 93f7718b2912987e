// One share that this page receives: the offer, the person's choice, the transfer and what is done with the files.

import { reasonOf, storeFor, type App } from "./app.ts";
import type { Disk } from "./disk/disk.ts";
import type { Outline, Place, StoredEntry, StoreKind, Stream } from "./disk/messages.ts";
import { canPickFolder, pickFolder } from "./disk/pick.ts";
import { save } from "./disk/save.ts";
import { canSaveStream, saveStream, type SaveStream } from "./disk/save_stream.ts";
import { zip } from "./disk/zip.ts";
import { Failure } from "./failure.ts";
import { random } from "./net/random.ts";
import { hex, utf8 } from "./protocol/bytes.ts";
import { hashOf } from "./protocol/hash.ts";
import { localPaths } from "./protocol/local_name.ts";
import type { Offer } from "./protocol/offer.ts";
import type { ReceiverEvent } from "./protocol/receiver_io.ts";
import type { Line } from "./session/line.ts";
import { Receiving } from "./session/receiving.ts";
import { NO_PROGRESS, type Progress } from "./state.ts";
import { Meter } from "./ui/meter.ts";

interface Saved {
  /** Not there where the browser has it already. */
  readonly file: Blob | undefined;
  readonly crc: number;
}

export class Download {
  readonly #app: App;
  readonly #disk: Disk;
  readonly #receiving: Receiving;
  readonly #meter = new Meter();
  #from = "";
  #offer: Offer | undefined;
  #names: readonly string[] = [];
  #chosen: ReadonlySet<number> = new Set();
  #store: StoreKind = "memory";
  #progress: Progress = NO_PROGRESS;
  readonly #texts: string[] = [];
  readonly #skipped = new Set<number>();
  readonly #files = new Map<number, Saved>();
  #isOver = false;
  /** The folder that the person chose. */
  #root: FileSystemDirectoryHandle | undefined;
  readonly #streamKey = hex(random(16));
  /** The download that is filled as bytes arrive. */
  #download: SaveStream | undefined;

  constructor(line: Line, disk: Disk, app: App) {
    this.#app = app;
    this.#disk = disk;
    this.#receiving = new Receiving(line, disk, {
      event: (event) => this.#hear(event),
      disturbed: (isDisturbed) => this.#move({ isDisturbed }),
      path: (path) => this.#move({ path }),
      settle: () => this.#settle(),
    });
  }

  start(): void {
    this.#receiving.done.then(
      () => this.#done(),
      (error: unknown) => {
        this.#end();
        if (!this.#isOver) this.#app.fail(reasonOf(error));
      },
    );
    this.#receiving.start();
  }

  get #hasStream(): boolean {
    return this.#offer?.entries.some((entry) => entry.kind === "stream") ?? false;
  }

  stop(): void {
    this.#isOver = true;
    this.#end();
    this.#receiving.stop("canceled");
  }

  pause(paused: boolean): void {
    this.#receiving.pause(paused);
    this.#move({ isPaused: paused });
  }

  #hear(event: ReceiverEvent): void {
    switch (event.t) {
      case "peer":
        this.#from = event.hello.name;
        break;
      case "offered":
        void this.#show(event.offer);
        break;
      case "progress": {
        const speed = this.#meter.note(event.bytes, performance.now());
        this.#move({ bytes: event.bytes, entries: event.entries, speed });
        break;
      }
      case "text":
        this.#texts.push(event.text);
        break;
      case "skipped":
        this.#skipped.add(event.entry);
        if (this.#download) this.#disk.ask({ t: "discard", entry: event.entry }).catch(() => undefined);
        break;
      case "entry_done":
        break;
    }
  }

  async #show(offer: Offer): Promise<void> {
    this.#offer = offer;
    this.#names = localPaths(offer.entries);
    this.#chosen = new Set(offer.entries.keys());
    this.#store = await storeFor(this.#disk, this.#hasStream ? Infinity : offer.bytes);
    const saved = await this.#disk
      .ask({ t: "leftover", kind: this.#store, entries: this.#stored(this.#chosen).filter(({ key }) => key !== this.#streamKey) })
      .then(({ bytes }) => bytes, () => 0);
    if (this.#isOver) return;
    const estimate = "storage" in navigator ? await navigator.storage.estimate().catch(() => undefined) : undefined;
    let free = estimate?.quota === undefined ? undefined : estimate.quota - (estimate.usage ?? 0);
    if (free !== undefined && free < offer.bytes - saved && canSaveStream()) {
      // What the browser has no room for goes straight to the downloads.
      this.#store = "stream";
      free = undefined;
    }
    this.#app.show({
      t: "offer",
      from: this.#from,
      entries: offer.entries,
      chosen: this.#chosen,
      saved,
      store: this.#store,
      free: this.#store === "memory" ? undefined : free,
      canPickFolder: canPickFolder() && this.#stored(this.#chosen).length > 0,
      isBusy: false,
    });
  }

  choose(entry: number | "all", isChosen: boolean): void {
    const { screen } = this.#app.state;
    if (screen.t !== "offer") return;
    const chosen = new Set(this.#chosen);
    for (const id of entry === "all" ? screen.entries.keys() : [entry]) {
      if (isChosen) chosen.add(id);
      else chosen.delete(id);
    }
    this.#chosen = chosen;
    this.#app.show({ ...screen, chosen });
  }

  /** Files with bytes of their own; texts are shown and never stored. */
  #stored(chosen: ReadonlySet<number>): StoredEntry[] {
    return [...chosen].sort((a, b) => a - b).flatMap((id) => {
      const entry = this.#offer?.entry(id);
      if (!entry || (entry.kind !== "file" && entry.kind !== "stream")) return [];
      // A stream cannot be read twice, so that nothing of it is kept for a later session.
      if (entry.kind === "stream") return [{ id, key: this.#streamKey, size: Number.MAX_SAFE_INTEGER, path: this.#names[id] ?? "file" }];
      const key = hashOf(utf8(JSON.stringify([entry.path, entry.size, entry.mtime ?? null]))).slice(0, 32);
      return [{ id, key, size: entry.size, path: this.#names[id] ?? key }];
    });
  }

  /** Takes what is chosen: into a folder that the person is asked for, or for the browser's downloads. */
  async accept(intoFolder: boolean): Promise<void> {
    const { screen } = this.#app.state;
    if (screen.t !== "offer" || screen.isBusy) return;
    // Asked for before anything else, as the browser wants the person's own click.
    const root = intoFolder ? await pickFolder() : undefined;
    if (intoFolder && !root) return;
    this.#root = root;
    if (root) this.#store = "folder";
    this.#app.show({ ...screen, isBusy: true });
    await this.#take();
  }

  async #take(): Promise<void> {
    if (this.#isOver) return;
    const root = this.#root;
    const entries = [...this.#chosen].sort((a, b) => a - b);
    const total = entries.reduce((sum, id) => sum + (this.#offer?.entry(id)?.size ?? 0), 0);
    if ("storage" in navigator && this.#store !== "memory") void navigator.storage.persist().catch(() => false);
    this.#progress = { ...NO_PROGRESS, total, entryTotal: entries.length };
    try {
      const stored = this.#stored(this.#chosen);
      const isArchive = !root && this.#isArchive(stored.map(({ id }) => id));
      const stream = this.#store === "stream" ? await this.#beginDownload(stored, isArchive) : undefined;
      await this.#receiving.accept(this.#store, entries, stored, isArchive, { place: root && this.#place(root), stream });
    } catch (error) {
      const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      this.#isOver = true;
      this.#app.fail(new Failure({ t: "disk", detail }).reason);
      return;
    }
  }

  /** Begins a download that is filled as bytes arrive. */
  async #beginDownload(stored: readonly StoredEntry[], isArchive: boolean): Promise<Stream> {
    const parts = this.#parts(isArchive ? this.#chosen : new Set(stored.map(({ id }) => id)));
    const [only] = parts;
    const size = isArchive || this.#hasStream ? undefined : only?.size;
    const name = isArchive ? this.#archiveName(parts.filter(({ isFolder }) => !isFolder).map(({ id }) => id)) : (only?.name ?? "file");
    this.#download = await saveStream(name, size);
    return { port: this.#download.port, outline: { isArchive, parts } };
  }

  /** What an archive of these entries consists of, in its order. */
  #parts(chosen: ReadonlySet<number>): Outline["parts"] {
    return [...chosen].sort((a, b) => a - b).flatMap((id) => {
      const entry = this.#offer?.entry(id);
      if (!entry || entry.kind === "text") return [];
      const name = this.#names[id] ?? "";
      const isFolder = entry.kind === "dir";
      const time = entry.mtime === undefined ? undefined : entry.mtime / 1_000_000;
      return [{ id, name: isFolder ? `${name}/` : name, isFolder, size: entry.size, time }];
    });
  }

  #place(root: FileSystemDirectoryHandle): Place {
    const folders = [...this.#chosen].filter((id) => this.#offer?.entry(id)?.kind === "dir");
    return { root, folders: folders.map((id) => this.#names[id] ?? "folder") };
  }

  decline(): void {
    this.#isOver = true;
    this.#receiving.decline("declined");
  }

  #move(change: Partial<Progress>): void {
    this.#progress = { ...this.#progress, ...change };
    const { screen } = this.#app.state;
    const isShown = screen.t === "receiving" || (screen.t === "offer" && screen.isBusy);
    if (this.#isOver || !isShown || (screen.t === "offer" && change.bytes === undefined)) return;
    const isSaving = screen.t === "receiving" && screen.isSaving;
    this.#app.show({ t: "receiving", from: this.#from, progress: this.#progress, store: this.#store, isSaving });
  }

  /** Looks that every file can be read before the sender is told that all is well. */
  async #settle(): Promise<void> {
    const { screen } = this.#app.state;
    if (screen.t === "receiving") this.#app.show({ ...screen, isSaving: true });
    const ids = this.#stored(this.#chosen).flatMap(({ id }) => (this.#skipped.has(id) ? [] : [id]));
    if (this.#download) {
      await this.#disk.ask({ t: "finish" });
      for (const id of ids) this.#files.set(id, { file: undefined, crc: 0 });
      return;
    }
    const files = await Promise.all(ids.map((entry) => this.#disk.ask({ t: "file", entry })));
    ids.forEach((id, i) => {
      const file = files[i];
      if (file) this.#files.set(id, file);
    });
  }

  #done(): void {
    this.#end();
    this.#app.finished();
    const sizeOf = (id: number, { file }: Saved): number => file?.size ?? this.#offer?.entry(id)?.size ?? 0;
    const files = [...this.#files].map(([id, saved]) => ({ id, name: this.#names[id] ?? "file", size: sizeOf(id, saved) }));
    const isArchive = this.#isArchive(files.map(({ id }) => id));
    this.#app.show({
      t: "received",
      from: this.#from,
      received: { texts: this.#texts, files, isArchive, skipped: this.#skipped.size, folder: this.#root?.name, isStreamed: this.#download !== undefined },
      progress: this.#progress,
    });
    if (!this.#root && !this.#download) this.save("all");
  }

  /** Whether these files are saved as one archive: several, or one in a folder. */
  #isArchive(files: readonly number[]): boolean {
    return files.length > 1 || files.some((id) => (this.#names[id] ?? "").includes("/"));
  }

  /** Saves one file, or everything: several files as one archive. */
  save(which: number | "all"): void {
    const [only] = this.#files.keys();
    if (only === undefined) return;
    const isArchive = this.#isArchive([...this.#files.keys()]);
    const id = which === "all" ? (isArchive ? undefined : only) : which;
    if (id === undefined) {
      save(this.#archive(), this.#archiveName([...this.#files.keys()]));
      return;
    }
    const file = this.#files.get(id)?.file;
    if (file) save(file, (this.#names[id] ?? "file").split("/").at(-1) ?? "file");
  }

  #archive(): Blob {
    return zip(
      this.#parts(this.#chosen).flatMap((part) => {
        const stored = this.#files.get(part.id);
        if (!part.isFolder && !stored) return [];
        const size = stored?.file?.size ?? 0;
        return [[{ ...part, size, crc: stored?.crc ?? 0, isStreamed: false }, stored?.file] as const];
      }),
    );
  }

  /** Named after the folder that everything lies in, if there is one. */
  #archiveName(files: readonly number[]): string {
    const tops = new Set(files.map((id) => (this.#names[id] ?? "").split("/")[0] ?? ""));
    const [top] = tops;
    return tops.size === 1 && top ? `${top}.zip` : "p2pshare.zip";
  }

  #end(): void {
    this.#download?.end();
    // What is not whole goes from a chosen folder, and from the downloads.
    if (this.#root || this.#download) void this.#disk.ask({ t: "close" }).catch(() => undefined);
  }
}
