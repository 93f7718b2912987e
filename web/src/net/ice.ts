// The reflectors and relays that the server recommends.

import type { ServerMessage } from "../protocol/envelope.ts";
import { asArray, asObject, asString, field, optional } from "../protocol/json.ts";
import type { Credential } from "./tunnel.ts";

/** How a connection looks for addresses. */
export interface Ice {
  readonly servers: readonly RTCIceServer[];
  /** Whether the server gives access to a relay once the two sides have paired. */
  readonly hasRelay: boolean;
  /** Where others find the server, if this page's own address means another machine on theirs. */
  readonly elsewhere?: string | undefined;
}

/** A server that does not describe itself is no reason to stop: two devices on one network need none. */
export async function fetchIce(): Promise<Ice> {
  try {
    const response = await fetch("/api/config", { cache: "no-store" });
    const config = asObject(await response.json());
    const servers = asArray(field(config, "ice_servers") ?? []).map((value) => {
      const server = asObject(value);
      const username = optional(field(server, "username"), asString);
      const credential = optional(field(server, "credential"), asString);
      return {
        urls: asArray(field(server, "urls")).map(asString),
        ...(username === undefined ? {} : { username }),
        ...(credential === undefined ? {} : { credential }),
      };
    });
    return { servers, hasRelay: field(config, "relay") === true, elsewhere: optional(field(config, "elsewhere"), asString) };
  } catch {
    return NO_ICE;
  }
}

/** The server's relay: where it is, and what opens it. */
export interface Grant {
  readonly servers: readonly RTCIceServer[];
  readonly credential: Credential | undefined;
}

/** The relay that the server grants, which need not have an address here. */
export function granted(message: ServerMessage & { type: "turn" }): Grant {
  const { urls, username, credential } = message;
  const servers = urls.length > 0 ? [{ urls: [...urls], username, credential }] : [];
  return { servers, credential: { username, credential } };
}

/** The servers of a path that needs no relay, and takes no address there, of which each side may have few. */
export function withoutRelays(servers: readonly RTCIceServer[]): RTCIceServer[] {
  const isRelay = (url: string): boolean => url.startsWith("turn");
  const reflectors = servers.map((server) => ({ ...server, urls: [server.urls].flat().filter((url) => !isRelay(url)) }));
  return reflectors.filter(({ urls }) => urls.length > 0);
}

export const NO_RELAY: Grant = { servers: [], credential: undefined };

export const NO_ICE: Ice = { servers: [], hasRelay: false };
