// How this page introduces itself.

import { utf8Length } from "../protocol/bytes.ts";
import type { Hello } from "../protocol/ctl.ts";

export function ownHello(): Omit<Hello, "role"> {
  return { v: 1, name: deviceName(navigator.userAgent), agent: "p2pshare-web", features: [] };
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
