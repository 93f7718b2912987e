// The host's side of a handshake whose guest has proven that it knows the code or link.

import { equal, type Bytes } from "../bytes.ts";
import type { DeviceIdentity } from "../device_identity.ts";
import type { HostAuth } from "../host_identity.ts";
import type { KeySchedule } from "../keys.ts";
import { HANDSHAKE_MAX, PASSWORD_ATTEMPTS_MAX, PERSON_MAX } from "../limits.ts";
import type { PeerMessage } from "../peer_message.ts";
import { parseSdp, type Sdp } from "../sdp.ts";
import type { SealedFrame } from "../sealed_frame.ts";
import { commitmentTo } from "./associated_data.ts";
import { LocalCandidates, RemoteCandidates } from "./candidates.ts";
import { Channel } from "./channel.ts";
import type { Entropy } from "./entropy.ts";
import { abortCode, ofAbort, PairingError, violation } from "./error.ts";
import type { PasswordGate } from "./host.ts";
import type { Input } from "./messages.ts";
import type { Outbox } from "./outbox.ts";
import { PasswordExchange } from "./password_exchange.ts";

/** What the guest's proof opened. */
export interface Opening {
  readonly keys: KeySchedule;
  readonly channel: Channel;
  readonly room: string;
  readonly password: PasswordGate | undefined;
  readonly commitment: Uint8Array;
  readonly offer: Sdp;
  readonly shortNumber: boolean;
  readonly from: string | undefined;
  /** Which device the guest is, if it says so. */
  readonly met: Bytes | undefined;
  /** The key that the guest is shown. */
  readonly device: DeviceIdentity | undefined;
  readonly auth: HostAuth | undefined;
  readonly entropy: Entropy;
}

/** What the host waits for: the password, the guest's nonce, its person's word, its own stack's answer, or nothing. */
type Stage = "password" | "nonce" | "confirmation" | "answer" | "paired";

export class ProvenGuest {
  #keys: KeySchedule;
  #channel: Channel;
  readonly #opening: Opening;
  /** The attempt at the password that the guest may answer, and its number. */
  #attempt: { readonly number: number; readonly exchange: PasswordExchange } | undefined;
  /** The host's proof, until it leaves with the first sealed frame. */
  #proof: { readonly proof: Bytes; readonly auth: HostAuth | undefined } | undefined;
  #hasNonce = false;
  #stage: Stage = "nonce";
  readonly #local = new LocalCandidates();
  readonly #remote = new RemoteCandidates();

  constructor(opening: Opening) {
    this.#opening = opening;
    this.#keys = opening.keys;
    this.#channel = opening.channel;
    this.#proof = { proof: opening.keys.hostProof(opening.entropy.nonce), auth: opening.auth };
  }

  begin(now: number, outbox: Outbox): void {
    const gate = this.#opening.password;
    if (!gate) {
      this.#goOn(now, outbox);
      return;
    }
    if (gate.attempts === 0) throw new PairingError("password_locked");
    this.#stage = "password";
    this.#send({ t: "auth", salt: gate.password.salt, cost: gate.password.cost }, outbox);
    this.#openAttempt(0, now, outbox);
  }

