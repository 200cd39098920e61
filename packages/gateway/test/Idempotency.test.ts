import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted } from "effect"
import { AnswerStore } from "@guildhall/journal/AnswerStore"
import * as AnswerSeal from "../src/AnswerSeal.ts"
import * as Idempotency from "../src/Idempotency.ts"
import { Refusal } from "../src/Refusal.ts"
import * as Test from "./TestIdempotency.ts"

type Fresh = Extract<Idempotency.Begun, { readonly _tag: "Fresh" }>

const begin = (ask: Idempotency.Ask) => Effect.flatMap(Idempotency.Idempotency, (service) => service.begin(ask))
const fresh = Effect.fnUntraced(function* (ask: Idempotency.Ask) {
  const begun = yield* begin(ask)
  if (begun._tag !== "Fresh") return assert.fail("it is not fresh")
  return begun
})

/** Answers a fresh request with a stream of some pieces. */
const answer = Effect.fnUntraced(function* (
  { tap, finish }: Fresh,
  pieces: ReadonlyArray<string>,
  outcome: "completed" | "truncated" | "aborted" = "completed",
) {
  tap.onHead(200, Test.EVENT_STREAM)
  for (const piece of pieces) tap.onBytes(Buffer.from(piece))
  tap.onTrailers({ "x-guildhall-cost": "0.5" })
  tap.onEnd(outcome)
  yield* finish
})

const hear = Effect.fnUntraced(function* (ask: Idempotency.Ask) {
  const { open } = yield* Test.connection
  const one = yield* open()
  yield* Test.write(yield* begin(ask), one.buyer)
  return yield* one.heard
})

const again = (ask: Idempotency.Ask, values: Partial<Idempotency.Ask> = {}): Idempotency.Ask => ({
  ...ask,
  id: Test.requestId(),
  ...values,
})

const One = Test.process("one").pipe(Layer.provideMerge(Layer.fresh(Test.memoryBase)))
const live = <A, E>(
  name: string,
  effect: () => Effect.Effect<A, E, Layer.Success<typeof One> | import("effect").Scope.Scope>,
) => it.live(name, () => Effect.scoped(effect()).pipe(Effect.provide(One)))

