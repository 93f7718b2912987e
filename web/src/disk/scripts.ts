// The only scripts that this page may start: its own workers.

import saverUrl from "./saver.ts?worker&url";
import workerUrl from "./worker.ts?worker&url";

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

const policy = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes?.createPolicy("p2pshare", {
  createScriptURL: (url) => {
    if (url !== workerUrl && url !== saverUrl) throw new TypeError("not one of the page's own workers");
    return url;
  },
});

/** The address of a script as the browser wants it. */
export function ownScript(url: string): string {
  return policy ? policy.createScriptURL(url) : url;
}
