// What a test of the network found out, and what that means for transfers.

import type { StoreKind } from "./disk/messages.ts";

/** What the server saw of this browser's datagrams. */
export interface Seen {
  readonly isAnswered: boolean;
  /** Whether it saw another address than the browser has. */
  readonly isMapped: boolean;
  /** Whether it saw another one at each of its ports. */
  readonly isStrict: boolean;
  readonly portCount: number;
  /** Whether the browser has a public IPv6 address. */
  readonly isV6: boolean;
}

export interface Measured {
  /** `undefined` if it does not answer. */
  readonly server:
    | { readonly version: string; readonly hasRelay: boolean; readonly answeredMs: number; readonly clockAhead: number | undefined }
    | undefined;
  /** The round trip through its WebSocket; `undefined` if nothing comes through. */
  readonly socketMs: number | undefined;
  /** `undefined` if the server answers no STUN. */
  readonly udp: Seen | undefined;
  /** `undefined` if there is none, or it could not be tried; over UDP `undefined` if it is not offered that way. */
  readonly relay:
    | {
        readonly udp: boolean | undefined;
        readonly socket: boolean;
        /** Whether this network's NAT lets the relay in, which is a stranger to it; `undefined` if that was not seen. */
        readonly letsIn: boolean | undefined;
      }
    | undefined;
}

/** What the page itself can do. */
export interface Page {
  readonly isSecure: boolean;
  readonly store: StoreKind;
}

export type Verdict =
  | "server_unreachable"
  | "websocket_blocked"
  | "untold"
  | "direct"
  | "direct_mostly"
  | "direct_or_relay"
  | "strict"
  | "relay_only"
  | "udp_blocked";

export type CheckState = "ok" | "note" | "bad";

/** What is listed; the words are in `ui/strings.ts`. */
export type Finding = { readonly state: CheckState } & (
  | { readonly t: "server"; readonly version: string | undefined }
  | { readonly t: "websocket"; readonly ms: number | undefined }
  | { readonly t: "udp"; readonly says: "reached" | "silent" | "untold" }
  | { readonly t: "nat"; readonly says: "none" | "open" | "moderate" | "easy" | "strict" | "untold" }
  | { readonly t: "ipv6"; readonly isThere: boolean }
  | { readonly t: "relay"; readonly says: "both" | "udp" | "websocket" | "none" | "untried" | "broken" }
  | { readonly t: "clock"; readonly ahead: number }
  | { readonly t: "secure"; readonly isSecure: boolean }
  | { readonly t: "store"; readonly store: StoreKind }
);

/** The worst obstacle names the verdict. */
export function verdict({ server, socketMs, udp, relay }: Measured): Verdict {
  if (!server) return "server_unreachable";
  if (socketMs === undefined) return "websocket_blocked";
  const hasRelay = relay !== undefined && (relay.udp === true || relay.socket);
  if (!udp) return "untold";
  if (!udp.isAnswered) return hasRelay ? "relay_only" : "udp_blocked";
  if (udp.isStrict) return hasRelay ? "direct_or_relay" : "strict";
  return hasRelay || !udp.isMapped || relay?.letsIn === true ? "direct" : "direct_mostly";
}

/** The kind of NAT. Without a relay nobody is there whom it might let in or not. */
function natOf(udp: Seen, letsIn: boolean | undefined): Extract<Finding, { t: "nat" }>["says"] {
  if (udp.isStrict) return "strict";
  if (!udp.isMapped) return "none";
  if (udp.portCount < 2) return "untold";
  return letsIn === undefined ? "easy" : letsIn ? "open" : "moderate";
}

export function findings(measured: Measured, page: Page): readonly Finding[] {
  const { server, socketMs, udp, relay } = measured;
  const own: readonly Finding[] = [
    { t: "secure", state: page.isSecure ? "ok" : "note", isSecure: page.isSecure },
    { t: "store", state: page.store === "memory" ? "note" : "ok", store: page.store },
  ];
  if (!server) return [{ t: "server", state: "bad", version: undefined }, ...own];
  const found: Finding[] = [
    { t: "server", state: "ok", version: server.version },
    { t: "websocket", state: socketMs === undefined ? "bad" : "ok", ms: socketMs },
  ];
  if (!udp) found.push({ t: "udp", state: "note", says: "untold" });
  else {
    found.push({ t: "udp", state: udp.isAnswered ? "ok" : "bad", says: udp.isAnswered ? "reached" : "silent" });
    if (udp.isAnswered) {
      const says = natOf(udp, relay?.letsIn);
      found.push({ t: "nat", state: says === "strict" || says === "untold" ? "note" : "ok", says });
    }
    found.push({ t: "ipv6", state: udp.isV6 ? "ok" : "note", isThere: udp.isV6 });
  }
  found.push(relayFinding(measured));
  if (server.clockAhead !== undefined) {
    found.push({ t: "clock", state: Math.abs(server.clockAhead) <= CLOCK_MAX ? "ok" : "note", ahead: server.clockAhead });
  }
  return [...found, ...own];
}

function relayFinding({ server, relay }: Measured): Finding {
  if (!relay) return { t: "relay", state: "note", says: server?.hasRelay === true ? "untried" : "none" };
  if (relay.udp === true) return { t: "relay", state: relay.socket ? "ok" : "note", says: relay.socket ? "both" : "udp" };
  return { t: "relay", state: relay.socket ? (relay.udp === undefined ? "ok" : "note") : "bad", says: relay.socket ? "websocket" : "broken" };
}

/** What clocks may differ by, in seconds, before anything minds. */
export const CLOCK_MAX = 60;
