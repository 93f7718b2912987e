// One attempt at the password: a second key exchange inside the sealed channel of the first.

import { equal, type Bytes } from "../bytes.ts";
import { Exchange, InvalidElement } from "../cpace.ts";
import { ciOf, prsOf, type KeySchedule } from "../keys.ts";
import type { StretchedPassword } from "../password.ts";
import type { Role } from "../role.ts";
import { violation } from "./error.ts";

export class PasswordExchange {
  readonly #role: Role;
  readonly #keys: KeySchedule;
  readonly #exchange: Exchange;
  readonly #sid: Bytes;
  readonly #ci: Bytes;

  /** Starts attempt `attempt`, counted from 0, upon the keys of the first exchange. */
  constructor(
    role: Role,
    keys: KeySchedule,
    password: StretchedPassword,
    room: string,
    attempt: number,
    scalar: Uint8Array,
  ) {
    this.#role = role;
    this.#keys = keys;
    this.#sid = keys.passwordSid(attempt);
    this.#ci = ciOf("pass", room);
    this.#exchange = new Exchange(role, prsOf("pass", password.key), this.#ci, this.#sid, scalar);
  }

  get element(): Bytes {
    return this.#exchange.element;
  }

  /** The keys that follow if both sides have the same password, and from both exchanges. Throws. */
  finish(peer: Uint8Array): KeySchedule {
    if (equal(peer, this.element)) throw violation("a reflected message");
    const nothing = new Uint8Array();
    const isk = finishExchange(this.#exchange, nothing, peer, nothing);
    const [own, theirs] = [
      { element: this.element, ad: nothing },
      { element: peer, ad: nothing },
    ];
    const [host, guest] = this.#role === "host" ? [own, theirs] : [theirs, own];
    return this.#keys.withPassword({ sid: this.#sid, ci: this.#ci, host, guest }, isk);
  }
}

/** `Exchange.finish` in the words of a pairing. */
export function finishExchange(exchange: Exchange, ownAd: Uint8Array, peer: Uint8Array, peerAd: Uint8Array): Bytes {
  try {
    return exchange.finish(ownAd, peer, peerAd);
  } catch (error) {
    if (error instanceof InvalidElement) throw violation("an invalid element");
    throw error;
  }
}
