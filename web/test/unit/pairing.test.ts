// Host and guest, message by message.

import { randomBytes } from "node:crypto";

import { describe, expect, test } from "vitest";

import type { Bytes } from "../../src/protocol/bytes.ts";
import { DeviceIdentity, isDeviceProof, type DeviceProof } from "../../src/protocol/device_identity.ts";
import { HostIdentity } from "../../src/protocol/host_identity.ts";
import { drawEntropy } from "../../src/protocol/pairing/entropy.ts";
import { HANDSHAKE_MAX, PERSON_MAX } from "../../src/protocol/limits.ts";
import { PairingError } from "../../src/protocol/pairing/error.ts";
import { GuestPairing } from "../../src/protocol/pairing/guest.ts";
import { HostPairing, type HostOptions } from "../../src/protocol/pairing/host.ts";
import type { Input, Output } from "../../src/protocol/pairing/messages.ts";
import type { GuestSecret, HostSecret } from "../../src/protocol/pairing/secret.ts";
import { stretch } from "../../src/protocol/password.ts";

const code = { nameplate: "12", secret: "3456" };
const byCode = { t: "code", code } as const;
const cheap = { m: 8, t: 1, p: 1 };

describe("a pairing", () => {
  test("by a code gives both sides the same keys", () => {
    const pair = new Pair(byCode, byCode);
    pair.run();
    const [host, guest] = [pair.paired("host"), pair.paired("guest")];
    expect(host.keys.resumeKey).toEqual(guest.keys.resumeKey);
    expect(pair.seen("host", "remote_description").sdp.kind).toBe("offer");
    expect(pair.seen("guest", "remote_description").sdp.kind).toBe("answer");
    expect(pair.seen("host", "remote_candidate").candidate.candidate).toContain("192.0.2.7");
  });

  test("keeps the guest's addresses out of its offer", () => {
    const pair = new Pair(byCode, byCode);
    pair.run();
    expect(pair.seen("host", "remote_description").sdp.text).not.toContain("192.0.2");
  });

  test("by a link proves the host's key", () => {
    const identity = new HostIdentity(random(32));
    const link = { secret: random(16), hostKeyHash: identity.publicKeyHash };
    const pair = new Pair({ t: "link", link, identity }, { t: "link", link });
    pair.run();
    expect(pair.paired("guest").keys.resumeKey).toEqual(pair.paired("host").keys.resumeKey);
  });

  test("b_068 by a link with another host's key is refused", () => {
    const link = { secret: random(16), hostKeyHash: new HostIdentity(random(32)).publicKeyHash };
    const pair = new Pair({ t: "link", link, identity: new HostIdentity(random(32)) }, { t: "link", link });
    pair.run();
    expect(pair.errors.guest).toBe("host_key_mismatch");
  });

  test("with a wrong code tells both sides", () => {
    const pair = new Pair(byCode, { t: "code", code: { ...code, secret: "3457" } });
    pair.run();
    expect(pair.errors).toEqual({ host: "wrong_code", guest: "wrong_code" });
    expect(pair.guest.isExposed).toBe(true);
  });

  test("b_057 a second hello is out of place", () => {
    const pair = new Pair(byCode, byCode);
    const hello = pair.host.pollOutput() as Extract<Output, { t: "send" }>;
    pair.guest.handleInput({ t: "received", bytes: hello.bytes }, 0);
    expect(() => pair.guest.handleInput({ t: "received", bytes: hello.bytes }, 0)).toThrow(PairingError);
  });

  test("b_058 what the host said does not come back to it", () => {
    const pair = new Pair(byCode, byCode);
    const hello = pair.host.pollOutput() as Extract<Output, { t: "send" }>;
    expect(() => pair.host.handleInput({ t: "received", bytes: hello.bytes }, 0)).toThrow(PairingError);
  });

  test("asks for the password, three times at most", () => {
    const password = { password: stretch("right", random(16), cheap), attempts: 3 };
    const pair = new Pair(byCode, byCode, { password, shortNumber: false });
    pair.passwords = ["wrong", "right"];
    pair.run();
    expect(pair.paired("guest").keys.resumeKey).toEqual(pair.paired("host").keys.resumeKey);
    expect(pair.all("guest", "ask_password").map((ask) => ask.attemptsLeft)).toEqual([3, 2]);
    expect(pair.all("host", "wrong_password").map((wrong) => wrong.attemptsLeft)).toEqual([2]);
  });

  test("b_072 is over after three wrong passwords", () => {
    const password = { password: stretch("right", random(16), cheap), attempts: 3 };
    const pair = new Pair(byCode, byCode, { password, shortNumber: false });
    pair.passwords = ["a", "b", "c"];
    pair.run();
    expect(pair.errors).toEqual({ host: "password_wrong", guest: "password_wrong" });
  });

  test("shows both sides the same short number and waits for both", () => {
    const pair = new Pair(byCode, byCode, { shortNumber: true });
    pair.run();
    const number = pair.seen("host", "show_short_number").digits;
    expect(pair.seen("guest", "show_short_number").digits).toBe(number);
    expect(pair.outputs.host.some((output) => output.t === "paired")).toBe(false);
    // Who compares takes longer than the server gives for a proof.
    expect(pair.host.isGuestProven).toBe(true);
    pair.feed("guest", { t: "confirmed", same: true });
    pair.feed("host", { t: "confirmed", same: true });
    pair.run();
    expect(pair.paired("guest").keys.resumeKey).toEqual(pair.paired("host").keys.resumeKey);
  });

  test("a guest whose program says nothing is not waited for as long as people are", () => {
    const pair = new Pair(byCode, byCode, { shortNumber: true });
    // Up to the word that the short number is due, which has not arrived yet.
    let said = pair.host.pollOutput();
    for (; said.t !== "wait"; said = pair.host.pollOutput()) {
      if (said.t === "send") pair.feed("guest", { t: "received", bytes: said.bytes });
      const [proof] = sends(pair.guest);
      if (proof) pair.feed("host", { t: "received", bytes: proof });
      if (pair.host.isGuestProven) break;
    }
    const words = sends(pair.host);
    expect(pair.host.pollOutput()).toEqual({ t: "wait", until: HANDSHAKE_MAX });
    for (const bytes of words) pair.feed("guest", { t: "received", bytes });
    pair.run();
    expect(pair.seen("host", "show_short_number").digits).toBe(pair.seen("guest", "show_short_number").digits);
    expect(pair.host.pollOutput()).toEqual({ t: "wait", until: PERSON_MAX });
  });

  test("ends when a person says that the numbers differ", () => {
    const pair = new Pair(byCode, byCode, { shortNumber: true });
    pair.run();
    pair.feed("guest", { t: "confirmed", same: false });
    pair.run();
    expect(pair.errors).toEqual({ host: "short_number_rejected", guest: "short_number_rejected" });
  });

  test("b_051 any altered byte of the guest's proof is refused", () => {
    for (let at = 0; at < 400; at += 7) {
      const pair = new Pair(byCode, byCode);
      pair.alter = { side: "guest", message: 0, at };
      pair.run();
      expect(pair.errors.host, `byte ${at}`).toBeDefined();
      expect(pair.outputs.guest.some((output) => output.t === "paired")).toBe(false);
    }
  });

  test("devices that show their keys meet before they see the number", () => {
    const [ann, bob] = [new DeviceIdentity(random(32)), new DeviceIdentity(random(32))];
    const pair = new Pair(byCode, byCode, { shortNumber: true, device: bob }, { shortNumber: true, name: "ann", device: ann });
    pair.run();
    expect(pair.seen("host", "met").key).toEqual(ann.prove("guest", random(64)).key);
    expect(pair.seen("guest", "met").key).toEqual(bob.prove("host", random(64)).key);
    const order = pair.outputs.host.map(({ t }) => t);
    expect(order.indexOf("met")).toBeLessThan(order.indexOf("show_short_number"));
  });

  test("a host shows its key to nobody that shows none", () => {
    const pair = new Pair(byCode, byCode, { shortNumber: true, device: new DeviceIdentity(random(32)) });
    pair.run();
    expect(pair.all("guest", "met")).toEqual([]);
  });

  test.each(["host", "guest"] as const)("a %s's proof that comes from another handshake ends this one", (side) => {
    const device = new DeviceIdentity(random(32));
    const passedOn = new PassedOn(device.seed);
    const [ofHost, ofGuest] = side === "host" ? [passedOn, device] : [device, passedOn];
    const pair = new Pair(byCode, byCode, { shortNumber: true, device: ofHost }, { shortNumber: true, name: "ann", device: ofGuest });
    pair.run();
    expect(pair.errors[side === "host" ? "guest" : "host"]).toBe("security_mismatch");
    expect(Object.keys(pair.errors).length).toBe(2);
    expect(pair.all("host", "show_short_number")).toEqual([]);
  });

  test("a device's proof counts for its key, its side and its handshake alone", () => {
    const [ann, bob] = [new DeviceIdentity(random(32)), new DeviceIdentity(random(32))];
    const th = random(64);
    const proof = ann.prove("guest", th);
    expect(isDeviceProof(proof, "guest", th)).toBe(true);
    expect(isDeviceProof(proof, "host", th), "thrown back at who said it").toBe(false);
    expect(isDeviceProof(proof, "guest", random(64)), "passed on").toBe(false);
    expect(isDeviceProof({ key: bob.prove("guest", th).key, sig: proof.sig }, "guest", th), "another key").toBe(false);
  });

  test("a guest that hears nothing gives up after 15 s", () => {
    const guest = new GuestPairing(byCode, { shortNumber: false }, drawEntropy(random), 0);
    expect(guest.pollOutput()).toEqual({ t: "wait", until: 15_000 });
    expect(() => guest.handleInput({ t: "timed_out" }, 15_000)).toThrow("peer_not_verified");
  });
});

