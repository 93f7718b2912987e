// The guest's machine: answers the hello with its proof, checks the host's, and hands over to `ProvenHost`.
//
// Feed one `Input` with the time, drain `pollOutput` until it says `wait`, and wait for the next input or that time.
// `handleInput` throws a `PairingError` when the pairing has failed; drain once more then.

import { concat } from "../bytes.ts";
import { Exchange } from "../cpace.ts";
import type { DeviceIdentity } from "../device_identity.ts";
import { isHostAuth, type HostAuth } from "../host_identity.ts";
import { ciOf, KeySchedule } from "../keys.ts";
import { HANDSHAKE_MAX } from "../limits.ts";
import { parsePeerMessage, type HostHello, type HostProof } from "../peer_message.ts";
import { parseSdp, splitAddresses, type Sdp } from "../sdp.ts";
import { adOfGuest, checkHostAd, commitmentTo } from "./associated_data.ts";
import { LocalCandidates } from "./candidates.ts";
import { Channel } from "./channel.ts";
import type { Entropy } from "./entropy.ts";
import { failCode, ofFailCode, PairingError, SILENCE, violation } from "./error.ts";
import type { Input, Output } from "./messages.ts";
import { Outbox } from "./outbox.ts";
import { finishExchange } from "./password_exchange.ts";
import { ProvenHost } from "./proven_host.ts";
import { modeOf, prsOfSecret, roomOf, type GuestSecret } from "./secret.ts";

/** What the guest has in every phase. */
export interface Guest {
  readonly room: string;
  readonly shortNumber: boolean;
  /** What this side calls itself, where the host does not expect anybody. */
  readonly name?: string | undefined;
  /** The key by which the host may know this device, if it is to see it. */
  readonly device?: DeviceIdentity | undefined;
  readonly entropy: Entropy;
  readonly local: LocalCandidates;
  readonly outbox: Outbox;
}

type Phase =
  | { readonly t: "hello" }
  | { readonly t: "offer"; readonly hello: HostHello }
  | { readonly t: "proof"; readonly keys: KeySchedule; readonly channel: Channel; readonly sid: HostHello["sid"] }
  | { readonly t: "host"; readonly host: ProvenHost }
  | { readonly t: "over" };

export class GuestPairing {
  #phase: Phase = { t: "hello" };
  #offer: Sdp | undefined;
  #exposed = false;
  readonly #secret: GuestSecret;
  readonly #guest: Guest;

  /** Starts a handshake with the host, which speaks first. */
  constructor(secret: GuestSecret, options: Pick<Guest, "shortNumber" | "name" | "device">, entropy: Entropy, now: number) {
    const outbox = new Outbox();
    outbox.deadline = now + HANDSHAKE_MAX;
    this.#secret = secret;
    this.#guest = { room: roomOf(secret), ...options, entropy, local: new LocalCandidates(), outbox };
  }

  /** Whether the host could test a guess: the proof is out and the host has not proven itself. */
  get isExposed(): boolean {
    return this.#exposed;
  }

  pollOutput(): Output {
    return this.#guest.outbox.poll();
  }

