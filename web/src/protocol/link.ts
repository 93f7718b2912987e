// A share as an address: `https://HOST[:PORT]/#v1.` and 43 characters of base64url, with everything secret behind the `#`.

import { base64url, concat, fromBase64url, type Bytes } from "./bytes.ts";
import { roomOfLinkSecret } from "./room.ts";

export interface Link {
  /** 128 random bits. */
  readonly secret: Bytes;
  /** The first 16 bytes of SHA-256 of the host's public key. */
  readonly hostKeyHash: Bytes;
}

/** Why a fragment is no link. */
export type LinkError = "no_fragment" | "fragment" | "version" | "length" | "encoding";

export type LinkResult = { readonly link: Link } | { readonly error: LinkError };

/** Reads what stands behind the `#` of an address. */
export function parseFragment(fragment: string): LinkResult {
  if (fragment === "") return { error: "no_fragment" };
  if (!fragment.startsWith(FRAGMENT_V1)) return { error: /^v[0-9]+\./.test(fragment) ? "version" : "fragment" };
  const payload = fragment.slice(FRAGMENT_V1.length);
  if (payload.length !== PAYLOAD_CHARS) return { error: "length" };
  const bytes = fromBase64url(payload);
  if (!bytes) return { error: "encoding" };
  return { link: { secret: bytes.slice(0, 16), hostKeyHash: bytes.slice(16) } };
}

export function fragmentOf(link: Link): string {
  return FRAGMENT_V1 + base64url(concat(link.secret, link.hostKeyHash));
}

/** The room at the server. */
export function roomOfLink(link: Link): string {
  return roomOfLinkSecret(link.secret);
}

const FRAGMENT_V1 = "v1.";
const PAYLOAD_CHARS = 43;
