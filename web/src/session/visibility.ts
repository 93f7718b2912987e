// What this device is called, and whether others on its network see it: the browser remembers both.

import { utf8Length } from "../protocol/bytes.ts";
import { isDeviceName } from "../protocol/nearby.ts";

/** What the browser remembers of the person's wish. */
export interface Visibility {
  readonly isVisible: boolean;
  readonly name: string;
}

/** What the browser remembers; not to be seen, at first. */
export function recallVisibility(): Visibility {
  const usual = { isVisible: false, name: deviceName(navigator.userAgent) };
  try {
    const name = localStorage.getItem("name") ?? usual.name;
    return { isVisible: localStorage.getItem("visible") === "yes", name: isDeviceName(name) ? name : usual.name };
  } catch {
    return usual;
  }
}

/** Keeps it for the next visit. */
export function rememberVisibility({ isVisible, name }: Visibility): void {
  try {
    localStorage.setItem("name", name);
    localStorage.setItem("visible", isVisible ? "yes" : "no");
  } catch {
    // A browser that keeps nothing forgets the name.
  }
}

/** `Chrome on Android`: what a person can tell devices apart by, and no more. */
export function deviceName(agent: string): string {
  const browser = [
    ["Firefox", /Firefox\//],
    ["Edge", /Edg\//],
    ["Opera", /OPR\//],
    ["Chrome", /Chrome\/|CriOS\//],
    ["Safari", /Safari\//],
  ].find(([, pattern]) => (pattern as RegExp).test(agent))?.[0];
  const system = [
    ["Android", /Android/],
    ["iPhone", /iPhone/],
    ["iPad", /iPad/],
    ["Windows", /Windows/],
    ["ChromeOS", /CrOS/],
    ["Mac", /Mac OS X/],
    ["Linux", /Linux/],
  ].find(([, pattern]) => (pattern as RegExp).test(agent))?.[0];
  const name = `${String(browser ?? "Browser")}${system === undefined ? "" : ` on ${String(system)}`}`;
  return utf8Length(name) <= 64 ? name : "Browser";
}
