// What a person is asked while two sides pair: the share's password, and whether both show the same number.

import type { App } from "./app.ts";
import type { Disk } from "./disk/disk.ts";
import type { Bytes } from "./protocol/bytes.ts";
import { preparePassword, type StretchedPassword } from "./protocol/password.ts";

export class Questions {
  readonly #app: App;
  readonly #disk: Disk;
  #answerPassword: ((password: string) => void) | undefined;
  #answerNumber: ((same: boolean) => void) | undefined;

  constructor(app: App, disk: Disk) {
    this.#app = app;
    this.#disk = disk;
  }

  /** Asks until what is typed can be a password; returns it stretched. */
  async password(attemptsLeft: number, salt: StretchedPassword["salt"], cost: StretchedPassword["cost"]): Promise<StretchedPassword> {
    const wasWrong = this.#app.state.screen.t === "password";
    const ask = { t: "password", attemptsLeft, wasWrong } as const;
    for (let error: "empty" | "too_long" | "control_character" | undefined; ; ) {
      this.#app.show({ ...ask, isBusy: false, error });
      const typed = await new Promise<string>((resolve) => (this.#answerPassword = resolve));
      const result = preparePassword(typed);
      if ("prepared" in result) {
        this.#app.show({ ...ask, isBusy: true, error: undefined });
        return this.#disk.ask({ t: "stretch", prepared: result.prepared, salt, cost });
      }
      error = result.error;
    }
  }

  givePassword(password: string): void {
    this.#answerPassword?.(password);
  }

  /** Asks whether the other side shows the same number, unless it is a device that is known: `other` and its key. */
  number(digits: string, other: string | undefined, met: Bytes | undefined): Promise<boolean> {
    const { neighbours } = this.#app;
    // A device that is remembered under another name may have taken this one: then the person is asked.
    const isKnown = other !== undefined && neighbours.recognise(other, met)?.toLowerCase() === other.toLowerCase();
    const remember = other === undefined ? undefined : neighbours.canRemember;
    const screen = { t: "verify", digits, isAnswered: isKnown, other, remember } as const;
    this.#app.show(screen);
    if (isKnown) return Promise.resolve(true);
    return new Promise((resolve) => {
      this.#answerNumber = (same) => {
        this.#app.show({ ...screen, isAnswered: true });
        resolve(same);
      };
    });
  }

  answerNumber(same: boolean): void {
    this.#answerNumber?.(same);
  }

  /** Whether the device whose number is on screen is to be remembered. */
  tickRemember(remember: boolean): void {
    const { screen } = this.#app.state;
    this.#app.neighbours.wantMet(remember);
    if (screen.t === "verify") this.#app.show({ ...screen, remember });
  }
}
