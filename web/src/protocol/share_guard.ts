// What each side remembers of failed handshakes, so that guesses stay few.

import { PASSWORD_ATTEMPTS_MAX, UNPROVEN_HANDSHAKES_MAX, WRONG_PASSWORDS_MAX, WRONG_PROOFS_MAX } from "./limits.ts";

/** The host's memory of one share, over all its guests. Only wrong proofs count, and only for codes. */
export class ShareGuard {
  #wrongCodes = 0;
  #wrongPasswords = 0;
  #shortNumberDue = false;

  /** Counts a wrong proof for the code; returns how many more it takes to retire it, 0 when it is retired. */
  wrongCode(): number {
    this.#wrongCodes++;
    this.#shortNumberDue = true;
    return Math.max(0, WRONG_PROOFS_MAX - this.#wrongCodes);
  }

  get isCodeRetired(): boolean {
    return this.#wrongCodes >= WRONG_PROOFS_MAX;
  }

  /** The share has a new code. The next guest still compares the short number. */
  codeReplaced(): void {
    this.#wrongCodes = 0;
  }

  paired(): void {
    this.#shortNumberDue = false;
  }

  /** Whether the next guest compares the short number because a wrong proof came before. */
  get isShortNumberDue(): boolean {
    return this.#shortNumberDue;
  }

  wrongPassword(): void {
    this.#wrongPasswords++;
  }

  /** How many attempts at the password the next guest has. With none the share is locked. */
  get passwordAttempts(): number {
    return Math.min(PASSWORD_ATTEMPTS_MAX, Math.max(0, WRONG_PASSWORDS_MAX - this.#wrongPasswords));
  }

  unlockPassword(): void {
    this.#wrongPasswords = 0;
  }
}

/** The guest's memory of one code: whoever plays host tests one guess with each proof, so the guest stops. */
export class CodeGuard {
  #unproven = 0;

  /** A handshake failed. `exposed`: the proof was out and the host did not prove itself. */
  failed(exposed: boolean): void {
    if (exposed) this.#unproven++;
  }

  get mayTry(): boolean {
    return this.#unproven < UNPROVEN_HANDSHAKES_MAX;
  }
}
