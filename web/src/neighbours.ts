// The devices of this network, while the start is on screen: who is there, under which name this page is seen, and who knocks.

import type { App } from "./app.ts";
import type { Line } from "./session/line.ts";
import { Nearby } from "./session/nearby.ts";
import { rememberVisibility, type Visibility } from "./session/visibility.ts";

export class Neighbours {
  readonly #app: App;
  readonly #entered: (line: Line) => void;
  #nearby: Nearby | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #answer: ((isLetIn: boolean) => void) | undefined;

  constructor(app: App, entered: (line: Line) => void) {
    this.#app = app;
    this.#entered = entered;
  }

  /** Looks around while that is of use, from when a person really looks at the page. */
  follow(isOfUse: boolean): void {
    if (isOfUse && this.#app.state.isSeen && !this.#nearby && this.#retry === undefined) this.#retry = setTimeout(() => this.#start(), 0);
    else if (!isOfUse && (this.#nearby || this.#retry !== undefined)) this.#stop();
  }

  #start(): void {
    this.#retry = undefined;
    const nearby = new Nearby({
      devices: (devices) => this.#app.update({ devices }),
      knock: (from, digits) => this.#knock(from, digits),
      left: () => this.#gone(),
      entered: (line) => {
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

  #knock(from: string, digits: string): Promise<boolean> {
    this.#app.update({ knock: { from, digits, isAnswered: false } });
    return new Promise((answer) => (this.#answer = answer));
  }

  answer(isLetIn: boolean): void {
    const { knock } = this.#app.state;
    if (!knock) return;
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