/** A device whose proofs are of another handshake. */
class PassedOn extends DeviceIdentity {
  override prove(role: Side): DeviceProof {
    return super.prove(role, new Uint8Array(64));
  }
}

/** What a side has to send. */
function sends(side: HostPairing | GuestPairing): Bytes[] {
  const sent: Bytes[] = [];
  for (let output = side.pollOutput(); output.t !== "wait"; output = side.pollOutput()) if (output.t === "send") sent.push(output.bytes);
  return sent;
}

type GuestOptions = ConstructorParameters<typeof GuestPairing>[1];
type Side = "host" | "guest";

class Pair {
  readonly host: HostPairing;
  readonly guest: GuestPairing;
  readonly outputs: Record<Side, Output[]> = { host: [], guest: [] };
  readonly errors: Partial<Record<Side, string>> = {};
  passwords: string[] = [];
  alter: { side: Side; message: number; at: number } | undefined;
  readonly #sent: Record<Side, number> = { host: 0, guest: 0 };

  constructor(host: HostSecret, guest: GuestSecret, options: HostOptions = { shortNumber: false }, guestOptions: GuestOptions = { shortNumber: false }) {
    this.host = new HostPairing(host, options, drawEntropy(random), 0);
    this.guest = new GuestPairing(guest, guestOptions, drawEntropy(random), 0);
    this.guest.handleInput({ t: "local_description", sdp: description("actpass", "192.0.2.7") }, 0);
  }

