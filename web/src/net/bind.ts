// The first frame each way: proves that the channel belongs to the pairing, whatever the stack below believes.

import { Failure } from "../failure.ts";
import { fromHex, hex, type Bytes } from "../protocol/bytes.ts";
import { decodeCtl, encodeCtl, type Ctl } from "../protocol/ctl.ts";
import type { SessionKeys } from "../protocol/keys.ts";
import type { Channel } from "./channel.ts";

/**
 * Exchanges the MACs over the certificates and names in use.
 *
 * A peer's stack may drop messages that come together with the end of its handshake, so the MAC is said until the peer's
 * is heard, and once more then; the machines ignore what comes twice. Throws `Failure`.
 */
export function bind(peer: Channel, keys: SessionKeys): Promise<void> {
  const connection = peer.connection();
  const frame: Bytes = encodeCtl({ t: "bind", mac: hex(keys.bindMac(connection)) });
  return new Promise((resolve, reject) => {
    const repeat = setInterval(() => peer.sendCtl(frame), REPEAT_AFTER);
    const late = setTimeout(() => end(new Failure({ t: "bind_missing" })), BIND_MAX);
    const end = (failure?: Failure): void => {
      clearInterval(repeat);
      clearTimeout(late);
      if (failure) reject(failure);
      else resolve();
    };
    peer.sendCtl(frame);
    peer.listen({
      ctl: (bytes) => {
        const theirs = parse(bytes);
        if (theirs?.t !== "bind") {
          end(new Failure({ t: "bind_missing" }));
          return;
        }
        const mac = fromHex(theirs.mac, 32);
        if (!mac || !keys.isBindMac(connection, mac)) {
          end(new Failure({ t: "bind_mismatch" }));
          return;
        }
        peer.sendCtl(frame);
        peer.unlisten();
        end();
      },
      data: () => end(new Failure({ t: "bind_missing" })),
      drained: () => undefined,
      disturbed: () => undefined,
      lost: () => end(new Failure({ t: "lost" })),
    });
  });
}

function parse(bytes: Uint8Array): Ctl | undefined {
  try {
    return decodeCtl(bytes);
  } catch {
    return undefined;
  }
}

const REPEAT_AFTER = 100;
const BIND_MAX = 10_000;
