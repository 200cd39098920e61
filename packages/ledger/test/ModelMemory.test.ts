import { assert, describe, it } from "@effect/vitest"
import * as Subjects from "./model/Subjects.ts"
import * as Trial from "./model/Trial.ts"

/** Other seeds: `MODEL_SEED=<first>`. Another number of them: `MODEL_SEEDS=<count>`. */
const first = Number(process.env["MODEL_SEED"] ?? 1)
const seeds = Array.from({ length: Number(process.env["MODEL_SEEDS"] ?? 46) }, (_, at) => first + at)
const COMMANDS = 1_000

const answers = [
  ...["Opened", "TermsSet", "Posted", "Held", "Voided", "Renewed", "Expired", "PeriodClosed", "PayoutBegun"],
  ...["InvalidCommand", "Conflict", "InsufficientFunds", "CeilingExceeded", "HoldNotAvailable", "UnknownAccount"],
  ...["AccountNotOpen", "0 HoldNotAvailable"],
]

describe("the ledger in memory does what the oracle says", () => {
  const tally = new Map<string, number>()

  for (const seed of seeds) {
    it.effect(`through ${COMMANDS} commands (seed ${seed})`, () => Trial.run(Subjects.memory, seed, COMMANDS, tally))
  }

  it("gives every answer often, or there would be little to compare", () => {
    for (const word of answers) assert.isAtLeast(tally.get(word) ?? 0, seeds.length, word)
  })
})
