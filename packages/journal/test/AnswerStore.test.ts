import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as AnswerStore from "../src/AnswerStore.ts"
import * as AnswerStoreSql from "../src/AnswerStoreSql.ts"
import * as AnswerStoreTest from "../src/testing/AnswerStoreTest.ts"

const { limits } = AnswerStoreTest
const virtual = { pass: (ms: number) => TestClock.adjust(ms) }
// The database has a clock of its own, which no test can move.
const real = { pass: (ms: number) => TestClock.withLive(Effect.sleep(ms + 5)) }

AnswerStoreTest.suite("memory", Layer.effect(AnswerStore.AnswerStore, AnswerStore.makeMemory(limits)), virtual)
AnswerStoreTest.suite("SQL", AnswerStoreSql.layer(limits).pipe(Layer.provide(TestDatabase.layer)), real)

type Service = AnswerStore.AnswerStore["Service"]
const breaks = (name: string, change: (store: Service) => Partial<Service>, number: number) =>
  AnswerStoreTest.breaks(
    name,
    Layer.effect(
      AnswerStore.AnswerStore,
      Effect.map(AnswerStore.makeMemory(limits), (store) => AnswerStore.AnswerStore.of({ ...store, ...change(store) })),
    ),
    number,
    virtual,
  )

breaks("everyone gets the slot", () => ({ claim: () => Effect.succeed({ _tag: "Claimed" }) }), 1)
breaks("a claim never lapses", (store) => ({ claim: (claim) => store.claim({ ...claim, leaseMs: 10 ** 9 }) }), 2)
breaks(
  "whoever says so keeps",
  (store) => ({
    keep: (claim, answer, lifeMs) =>
      Effect.map(store.keep(claim, answer, lifeMs), (outcome) => (outcome === "lost" ? "kept" : outcome)),
  }),
  3,
)
breaks("an answer is kept too long", (store) => ({ keep: (claim, answer) => store.keep(claim, answer, 10 ** 9) }), 4)
breaks(
  "what is withheld is forgotten",
  (store) => ({
    keep: (claim, answer, lifeMs) =>
      answer === null ? Effect.as(store.release(claim), "withheld") : store.keep(claim, answer, lifeMs),
  }),
  5,
)
breaks("nothing is released", () => ({ release: () => Effect.void }), 6)

const unlimited = { memberBytes: 10 ** 9, memberSlots: 10 ** 9 }
const Unlimited = Layer.effect(AnswerStore.AnswerStore, AnswerStore.makeMemory(unlimited))
AnswerStoreTest.breaks("there is no limit of bytes", Unlimited, 7, virtual)
AnswerStoreTest.breaks("there is no limit of slots", Unlimited, 8, virtual)
breaks("a sweep takes all", (store) => ({ sweep: () => store.sweep(10 ** 9) }), 9)
