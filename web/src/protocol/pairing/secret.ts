// What each side brings to a pairing.

import { utf8, type Bytes } from "../bytes.ts";
import { codeText, type Code } from "../code.ts";
import type { HostIdentity } from "../host_identity.ts";
import { prsOf, type Mode } from "../keys.ts";
import { roomOfLink, type Link } from "../link.ts";

/** After an earlier pairing, whose keys name the room and are the secret. */
export interface Resume {
  readonly t: "resume";
  readonly room: string;
  readonly key: Bytes;
}

/** What a person got from the host. */
export type Invitation = { readonly t: "code"; readonly code: Code } | { readonly t: "link"; readonly link: Link };

/** How a guest comes to a host. */
export type GuestSecret = Invitation | Resume;

/** How guests come to a host; a link's host proves its key to every guest. */
export type HostSecret =
  | { readonly t: "code"; readonly code: Code }
  | { readonly t: "link"; readonly link: Link; readonly identity: HostIdentity }
  | Resume;

export function modeOf(secret: GuestSecret | HostSecret): Mode {
  return secret.t;
}

export function prsOfSecret(secret: GuestSecret | HostSecret): Bytes {
  switch (secret.t) {
    case "code":
      return prsOf("code", utf8(secret.code.secret));
    case "link":
      return prsOf("link", secret.link.secret);
    case "resume":
      return prsOf("resume", secret.key);
  }
}

export function roomOf(secret: GuestSecret | HostSecret): string {
  switch (secret.t) {
    case "code":
      return secret.code.nameplate;
    case "link":
      return roomOfLink(secret.link);
    case "resume":
      return secret.room;
  }
}

/** Tells two invitations apart without comparing what is secret in the open. */
export function isSameSecret(a: Invitation, b: Invitation): boolean {
  if (a.t === "code" && b.t === "code") return codeText(a.code) === codeText(b.code);
  return a.t === b.t && roomOf(a) === roomOf(b);
}
