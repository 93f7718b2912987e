// The reflectors and relays that the server recommends.

import { asArray, asObject, asString, field, optional } from "../protocol/json.ts";

/** A server that does not describe itself is no reason to stop: two devices on one network need none. */
export async function fetchIceServers(): Promise<RTCIceServer[]> {
  try {
    const response = await fetch("/api/config", { cache: "no-store" });
    const config = asObject(await response.json());
    return asArray(field(config, "ice_servers") ?? []).map((value) => {
      const server = asObject(value);
      const username = optional(field(server, "username"), asString);
      const credential = optional(field(server, "credential"), asString);
      return {
        urls: asArray(field(server, "urls")).map(asString),
        ...(username === undefined ? {} : { username }),
        ...(credential === undefined ? {} : { credential }),
      };
    });
  } catch {
    return [];
  }
}
