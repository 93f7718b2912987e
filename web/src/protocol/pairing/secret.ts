// What each side brings to a pairing.

import { utf8, type Bytes } from "../bytes.ts";
import { codeText, type Code } from "../code.ts";
import type { HostIdentity } from "../host_identity.ts";
import { prsOf, type Mode } from "../keys.ts";
import { roomOfLink, type Link } from "../link.ts";

/** How a guest comes to a host. */
export type GuestSecret = { readonly t: "code"; readonly code: Code } | { readonly t: "link"; readonly link: Link };

/** How guests come to a host; a link's host proves its key to every guest. */
export type HostSecret =
  | { readonly t: "code"; readonly code: Code }
  | { readonly t: "link"; readonly link: Link; readonly identity: HostIdentity };

export function modeOf(secret: GuestSecret | HostSecret): Mode {
  return secret.t;
}

export function prsOfSecret(secret: GuestSecret | HostSecret): Bytes {
  return prsOf(secret.t, secret.t === "code" ? utf8(secret.code.secret) : secret.link.secret);
}

export function roomOf(secret: GuestSecret | HostSecret): string {
  return secret.t === "code" ? secret.code.nameplate : roomOfLink(secret.link);
}

/** Tells two invitations apart without comparing what is secret in the open. */
export function isSameSecret(a: GuestSecret, b: GuestSecret): boolean {
  if (a.t === "code" && b.t === "code") return codeText(a.code) === codeText(b.code);
  return a.t === b.t && roomOf(a) === roomOf(b);
}
