/**
 * The suite of `EntryRecord`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Conformance from "@guildhall/core/testing/Conformance"
import type { Outcome } from "@guildhall/core/EntryVerification"
import { InstanceId } from "@guildhall/core/Instance"
import { EntryRecord } from "../EntryRecord.ts"

const LEASE_MS = 60_000
const SHORT_MS = 30
const LATER_MS = 3_600_000

const outcome = (check: Outcome["check"], state: Outcome["state"] = "passed"): Outcome => ({
  check,
  state,
  detail: "It answers.",
  atMs: 1,
})

/** Layers may be shared by proofs: each has instances of its own, and takes what is due until it has them. */
const recording = (proof: string) =>
  Effect.gen(function* () {
    const record = yield* EntryRecord
    const idOf = (name: string) => InstanceId.make(`ins_${proof}_${name}`)
    const ask = (name: string, subject = "a") => record.ask([{ instanceId: idOf(name), subject }])
    const take = Effect.fnUntraced(function* (owner: string, leaseMs = LEASE_MS) {
      const taken = yield* record.take({ owner, leaseMs, most: 1_000 })
      return taken.filter(({ instanceId }) => instanceId.startsWith(idOf("")))
    })
    const held = (name: string, owner: string, subject = "a") => ({ instanceId: idOf(name), owner, subject })
    const end = (name: string, owner: string, state: "passed" | "failed", nextMs = LATER_MS, subject = "a") =>
      record.conclude({
        ...held(name, owner, subject),
        state,
        hasFailed: state === "failed",
        steps: [outcome("reach", state)],
        nextMs,
      })
    const find = (name: string) => record.find(idOf(name))
    return { record, ask, take, held, end, find, idOf }
  })

const asking = Effect.gen(function* () {
  const { ask, end, find, take } = yield* recording("asking")
  yield* ask("one")
  const [first] = yield* take("a")
  assert.strictEqual(first?.state, "pending")
  assert.strictEqual(first?.run, 1)
  yield* ask("one")
  assert.strictEqual((yield* find("one"))?.isRunning, true)
  assert.isTrue(yield* end("one", "a", "failed"))
  yield* ask("one")
  assert.strictEqual((yield* find("one"))?.state, "failed")
  assert.lengthOf(yield* take("a"), 0)
  yield* ask("one", "b")
  const [again] = yield* take("a")
  assert.strictEqual(again?.subject, "b")
  assert.strictEqual(again?.attempt, 0)
  assert.strictEqual(again?.run, 2)
  assert.isTrue(yield* end("one", "a", "passed", LATER_MS, "b"))
  assert.lengthOf(yield* take("a"), 0)
  yield* ask("one", "b")
  assert.strictEqual((yield* find("one"))?.state, "pending")
  assert.lengthOf(yield* take("a"), 1)
})

const taking = Effect.gen(function* () {
  const { ask, record, take } = yield* recording("taking")
  yield* Effect.forEach(["a", "b", "c", "d", "e"], (name) => ask(name))
  assert.isAtMost((yield* record.take({ owner: "first", leaseMs: LEASE_MS, most: 1 })).length, 1)
  const all = yield* Effect.forEach(["x", "y", "z", "w"], (owner) => take(owner), { concurrency: "unbounded" })
  const ids = all.flat().map(({ instanceId }) => instanceId)
  assert.isAtLeast(ids.length, 4)
  assert.strictEqual(new Set(ids).size, ids.length)
  assert.lengthOf(yield* take("late"), 0)
})

/** Leases end by the store's clock, which may be the database's. */
const untilTaken = (take: Effect.Effect<ReadonlyArray<unknown>, unknown>) =>
  take.pipe(
    Effect.repeat({ until: (taken) => taken.length > 0, schedule: Schedule.spaced("5 millis") }),
    Effect.timeout("5 seconds"),
    Effect.orDie,
  )

