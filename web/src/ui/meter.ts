// The speed of a transfer over the last seconds.

export class Meter {
  readonly #samples: { readonly at: number; readonly bytes: number }[] = [];

  /** Notes how much has moved; returns bytes a second. */
  note(bytes: number, at: number): number {
    this.#samples.push({ at, bytes });
    while ((this.#samples[0]?.at ?? at) < at - SPAN && this.#samples.length > 2) this.#samples.shift();
    const first = this.#samples[0];
    const elapsed = at - (first?.at ?? at);
    return elapsed > 0 ? Math.max(0, ((bytes - (first?.bytes ?? 0)) * 1000) / elapsed) : 0;
  }
}

const SPAN = 4_000;
