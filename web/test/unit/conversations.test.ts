// Whole pairings, to the byte, as the Rust machines have them.

import { readFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

import { fromHex, hex, utf8, type Bytes } from "../../src/protocol/bytes.ts";
import { parseCode } from "../../src/protocol/code.ts";
import { DeviceIdentity } from "../../src/protocol/device_identity.ts";
import { HostIdentity } from "../../src/protocol/host_identity.ts";
import { parseFragment } from "../../src/protocol/link.ts";
import { drawEntropy } from "../../src/protocol/pairing/entropy.ts";
import { GuestPairing } from "../../src/protocol/pairing/guest.ts";
import { HostPairing } from "../../src/protocol/pairing/host.ts";
import type { Input, Output } from "../../src/protocol/pairing/messages.ts";
import { roomOf, type GuestSecret, type HostSecret } from "../../src/protocol/pairing/secret.ts";
import { preparePassword, stretch } from "../../src/protocol/password.ts";

interface Conversation {
  name: string;
  room: string;
  secret: { code?: string; link?: string; host_key_seed?: string; resume_key?: string };
  host_random: string;
  guest_random: string;
  passwords: string[];
  messages: { from: "host" | "guest"; hex: string }[];
  short_number: string | null;
  resume_key: string;
  resume_id: string;
  host_bind: string;
  guest_bind: string;
  met_by_host?: string | null;
  met_by_guest?: string | null;
}

const vectors = JSON.parse(
  readFileSync(new URL("../../../protocol/vectors/pairing-conversations.json", import.meta.url), "utf8"),
) as {
  offer: string;
  answer: string;
  guest_candidate: string;
  password: { salt: string; m: number; t: number; p: number; stretched: string };
  conversations: Conversation[];
};

const { m, t, p } = vectors.password;
const salt = bytes(vectors.password.salt);

test("a password is stretched to the same key", () => {
  expect(hex(stretched("passe\u0301\u00a0mot").key)).toBe(vectors.password.stretched);
});

describe.each(vectors.conversations.map((conversation) => [conversation.name, conversation] as const))("%s", (_, v) => {
  test("is the same to the byte", () => {
    const [hostSecret, guestSecret] = secrets(v);
    const hasPassword = v.passwords.length > 0;
    const password = hasPassword ? { password: stretched("pass\u00e9 mot"), attempts: 3 } : undefined;
    const areDevices = typeof v.met_by_host === "string";
    const device = (byte: number): DeviceIdentity | undefined => (areDevices ? new DeviceIdentity(new Uint8Array(32).fill(byte)) : undefined);
    const host = new HostPairing(hostSecret, { password, shortNumber: hasPassword || areDevices, device: device(2) }, entropy(v.host_random), 0);
    const options = { shortNumber: areDevices, name: areDevices ? "ann" : undefined, device: device(1) };
    const guest = new GuestPairing(guestSecret, options, entropy(v.guest_random), 0);
    expect(roomOf(hostSecret)).toBe(v.room);

    const messages: { from: string; hex: string }[] = [];
    const keys: Record<string, Extract<Output, { t: "paired" }>["keys"]> = {};
    const mail: Record<"host" | "guest", Bytes[]> = { host: [], guest: [] };
    const shown: string[] = [];
    const met: { host?: string; guest?: string } = {};
    const machines = { host, guest };
    const drain = (side: "host" | "guest"): void => {
      for (let output = machines[side].pollOutput(); output.t !== "wait"; output = machines[side].pollOutput()) {
        if (output.t === "send") mail[side].push(output.bytes);
        else if (output.t === "paired") keys[side] = output.keys;
        else if (output.t === "met") met[side] = hex(output.key);
        else if (output.t === "show_short_number") shown.push(output.digits);
        else if (output.t === "remote_description" && side === "host") feed("host", { t: "local_description", sdp: vectors.answer });
      }
    };
    const feed = (side: "host" | "guest", input: Input): void => {
      machines[side].handleInput(input, 0);
      drain(side);
    };
    const record = (): void => {
      for (;;) {
        const [toGuest, toHost] = [mail.host.shift(), mail.guest.shift()];
        if (toGuest) messages.push({ from: "host", hex: hex(toGuest) });
        if (toHost) messages.push({ from: "guest", hex: hex(toHost) });
        if (toGuest) feed("guest", { t: "received", bytes: toGuest });
        if (toHost) feed("host", { t: "received", bytes: toHost });
        if (!toGuest && !toHost) return;
      }
    };
    drain("host");
    feed("guest", { t: "local_description", sdp: vectors.offer });
    feed("guest", { t: "local_candidate", candidate: { candidate: vectors.guest_candidate, sdpMid: "0", sdpMLineIndex: 0 } });
    record();
    for (const typed of v.passwords) {
      feed("guest", { t: "password", stretched: stretched(typed) });
      record();
    }
    if (shown.length > 0) {
      feed("host", { t: "confirmed", same: true });
      feed("guest", { t: "confirmed", same: true });
      record();
    }
    expect(messages).toEqual(v.messages);
    expect(met).toEqual(areDevices ? { host: v.met_by_host, guest: v.met_by_guest } : {});
    expect(new Set(shown)).toEqual(new Set(v.short_number === null ? [] : [v.short_number]));
    expect(hex(keys.host!.resumeKey)).toBe(v.resume_key);
    expect(hex(keys.guest!.resumeId)).toBe(v.resume_id);
    const [a, b] = [
      { fingerprint: new Uint8Array(32).fill(0xcd), iceUfrag: "aNSw" },
      { fingerprint: new Uint8Array(32).fill(0xab), iceUfrag: "oFFr" },
    ];
    expect(hex(keys.host!.bindMac({ local: a, remote: b }))).toBe(v.host_bind);
    expect(hex(keys.guest!.bindMac({ local: b, remote: a }))).toBe(v.guest_bind);
  });
});

function secrets(v: Conversation): [HostSecret, GuestSecret] {
  if (v.secret.code !== undefined) {
    const parsed = parseCode(v.secret.code);
    if ("error" in parsed) throw new Error(parsed.error);
    const secret = { t: "code", code: parsed.code } as const;
    return [secret, secret];
  }
  if (v.secret.resume_key !== undefined) {
    const secret = { t: "resume", room: v.room, key: bytes(v.secret.resume_key) } as const;
    return [secret, secret];
  }
  const parsed = parseFragment(v.secret.link!.split("#")[1]!);
  if ("error" in parsed) throw new Error(parsed.error);
  const { link } = parsed;
  return [{ t: "link", link, identity: new HostIdentity(bytes(v.secret.host_key_seed!)) }, { t: "link", link }];
}

function entropy(text: string): ReturnType<typeof drawEntropy> {
  const all = bytes(text);
  let at = 0;
  return drawEntropy((length) => all.slice(at, (at += length)));
}

function stretched(password: string): ReturnType<typeof stretch> {
  const prepared = preparePassword(password);
  if ("error" in prepared) throw new Error(prepared.error);
  expect(utf8(prepared.prepared).length).toBeGreaterThan(0);
  return stretch(prepared.prepared, salt, { m, t, p });
}

function bytes(text: string): Bytes {
  return fromHex(text, text.length / 2)!;
}