const resuming = Effect.gen(function* () {
  const { ask, find, held, record, take } = yield* recording("resuming")
  yield* ask("one")
  assert.lengthOf(yield* take("dead", SHORT_MS), 1)
  const steps = [outcome("reach"), outcome("tls", "failed")]
  assert.isTrue(yield* record.note({ ...held("one", "dead"), steps, leaseMs: SHORT_MS }))
  yield* untilTaken(take("next"))
  const found = yield* find("one")
  assert.deepStrictEqual(found?.steps, steps)
  assert.strictEqual(found?.run, 1)
})

const losing = Effect.gen(function* () {
  const { ask, end, find, held, record, take } = yield* recording("losing")
  yield* ask("one")
  yield* take("slow", SHORT_MS)
  yield* untilTaken(take("quick"))
  assert.isFalse(yield* record.note({ ...held("one", "slow"), steps: [outcome("reach")], leaseMs: LEASE_MS }))
  assert.isFalse(yield* end("one", "slow", "passed"))
  assert.deepStrictEqual((yield* find("one"))?.steps, [])
  yield* ask("one", "b")
  assert.isFalse(yield* end("one", "quick", "passed"))
  assert.strictEqual((yield* find("one"))?.state, "pending")
})

const concluding = Effect.gen(function* () {
  const { ask, end, find, take } = yield* recording("concluding")
  yield* ask("one")
  yield* take("a")
  assert.isTrue(yield* end("one", "a", "failed", 0))
  const [second] = yield* take("a")
  assert.strictEqual(second?.attempt, 1)
  assert.strictEqual(second?.state, "failed")
  assert.deepStrictEqual(second?.outcomes, [outcome("reach", "failed")])
  assert.deepStrictEqual(second?.steps, [])
  assert.isTrue(yield* end("one", "a", "failed", 0))
  assert.strictEqual((yield* take("a"))[0]?.attempt, 2)
  assert.isTrue(yield* end("one", "a", "passed"))
  const found = yield* find("one")
  assert.strictEqual(found?.attempt, 0)
  assert.strictEqual(found?.run, 3)
  assert.strictEqual((found?.dueAtMs ?? 0) - (found?.concludedAtMs ?? 0) >= LATER_MS - 1, true)
  assert.lengthOf(yield* take("a"), 0)
})

const forgetting = Effect.gen(function* () {
  const { ask, find, idOf, record, take } = yield* recording("forgetting")
  yield* ask("one")
  yield* ask("two")
  yield* record.forget([idOf("one")])
  assert.strictEqual(yield* find("one"), undefined)
  assert.lengthOf(yield* take("a"), 1)
})

const port: Conformance.Port<EntryRecord> = {
  name: "EntryRecord",
  clock: "real",
  guarantees: [
    {
      number: 1,
      test: "What is asked for is due at once. Asked for again it stays as it is, unless its subject is another, or it has passed: then it begins anew.",
      proof: asking,
    },
    {
      number: 2,
      test: "What is due is taken by one owner at a time, however many take at once, and never more than one takes.",
      proof: taking,
    },
    {
      number: 3,
      test: "Steps that were noted are there for whoever takes the run on when the lease is over, or was never ended.",
      proof: resuming,
    },
    {
      number: 4,
      test: "Who has lost the run, or whose subject is no longer that of the run, notes and concludes nothing.",
      proof: losing,
    },
    {
      number: 5,
      test: "A conclusion is kept with its outcomes, counts the attempts that failed in a row, and is due again when it says.",
      proof: concluding,
    },
    { number: 6, test: "What is forgotten is gone.", proof: forgetting },
  ],
}

/**
 * Proves a layer.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite: (name: string, layer: Layer.Layer<EntryRecord, unknown>, options?: Conformance.Options) => void =
  Conformance.suite(port)

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks: (name: string, layer: Layer.Layer<EntryRecord, unknown>, number: number) => void =
  Conformance.breaks(port)
