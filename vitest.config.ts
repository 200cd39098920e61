import { defineConfig } from "vitest/config"

export default defineConfig({
  resolve: { conditions: ["@guildhall/source"] },
  ssr: { resolve: { conditions: ["@guildhall/source"] } },
  test: {
    include: [
      "packages/*/test/**/*.test.ts",
      "apps/*/test/**/*.test.ts",
      "examples/*/test/**/*.test.ts",
      "tools/test/**/*.test.ts",
    ],
    globalSetup: ["tools/TestCompileCache.ts", "tools/TestPostgres.ts"],
    execArgv: ["--conditions=@guildhall/source"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    // Tests of real processes can starve on a busy build machine. What needed its second try is listed at the end, as a bug.
    retry: process.env["CI"] === "true" ? 1 : 0,
  },
})
