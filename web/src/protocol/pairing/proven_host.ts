// The guest's side of a handshake whose host has proven that it knows the code or link.

import type { Bytes } from "../bytes.ts";
import { isDeviceProof, type DeviceProof } from "../device_identity.ts";
import type { KeySchedule } from "../keys.ts";
import { HANDSHAKE_MAX, PASSWORD_ATTEMPTS_MAX, PERSON_MAX } from "../limits.ts";
import { isBearable, type PasswordCost, type StretchedPassword } from "../password.ts";
import type { PeerMessage } from "../peer_message.ts";
import { parseSdp, type Sdp } from "../sdp.ts";
import type { SealedFrame } from "../sealed_frame.ts";
import { RemoteCandidates } from "./candidates.ts";
import { Channel } from "./channel.ts";
import { abortCode, failCode, ofAbort, PairingError, violation } from "./error.ts";
import type { Guest } from "./guest.ts";
import type { Input } from "./messages.ts";
import { PasswordExchange } from "./password_exchange.ts";

interface Gate {
  readonly salt: Bytes;
  readonly cost: PasswordCost;
}

/** An attempt at the password, opened by the host: its number from 0, the host's element, how many are left with it. */
interface Attempt {
  readonly gate: Gate;
  readonly number: number;
  readonly element: Bytes;
  readonly left: number;
}

/** What the guest waits for. */
type Stage =
  /** The answer, or what has to happen before it. */
  | { readonly t: "next" }
  /** The host's element for the first attempt at the password. */
  | { readonly t: "attempt"; readonly gate: Gate }
  /** The person's password. */
  | { readonly t: "password"; readonly attempt: Attempt }
  /** The host's word on the password; these keys follow if it was right. */
  | { readonly t: "password_proof"; readonly attempt: Attempt; readonly keys: KeySchedule }
  /** The person's word on the short number. The answer may be here already. */
  | { readonly t: "confirmation"; readonly answer: Sdp | undefined }
  /** The answer, and nothing else. */
  | { readonly t: "answer" }
  /** Nothing but candidates. */
  | { readonly t: "paired" };

export class ProvenHost {
  #keys: KeySchedule;
  #channel: Channel;
  readonly #sid: Bytes;
  readonly #hostNonce: Bytes;
  #stage: Stage = { t: "next" };
  readonly #remote = new RemoteCandidates();

  constructor(keys: KeySchedule, channel: Channel, sid: Bytes, hostNonce: Bytes) {
    this.#keys = keys;
    this.#channel = channel;
    this.#sid = sid;
    this.#hostNonce = hostNonce;
  }

  receive(message: PeerMessage, now: number, guest: Guest): void {
    if (message.t !== "sealed") throw violation("a message out of place");
    this.take(this.#channel.open(message.sealed), now, guest);
  }

  /** Takes a frame of the host in. Each has its place; anywhere else it is a violation. */
  take(frame: SealedFrame, now: number, guest: Guest): void {
    const stage = this.#stage;
    if (frame.t === "abort") throw ofAbort(frame.code);
    if (frame.t === "cand" && (stage.t === "paired" || (stage.t === "confirmation" && stage.answer))) {
      this.#remote.take(frame, guest.outbox);
      return;
    }
    const next = this.#follow(stage, frame, now, guest);
    if (!next) throw violation("a message out of place");
    this.#stage = next;
  }

  #follow(stage: Stage, frame: SealedFrame, now: number, guest: Guest): Stage | undefined {
    switch (stage.t) {
      case "next":
        return this.#begin(frame, now, guest);
      case "attempt": {
        if (frame.t !== "pw_a") return undefined;
        return askPassword({ gate: stage.gate, number: 0, element: frame.y, left: frame.left }, now, guest);
      }
      case "password_proof": {
        if (frame.t === "pw_c") return this.#takePasswordProof(stage.keys, frame.tag, now, guest);
        if (frame.t !== "pw_a") return undefined;
        const number = stage.attempt.number + 1;
        return askPassword({ gate: stage.attempt.gate, number, element: frame.y, left: frame.left }, now, guest);
      }
      case "confirmation":
        if (frame.t !== "answer" || stage.answer) return undefined;
        return { t: "confirmation", answer: parseAnswer(frame.sdp) };
      case "answer":
        return frame.t === "answer" ? this.#pair(parseAnswer(frame.sdp), guest) : undefined;
      case "password":
      case "paired":
        return undefined;
    }
  }

