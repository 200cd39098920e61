/** The rules that decide what money does, and the tests that run without a database. */
import type { Area } from "../mutate.ts"

export const area: Area = {
  files: [
    "packages/ledger/src/Book.ts",
    "packages/ledger/src/internal/PostingRules.ts",
    "packages/ledger/src/internal/HoldRules.ts",
    "packages/ledger/src/internal/HoldSources.ts",
    "packages/ledger/src/internal/AccountRules.ts",
    "packages/ledger/src/internal/PayoutRules.ts",
    "packages/ledger/src/internal/PeriodRules.ts",
  ],
  copied: ["packages/ledger/**"],
  // A few seeds find nearly all, and what they find need not be made short.
  env: { MODEL_SEEDS: "6", MODEL_TRIES: "0" },
  atLeast: 90,
}
