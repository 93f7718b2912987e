// Several files as one archive: ZIP, stored and not compressed, with 64-bit sizes where needed. The archive is a blob made of
// the stored files, so that it takes no memory of its own.

import { utf8, type Bytes } from "../protocol/bytes.ts";

export interface ZipEntry {
  /** Joined by `/`; a folder's ends with one. */
  readonly name: string;
  readonly file: Blob | undefined;
  readonly crc: number;
  /** Milliseconds since 1970, if known. */
  readonly time: number | undefined;
}

export function zip(entries: readonly ZipEntry[]): Blob {
  const parts: BlobPart[] = [];
  const directory: Bytes[] = [];
  let at = 0;
  for (const entry of entries) {
    const header = localHeader(entry);
    directory.push(directoryHeader(entry, at));
    parts.push(header);
    if (entry.file) parts.push(entry.file);
    at += header.length + (entry.file?.size ?? 0);
  }
  const length = directory.reduce((sum, header) => sum + header.length, 0);
  return new Blob([...parts, ...directory, endOfDirectory(entries.length, length, at)], { type: "application/zip" });
}

function localHeader(entry: ZipEntry): Bytes {
  const name = utf8(entry.name);
  const size = entry.file?.size ?? 0;
  const out = new Writer();
  out.u32(0x04034b50);
  common(out, entry);
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

function directoryHeader(entry: ZipEntry, offset: number): Bytes {
  const name = utf8(entry.name);
  const size = entry.file?.size ?? 0;
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
  out.u32(entry.file ? 0 : 0x10);
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
  out.u16(0x0800);
  out.u16(0);
  const time = new Date(Math.max(entry.time ?? 0, Date.UTC(1980, 0, 2)));
  out.u16((time.getHours() << 11) | (time.getMinutes() << 5) | (time.getSeconds() >> 1));
  out.u16((Math.min(127, time.getFullYear() - 1980) << 9) | ((time.getMonth() + 1) << 5) | time.getDate());
  out.u32(entry.crc);
}

function endOfDirectory(count: number, length: number, offset: number): Bytes {
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
