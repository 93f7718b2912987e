import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Puts a compressed twin beside every file that it makes smaller, so that the server need not compress. */
function gzipTwins(): Plugin {
  let folder = "";
  return {
    name: "gzip-twins",
    apply: "build",
    configResolved: (config) => void (folder = config.build.outDir),
    closeBundle() {
      for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        if (!file.isFile() || file.name.endsWith(".gz")) continue;
        const path = join(file.parentPath, file.name);
        const bytes = readFileSync(path);
        const twin = gzipSync(bytes, { level: 9 });
        if (twin.length < bytes.length) writeFileSync(`${path}.gz`, twin);
      }
    },
  };
}

// Everything ends in a page, a script, a style sheet and a worker with hashed names: nothing is inline, so that the policy
// `script-src 'self'` holds.
export default defineConfig({
  build: { target: "es2022", modulePreload: { polyfill: false }, assetsInlineLimit: 0, assetsDir: "assets" },
  worker: { format: "es" },
  plugins: [gzipTwins()],
  test: { include: ["test/unit/**/*.test.ts"] },
});