describe("Idempotency: what is kept", () => {
  live("a complete answer is replayed: status, headers, trailers and bytes", () =>
    Effect.gen(function* () {
      const ask = Test.ask()
      yield* answer(yield* fresh(ask), ["data: 1\n\n", "data: ä\u2028\n\n", "data: [DONE]\n\n"])
      for (const twin of [again(ask), again(ask)]) {
        const heard = yield* hear(twin)
        assert.strictEqual(heard.status, 200)
        assert.strictEqual(heard.body.toString(), "data: 1\n\ndata: ä\u2028\n\ndata: [DONE]\n\n")
        assert.strictEqual(heard.headers["content-type"], Test.EVENT_STREAM["content-type"])
        assert.strictEqual(heard.headers["x-request-id"], "req_1")
        assert.strictEqual(heard.headers["idempotent-replayed"], "true")
        assert.strictEqual(heard.trailers["x-guildhall-cost"], "0.5")
        assert.isFalse(heard.isBroken)
      }
    }),
  )

  live("another body, or another path, is a conflict; another member or key another request", () =>
    Effect.gen(function* () {
      const ask = Test.ask()
      const first = yield* fresh(ask)
      const other = again(ask, { body: Buffer.from("{} ") })
      assert.strictEqual(yield* Test.codeOf(begin(other)), "idempotency_conflict")
      yield* answer(first, ["data: 1\n\n"])
      assert.strictEqual(yield* Test.codeOf(begin(other)), "idempotency_conflict")
      assert.strictEqual(yield* Test.codeOf(begin(again(ask, { path: "/v1/messages" }))), "idempotency_conflict")
      yield* fresh(again(ask, { payer: Test.payer() }))
      yield* fresh(again(ask, { key: "key-2" }))
    }),
  )

  live("keys are 1 to 255 printable characters", () =>
    Effect.gen(function* () {
      for (const key of ["", "a".repeat(256), "ä", "a\u0000", "a\tb"]) {
        assert.strictEqual(yield* Test.codeOf(begin(Test.ask({ key }))), "invalid_request", key)
      }
      for (const key of ["a", " ", "~".repeat(255)]) yield* fresh(Test.ask({ key }))
    }),
  )

  live("an answer that may not be kept is told to a twin in flight, and to none later", () =>
    Effect.gen(function* () {
      const { open } = yield* Test.connection
      const ask = Test.ask({ keep: false })
      const first = yield* fresh(ask)
      first.tap.onHead(200, Test.EVENT_STREAM)
      first.tap.onBytes(Buffer.from("data: 1\n\n"))
      const twin = yield* open()
      const told = yield* Effect.forkChild(Test.write(yield* begin(again(ask)), twin.buyer))
      first.tap.onBytes(Buffer.from("data: 2\n\n"))
      first.tap.onEnd("completed")
      yield* first.finish
      yield* Fiber.join(told)
      assert.strictEqual((yield* twin.heard).body.toString(), "data: 1\n\ndata: 2\n\n")
      assert.strictEqual(yield* Test.codeOf(begin(again(ask, { keep: true }))), "answer_not_kept")
    }),
  )

  live("an answer that is too long is not kept", () =>
    Effect.gen(function* () {
      const ask = Test.ask()
      yield* answer(
        yield* fresh(ask),
        Array.from({ length: 9 }, () => "x".repeat(1024 * 1024)),
      )
      assert.strictEqual(yield* Test.codeOf(begin(again(ask))), "answer_not_kept")
    }),
  )

  live("what was not answered to the end is forgotten", () =>
    Effect.gen(function* () {
      for (const outcome of ["truncated", "aborted"] as const) {
        const ask = Test.ask()
        yield* answer(yield* fresh(ask), ["data: 1\n\n"], outcome)
        yield* answer(yield* fresh(again(ask, { body: Buffer.from("another") })), ["data: 2\n\n"])
      }
      const ask = Test.ask()
      const refused = yield* fresh(ask)
      refused.tap.onRefused(new Refusal({ code: "no_capacity" }))
      yield* refused.finish
      yield* fresh(again(ask))
    }),
  )

  live("what the store holds opens with no other secret and no other key", () =>
    Effect.gen(function* () {
      const store = yield* AnswerStore
      const ask = Test.ask()
      yield* answer(yield* fresh(ask), ["data: a secret answer\n\n"])
      const seal = yield* AnswerSeal.make([Test.SECRET])
      const rotated = yield* AnswerSeal.make([Test.SECRET, Redacted.make("B".repeat(43))])
      const stranger = yield* AnswerSeal.make([Redacted.make("C".repeat(43))])
      const key = Redacted.make(ask.key)
      const slot = seal.slot(ask.payer.memberId, key)
      assert.strictEqual(rotated.slot(ask.payer.memberId, key), slot)
      assert.notStrictEqual(stranger.slot(ask.payer.memberId, key), slot)
      const sealed = (yield* store.find(slot)) ?? assert.fail("nothing is kept")
      assert.notInclude(Buffer.from(sealed.bytes).toString("latin1"), "secret answer")
      const about = { slot, request: ask.id, key }
      const opened = yield* seal.open(about, sealed)
      assert.include(opened?.toString() ?? "", "data: a secret answer\n\n")
      assert.deepStrictEqual(yield* rotated.open(about, sealed), opened)
      assert.isUndefined(yield* stranger.open(about, sealed))
      assert.isUndefined(yield* seal.open({ ...about, key: Redacted.make("key-2") }, sealed))
      assert.isUndefined(yield* seal.open({ ...about, slot: `${slot.slice(1)}0` }, sealed))
      assert.isUndefined(yield* seal.open({ ...about, request: Test.requestId() }, sealed))
      for (const at of [0, 5, 40, sealed.bytes.length - 1]) {
        const changed = Uint8Array.from(sealed.bytes, (byte, index) => (index === at ? byte ^ 1 : byte))
        assert.isUndefined(yield* seal.open(about, { ...sealed, bytes: changed }), `byte ${at}`)
      }
      const newer = yield* rotated.seal(about, Buffer.from("again"))
      assert.isUndefined(yield* seal.open(about, newer))
      assert.strictEqual((yield* rotated.open(about, newer))?.toString(), "again")
    }),
  )
})

