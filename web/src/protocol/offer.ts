// The offer: what a sender proposes, frozen once it is accepted.

import { asArray, asCount, asObject, asOneOf, asString, field, Malformed, optional, U32_MAX } from "./json.ts";
import { utf8Length } from "./bytes.ts";
import {
  ENTRY_BYTES_MAX,
  OFFER_ENTRIES_MAX,
  PATH_BYTES_MAX,
  PATH_COMPONENT_BYTES_MAX,
  PATH_DEPTH_MAX,
  TEXT_BYTES_MAX,
} from "./limits.ts";

const KINDS = ["file", "dir", "text", "stream"] as const;
export type EntryKind = (typeof KINDS)[number];

/** One thing on offer. Its place in the offer, from 0, is its identifier. */
export interface Entry {
  /** Where it belongs, relative to the receiver's destination; the components, outermost folder first. */
  readonly path: readonly string[];
  readonly kind: EntryKind;
  /** In bytes; 0 for folders and streams. */
  readonly size: number;
  /** Nanoseconds since 1970-01-01 UTC, as exactly as a number holds them. */
  readonly mtime?: number | undefined;
  readonly mode?: number | undefined;
}

/** Reads an entry; throws `Malformed`, and then the whole offer is to be refused. */
export function readEntry(value: unknown): Entry {
  const object = asObject(value);
  const mtime = optional(field(object, "mtime"), (time) => {
    if (typeof time !== "number" || !Number.isInteger(time) || Math.abs(time) > 2 ** 63) throw new Malformed("a time");
    return time;
  });
  const mode = optional(field(object, "mode"), (bits) => asCount(bits, U32_MAX));
  return {
    path: readPath(field(object, "path")),
    kind: asOneOf(field(object, "kind"), KINDS),
    size: field(object, "size") === undefined ? 0 : asCount(field(object, "size")),
    ...(mtime === undefined ? {} : { mtime }),
    ...(mode === undefined ? {} : { mode }),
  };
}

/** The path of an entry: one to 64 components, none of which can leave its folder. */
function readPath(value: unknown): readonly string[] {
  const components = asArray(value).map(asString);
  if (components.length === 0 || components.length > PATH_DEPTH_MAX) throw new Malformed("a path's depth");
  let bytes = components.length - 1;
  for (const component of components) {
    if (component === "" || component === "." || component === "..") throw new Malformed("a path's component");
    if (/[/\\\0]/.test(component)) throw new Malformed("a separator in a path's component");
    const length = utf8Length(component);
    if (length > PATH_COMPONENT_BYTES_MAX) throw new Malformed("a long path component");
    bytes += length;
  }
  if (bytes > PATH_BYTES_MAX) throw new Malformed("a long path");
  return components;
}

/** Why an offer is refused. */
export type OfferError = "too_many_entries" | "too_large" | "size_of_no_file" | "text_too_long";

/** A whole offer that keeps to the limits. */
export class Offer {
  readonly #entries: Entry[] = [];
  #bytes = 0;

  /** Adds a page of entries; returns which limit is broken, if one is. */
  extend(page: readonly Entry[]): OfferError | undefined {
    if (this.#entries.length + page.length > OFFER_ENTRIES_MAX) return "too_many_entries";
    let bytes = this.#bytes;
    for (const entry of page) {
      const error = sizeError(entry);
      if (error) return error;
      bytes += entry.size;
      if (bytes > ENTRY_BYTES_MAX) return "too_large";
    }
    this.#bytes = bytes;
    for (const entry of page) this.#entries.push(entry);
    return undefined;
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  entry(id: number): Entry | undefined {
    return this.#entries[id];
  }

  /** The sum of the sizes. Streams count 0. */
  get bytes(): number {
    return this.#bytes;
  }
}

function sizeError(entry: Entry): OfferError | undefined {
  switch (entry.kind) {
    case "file":
      return entry.size > ENTRY_BYTES_MAX ? "too_large" : undefined;
    case "text":
      return entry.size > TEXT_BYTES_MAX ? "text_too_long" : undefined;
    case "dir":
    case "stream":
      return entry.size === 0 ? undefined : "size_of_no_file";
  }
}
