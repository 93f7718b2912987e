// What the page and its worker say to each other. The worker hashes, stores and stretches, so that the page stays smooth.

import type { Bytes } from "../protocol/bytes.ts";
import type { Hash } from "../protocol/hash.ts";
import type { PresentChunk } from "../protocol/plan.ts";
import type { PasswordCost, StretchedPassword } from "../protocol/password.ts";

/** Where received bytes lie until they are saved: memory, the origin's private file system, or IndexedDB; or where they stay. */
export type StoreKind = "memory" | "opfs" | "idb" | "folder" | "stream";

/** A folder that the person chose, and the folders to be made in it. */
export interface Place {
  readonly root: FileSystemDirectoryHandle;
  readonly folders: readonly string[];
}

/** What a download consists of, in its order. */
export interface Outline {
  readonly isArchive: boolean;
  readonly parts: readonly {
    readonly id: number;
    /** Joined by `/`; a folder's ends with one. */
    readonly name: string;
    readonly isFolder: boolean;
    /** 0 for a stream. */
    readonly size: number;
    /** Milliseconds since 1970, if known. */
    readonly time: number | undefined;
  }[];
}

/** A download that is filled as bytes arrive. */
export interface Stream {
  readonly port: MessagePort;
  readonly outline: Outline;
}

/** A file to be stored; `key` names it also in a later session. A stream is as long as it may be until it is committed. */
export interface StoredEntry {
  readonly id: number;
  readonly key: string;
  readonly size: number;
  /** Where it lies in a chosen folder. */
  readonly path?: string;
}

export type Request =
  | { readonly t: "probe" }
  /** Tells what an earlier session left of these files, without looking at the bytes. */
  | { readonly t: "leftover"; readonly kind: StoreKind; readonly entries: readonly StoredEntry[] }
  /** Opens the store and hashes what an earlier session left. */
  | {
      readonly t: "open";
      readonly kind: StoreKind;
      readonly entries: readonly StoredEntry[];
      readonly isArchive: boolean;
      readonly place?: Place | undefined;
      readonly stream?: Stream | undefined;
    }
  | { readonly t: "write"; readonly entry: number; readonly offset: number; readonly pieces: readonly Bytes[]; readonly hash: Hash }
  /** Everything of a file is there; the size of a stream is known only then. */
  | { readonly t: "commit"; readonly entry: number; readonly size: number }
  | { readonly t: "discard"; readonly entry: number }
  /** The file of a committed entry. */
  | { readonly t: "file"; readonly entry: number }
  /** Ends a download that is filled as bytes arrive. */
  | { readonly t: "finish" }
  /** Deletes what was stored of all entries. */
  | { readonly t: "clear" }
  /** Deletes what earlier sessions stored and saved, or left for a week. */
  | { readonly t: "sweep" }
  | { readonly t: "close" }
  | { readonly t: "read"; readonly file: Blob; readonly from: number; readonly to: number }
  | { readonly t: "stretch"; readonly prepared: string; readonly salt: Bytes; readonly cost: PasswordCost };

/** The answer to each request. */
export interface Answers {
  probe: { readonly opfs: boolean; readonly idb: boolean };
  leftover: { readonly bytes: number };
  open: { readonly present: readonly (readonly [entry: number, chunks: readonly PresentChunk[]])[] };
  write: { readonly isWritten: boolean };
  commit: undefined;
  discard: undefined;
  file: { readonly file: Blob; readonly crc: number };
  finish: undefined;
  clear: undefined;
  sweep: undefined;
  close: undefined;
  read: { readonly bytes: Bytes; readonly hash: Hash };
  stretch: StretchedPassword;
}

export type Ask = { readonly id: number } & Request;
export type Reply =
  | { readonly id: number; readonly answer: Answers[keyof Answers] }
  | { readonly id: number; readonly error: { readonly name: string; readonly message: string } };
