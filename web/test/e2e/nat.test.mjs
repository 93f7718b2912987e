// What the page `/test` says of the NAT that it is behind.

import { after, before, test } from "node:test";

import { folder, open, remove, run } from "./harness.mjs";
import { cable, Machine, skip } from "./machines.mjs";

const dir = folder();
let net;
let gateway;
let home;
let browser;
let servers = [];
before(async () => {
  if (skip) return;
  [net, gateway, home] = ["net", "gateway", "home"].map((name) => new Machine(name));
  cable([net, "198.18.0.2/24"], [gateway, "198.18.0.1/24"], "to-net");
  cable([gateway, "192.168.1.1/24"], [home, "192.168.1.2/24"]);
  gateway.forward();
  home.ip("route", "add", "default", "via", "192.168.1.1");
  servers = [["8765", "--relay", "--relay-allow", "198.18.0.0/15"], ["8865"]].map(([port, ...more]) =>
    run(["serve", "--listen", `0.0.0.0:${port}`, ...more], { namespace: net.namespace }),
  );
  browser = await home.launch(dir);
});
after(async () => {
  if (skip) return;
  await browser?.close();
  for (const server of servers) await server.stop();
  for (const machine of [net, gateway, home]) machine?.remove();
  remove(dir);
});

/** The rules of a router, as in the laboratory of `tests/net`. */
function router({ masquerade = "masquerade", arriving = "", letIn = "" }) {
  return `flush ruleset
    table ip nat {
      chain leaving { type nat hook postrouting priority 100; oifname to-net ${masquerade}; }
      chain arriving { type nat hook prerouting priority -100; ${arriving}; }
    }
    table ip firewall {
      chain through {
        type filter hook forward priority 0
        ct state established,related accept
        ${letIn}
        iifname to-net drop
      }
      chain local { type filter hook input priority 0; iifname to-net drop; }
    }`;
}

const OPEN = { arriving: "iifname to-net udp dport 1024-65535 dnat to 192.168.1.2", letIn: "iifname to-net meta l4proto udp accept" };

for (const [kind, rules, port, nat, verdict] of [
  ["an open NAT", OPEN, 8765, "Open: one public port", "Direct connections should work"],
  ["a moderate NAT", {}, 8765, "Moderate: one public port", "Direct connections should work"],
  ["a moderate NAT and no relay", {}, 8865, "Open or moderate: one public port", "Direct connections should work, except with"],
  ["a strict NAT", { masquerade: "masquerade fully-random" }, 8765, "Strict: another public port", "the relay leads to all others"],
]) {
  test(`behind ${kind} the page says so`, { skip, timeout: 60_000 }, async () => {
    gateway.rules(router(rules));
    const { page, context } = await open(browser, `http://198.18.0.2:${port}/test`);
    await page.getByRole("heading", { name: verdict }).waitFor();
    await page.getByText(nat).waitFor();
    await context.close();
  });
}
