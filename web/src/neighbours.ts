// The devices of this network, while the start is on screen: who is there, under which name this page is seen, and who knocks.

import type { App } from "./app.ts";
import { Acquaintances } from "./disk/acquaintances.ts";
import type { Bytes } from "./protocol/bytes.ts";
import { isDeviceName } from "./protocol/nearby.ts";
import type { Line } from "./session/line.ts";
import { Nearby } from "./session/nearby.ts";
import { rememberVisibility, type Visibility } from "./session/visibility.ts";

export class Neighbours {
  readonly #app: App;
  readonly #entered: (line: Line) => void;
  #nearby: Nearby | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #answer: ((isLetIn: boolean) => void) | undefined;
  readonly acquaintances: Acquaintances;
  /** The device that the number is of, if it showed its key, and whether it is to be remembered. */
  #met: { readonly name: string; readonly key: Bytes } | undefined;
  #wantsMet = false;

  constructor(app: App, entered: (line: Line) => void) {
    this.#app = app;
    this.#entered = entered;
    this.acquaintances = new Acquaintances((acquaintances) => app.update({ acquaintances }));
  }

  /** Looks around while that is of use, from when a person really looks at the page. */
  follow(isOfUse: boolean): void {
    if (isOfUse && this.#app.state.isSeen && !this.#nearby && this.#retry === undefined) this.#retry = setTimeout(() => this.#start(), 0);
    else if (!isOfUse && (this.#nearby || this.#retry !== undefined)) this.#stop();
  }

  #start(): void {
    this.#retry = undefined;
    const nearby = new Nearby(() => this.acquaintances.identity, {
      devices: (devices) => this.#app.update({ devices }),
      knock: (from, digits, met) => this.#knock(from, digits, met),
      left: () => this.#gone(),
      entered: (line) => {
        this.remember();
        this.#gone();
        this.#stop();
        this.#entered(line);
      },
    });
    this.#nearby = nearby;
    void nearby.start(this.#shownName, () => {
      this.#nearby = undefined;
      this.#gone();
      this.#app.update({ devices: [] });
      this.#retry = setTimeout(() => this.#start(), RETRY);
    });
  }

  #stop(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#nearby?.stop();
    this.#nearby = undefined;
  }

  /** Takes note of which device this is about; returns the name under which it is remembered, so that nobody need be asked. */
  recognise(name: string, met: Bytes | undefined): string | undefined {
    this.#met = met && isDeviceName(name) ? { name, key: met } : undefined;
    this.#wantsMet = false;
    return met && this.acquaintances.nameOf(met);
  }

  /** Whether the device can be remembered: not ticked at first, where it showed a key. */
  get canRemember(): false | undefined {
    return this.#met && false;
  }

  /** The person wants to know the device again; it is remembered once both people let each other in. */
  wantMet(isWanted: boolean): void {
    this.#wantsMet = isWanted;
  }

  /** Remembers the device that was met, if that is wanted. */
  remember(): void {
    if (this.#met && this.#wantsMet) this.acquaintances.remember(this.#met.name, this.#met.key);
    this.#met = undefined;
  }

  get #shownName(): string | undefined {
    const { isVisible, name } = this.#app.state.visibility;
    return isVisible ? name : undefined;
  }

  /** Lets others see this page, or no longer, under a name. */
  show(visibility: Visibility): void {
    rememberVisibility(visibility);
    this.#app.update({ visibility });
    this.#nearby?.show(this.#shownName);
  }

  #knock(from: string, digits: string, met: Bytes | undefined): Promise<boolean> {
    const isKnown = this.recognise(from, met) !== undefined;
    // Shown in any case: the other person may be asked about it.
    this.#app.update({ knock: { from, digits, isAnswered: isKnown, remember: this.canRemember } });
    if (isKnown) return Promise.resolve(true);
    return new Promise((answer) => (this.#answer = answer));
  }

  /** Whether whoever knocks is to be remembered. */
  tick(remember: boolean): void {
    const { knock } = this.#app.state;
    if (knock) this.#app.update({ knock: { ...knock, remember } });
  }

  answer(isLetIn: boolean): void {
    const { knock } = this.#app.state;
    if (!knock) return;
    this.#wantsMet = isLetIn && knock.remember === true;
    this.#app.update({ knock: isLetIn ? { ...knock, isAnswered: true } : undefined });
    this.#answer?.(isLetIn);
  }

  #gone(): void {
    this.#answer?.(false);
    this.#answer = undefined;
    if (this.#app.state.knock) this.#app.update({ knock: undefined });
  }
}

/** The pause before the server is asked again, in milliseconds. */
const RETRY = 5_000;
