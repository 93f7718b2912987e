// An offer that arrives page by page.

import { OFFER_BYTES_MAX } from "./limits.ts";
import { Offer, type Entry } from "./offer.ts";
import { broken } from "./transfer_error.ts";

export class IncomingOffer {
  readonly offer = new Offer();
  #bytes = 0;
  #pages = 0;

  /** Takes a page of `length` bytes; returns whether the offer is complete. Throws. */
  take(page: { readonly page: number; readonly entries: readonly Entry[]; readonly last: boolean }, length: number): boolean {
    this.#bytes += length;
    if (page.page !== this.#pages) throw broken("`offer` is not allowed at this point");
    if (this.#bytes > OFFER_BYTES_MAX) throw broken("the offer is too long");
    this.#pages++;
    const error = this.offer.extend(page.entries);
    if (error) throw broken(`the offer: ${error}`);
    return page.last;
  }
}
