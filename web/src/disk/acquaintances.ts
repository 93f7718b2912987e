// The devices that this browser remembers, and the key by which they know it.

import { random } from "../net/random.ts";
import { fromHex, hex, type Bytes } from "../protocol/bytes.ts";
import { DeviceIdentity } from "../protocol/device_identity.ts";
import { ACQUAINTANCES_MAX } from "../protocol/limits.ts";
import { isDeviceName } from "../protocol/nearby.ts";

/** A device that is remembered, under the name that it had then; its key is in hex. */
export interface Acquaintance {
  readonly name: string;
  readonly key: string;
}

/** What the browser keeps. */
interface Kept {
  readonly seed: Bytes;
  readonly devices: readonly Acquaintance[];
}

export class Acquaintances {
  /** A key of this visit only, as long as nobody is remembered: strangers do not know the browser again by it. */
  #identity = new DeviceIdentity(random(32));
  #all: readonly Acquaintance[] = [];
  readonly #changed: (all: readonly Acquaintance[]) => void;
  /** What is to be done, one after the other. */
  #work: Promise<void>;

  constructor(changed: (all: readonly Acquaintance[]) => void) {
    this.#changed = changed;
    this.#work = this.#load().catch(() => undefined);
  }

  /** The key by which others know this browser. */
  get identity(): DeviceIdentity {
    return this.#identity;
  }

  /** The name under which a key is remembered. */
  nameOf(key: Uint8Array): string | undefined {
    const wanted = hex(key);
    return this.#all.find((known) => known.key === wanted)?.name;
  }

  /** Remembers a device; the longest known gives way if there are too many. */
  remember(name: string, key: Uint8Array): void {
    const known = { name, key: hex(key) };
    this.#change((all) => [...all.filter((other) => other.key !== known.key), known].slice(-ACQUAINTANCES_MAX));
  }

  forget(key: string): void {
    this.#change((all) => all.filter((known) => known.key !== key));
  }

  #change(change: (all: readonly Acquaintance[]) => readonly Acquaintance[]): void {
    this.#work = this.#work.then(async () => {
      // Another tab may have remembered somebody meanwhile.
      await this.#load().catch(() => undefined);
      this.#all = change(this.#all);
      await keep(this.#all.length > 0 ? { seed: this.#identity.seed, devices: this.#all } : undefined).catch(() => undefined);
      if (this.#all.length === 0) this.#identity = new DeviceIdentity(random(32));
      this.#changed(this.#all);
    });
  }

  async #load(): Promise<void> {
    const kept = await recall();
    if (!kept) return;
    this.#identity = new DeviceIdentity(kept.seed);
    this.#all = kept.devices;
    this.#changed(this.#all);
  }
}

/** Reads what is kept; what is not as it was written counts as nothing. */
async function recall(): Promise<Kept | undefined> {
  const db = await open();
  const value = (await done(db.transaction(STORE).objectStore(STORE).get(0))) as Partial<Kept> | undefined;
  db.close();
  const { seed, devices } = value ?? {};
  if (!(seed instanceof Uint8Array) || seed.length !== 32 || !Array.isArray(devices)) return undefined;
  const isOne = ({ name, key }: Acquaintance): boolean => isDeviceName(name) && fromHex(key, 32) !== undefined;
  return { seed: new Uint8Array(seed), devices: (devices as Acquaintance[]).filter(isOne).slice(-ACQUAINTANCES_MAX) };
}

async function keep(kept: Kept | undefined): Promise<void> {
  const db = await open();
  const store = db.transaction(STORE, "readwrite").objectStore(STORE);
  if (kept) await done(store.put(kept, 0));
  else await done(store.delete(0));
  db.close();
}

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open("devices", 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return done(request);
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the browser does not store"));
  });
}

const STORE = "devices";
