// Devices that let others on their network see them.

import { utf8Length } from "./bytes.ts";
import { asArray, asObject, asOneOf, asString, field, Malformed } from "./json.ts";
import { DEVICE_NAME_BYTES_MAX, DEVICE_NAME_CHARS_MAX, NEARBY_DEVICES_MAX } from "./limits.ts";
import { isDeceptive } from "./local_name.ts";
import { isRoom } from "./room.ts";

const KINDS = ["terminal", "page"] as const;

/** A device that lets itself be seen. Anybody may take any name; the link opens a room, and nobody trusts who comes by it. */
export interface Device {
  readonly room: string;
  readonly name: string;
  readonly kind: (typeof KINDS)[number];
  readonly link: string;
}

/** Whether a text is a name that can be shown: short, and all of it can be seen. */
export function isDeviceName(text: string): boolean {
  const isShort = utf8Length(text) <= DEVICE_NAME_BYTES_MAX && [...text].length <= DEVICE_NAME_CHARS_MAX;
  return text !== "" && text.trim() === text && isShort && !isDeceptive(text);
}

/** Reads a name. Throws `Malformed`. */
export function asDeviceName(value: unknown): string {
  const name = asString(value);
  if (!isDeviceName(name)) throw new Malformed("the name of a device");
  return name;
}

/** Reads a device. Throws `Malformed`. */
export function asDevice(value: unknown): Device {
  const object = asObject(value);
  const room = asString(field(object, "room"));
  const link = asString(field(object, "link"));
  if (!isRoom(room) || !/^v1\.[A-Za-z0-9_-]{43}$/.test(link)) throw new Malformed("a device");
  return { room, name: asDeviceName(field(object, "name")), kind: asOneOf(field(object, "kind"), KINDS), link };
}

/** Reads a list of them. Throws `Malformed`. */
export function asDevices(value: unknown): readonly Device[] {
  const devices = asArray(value);
  if (devices.length > NEARBY_DEVICES_MAX) throw new Malformed("too many devices");
  return devices.map(asDevice);
}

/** What tells a device from others of its name. */
export function tagOf(device: Device): string {
  return device.room.slice(0, 4);
}