  #begin(frame: SealedFrame, now: number, guest: Guest): Stage | undefined {
    if (frame.t === "auth") {
      if (!isBearable(frame.cost)) throw violation("an excessive password cost");
      return { t: "attempt", gate: { salt: frame.salt, cost: frame.cost } };
    }
    if (frame.t === "verify") {
      this.#meet(frame.device, guest);
      return this.#showShortNumber(now, guest);
    }
    if (frame.t !== "answer") return undefined;
    if (guest.shortNumber) throw violation("the short number was skipped");
    this.#openNonce(guest);
    return this.#pair(parseAnswer(frame.sdp), guest);
  }

  handleLocal(input: Input, now: number, guest: Guest): void {
    switch (input.t) {
      case "local_candidate": {
        const candidate = guest.local.take(input.candidate);
        if (candidate) this.#send({ t: "cand", ...candidate }, guest);
        break;
      }
      case "confirmed":
        this.#takeWord(input.same, now, guest);
        break;
      case "password":
        this.#tryPassword(input.stretched, now, guest);
        break;
      case "received":
      case "local_description":
      case "timed_out":
      case "canceled":
        break;
    }
  }

  /** Tells the host why this side ends the pairing. */
  part(error: PairingError, guest: Guest): void {
    // While the password is on its way the host may have gone over to the next keys.
    if (this.#stage.t === "password_proof") guest.outbox.fail(failCode(error));
    else this.#send({ t: "abort", code: abortCode(error) }, guest);
  }

  #tryPassword(stretched: StretchedPassword, now: number, guest: Guest): void {
    if (this.#stage.t !== "password") return;
    const { attempt } = this.#stage;
    const scalar = guest.entropy.passwordScalars[attempt.number];
    if (!scalar) throw violation("a message out of place");
    const exchange = new PasswordExchange("guest", this.#keys, stretched, guest.room, attempt.number, scalar);
    const keys = exchange.finish(attempt.element);
    this.#send({ t: "pw_b", y: exchange.element, tag: keys.guestProof() }, guest);
    guest.outbox.deadline = now + HANDSHAKE_MAX;
    this.#stage = { t: "password_proof", attempt, keys };
  }

  /** Goes over to the keys that depend on the password as well. */
  #takePasswordProof(keys: KeySchedule, proof: Bytes, now: number, guest: Guest): Stage {
    if (!keys.isHostProof(proof, this.#hostNonce)) throw new PairingError("peer_not_verified", "its proof is wrong");
    this.#channel = new Channel(keys, "guest", this.#sid);
    this.#keys = keys;
    guest.outbox.deadline = now + HANDSHAKE_MAX;
    return { t: "next" };
  }

  /** Takes note of which device the host is, if it says so. A proof for another handshake was passed on by somebody in between. */
  #meet(device: DeviceProof | undefined, guest: Guest): void {
    if (!device) return;
    if (!isDeviceProof(device, "host", this.#keys.th)) throw new PairingError("security_mismatch");
    guest.outbox.push({ t: "met", key: device.key });
  }

  #showShortNumber(now: number, guest: Guest): Stage {
    this.#openNonce(guest);
    guest.outbox.deadline = now + PERSON_MAX;
    const digits = this.#keys.shortNumber(this.#hostNonce, guest.entropy.nonce);
    guest.outbox.push({ t: "show_short_number", digits });
    return { t: "confirmation", answer: undefined };
  }

  #takeWord(same: boolean, now: number, guest: Guest): void {
    if (this.#stage.t !== "confirmation") return;
    if (!same) throw new PairingError("short_number_rejected");
    if (this.#stage.answer) {
      this.#stage = this.#pair(this.#stage.answer, guest);
    } else {
      // The host's person may still be reading.
      guest.outbox.deadline = now + PERSON_MAX + HANDSHAKE_MAX;
      this.#stage = { t: "answer" };
    }
  }

  #pair(answer: Sdp, guest: Guest): Stage {
    guest.outbox.deadline = undefined;
    guest.outbox.push({ t: "remote_description", sdp: answer });
    this.#remote.open(guest.outbox);
    for (const candidate of guest.local.open()) this.#send({ t: "cand", ...candidate }, guest);
    guest.outbox.push({ t: "paired", keys: this.#keys.sessionKeys("guest") });
    return { t: "paired" };
  }

  /** Opens the nonce that the guest committed to: never before the host has said its own. */
  #openNonce(guest: Guest): void {
    this.#send({ t: "sas", n_g: guest.entropy.nonce }, guest);
  }

  #send(frame: SealedFrame, guest: Guest): void {
    guest.outbox.send({ t: "sealed", sealed: this.#channel.seal(frame) });
  }
}

function askPassword(attempt: Attempt, now: number, guest: Guest): Stage {
  // Each attempt lets the host test one guess at the person's password.
  if (attempt.number === PASSWORD_ATTEMPTS_MAX) throw violation("a message out of place");
  const left = Math.min(attempt.left, PASSWORD_ATTEMPTS_MAX - attempt.number);
  guest.outbox.deadline = now + PERSON_MAX;
  guest.outbox.push({ t: "ask_password", attemptsLeft: left, ...attempt.gate });
  return { t: "password", attempt: { ...attempt, left } };
}

function parseAnswer(text: string): Sdp {
  const parsed = parseSdp(text, "answer");
  if ("error" in parsed) throw violation(`a session description: ${parsed.error}`);
  return parsed.sdp;
}
