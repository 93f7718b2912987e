// The host's machine: says hello, checks the guest's proof, and hands over to `ProvenGuest`.

import { equal, type Bytes } from "../bytes.ts";
import { Exchange } from "../cpace.ts";
import { isDeviceProof, type DeviceIdentity } from "../device_identity.ts";
import { ciOf, KeySchedule } from "../keys.ts";
import { HANDSHAKE_MAX } from "../limits.ts";
import type { StretchedPassword } from "../password.ts";
import { parsePeerMessage, type GuestProof } from "../peer_message.ts";
import { parseSdp } from "../sdp.ts";
import { adOfHost, parseGuestAd } from "./associated_data.ts";
import { Channel } from "./channel.ts";
import type { Entropy } from "./entropy.ts";
import { failCode, ofFailCode, PairingError, violation } from "./error.ts";
import type { Input, Output } from "./messages.ts";
import { Outbox } from "./outbox.ts";
import { finishExchange } from "./password_exchange.ts";
import { ProvenGuest } from "./proven_guest.ts";
import { modeOf, prsOfSecret, roomOf, type HostSecret } from "./secret.ts";

/** A share's password, and how often this guest may try it. With none the guest is told that the share is locked. */
export interface PasswordGate {
  readonly password: StretchedPassword;
  attempts: number;
}

/** What a host asks of a guest beyond the code or link. */
export interface HostOptions {
  readonly password?: PasswordGate | undefined;
  /** Whether both people compare the short number: by their wish, or because a wrong proof came before. */
  readonly shortNumber: boolean;
  /** The key by which the guest may know this device: for guests that say which one they are. */
  readonly device?: DeviceIdentity | undefined;
}

type Phase =
  | { readonly t: "hello"; readonly exchange: Exchange; readonly ad: Bytes }
  | { readonly t: "guest"; readonly guest: ProvenGuest }
  | { readonly t: "over" };

export class HostPairing {
  #phase: Phase;
  #shortNumber: boolean;
  readonly #secret: HostSecret;
  readonly #password: PasswordGate | undefined;
  readonly #device: DeviceIdentity | undefined;
  readonly #entropy: Entropy;
  readonly #outbox = new Outbox();

  /** Starts a handshake with a guest; the hello is the first output. */
  constructor(secret: HostSecret, options: HostOptions, entropy: Entropy, now: number) {
    const ad = adOfHost();
    const ci = ciOf(modeOf(secret), roomOf(secret));
    const exchange = new Exchange("host", prsOfSecret(secret), ci, entropy.sid, entropy.scalar);
    this.#secret = secret;
    this.#shortNumber = options.shortNumber;
    this.#password = options.password;
    this.#device = options.device;
    this.#entropy = entropy;
    this.#outbox.deadline = now + HANDSHAKE_MAX;
    this.#outbox.send({ t: "host_hello", sid: entropy.sid, element: exchange.element, ad });
    this.#phase = { t: "hello", exchange, ad };
  }

  pollOutput(): Output {
    return this.#outbox.poll();
  }

  /**
   * Whether the guest knows the code or link, so that the server need not end its handshake: people may take their time from here
   * on.
   */
  get isGuestProven(): boolean {
    return this.#phase.t === "guest";
  }

  /** Throws `PairingError`; `wrong_code` is to be counted before anything is sent on. */
  handleInput(input: Input, now: number): void {
    if (this.#phase.t === "over") return;
    try {
      if (this.#outbox.isLate(now)) throw new PairingError("timed_out");
      this.#handle(input, now);
    } catch (error) {
      if (!(error instanceof PairingError)) throw error;
      if (error.byPeer) this.#over();
      else this.#part(error);
      throw error;
    }
  }

  /** Asks for the short number although the options did not: a wrong proof came to the same share meanwhile. */
  demandShortNumber(): void {
    this.#shortNumber = true;
  }

  /** Ends the handshake if it is over a code and the guest is not proven yet: the code is retired. */
  retire(): void {
    if (this.#phase.t === "hello" && this.#secret.t === "code") this.#part(new PairingError("not_active"));
  }

  /** Takes no further attempt at the password: the share is locked. */
  lockPassword(): void {
    if (this.#password) this.#password.attempts = 0;
  }

  #handle(input: Input, now: number): void {
    switch (input.t) {
      case "received":
        this.#receive(input.bytes, now);
        break;
      case "canceled":
        this.#part(new PairingError("canceled"));
        break;
      case "local_description":
      case "local_candidate":
      case "confirmed":
        if (this.#phase.t === "guest") this.#phase.guest.handleLocal(input, this.#outbox);
        break;
      case "password":
      case "timed_out":
        break;
    }
  }

  #receive(bytes: Uint8Array, now: number): void {
    const message = parsePeerMessage(bytes);
    if (!message) throw violation("malformed");
    if (message.t === "fail") {
      // Only a host judges a code.
      const isJudgement = message.code === "wrong_code" || message.code === "not_active";
      throw isJudgement ? new PairingError("protocol_violation", "a judgement", true) : ofFailCode(message.code);
    }
    if (this.#phase.t === "guest") {
      this.#phase.guest.receive(message, now, this.#outbox);
    } else if (this.#phase.t === "hello") {
      if (message.t !== "guest_proof") throw violation("a message out of place");
      const guest = this.#check(this.#phase.exchange, this.#phase.ad, message);
      this.#phase = { t: "guest", guest };
      guest.begin(now, this.#outbox);
    }
  }

  /** Checks the guest's proof and opens its offer. */
  #check(exchange: Exchange, ad: Bytes, message: GuestProof): ProvenGuest {
    const commitment = parseGuestAd(message.ad);
    const { sid } = this.#entropy;
    if (equal(message.element, exchange.element)) throw violation("a reflected message");
    const isk = finishExchange(exchange, ad, message.element, message.ad);
    const ci = ciOf(modeOf(this.#secret), roomOf(this.#secret));
    const keys = KeySchedule.first({ sid, ci, host: { element: exchange.element, ad }, guest: message }, isk);
    if (!keys.isGuestProof(message.proof)) throw new PairingError("wrong_code");
    const channel = new Channel(keys, "host", sid);
    const frame = channel.open(message.sealed);
    if (frame.t !== "offer") throw violation("a malformed frame");
    const offer = parseSdp(frame.sdp, "offer");
    if ("error" in offer) throw violation(`a session description: ${offer.error}`);
    const { device } = frame;
    // Passed on from another handshake by somebody in between.
    if (device && !isDeviceProof(device, "guest", keys.th)) throw new PairingError("security_mismatch");
    const { nonce } = this.#entropy;
    return new ProvenGuest({
      keys,
      channel,
      room: roomOf(this.#secret),
      password: this.#password,
      commitment,
      offer: offer.sdp,
      shortNumber: this.#shortNumber || frame.verify,
      from: frame.from,
      met: device?.key,
      device: device && this.#device,
      auth: this.#secret.t === "link" ? this.#secret.identity.prove(keys.th, nonce) : undefined,
      entropy: this.#entropy,
    });
  }

  /** Tells the peer and ends. */
  #part(error: PairingError): void {
    if (this.#phase.t === "guest") this.#phase.guest.part(error, this.#outbox);
    else this.#outbox.fail(failCode(error));
    this.#over();
  }

  #over(): void {
    this.#phase = { t: "over" };
    this.#outbox.deadline = undefined;
  }
}
