// What a client and the signalling server say to each other: JSON in WebSocket text frames.
// `protocol/src/envelope.rs` draws the conversation.

import { base64url, fromBase64url, utf8Length, type Bytes } from "./bytes.ts";
import { asArray, asBytes, asCount, asOneOf, asString, field, Malformed, optional, parseObject, U32_MAX, type JsonObject } from "./json.ts";
import { BODY_BYTES_MAX, ENVELOPE_BYTES_MAX, ENVELOPE_DEPTH_MAX } from "./limits.ts";
import { asDevice, asDevices, type Device } from "./nearby.ts";
import { isRoom } from "./room.ts";

const KINDS = ["code", "link", "resume"] as const;
const OUTCOMES = ["ok", "bad_proof"] as const;
const WHYS = ["left", "lost", "kicked", "bad_proof", "timed_out", "expired", "replaced"] as const;
const ERRORS = [
  "not_active",
  "busy",
  "rate_limited",
  "version",
  "server_full",
  "taken",
  "no_relay",
  "no_nearby",
  "protocol",
] as const;

export type RoomKind = (typeof KINDS)[number];
export type Outcome = (typeof OUTCOMES)[number];
/** Why a side or a room is gone. */
export type Why = (typeof WHYS)[number];
/** Why the server refused a request. */
export type ErrorCode = (typeof ERRORS)[number];

/** What a client says. A guest's `cid`, the host, is 0 and left out. */
export type ClientMessage =
  | {
      readonly type: "create";
      readonly v: number;
      readonly kind: RoomKind;
      readonly room?: string | undefined;
      readonly token?: string | undefined;
      readonly ttl?: number | undefined;
      readonly max?: number | undefined;
    }
  | { readonly type: "join"; readonly v: number; readonly room: string }
  | { readonly type: "to"; readonly cid?: number | undefined; readonly body: Bytes }
  | { readonly type: "kick"; readonly cid: number; readonly why: Why }
  | { readonly type: "report"; readonly cid: number; readonly what: Outcome }
  | { readonly type: "turn"; readonly cid?: number | undefined }
  | ({ readonly type: "show" } & Device)
  | { readonly type: "hide"; readonly room: string }
  | { readonly type: "look" }
  | { readonly type: "bye"; readonly room?: string | undefined }
  | { readonly type: "pow"; readonly stamp: string };

/** What the server says. */
export type ServerMessage =
  | { readonly type: "created"; readonly room: string; readonly token: string; readonly expires: number }
  | { readonly type: "joined"; readonly cid: number; readonly room: string }
  | { readonly type: "peer"; readonly cid: number; readonly room: string }
  | { readonly type: "from"; readonly cid: number; readonly body: Bytes }
  | { readonly type: "left"; readonly cid: number; readonly why: Why }
  | { readonly type: "ended"; readonly room: string; readonly why: Why }
  | {
      readonly type: "turn";
      readonly cid?: number | undefined;
      readonly urls: readonly string[];
      readonly username: string;
      readonly credential: string;
      readonly ttl: number;
    }
  | { readonly type: "nearby"; readonly devices: readonly Device[] }
  | {
      readonly type: "error";
      readonly code: ErrorCode;
      readonly room?: string | undefined;
      readonly retry_after?: number | undefined;
    }
  | { readonly type: "need_pow"; readonly bits: number; readonly salt: string };

export function encodeEnvelope(message: ClientMessage | ServerMessage): string {
  return JSON.stringify(message, (_, value: unknown) => (value instanceof Uint8Array ? base64url(value) : value));
}