  receive(message: PeerMessage, now: number, outbox: Outbox): void {
    // Before the host's proof is out the guest cannot know that its own was right.
    if (message.t !== "sealed" || this.#proof) throw violation("a message out of place");
    const frame = this.#channel.open(message.sealed);
    switch (frame.t) {
      case "abort":
        throw ofAbort(frame.code);
      case "cand":
        this.#remote.take(frame, outbox);
        break;
      case "sas":
        this.#takeNonce(frame.n_g, now, outbox);
        break;
      case "pw_b":
        this.#checkPassword(frame.y, frame.tag, now, outbox);
        break;
      case "offer":
      case "answer":
      case "auth":
      case "pw_a":
      case "pw_c":
      case "verify":
      case "ice_restart":
        throw violation("a message out of place");
    }
  }

  handleLocal(input: Input, outbox: Outbox): void {
    switch (input.t) {
      case "local_description":
        if (this.#stage === "answer") this.#sendAnswer(input.sdp, outbox);
        break;
      case "local_candidate": {
        const candidate = this.#local.take(input.candidate);
        if (candidate) this.#send({ t: "cand", ...candidate }, outbox);
        break;
      }
      case "confirmed":
        if (this.#stage !== "confirmation") break;
        if (!input.same) throw new PairingError("short_number_rejected");
        this.#askForAnswer(outbox);
        break;
      case "password":
      case "received":
      case "timed_out":
      case "canceled":
        break;
    }
  }

  /** Tells the guest why this side ends the pairing; the host's proof goes with it if it is the first frame. */
  part(error: PairingError, outbox: Outbox): void {
    this.#send({ t: "abort", code: abortCode(error) }, outbox);
  }

  /** Opens attempt `number` at the password, counted from 0. */
  #openAttempt(number: number, now: number, outbox: Outbox): void {
    const { password: gate, entropy, room } = this.#opening;
    if (!gate) return;
    const left = Math.max(0, Math.min(gate.attempts, PASSWORD_ATTEMPTS_MAX) - number);
    const scalar = entropy.passwordScalars[number];
    if (!scalar || left === 0) throw new PairingError("password_wrong");
    const exchange = new PasswordExchange("host", this.#keys, gate.password, room, number, scalar);
    this.#attempt = { number, exchange };
    outbox.deadline = now + PERSON_MAX;
    this.#send({ t: "pw_a", y: exchange.element, left }, outbox);
  }

  #checkPassword(element: Bytes, proof: Bytes, now: number, outbox: Outbox): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (!attempt) throw violation("a message out of place");
    const attempts = Math.min(this.#opening.password?.attempts ?? 0, PASSWORD_ATTEMPTS_MAX);
    if (attempts === 0) throw new PairingError("password_locked");
    const keys = attempt.exchange.finish(element);
    if (!keys.isGuestProof(proof)) {
      outbox.push({ t: "wrong_password", attemptsLeft: Math.max(0, attempts - attempt.number - 1) });
      this.#openAttempt(attempt.number + 1, now, outbox);
      return;
    }
    const { nonce, sid } = this.#opening.entropy;
    this.#send({ t: "pw_c", tag: keys.hostProof(nonce) }, outbox);
    this.#channel = new Channel(keys, "host", sid);
    this.#keys = keys;
    this.#stage = "nonce";
    this.#goOn(now, outbox);
  }

  /** After the proof, and after the password if there is one. */
  #goOn(now: number, outbox: Outbox): void {
    if (this.#opening.shortNumber) {
      // The guest's program opens its nonce by itself; people have their time once both can see the number.
      outbox.deadline = now + HANDSHAKE_MAX;
      this.#send({ t: "verify", device: this.#opening.device?.prove("host", this.#keys.th) }, outbox);
    } else {
      this.#askForAnswer(outbox);
    }
  }

  #takeNonce(nonce: Bytes, now: number, outbox: Outbox): void {
    if (this.#stage === "password" || this.#hasNonce) throw violation("a message out of place");
    this.#hasNonce = true;
    if (!equal(commitmentTo(nonce), this.#opening.commitment)) throw new PairingError("security_mismatch");
    if (this.#stage !== "nonce") return;
    this.#stage = "confirmation";
    outbox.deadline = now + PERSON_MAX;
    const { entropy, from, met } = this.#opening;
    if (met) outbox.push({ t: "met", key: met });
    outbox.push({ t: "show_short_number", digits: this.#keys.shortNumber(entropy.nonce, nonce), from });
  }

  /** Gives the offer to the own WebRTC stack, whose answer and addresses the guest may have from here on. */
  #askForAnswer(outbox: Outbox): void {
    this.#stage = "answer";
    outbox.deadline = undefined;
    outbox.push({ t: "remote_description", sdp: this.#opening.offer });
    this.#remote.open(outbox);
  }

  #sendAnswer(text: string, outbox: Outbox): void {
    const answer = parseSdp(text, "answer");
    if ("error" in answer) throw new PairingError("local_description", answer.error);
    this.#send({ t: "answer", sdp: answer.sdp.text }, outbox);
    this.#stage = "paired";
    for (const candidate of this.#local.open()) this.#send({ t: "cand", ...candidate }, outbox);
    outbox.push({ t: "paired", keys: this.#keys.sessionKeys("host") });
  }

  /** Seals a frame and sends it, the first one together with the host's proof. */
  #send(frame: SealedFrame, outbox: Outbox): void {
    const sealed = this.#channel.seal(frame);
    const proof = this.#proof;
    this.#proof = undefined;
    if (proof) outbox.send({ t: "host_proof", ...proof, nonce: this.#opening.entropy.nonce, sealed });
    else outbox.send({ t: "sealed", sealed });
  }
}
