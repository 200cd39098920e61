import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as BadInputTrial from "./BadInputTrial.ts"
import * as Invariants from "./model/Invariants.ts"

describe("the ledger in memory refuses, with a reason, and writes nothing of", () => {
  for (const each of BadInputTrial.cases) {
    it.effect(each.name, () =>
      Effect.gen(function* () {
        const store = yield* LedgerStoreMemory.make
        yield* BadInputTrial.prepare(store)
        yield* BadInputTrial.check(store, each)
        yield* Invariants.check(store)
      }).pipe(TestClock.withLive),
    )
  }

  it.effect("a clock that goes backwards: its own time does not", () =>
    Effect.gen(function* () {
      const store = yield* LedgerStoreMemory.make
      yield* BadInputTrial.backwards(store, (ms) => TestClock.setTime(ms))
    }),
  )
})
