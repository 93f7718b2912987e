// What the server's messages mean to a pairing that is under way, whoever it is with.

import { Failure } from "../failure.ts";
import { granted, NO_RELAY } from "../net/ice.ts";
import type { Pairing } from "../net/pair.ts";
import type { ServerMessage } from "../protocol/envelope.ts";

/** Hands a message to the pairing, if there is one; `fail` hears of what ends it. */
export function deliver(message: ServerMessage, pairing: Pairing | undefined, fail: (failure: Failure) => void): void {
  switch (message.type) {
    case "from":
      pairing?.feed({ t: "received", bytes: message.body });
      break;
    case "left":
      fail(new Failure({ t: "peer_left", why: message.why }));
      break;
    case "turn":
      pairing?.begin(granted(message));
      break;
    case "error":
      if (message.code === "no_relay") pairing?.begin(NO_RELAY);
      else fail(new Failure({ t: "refused", code: message.code, retryAfter: message.retry_after }));
      break;
    case "joined":
    case "created":
    case "peer":
    case "ended":
    case "nearby":
    case "need_pow":
      break;
  }
}
