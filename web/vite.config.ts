import { defineConfig } from "vitest/config";

// Everything ends in two files with hashed names, a worker and the page: nothing is inline, so that the policy
// `script-src 'self'` holds.
export default defineConfig({
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    assetsDir: "assets",
  },
  worker: { format: "es" },
  test: { include: ["test/unit/**/*.test.ts"] },
});
