// Everything that is on screen, as plain data. `app.ts` changes it, `view.ts` shows it.

import type { FailureReason } from "./failure.ts";
import type { Path } from "./net/channel.ts";
import type { CodeError } from "./protocol/code.ts";
import type { LinkError } from "./protocol/link.ts";
import type { Entry } from "./protocol/offer.ts";
import type { Acquaintance } from "./disk/acquaintances.ts";
import type { StoreKind } from "./disk/messages.ts";
import type { Visibility } from "./session/visibility.ts";
import type { Device } from "./protocol/nearby.ts";
import type { Item } from "./session/source.ts";
import type { JoinStep } from "./session/joining.ts";
import type { Finding, Verdict } from "./verdict.ts";

export type Theme = "auto" | "light" | "dark";

/** What moved, in bytes and entries that the receiver's disk has confirmed. */
export interface Progress {
  readonly bytes: number;
  /** 0 while the end of a stream is not known. */
  readonly total: number;
  readonly entries: number;
  readonly entryTotal: number;
  /** Bytes a second over the last seconds. */
  readonly speed: number;
  readonly path: Path | undefined;
  readonly isPaused: boolean;
  readonly isDisturbed: boolean;
}

/** One receiver of a share that this page hosts. */
export interface Guest {
  readonly id: number;
  readonly name: string;
  readonly stage: "waiting" | "moving" | "done" | "failed";
  readonly progress: Progress;
  readonly failure: FailureReason | undefined;
}

export interface ShareSettings {
  readonly password: string;
  readonly many: boolean;
  readonly verify: boolean;
}

/** A received thing that can be saved or copied. */
export interface Received {
  readonly texts: readonly string[];
  /** Entries with a file, by identifier, with the names they are saved under. */
  readonly files: readonly { readonly id: number; readonly name: string; readonly size: number }[];
  readonly isArchive: boolean;
  readonly skipped: number;
  /** The name of the folder that they were written into, if the person chose one. */
  readonly folder: string | undefined;
  /** Whether the browser's downloads have them already, so that they cannot be saved again from here. */
  readonly isStreamed: boolean;
}

/** What the person who shares is to know; `left` is how many tries are. */
export type Notice =
  | { readonly t: "wrong_code" | "wrong_password"; readonly left: number }
  | { readonly t: "crowded"; readonly seconds: number };

export type Screen =
  | { readonly t: "home"; readonly codeError: CodeError | undefined; readonly nameplate: string }
  | { readonly t: "joining"; readonly step: JoinStep }
  | {
      readonly t: "password";
      readonly attemptsLeft: number;
      readonly wasWrong: boolean;
      readonly isBusy: boolean;
      readonly error: "empty" | "too_long" | "control_character" | undefined;
    }
  /** The devices of this network, and those that are remembered. */
  | { readonly t: "nearby" }
  /** The person compares the short number. `remember` says whether the other device is to be known again, where that can be. */
  | { readonly t: "verify"; readonly digits: string; readonly isAnswered: boolean; readonly other: string | undefined; readonly remember: boolean | undefined }
  | {
      readonly t: "offer";
      readonly from: string;
      readonly entries: readonly Entry[];
      readonly chosen: ReadonlySet<number>;
      /** What an earlier visit left of it, in bytes. */
      readonly saved: number;
      readonly store: StoreKind;
      /** Bytes that the browser would still store, if it tells. */
      readonly free: number | undefined;
      /** Whether the browser can write into a folder of the person's choice. */
      readonly canPickFolder: boolean;
      readonly isBusy: boolean;
    }
  | {
      readonly t: "receiving";
      readonly from: string;
      readonly progress: Progress;
      readonly store: StoreKind;
      readonly isSaving: boolean;
    }
  | { readonly t: "received"; readonly from: string; readonly received: Received; readonly progress: Progress }
  /** An inbox takes what is chosen here. */
  | { readonly t: "inbox"; readonly to: string }
  | { readonly t: "sending"; readonly to: string; readonly progress: Progress }
  | { readonly t: "sent"; readonly to: string; readonly progress: Progress }
  | {
      readonly t: "share";
      readonly code: string;
      readonly link: string;
      readonly guests: readonly Guest[];
      readonly isOnline: boolean;
      readonly notice: Notice | undefined;
      /** A guest waits for this number to be compared. */
      readonly digits: string | undefined;
      readonly hasPassword: boolean;
      readonly copied: "link" | "code" | undefined;
    }
  | { readonly t: "bad_link"; readonly error: LinkError }
  | { readonly t: "failed"; readonly reason: FailureReason; readonly canRetry: boolean }
  /** The test of the network, at `/test`. */
  | {
      readonly t: "test";
      readonly result: { readonly verdict: Verdict; readonly findings: readonly Finding[] } | undefined;
      readonly isCopied: boolean;
    }
  | { readonly t: "unsupported" };

export interface State {
  readonly theme: Theme;
  readonly screen: Screen;
  /** What was chosen to be sent. */
  readonly items: readonly Item[];
  readonly settings: ShareSettings;
  readonly isDragging: boolean;
  /** Whether the page is in sight. */
  readonly isSeen: boolean;
  /** Who lets itself be seen on this network; `undefined` where the server cannot tell. */
  readonly devices: readonly Device[] | undefined;
  readonly visibility: Visibility;
  /** Somebody from this network wants to send something. */
  readonly knock: { readonly from: string; readonly digits: string; readonly isAnswered: boolean; readonly remember: boolean | undefined } | undefined;
  /** The devices that this browser remembers. */
  readonly acquaintances: readonly Acquaintance[];
  /** Whom the things are for that are being chosen. */
  readonly target: Device | undefined;
  /** Whether the page came over plain http, so that others on the network can change it. */
  readonly isInsecure: boolean;
}

export const NO_PROGRESS: Progress = {
  bytes: 0,
  total: 0,
  entries: 0,
  entryTotal: 0,
  speed: 0,
  path: undefined,
  isPaused: false,
  isDisturbed: false,
};
