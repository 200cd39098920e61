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
    globalSetup: ["tools/TestPostgres.ts"],
    execArgv: ["--conditions=@guildhall/source"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
})
