// Machines of a test's own: network namespaces, which only root makes.

import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { launch } from "./harness.mjs";

export const skip = process.getuid() !== 0 && "only root makes machines";

const ip = (...args) => execFileSync("ip", args);
let devices = 0;

/** A machine with nothing but itself; gone with `remove`. */
export class Machine {
  constructor(name) {
    this.namespace = `p2pshare-e2e-${process.pid}-${name}`;
    ip("netns", "add", this.namespace);
    this.ip("link", "set", "lo", "up");
  }

  ip(...args) {
    return ip("-n", this.namespace, ...args);
  }

  /** Sets rules of nftables, and files of /proc/sys. */
  rules(text) {
    execFileSync("ip", ["netns", "exec", this.namespace, "nft", "-f", "-"], { input: text });
  }

  forward() {
    execFileSync("ip", ["netns", "exec", this.namespace, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
  }

  /** Starts a Chromium on this machine. */
  launch(dir) {
    const wrapper = join(dir, `browser-${this.namespace}`);
    const chromium = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/google-chrome"].find(existsSync);
    writeFileSync(wrapper, `#!/bin/sh\nexec ip netns exec ${this.namespace} ${chromium} "$@"\n`);
    chmodSync(wrapper, 0o755);
    return launch({ executablePath: wrapper });
  }

  remove() {
    ip("netns", "del", this.namespace);
  }
}

/** Joins two machines, one of them this one where it is `undefined`; returns the devices' names. */
export function cable([one, address], [other, otherAddress], name = undefined) {
  const [near, far] = [`pe${process.pid}n${devices}`, name ?? `pe${process.pid}f${devices++}`];
  const at = (machine) => (machine ? ["netns", machine.namespace] : []);
  ip("link", "add", near, ...at(one), "type", "veth", "peer", "name", far, ...at(other));
  const set = (machine, ...args) => (machine ? machine.ip(...args) : ip(...args));
  set(one, "addr", "add", address, "dev", near);
  set(other, "addr", "add", otherAddress, "dev", far);
  set(one, "link", "set", near, "up");
  set(other, "link", "set", far, "up");
  return { near, far, down: () => set(one, "link", "set", near, "down"), up: () => set(one, "link", "set", near, "up") };
}
