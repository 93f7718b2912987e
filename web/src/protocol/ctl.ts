// Control frames: JSON on the `ctl` channel, at most 8 KiB each.
//
// The set is closed. A frame of another type, of a wrong shape or over a limit breaks the protocol and ends the session;
// keys that a frame's type does not know are ignored, so that fields can be added.

import { fromUtf8, utf8, utf8Length, type Bytes } from "./bytes.ts";
import { isHash, type Hash } from "./hash.ts";
import { asArray, asBool, asCount, asOneOf, asString, field, Malformed, optional, parseObject, U32_MAX } from "./json.ts";
import { ACCEPT_RUNS_MAX, CTL_FRAME_BYTES_MAX, CTL_FRAME_DEPTH_MAX, HASHES_PER_FRAME_MAX, WANT_RANGES_MAX } from "./limits.ts";
import { readEntry, type Entry } from "./offer.ts";
import { readCandidate, type Candidate } from "./sdp.ts";

const ROLES = ["sends", "receives"] as const;
const DECLINES = ["declined", "limit", "disk"] as const;
const SKIPS = ["changed", "unreadable", "unwritable"] as const;
const ABORTS = ["canceled", "disk", "violation", "corrupt", "stalled", "internal"] as const;

/** The direction of the files, independent of who hosts the share. */
export type Direction = (typeof ROLES)[number];
export type DeclineReason = (typeof DECLINES)[number];
/** Why one entry cannot go on. */
export type SkipReason = (typeof SKIPS)[number];
/** Why a side ends the session. */
export type AbortCode = (typeof ABORTS)[number];

/** Who speaks and what it does. Name and agent are untrusted texts of at most 64 bytes. */
export interface Hello {
  readonly v: number;
  readonly role: Direction;
  readonly name: string;
  readonly agent: string;
  readonly features: readonly string[];
  /** With the feature `streams`: how many connections a person wants file data to go over; absent: as many as help. */
  readonly streams?: number | undefined;
}

/** Entry and two numbers: first byte and the byte after the last one, or first chunk and count. */
export type Range = readonly [entry: number, from: number, to: number];
export type ChunkHash = readonly [entry: number, chunk: number, hash: Hash];
/** First and last identifier of a run of entries. */
export type Run = readonly [first: number, last: number];

/** One control frame; `protocol/src/ctl.rs` says what each means. */
export type Ctl =
  | { readonly t: "bind"; readonly mac: Hash }
  | ({ readonly t: "hello" } & Hello)
  | { readonly t: "offer"; readonly page: number; readonly entries: readonly Entry[]; readonly last: boolean }
  | { readonly t: "accept"; readonly select?: readonly Run[] | undefined; readonly last: boolean }
  | { readonly t: "decline"; readonly reason: DeclineReason }
  | { readonly t: "want"; readonly ranges: readonly Range[] }
  | { readonly t: "verify"; readonly chunks: readonly Range[] }
  | { readonly t: "hashes"; readonly chunks: readonly ChunkHash[] }
  | { readonly t: "eof"; readonly entry: number; readonly size: number }
  | { readonly t: "skip"; readonly entry: number; readonly reason: SkipReason }
  | { readonly t: "progress"; readonly bytes: number; readonly entries: number }
  | { readonly t: "done"; readonly root: Hash }
  | { readonly t: "pause" }
  | { readonly t: "resume" }
  | { readonly t: "abort"; readonly code: AbortCode }
  | { readonly t: "pc_offer" | "pc_answer"; readonly n: number; readonly sdp: string }
  | ({ readonly t: "pc_candidate"; readonly n: number } & Candidate)
  | { readonly t: "pc_open"; readonly n: number }
  | { readonly t: "ping" };

export function encodeCtl(frame: Ctl): Bytes {
  return utf8(JSON.stringify(frame));
}

