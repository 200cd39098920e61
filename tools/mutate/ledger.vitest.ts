import { defineConfig } from "vitest/config"

export default defineConfig({
  resolve: { conditions: ["@guildhall/source"] },
  ssr: { resolve: { conditions: ["@guildhall/source"] } },
  test: {
    include: ["packages/ledger/test/{Rules,BadInput,HoldSources,Overlay,ModelMemory}.test.ts"],
    execArgv: ["--conditions=@guildhall/source"],
    testTimeout: 20_000,
  },
})