describe("Idempotency: twins in one process", () => {
  live("of twins at the same time one is fresh, and the others hear what it does", () =>
    Effect.gen(function* () {
      const { open } = yield* Test.connection
      const ask = Test.ask()
      const first = yield* fresh(ask)
      const twins = yield* Effect.forEach(
        Array.from({ length: 5 }, () => again(ask)),
        (twin) =>
          Effect.gen(function* () {
            const one = yield* open()
            const fiber = yield* Effect.forkChild(Effect.flatMap(begin(twin), (begun) => Test.write(begun, one.buyer)))
            return { one, fiber }
          }),
      )
      yield* answer(first, ["data: 1\n\n", "data: 2\n\n"])
      for (const { one, fiber } of twins) {
        yield* Fiber.join(fiber)
        assert.strictEqual((yield* one.heard).body.toString(), "data: 1\n\ndata: 2\n\n")
      }
    }),
  )

  live("a refusal is told to all who wait", () =>
    Effect.gen(function* () {
      const ask = Test.ask()
      const first = yield* fresh(ask)
      const twins = yield* Effect.forEach([again(ask), again(ask)], (twin) =>
        Effect.forkChild(Test.codeOf(begin(twin)), { startImmediately: true }),
      )
      first.tap.onRefused(new Refusal({ code: "insufficient_funds" }))
      yield* first.finish
      for (const twin of twins) assert.strictEqual(yield* Fiber.join(twin), "insufficient_funds")
    }),
  )

  live("the answer is wanted while a twin listens, and not when the last has left", () =>
    Effect.gen(function* () {
      const { open } = yield* Test.connection
      const ask = Test.ask()
      const first = yield* fresh(ask)
      let unwanted = 0
      first.tap.onUnwanted = () => (unwanted += 1)
      assert.isFalse(first.tap.wanted)
      const one = yield* open()
      const fiber = yield* Effect.forkChild(
        Effect.flatMap(begin(again(ask)), (begun) => Test.write(begun, one.buyer)),
        { startImmediately: true },
      )
      assert.isTrue(first.tap.wanted)
      first.tap.onHead(200, Test.EVENT_STREAM)
      first.tap.onBytes(Buffer.from("data: 1\n\n"))
      assert.isTrue(first.tap.wanted)
      yield* Effect.sleep(20)
      one.leave()
      yield* Fiber.join(fiber)
      assert.isFalse(first.tap.wanted)
      assert.strictEqual(unwanted, 1)
      first.tap.onEnd("aborted")
      yield* first.finish
    }),
  )

  live("a twin who does not read slows nobody, and gets everything once it reads", () =>
    Effect.gen(function* () {
      const { open } = yield* Test.connection
      const ask = Test.ask()
      const first = yield* fresh(ask)
      const slow = yield* open()
      slow.pause()
      const quick = yield* open()
      const writing = yield* Effect.forEach([slow, quick], ({ buyer }) =>
        Effect.forkChild(
          Effect.flatMap(begin(again(ask)), (begun) => Test.write(begun, buyer)),
          {
            startImmediately: true,
          },
        ),
      )
      const piece = Buffer.from(`data: ${"x".repeat(65_528)}\n\n`)
      first.tap.onHead(200, Test.EVENT_STREAM)
      for (let at = 0; at < 100; at++) first.tap.onBytes(piece)
      first.tap.onEnd("completed")
      yield* first.finish
      assert.strictEqual((yield* quick.heard).body.length, 100 * piece.length)
      slow.resume()
      assert.strictEqual((yield* slow.heard).body.length, 100 * piece.length)
      for (const fiber of writing) yield* Fiber.join(fiber)
    }),
  )

  live("a twin who falls too far behind is told so in the stream", () =>
    Effect.gen(function* () {
      const { open } = yield* Test.connection
      const ask = Test.ask()
      const first = yield* fresh(ask)
      const slow = yield* open()
      slow.pause()
      const writing = yield* Effect.forkChild(
        Effect.flatMap(begin(again(ask)), (begun) => Test.write(begun, slow.buyer)),
        { startImmediately: true },
      )
      const piece = Buffer.from(`data: ${"x".repeat(65_528)}\n\n`)
      first.tap.onHead(200, Test.EVENT_STREAM)
      for (let at = 0; at < 400; at++) {
        first.tap.onBytes(piece)
        if (at % 20 === 0) yield* Effect.yieldNow
      }
      assert.strictEqual(yield* Test.codeOf(begin(again(ask))), "answer_not_kept")
      first.tap.onEnd("completed")
      yield* first.finish
      yield* Effect.sleep(20)
      slow.resume()
      const heard = yield* slow.heard
      assert.match(heard.body.toString("latin1").slice(-80), /"code":"answer_not_kept"/)
      yield* Fiber.join(writing)
      assert.strictEqual(yield* Test.codeOf(begin(again(ask))), "answer_not_kept")
    }),
  )

  live("a twin who leaves while it waits is gone, and the first does not notice", () =>
    Effect.gen(function* () {
      const ask = Test.ask()
      const first = yield* fresh(ask)
      const twin: { gone: boolean; onGone: (() => void) | undefined } = { gone: false, onGone: undefined }
      const fiber = yield* Effect.forkChild(Test.codeOf(begin(again(ask, { twin }))), { startImmediately: true })
      twin.gone = true
      twin.onGone?.()
      assert.strictEqual(yield* Fiber.join(fiber), "client_closed_request")
      yield* answer(first, ["data: 1\n\n"])
      assert.strictEqual((yield* hear(again(ask))).body.toString(), "data: 1\n\n")
    }),
  )
})