/** Reads a server's message. Throws `Malformed`. */
export function decodeServerMessage(text: string): ServerMessage {
  const object = decode(text);
  const get = (key: string): unknown => field(object, key);
  switch (get("type")) {
    case "created":
      return { type: "created", room: room(get("room")), token: token(get("token")), expires: u32(get("expires")) };
    case "joined":
      return { type: "joined", cid: u32(get("cid")), room: room(get("room")) };
    case "peer":
      return { type: "peer", cid: u32(get("cid")), room: room(get("room")) };
    case "from":
      return { type: "from", cid: cid(object), body: body(get("body")) };
    case "left":
      return { type: "left", cid: cid(object), why: asOneOf(get("why"), WHYS) };
    case "ended":
      return { type: "ended", room: room(get("room")), why: asOneOf(get("why"), WHYS) };
    case "turn": {
      const urls = asArray(get("urls")).map(asString);
      const [username, credential] = [asString(get("username")), asString(get("credential"))];
      const counterpart = optional(get("cid"), u32);
      const named = counterpart === undefined ? {} : { cid: counterpart };
      return { type: "turn", ...named, urls, username, credential, ttl: u32(get("ttl")) };
    }
    case "nearby":
      return { type: "nearby", devices: asDevices(get("devices")) };
    case "error": {
      const [named, after] = [optional(get("room"), room), optional(get("retry_after"), u32)];
      return {
        type: "error",
        code: asOneOf(get("code"), ERRORS),
        ...(named === undefined ? {} : { room: named }),
        ...(after === undefined ? {} : { retry_after: after }),
      };
    }
    case "need_pow":
      return { type: "need_pow", bits: asCount(get("bits"), 255), salt: asString(get("salt")) };
    default:
      throw new Malformed("a message of unknown type");
  }
}

/** Reads a client's message, for tests of both directions. Throws `Malformed`. */
export function decodeClientMessage(text: string): ClientMessage {
  const object = decode(text);
  const get = (key: string): unknown => field(object, key);
  const absent = <T>(key: string, read: (value: unknown) => T): Partial<Record<string, T>> => {
    const value = optional(get(key), read);
    return value === undefined ? {} : { [key]: value };
  };
  switch (get("type")) {
    case "create": {
      const max = absent("max", (value) => positive(value));
      const rest = { ...absent("room", room), ...absent("token", token), ...absent("ttl", u32), ...max };
      return { type: "create", v: u32(get("v")), kind: asOneOf(get("kind"), KINDS), ...rest };
    }
    case "join":
      return { type: "join", v: u32(get("v")), room: room(get("room")) };
    case "to":
      return { type: "to", ...absent("cid", u32), body: body(get("body")) };
    case "kick":
      return { type: "kick", cid: u32(get("cid")), why: asOneOf(get("why"), WHYS) };
    case "report":
      return { type: "report", cid: u32(get("cid")), what: asOneOf(get("what"), OUTCOMES) };
    case "turn":
      return { type: "turn", ...absent("cid", u32) };
    case "show":
      return { type: "show", ...asDevice(object) };
    case "hide":
      return { type: "hide", room: room(get("room")) };
    case "look":
      return { type: "look" };
    case "bye":
      return { type: "bye", ...absent("room", room) };
    case "pow":
      return { type: "pow", stamp: asString(get("stamp")) };
    default:
      throw new Malformed("a message of unknown type");
  }
}

function decode(text: string): JsonObject {
  if (utf8Length(text) > ENVELOPE_BYTES_MAX) throw new Malformed("too long");
  return parseObject(text, ENVELOPE_DEPTH_MAX);
}

function u32(value: unknown): number {
  return asCount(value, U32_MAX);
}

function positive(value: unknown): number {
  const number = u32(value);
  if (number === 0) throw new Malformed("no guests at all");
  return number;
}

function cid(object: JsonObject): number {
  return optional(field(object, "cid"), u32) ?? 0;
}

function room(value: unknown): string {
  const text = asString(value);
  if (!isRoom(text)) throw new Malformed("a room");
  return text;
}

function token(value: unknown): string {
  asBytes(value, 16);
  return asString(value);
}

function body(value: unknown): Bytes {
  const bytes = fromBase64url(asString(value));
  if (!bytes || bytes.length > BODY_BYTES_MAX) throw new Malformed("a body");
  return bytes;
}