  feed(side: Side, input: Input): void {
    try {
      this[side].handleInput(input, 0);
    } catch (error) {
      this.errors[side] = (error as PairingError).code;
    }
  }

  run(): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (const side of ["host", "guest"] as const) {
        for (let output = this[side].pollOutput(); output.t !== "wait"; output = this[side].pollOutput()) {
          moved = true;
          this.outputs[side].push(output);
          this.#carryOut(side, output);
        }
      }
    }
  }

  #carryOut(side: Side, output: Output): void {
    if (output.t === "send") {
      const bytes = output.bytes.slice();
      const { alter } = this;
      if (alter?.side === side && alter.message === this.#sent[side]++) bytes[alter.at]! ^= 1;
      this.feed(side === "host" ? "guest" : "host", { t: "received", bytes });
    } else if (output.t === "remote_description" && side === "host") {
      this.feed("host", { t: "local_description", sdp: description("active", "192.0.2.8") });
    } else if (output.t === "ask_password") {
      const stretched = stretch(this.passwords.shift()!, output.salt, output.cost);
      this.feed("guest", { t: "password", stretched });
    }
  }

  all<T extends Output["t"]>(side: Side, t: T): Extract<Output, { t: T }>[] {
    return this.outputs[side].filter((output): output is Extract<Output, { t: T }> => output.t === t);
  }

  seen<T extends Output["t"]>(side: Side, t: T): Extract<Output, { t: T }> {
    const [first] = this.all(side, t);
    if (!first) throw new Error(`${side} has no ${t}: ${JSON.stringify(this.errors)}`);
    return first;
  }

  paired(side: Side): Extract<Output, { t: "paired" }> {
    return this.seen(side, "paired");
  }
}

function description(setup: string, address: string): string {
  return [
    "v=0",
    "o=- 1 2 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    `m=application 9 UDP/DTLS/SCTP webrtc-datachannel`,
    `c=IN IP4 ${address}`,
    `a=candidate:1 1 udp 2113937151 ${address} 5000 typ host`,
    "a=ice-ufrag:abcd",
    "a=ice-pwd:0123456789012345678901",
    `a=fingerprint:sha-256 ${Array.from({ length: 32 }, () => "AB").join(":")}`,
    `a=setup:${setup}`,
    "a=mid:0",
    "",
  ].join("\r\n");
}

function random(length: number): Bytes {
  return Uint8Array.from(randomBytes(length));
}