  handleInput(input: Input, now: number): void {
    if (this.#phase.t === "over") return;
    try {
      if (this.#guest.outbox.isLate(now)) throw this.#lateness();
      this.#handle(input, now);
    } catch (error) {
      if (!(error instanceof PairingError)) throw error;
      if (error.byPeer) this.#over();
      else this.#part(error);
      throw error;
    }
  }

  #handle(input: Input, now: number): void {
    switch (input.t) {
      case "received":
        this.#receive(input.bytes, now);
        break;
      case "local_description":
        this.#takeOffer(input.sdp);
        break;
      case "canceled":
        this.#part(new PairingError("canceled"));
        break;
      case "local_candidate":
        if (this.#phase.t === "host") this.#phase.host.handleLocal(input, now, this.#guest);
        else this.#guest.local.take(input.candidate);
        break;
      case "confirmed":
      case "password":
        if (this.#phase.t === "host") this.#phase.host.handleLocal(input, now, this.#guest);
        break;
      case "timed_out":
        break;
    }
  }

  #receive(bytes: Uint8Array, now: number): void {
    const message = parsePeerMessage(bytes);
    if (!message) throw violation("malformed");
    if (message.t === "fail") throw ofFailCode(message.code);
    const phase = this.#phase;
    if (phase.t === "hello" && message.t === "host_hello") this.#takeHello(message);
    else if (phase.t === "proof" && message.t === "host_proof") this.#checkProof(phase, message, now);
    else if (phase.t === "host") phase.host.receive(message, now, this.#guest);
    else throw violation("a message out of place");
  }

  /** Keeps the addresses out of the offer: they follow when the host is proven. */
  #takeOffer(text: string): void {
    if (this.#phase.t !== "hello" && this.#phase.t !== "offer") return;
    const parsed = parseSdp(text, "offer");
    if ("error" in parsed) throw new PairingError("local_description", parsed.error);
    const { sdp, candidates } = splitAddresses(parsed.sdp);
    for (const candidate of candidates) this.#guest.local.take(candidate);
    this.#offer = sdp;
    if (this.#phase.t === "offer") this.#sendProof(this.#phase.hello, sdp);
  }

  #takeHello(hello: HostHello): void {
    checkHostAd(hello.ad);
    if (this.#offer) this.#sendProof(hello, this.#offer);
    else this.#phase = { t: "offer", hello };
  }

  /** Proves that this side knows the secret. Whoever sent the hello can test one guess with it. */
  #sendProof(hello: HostHello, offer: Sdp): void {
    const { room, entropy, outbox, shortNumber, name, device } = this.#guest;
    const ci = ciOf(modeOf(this.#secret), room);
    const exchange = new Exchange("guest", prsOfSecret(this.#secret), ci, hello.sid, entropy.scalar);
    const element = exchange.element;
    const ad = adOfGuest(commitmentTo(entropy.nonce));
    const isk = finishExchange(exchange, ad, hello.element, hello.ad);
    const keys = KeySchedule.first({ sid: hello.sid, ci, host: hello, guest: { element, ad } }, isk);
    const channel = new Channel(keys, "guest", hello.sid);
    const sealed = channel.seal({ t: "offer", sdp: offer.text, verify: shortNumber, from: name, device: device?.prove("guest", keys.th) });
    outbox.send({ t: "guest_proof", element, ad, proof: keys.guestProof(), sealed });
    this.#exposed = true;
    this.#phase = { t: "proof", keys, channel, sid: hello.sid };
  }

  #checkProof(phase: Extract<Phase, { t: "proof" }>, message: HostProof, now: number): void {
    const { keys, channel, sid } = phase;
    if (!keys.isHostProof(message.proof, message.nonce)) {
      throw new PairingError("peer_not_verified", "its proof is wrong");
    }
    this.#checkHostKey(message.auth, keys, message.nonce);
    const frame = channel.open(message.sealed);
    this.#exposed = false;
    const host = new ProvenHost(keys, channel, sid, message.nonce);
    this.#phase = { t: "host", host };
    host.take(frame, now, this.#guest);
  }

  /** Checks which key the host proved: the link's, or none. */
  #checkHostKey(auth: HostAuth | undefined, keys: KeySchedule, nonce: Uint8Array): void {
    const expected = this.#secret.t === "link" ? this.#secret.link.hostKeyHash : undefined;
    if ((expected === undefined) !== (auth === undefined)) throw violation("a signature out of place");
    if (expected && auth && !isHostAuth(auth, expected, keys.th, concat(nonce))) {
      throw new PairingError("host_key_mismatch");
    }
  }

  #lateness(): PairingError {
    return this.#phase.t === "host"
      ? new PairingError("timed_out")
      : new PairingError("peer_not_verified", SILENCE);
  }

  /** Tells the peer and ends. */
  #part(error: PairingError): void {
    if (this.#phase.t === "host") this.#phase.host.part(error, this.#guest);
    else this.#guest.outbox.fail(failCode(error));
    this.#over();
  }

  #over(): void {
    this.#phase = { t: "over" };
    this.#guest.outbox.deadline = undefined;
  }
}