/** Decodes a frame. Throws `Malformed`. */
export function decodeCtl(bytes: Uint8Array): Ctl {
  if (bytes.length > CTL_FRAME_BYTES_MAX) throw new Malformed("a control frame is too long");
  const object = parseObject(fromUtf8(bytes) ?? "", CTL_FRAME_DEPTH_MAX);
  const get = (key: string): unknown => field(object, key);
  switch (get("t")) {
    case "bind":
      return { t: "bind", mac: hash(get("mac")) };
    case "hello":
      return { t: "hello", ...readHello(get) };
    case "offer":
      return {
        t: "offer",
        page: asCount(get("page"), U32_MAX),
        entries: asArray(get("entries")).map(readEntry),
        last: asBool(get("last")),
      };
    case "accept": {
      const select = optional(get("select"), (runs) => asArray(runs).map(readRun));
      return { t: "accept", ...(select ? { select } : {}), last: asBool(get("last")) };
    }
    case "decline":
      return { t: "decline", reason: asOneOf(get("reason"), DECLINES) };
    case "want":
      return { t: "want", ranges: list(get("ranges"), WANT_RANGES_MAX, readRange) };
    case "verify":
      return { t: "verify", chunks: list(get("chunks"), WANT_RANGES_MAX, readRange) };
    case "hashes":
      return { t: "hashes", chunks: list(get("chunks"), HASHES_PER_FRAME_MAX, readChunkHash) };
    case "eof":
      return { t: "eof", entry: id(get("entry")), size: asCount(get("size")) };
    case "skip":
      return { t: "skip", entry: id(get("entry")), reason: asOneOf(get("reason"), SKIPS) };
    case "progress":
      return { t: "progress", bytes: asCount(get("bytes")), entries: asCount(get("entries"), U32_MAX) };
    case "done":
      return { t: "done", root: hash(get("root")) };
    case "pause":
    case "resume":
    case "ping":
      return { t: asOneOf(get("t"), ["pause", "resume", "ping"]) };
    case "abort":
      return { t: "abort", code: asOneOf(get("code"), ABORTS) };
    case "pc_offer":
    case "pc_answer":
      return { t: asOneOf(get("t"), ["pc_offer", "pc_answer"]), n: asCount(get("n"), U32_MAX), sdp: asString(get("sdp")) };
    case "pc_candidate":
      return { t: "pc_candidate", n: asCount(get("n"), U32_MAX), ...readCandidate(object) };
    case "pc_open":
      return { t: "pc_open", n: asCount(get("n"), U32_MAX) };
    default:
      throw new Malformed("a control frame of unknown type");
  }
}

function readHello(get: (key: string) => unknown): Hello {
  const text = (key: string): string => {
    const value = get(key) === undefined ? "" : asString(get(key));
    if (utf8Length(value) > 64) throw new Malformed("a control frame lists too much");
    return value;
  };
  const features = get("features") === undefined ? [] : list(get("features"), 16, asString);
  const [v, role] = [asCount(get("v"), U32_MAX), asOneOf(get("role"), ROLES)];
  const streams = optional(get("streams"), (count) => asCount(count, U32_MAX));
  return { v, role, name: text("name"), agent: text("agent"), features, ...(streams === undefined ? {} : { streams }) };
}

function list<T>(value: unknown, max: number, read: (item: unknown) => T): readonly T[] {
  const items = asArray(value);
  if (items.length > max) throw new Malformed("a control frame lists too much");
  return items.map(read);
}

function tuple(value: unknown, length: number): readonly unknown[] {
  const items = asArray(value);
  if (items.length !== length) throw new Malformed("a list of the wrong length");
  return items;
}

function readRun(value: unknown): Run {
  const [first, last] = tuple(value, 2);
  return [id(first), id(last)];
}

function readRange(value: unknown): Range {
  const [entry, from, to] = tuple(value, 3);
  return [id(entry), asCount(from), asCount(to)];
}

function readChunkHash(value: unknown): ChunkHash {
  const [entry, chunk, text] = tuple(value, 3);
  return [id(entry), asCount(chunk), hash(text)];
}

function id(value: unknown): number {
  return asCount(value, U32_MAX);
}

function hash(value: unknown): Hash {
  const text = asString(value);
  if (!isHash(text)) throw new Malformed("a hash");
  return text;
}

/** Splits an offer into pages that each fit a control frame. */
export function offerPages(entries: readonly Entry[]): Ctl[] {
  const pages: Entry[][] = [[]];
  let bytes = 0;
  for (const entry of entries) {
    const size = framedLength(entry);
    const page = pages.at(-1) ?? [];
    if (bytes + size > CTL_FRAME_BYTES_MAX - OFFER_FRAME_OVERHEAD && page.length > 0) {
      pages.push([entry]);
      bytes = size;
    } else {
      page.push(entry);
      bytes += size;
    }
  }
  return pages.map((page, i) => ({ t: "offer", page: i, entries: page, last: i === pages.length - 1 }));
}

/** Whether an entry fits a frame at all: a path of many characters that JSON escapes may not. */
export function fitsAFrame(entry: Entry): boolean {
  return framedLength(entry) <= CTL_FRAME_BYTES_MAX - OFFER_FRAME_OVERHEAD;
}

/** The frames that take these entries, ascending, of an offer of `count`. */
export function acceptFrames(entries: readonly number[], count: number): Ctl[] {
  if (entries.length === count) return [{ t: "accept", last: true }];
  const runs: [number, number][] = [];
  for (const entry of entries) {
    const run = runs.at(-1);
    if (run && run[1] + 1 === entry) run[1] = entry;
    else runs.push([entry, entry]);
  }
  const frames: Ctl[] = [];
  for (let from = 0; from === 0 || from < runs.length; from += ACCEPT_RUNS_MAX) {
    const last = from + ACCEPT_RUNS_MAX >= runs.length;
    frames.push({ t: "accept", select: runs.slice(from, from + ACCEPT_RUNS_MAX), last });
  }
  return frames;
}

function framedLength(entry: Entry): number {
  return utf8Length(JSON.stringify(entry)) + 1;
}

const OFFER_FRAME_OVERHEAD = 64;
