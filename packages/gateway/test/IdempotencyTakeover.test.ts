import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { AnswerStore } from "@guildhall/journal/AnswerStore"
import { JournalError } from "@guildhall/journal/JournalError"
import { HoldId } from "@guildhall/ledger/Hold"
import { Ledger } from "@guildhall/ledger/Ledger"
import * as AnswerSeal from "../src/AnswerSeal.ts"
import * as Idempotency from "../src/Idempotency.ts"
import * as Test from "./TestIdempotency.ts"

const { lifeMs } = Test.LIFE

/** Two processes over one store and one ledger, in virtual time. */
const processes = Effect.gen(function* () {
  const [one, two] = yield* Effect.forEach(["one", "two"], (name) =>
    Effect.map(Layer.build(Test.process(name, { waitMs: 3_000 })), (context) => ({
      begin: (ask: Idempotency.Ask) =>
        Effect.provideContext(
          Effect.flatMap(Idempotency.Idempotency, (service) => service.begin(ask)),
          context,
        ),
    })),
  )
  return one === undefined || two === undefined ? assert.fail("there are none") : ([one, two] as const)
})

const effect = (
  name: string,
  program: () => Effect.Effect<void, unknown, import("effect").Scope.Scope | Ledger | AnswerStore>,
) =>
  it.effect(name, () =>
    Effect.scoped(program()).pipe(Effect.provide(Layer.fresh(Test.memoryBase)), Effect.provide(Logger.layer([]))),
  )

/** What another process's claim leaves when it is gone: nobody renews it. */
const orphan = Effect.fnUntraced(function* (ask: Idempotency.Ask) {
  const store = yield* AnswerStore
  const seal = yield* AnswerSeal.make([Test.SECRET])
  const slot = seal.slot(ask.payer.memberId, Redacted.make(ask.key))
  const fingerprint = seal.fingerprint(slot, ask.path, ask.body)
  yield* store.claim({ slot, fingerprint, member: ask.payer.memberId, request: ask.id, leaseMs: lifeMs })
})

const again = (ask: Idempotency.Ask, values: Partial<Idempotency.Ask> = {}): Idempotency.Ask => ({
  ...ask,
  id: Test.requestId(),
  ...values,
})

const waiting = <A, E>(begun: Effect.Effect<A, E>) => Effect.forkChild(Effect.result(begun), { startImmediately: true })

/** One whose request is under way, and who waits for it in another process. */
const twins = Effect.gen(function* () {
  const [one, two] = yield* processes
  const ask = Test.ask()
  const first = yield* one.begin(ask)
  if (first._tag !== "Fresh") return assert.fail("it is not fresh")
  return { first, twin: yield* waiting(two.begin(again(ask))) }
})

describe("Idempotency: a twin in another process", () => {
  effect("waits for the answer, and is told it", () =>
    Effect.gen(function* () {
      const { first, twin } = yield* twins
      yield* TestClock.adjust("1 second")
      first.tap.onHead(200, Test.EVENT_STREAM)
      first.tap.onBytes(Buffer.from("data: 1\n\n"))
      first.tap.onEnd("completed")
      yield* first.finish
      yield* TestClock.adjust("1 second")
      const told = yield* Fiber.join(twin)
      if (told._tag !== "Success") return assert.fail("it was refused")
      assert.strictEqual(yield* Test.bytesOf(told.success), "data: 1\n\n")
    }),
  )

  effect("is fresh once the first has failed", () =>
    Effect.gen(function* () {
      const { first, twin } = yield* twins
      yield* first.finish
      yield* TestClock.adjust("1 second")
      const begun = yield* Fiber.join(twin)
      assert.strictEqual(begun._tag === "Success" && begun.success._tag, "Fresh")
    }),
  )

  effect("is told to come again where it takes too long, with all who wait beside it", () =>
    Effect.gen(function* () {
      const [one, two] = yield* processes
      const ask = Test.ask()
      yield* one.begin(ask)
      const waiters = yield* Effect.forEach([1, 2, 3], () => waiting(two.begin(again(ask))))
      yield* TestClock.adjust("4 seconds")
      for (const twin of waiters) {
        const refused = yield* Fiber.join(twin)
        if (refused._tag !== "Failure") return assert.fail("it was not refused")
        assert.strictEqual(refused.failure.code, "request_in_progress")
        assert.deepStrictEqual(refused.failure.headers, { "retry-after": "1" })
      }
    }),
  )

  effect("waits no longer than its buyer, or its gateway", () =>
    Effect.gen(function* () {
      const [one, two] = yield* processes
      const ask = Test.ask()
      yield* one.begin(ask)
      const twin: { gone: boolean; onGone: (() => void) | undefined } = { gone: false, onGone: undefined }
      const leaver = yield* waiting(Effect.uninterruptible(two.begin(again(ask, { twin }))))
      yield* TestClock.adjust(10)
      twin.gone = true
      twin.onGone?.()
      const left = yield* Fiber.join(leaver)
      assert.strictEqual(left._tag === "Failure" && left.failure.code, "client_closed_request")
      let isStopped = false
      const stopped = yield* waiting(two.begin(again(ask, { isStopped: () => isStopped })))
      isStopped = true
      yield* TestClock.adjust(500)
      const ended = yield* Fiber.join(stopped)
      assert.strictEqual(ended._tag === "Failure" && ended.failure.code, "request_in_progress")
    }),
  )

  effect("is not disturbed by one who asks for something else", () =>
    Effect.gen(function* () {
      const store = yield* AnswerStore
      // A claim takes a while, and the twin comes meanwhile.
      const slow = Layer.succeed(
        AnswerStore,
        AnswerStore.of({ ...store, claim: (claim) => Effect.delay(store.claim(claim), 10) }),
      )
      const [one] = yield* processes
      const [two] = yield* Effect.provide(processes, slow)
      const ask = Test.ask()
      const first = yield* one.begin(ask)
      if (first._tag !== "Fresh") return assert.fail("it is not fresh")
      const other = yield* waiting(two.begin(again(ask, { body: Buffer.from("other") })))
      const twin = yield* waiting(two.begin(again(ask)))
      first.tap.onHead(200, Test.EVENT_STREAM)
      first.tap.onEnd("completed")
      yield* first.finish
      yield* TestClock.adjust("1 second")
      const conflict = yield* Fiber.join(other)
      assert.strictEqual(conflict._tag === "Failure" && conflict.failure.code, "idempotency_conflict")
      assert.strictEqual((yield* Fiber.join(twin))._tag, "Success")
    }),
  )
})

