// Several files as one archive: ZIP, stored and not compressed, with 64-bit sizes where needed. It is a blob made of the stored
// files, so that it takes no memory of its own, or is written as a stream, with each checksum behind its file.

import { utf8, type Bytes } from "../protocol/bytes.ts";

export interface ZipEntry {
  /** Joined by `/`; a folder's ends with one. */
  readonly name: string;
  readonly isFolder: boolean;
  readonly size: number;
  readonly crc: number;
  /** Milliseconds since 1970, if known. */
  readonly time: number | undefined;
  /** Whether the checksum comes behind the file. */
  readonly isStreamed: boolean;
}

/** The archive of stored files; folders have none. */
export function zip(entries: readonly (readonly [ZipEntry, Blob | undefined])[]): Blob {
  const parts: BlobPart[] = [];
  const directory: Bytes[] = [];
  let at = 0;
  for (const [entry, file] of entries) {
    const header = localHeader(entry);
    directory.push(directoryHeader(entry, at));
    parts.push(header);
    if (file) parts.push(file);
    at += header.length + entry.size;
  }
  const length = directory.reduce((sum, header) => sum + header.length, 0);
  return new Blob([...parts, ...directory, endOfDirectory(entries.length, length, at)], { type: "application/zip" });
}

/** What stands before a file. */
export function localHeader(entry: ZipEntry): Bytes {
  const name = utf8(entry.name);
  const { size } = entry;
  const out = new Writer();
  out.u32(0x04034b50);
  common(out, entry.isStreamed ? { ...entry, crc: 0 } : entry);
  out.u32(U32_MAX);
  out.u32(U32_MAX);
  out.u16(name.length);
  out.u16(20);
  out.bytes(name);
  out.u16(1);
  out.u16(16);
  out.u64(size);
  out.u64(size);
  return out.done();
}

/** What stands behind a file that is streamed. */
export function descriptor(entry: ZipEntry): Bytes {
  const out = new Writer();
  out.u32(0x08074b50);
  out.u32(entry.crc);
  out.u64(entry.size);
  out.u64(entry.size);
  return out.done();
}

/** The line of the list at the end about a file whose header is at `offset`. */
export function directoryHeader(entry: ZipEntry, offset: number): Bytes {
  const name = utf8(entry.name);
  const { size } = entry;
  const out = new Writer();
  out.u32(0x02014b50);
  out.u16(VERSION);
  common(out, entry);
  out.u32(U32_MAX);
  out.u32(U32_MAX);
  out.u16(name.length);
  out.u16(28);
  out.u16(0);
  out.u16(0);
  out.u16(0);
  out.u32(entry.isFolder ? 0x10 : 0);
  out.u32(U32_MAX);
  out.bytes(name);
  out.u16(1);
  out.u16(24);
  out.u64(size);
  out.u64(size);
  out.u64(offset);
  return out.done();
}

/** What both headers have: version, UTF-8 names, stored, time, CRC. */
function common(out: Writer, entry: ZipEntry): void {
  out.u16(VERSION);
  out.u16(entry.isStreamed ? 0x0808 : 0x0800);
  out.u16(0);
  const time = new Date(Math.max(entry.time ?? 0, Date.UTC(1980, 0, 2)));
  out.u16((time.getHours() << 11) | (time.getMinutes() << 5) | (time.getSeconds() >> 1));
  out.u16((Math.min(127, time.getFullYear() - 1980) << 9) | ((time.getMonth() + 1) << 5) | time.getDate());
  out.u32(entry.crc);
}

/** The end of an archive with so many files, whose list of `length` bytes begins at `offset`. */
export function endOfDirectory(count: number, length: number, offset: number): Bytes {
  const out = new Writer();
  out.u32(0x06064b50);
  out.u64(44);
  out.u16(VERSION);
  out.u16(VERSION);
  out.u32(0);
  out.u32(0);
  out.u64(count);
  out.u64(count);
  out.u64(length);
  out.u64(offset);
  out.u32(0x07064b50);
  out.u32(0);
  out.u64(offset + length);
  out.u32(1);
  out.u32(0x06054b50);
  out.u16(0);
  out.u16(0);
  out.u16(0xffff);
  out.u16(0xffff);
  out.u32(U32_MAX);
  out.u32(U32_MAX);
  out.u16(0);
  return out.done();
}

/** Little-endian, as ZIP is. */
class Writer {
  readonly #out: number[] = [];

  u16(value: number): void {
    this.#out.push(value & 0xff, (value >>> 8) & 0xff);
  }

  u32(value: number): void {
    this.u16(value & 0xffff);
    this.u16(value >>> 16);
  }

  u64(value: number): void {
    this.u32(value % 2 ** 32);
    this.u32(Math.floor(value / 2 ** 32));
  }

  bytes(bytes: Uint8Array): void {
    for (const byte of bytes) this.#out.push(byte);
  }

  done(): Bytes {
    return Uint8Array.from(this.#out);
  }
}

const U32_MAX = 0xffff_ffff;
const VERSION = 45;
