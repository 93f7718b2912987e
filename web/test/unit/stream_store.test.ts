// Downloads that are filled as bytes arrive.

import { expect, test } from "vitest";

import type { Outline, StoredEntry } from "../../src/disk/messages.ts";
import { StreamStore } from "../../src/disk/stream_store.ts";
import type { Bytes } from "../../src/protocol/bytes.ts";
import { CHUNK_BYTES } from "../../src/protocol/limits.ts";

/** A browser that has room for a piece after each piece. */
function browser() {
  const { port1, port2 } = new MessageChannel();
  const pieces: Bytes[] = [];
  let say: (end: "end" | "abort") => void;
  const ended = new Promise<"end" | "abort">((resolve) => (say = resolve));
  port2.onmessage = ({ data }: MessageEvent<Bytes | "end" | "abort">) => {
    if (data === "end" || data === "abort") {
      say(data);
      port2.close();
      return;
    }
    pieces.push(data);
    port2.postMessage("pull");
  };
  port2.postMessage("pull");
  const bytes = async (): Promise<Bytes> => new Uint8Array(await new Blob(pieces).arrayBuffer());
  return { port: port1, ended, bytes, cancel: () => port2.postMessage("cancel") };
}

function outline(isArchive: boolean, ...sizes: readonly number[]): Outline {
  return { isArchive, parts: sizes.map((size, id) => ({ id, name: `f${id}`, isFolder: false, size, time: undefined })) };
}

const entry = (id: number, size: number): StoredEntry => ({ id, key: "", size });
const filled = (length: number, value: number): Bytes => new Uint8Array(length).fill(value);

test("what comes before its turn waits for it", async () => {
  const { port, ended, bytes } = browser();
  const size = 2 * CHUNK_BYTES + 5;
  const store = new StreamStore(port, outline(false, size));
  const file = entry(0, size);
  const last = store.write(file, 2, filled(5, 3));
  const middle = store.write(file, 1, filled(CHUNK_BYTES, 2));
  await Promise.all([store.write(file, 0, filled(CHUNK_BYTES, 1)), middle, last]);
  await store.commit(file);
  await store.finish();
  expect(await ended).toBe("end");
  const whole = await bytes();
  expect(whole.length).toBe(size);
  expect([0, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES, size - 1].map((at) => whole[at])).toEqual([1, 1, 2, 3, 3]);
});

test("a file that is given up before its turn is left out of an archive, and one in the middle ends it", async () => {
  const { port, ended, bytes } = browser();
  const store = new StreamStore(port, outline(true, 3, 4, 0));
  await store.discard(entry(0, 3));
  await store.write(entry(1, 4), 0, filled(4, 7));
  await store.commit(entry(1, 4));
  await store.commit(entry(2, 0));
  await store.finish();
  expect(await ended).toBe("end");
  const names = new TextDecoder().decode(await bytes()).match(/f\d/g);
  expect(names).toEqual(["f1", "f2", "f1", "f2"]);

  const other = browser();
  const broken = new StreamStore(other.port, outline(true, 2 * CHUNK_BYTES));
  const file = entry(0, 2 * CHUNK_BYTES);
  await broken.write(file, 0, filled(CHUNK_BYTES, 1));
  await expect(broken.discard(file)).rejects.toThrow("changed");
  expect(await other.ended).toBe("abort");
});

test("a download that is not whole, or was stopped, is never said to be done", async () => {
  const { port, ended } = browser();
  const store = new StreamStore(port, outline(false, 10));
  await expect(store.finish()).rejects.toThrow("not whole");
  await store.close();
  expect(await ended).toBe("abort");

  const other = browser();
  const stopped = new StreamStore(other.port, outline(false, 3 * CHUNK_BYTES));
  other.cancel();
  const late = stopped.write(entry(0, 3 * CHUNK_BYTES), 1, filled(CHUNK_BYTES, 1));
  await expect(late).rejects.toThrow("stopped in the browser");
});
