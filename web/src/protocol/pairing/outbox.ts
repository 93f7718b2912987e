// What both machines have towards their driver.

import { encodePeerMessage, type FailCode, type PeerMessage } from "../peer_message.ts";
import type { Output } from "./messages.ts";

export class Outbox {
  readonly #outputs: Output[] = [];
  deadline: number | undefined;

  push(output: Output): void {
    this.#outputs.push(output);
  }

  send(message: PeerMessage): void {
    this.push({ t: "send", bytes: encodePeerMessage(message) });
  }

  fail(code: FailCode): void {
    this.send({ t: "fail", code });
  }

  isLate(now: number): boolean {
    return this.deadline !== undefined && now >= this.deadline;
  }

  poll(): Output {
    return this.#outputs.shift() ?? { t: "wait", until: this.deadline };
  }
}