describe("Idempotency: a claim that nobody renews", () => {
  const fate = (
    name: string,
    ends: "Fresh" | "answer_not_kept" | "request_in_progress",
    leave: (ask: Idempotency.Ask) => Effect.Effect<unknown, unknown, Ledger>,
  ) =>
    effect(name, () =>
      Effect.gen(function* () {
        const [one] = yield* processes
        const ask = Test.ask()
        yield* Test.fund(ask.payer)
        yield* orphan(ask)
        yield* leave(ask)
        const twin = yield* waiting(one.begin(again(ask)))
        yield* TestClock.adjust("4 seconds")
        const begun = yield* Fiber.join(twin)
        assert.strictEqual(begun._tag === "Success" ? begun.success._tag : begun.failure.code, ends)
      }),
    )

  const ledger = <A, E>(use: (ledger: Ledger["Service"]) => Effect.Effect<A, E>) => Effect.flatMap(Ledger, use)
  const hold = ({ id, payer }: Idempotency.Ask) => Test.hold(id, payer, "gone")
  const expire = Effect.andThen(
    TestClock.adjust(lifeMs + 1),
    ledger((ledger) => ledger.expire(10)),
  )

  fate("and took no hold is taken over", "Fresh", () => Effect.void)
  fate("and whose hold is pending is waited for", "request_in_progress", hold)
  fate("and whose hold was given back is taken over", "Fresh", (ask) =>
    Effect.andThen(
      hold(ask),
      ledger((ledger) => ledger.void(HoldId.make(ask.id), [])),
    ),
  )
  fate("and whose hold expired is taken over", "Fresh", (ask) => Effect.andThen(hold(ask), expire))
  fate("and whose hold was charged is answered as not kept", "answer_not_kept", (ask) =>
    Effect.andThen(hold(ask), Test.settle(ask.id, ask.payer)),
  )
  fate("and of whose hold a part was charged is answered as not kept", "answer_not_kept", (ask) =>
    Effect.gen(function* () {
      yield* hold(ask)
      yield* ledger((ledger) => ledger.draw(HoldId.make(ask.id), Test.charge(`part:${ask.id}`, ask.payer)))
      yield* expire
    }),
  )

  effect("lapses although its process lives and answers others", () =>
    Effect.gen(function* () {
      const store = yield* AnswerStore
      const deaf = Layer.succeed(
        AnswerStore,
        AnswerStore.of({
          ...store,
          release: () => Effect.fail(new JournalError({ reason: "Unavailable", cause: "away" })),
        }),
      )
      const [one] = yield* Effect.provide(processes, deaf)
      const ask = Test.ask()
      yield* Test.fund(ask.payer)
      const lost = yield* one.begin(ask)
      if (lost._tag !== "Fresh") return assert.fail("it is not fresh")
      yield* one.begin(Test.ask())
      const finished = yield* Effect.forkChild(lost.finish, { startImmediately: true })
      yield* TestClock.adjust("11 seconds")
      yield* Fiber.join(finished)
      const twin = yield* waiting(one.begin(again(ask)))
      yield* TestClock.adjust("2 seconds")
      const begun = yield* Fiber.join(twin)
      assert.strictEqual(begun._tag === "Success" && begun.success._tag, "Fresh")
    }),
  )
})
