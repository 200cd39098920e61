import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Deferred, Effect, Layer, Metric, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Asset, type Instance, Model, PriceSheet, type Receipt, type Request, type Usage } from "@guildhall/core"
import { Split } from "@guildhall/core/rules"
import { JournalEntry } from "@guildhall/journal"
import { SampleEntry } from "@guildhall/journal/testing"
import { Account, Hold, Ledger, LedgerStoreMemory, LedgerStoreSql } from "@guildhall/ledger"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import type * as Adjustment from "../src/Adjustment.ts"
import { Market } from "../src/Market.ts"
import * as Recount from "../src/Recount.ts"
import { TokenCatalogue } from "../src/TokenCatalogue.ts"
import { type CountRequest, TokenCount, TokenCountError } from "../src/TokenCount.ts"
import type { Counted } from "../src/tokens/Counting.ts"
import { BUYER, BUYER_ACCOUNT, definition, INPUT_UNIT, MODEL, OUTPUT_UNIT, PROVIDER, price } from "./TestLane.ts"

const EARNED = Account.ids.accrual("card", PROVIDER)
const TOPPED_UP = 10n ** 13n
const INSTANCE = "ins_recounted" as Instance.InstanceId

const exactly = (input: number, output: number): Counted => ({
  input: { low: input, high: input },
  output: { low: output, high: output },
})

type Count = (request: CountRequest) => Effect.Effect<Counted, TokenCountError>

interface Setup extends Recount.Options {
  readonly count?: Count
  readonly percent?: number
}

const layer = ({ count, percent = 100, ...options }: Setup, store = LedgerStoreMemory.layer) => {
  const market = Layer.succeed(Market, {
    definition: { ...definition, recount: { percent } },
    digest: "d".repeat(64),
    owner: "test",
    payments: [],
  })
  const catalogue = Layer.mock(TokenCatalogue, {
    find: (model) => (model === MODEL ? { model, tokenizer: "a".repeat(64), from: "a.gguf" } : undefined),
  })
  const tokens = Layer.succeed(
    TokenCount,
    TokenCount.of({ countExact: count ?? (() => Effect.succeed(exactly(10, 5))) }),
  )
  return Recount.layer(options).pipe(
    Layer.provideMerge(Layer.mergeAll(Ledger.layer.pipe(Layer.provide(store)), market, catalogue, tokens)),
    Layer.provideMerge(Layer.sync(Metric.MetricRegistry, () => new Map())),
  )
}

/** How many recounts came to what. */
const results = Effect.gen(function* () {
  const registry = Context.make(Metric.MetricRegistry, yield* Metric.MetricRegistry)
  return Object.fromEntries(
    Metric.snapshotUnsafe(registry).flatMap((metric) =>
      metric.id === "guildhall.inference.recount" && metric.type === "Counter"
        ? [[metric.attributes?.["result"] ?? "", Number(metric.state.count)]]
        : [],
    ),
  )
})

const openBooks = Effect.gen(function* () {
  const ledger = yield* Ledger.Ledger
  const open = (id: Account.AccountId, kind: Account.AccountKind, floor: bigint | null) =>
    ledger.open({ id, kind, asset: Asset.USD, floor })
  yield* open(Account.ids.external("test"), "external", null)
  yield* open(BUYER_ACCOUNT, "buyer", 0n)
  yield* open(EARNED, "accrual", 0n)
  yield* open(Account.ids.platformFees, "platform", 0n)
  yield* ledger.post({
    idempotencyKey: "topup",
    kind: "topUp",
    legs: [
      { account: Account.ids.external("test"), amount: -TOPPED_UP },
      { account: BUYER_ACCOUNT, amount: TOPPED_UP },
    ],
    attachments: [],
  })
})

const entryOf = (id: Request.RequestId, usage: Usage.Usage, source: Receipt.UsageSource = "reported") => {
  const charge = PriceSheet.cost(price, usage)
  return SampleEntry.ended({
    ...{ id, revision: 0, buyer: BUYER, provider: PROVIDER, instance: INSTANCE, model: MODEL, outcome: "completed" },
    ...{ usage, usageSource: source, price, charge, split: Split.share(definition.split, charge) },
  })
}

/** Charges a request, as the lane's settlement does. */
const charge = Effect.fnUntraced(function* (entry: ReturnType<typeof entryOf>) {
  const ledger = yield* Ledger.Ledger
  const { receipt } = entry
  const hold = Hold.HoldId.make(receipt.id)
  const amount = receipt.charge
  yield* ledger.hold({
    ...{ id: hold, account: BUYER_ACCOUNT, amount, owner: "test", lifeMs: 60_000 },
    ...{ definitionDigest: "d".repeat(64), context: {} },
  })
  const earned = receipt.split.find(({ party }) => party === "provider")?.amount ?? 0n
  yield* ledger.settle(hold, {
    idempotencyKey: `request:${receipt.id}`,
    kind: "charge",
    legs: [
      { account: BUYER_ACCOUNT, amount: -amount },
      { account: EARNED, amount: earned },
      { account: Account.ids.platformFees, amount: amount - earned },
    ],
    attachments: [],
    links: { request: receipt.id },
  })
})

const chargedOf = (amount: bigint): Omit<Adjustment.Charged, "receipt"> => ({
  split: definition.split,
  sources: [{ payer: BUYER_ACCOUNT, fundingSource: "card", amount }],
})

const settledOf = (entry: ReturnType<typeof entryOf>): Recount.Settled => ({
  entry,
  charged: chargedOf(entry.receipt.charge),
  outputBytes: 4 * (entry.receipt.usage.outputToken ?? 0),
  promptBytes: 4 * (entry.receipt.usage.inputToken ?? 0),
})

/** Passes a request by the recount, from its start to its settlement. */
const pass = Effect.fnUntraced(function* (entry: ReturnType<typeof entryOf>, answer = "an answer") {
  const recount = yield* Recount.Recount
  const observer = recount.observe({ id: entry.receipt.id, model: MODEL })
  assert.isDefined(observer)
  observer.onStart({ endpoint: "chat/completions", body: Buffer.from("{}") })
  observer.onBytes(Buffer.from(answer))
  observer.onEnd(settledOf(entry))
})

const recounted = Effect.fnUntraced(function* (entry: ReturnType<typeof entryOf>) {
  yield* charge(entry)
  yield* pass(entry)
  yield* (yield* Recount.Recount).drain
})

const balances = Effect.gen(function* () {
  const ledger = yield* Ledger.Ledger
  const accounts = yield* ledger.accounts()
  const balance = (id: Account.AccountId) => accounts.find((account) => account.id === id)?.balance ?? 0n
  assert.strictEqual(
    accounts.reduce((sum, account) => sum + account.balance, 0n),
    0n,
  )
  return {
    spent: TOPPED_UP - balance(BUYER_ACCOUNT),
    earned: balance(EARNED),
    fees: balance(Account.ids.platformFees),
  }
})

const [A, B, C, D] = SampleEntry.requestIds(4) as [
  Request.RequestId,
  Request.RequestId,
  Request.RequestId,
  Request.RequestId,
]

const TWICE: Usage.Usage = { inputToken: 20, outputToken: 10 }
const EXACT = 10n * INPUT_UNIT + 5n * OUTPUT_UNIT

const books = (name: string, store: () => typeof LedgerStoreMemory.layer) =>
  describe(`on a ledger ${name}`, () => {
    it.effect("a charge that was too high is lowered, once, with the receipt's next revision", () =>
      Effect.gen(function* () {
        yield* openBooks
        const entry = entryOf(A, TWICE)
        yield* recounted(entry)
        const lowered = { spent: EXACT, earned: (EXACT * 9n) / 10n, fees: EXACT / 10n }
        assert.deepStrictEqual(yield* balances, lowered)
        yield* pass(entry)
        yield* (yield* Recount.Recount).drain
        assert.deepStrictEqual(yield* balances, lowered)
        const attached = yield* (yield* Ledger.Ledger).attachments(0n, 10)
        assert.deepStrictEqual(
          attached.map(({ attachment }) => attachment.kind),
          ["request.recounted"],
        )
        const revision = Schema.decodeUnknownSync(JournalEntry.JournalEntryJson)(attached[0]?.attachment.body)
        assert(revision._tag === "RequestEnded")
        assert.strictEqual(revision.id, `${A}:1`)
        assert.deepStrictEqual(revision.receipt, {
          ...entry.receipt,
          revision: 1,
          usage: { inputToken: 10, outputToken: 5 },
          usageSource: "counted",
          charge: EXACT,
          split: Split.share(definition.split, EXACT),
        })
        const standing = (yield* Recount.Recount).standing(INSTANCE)
        assert.deepStrictEqual(standing, { counted: 2, lowered: 2, higher: 0 })
      }).pipe(Effect.provide(layer({}, store()))),
    )

    it.effect("a charge that was too low stays, and is counted", () =>
      Effect.gen(function* () {
        yield* openBooks
        yield* recounted(entryOf(A, { inputToken: 1, outputToken: 1 }))
        assert.deepStrictEqual((yield* balances).spent, INPUT_UNIT + OUTPUT_UNIT)
        assert.deepStrictEqual(yield* results, { higher: 1 })
        assert.deepStrictEqual((yield* Recount.Recount).standing(INSTANCE), { counted: 1, lowered: 0, higher: 1 })
      }).pipe(Effect.provide(layer({}, store()))),
    )
  })

books("in memory", () => LedgerStoreMemory.layer)
books("in PostgreSQL", () => LedgerStoreSql.layer({ renewMs: 0 }).pipe(Layer.provide(TestDatabase.layer), Layer.orDie))

const EXACTLY = { inputToken: 10, outputToken: 5 }

/** Runs something while the answer "a" is being counted: `seen` is what was counted, `go` counts all that waits. */
const whileCounting = <A, E, R>(
  setup: Setup,
  run: (seen: ReadonlyArray<string>, go: Effect.Effect<void, never, Recount.Recount>) => Effect.Effect<A, E, R>,
) =>
  Effect.suspend(() => {
    const gate = Deferred.makeUnsafe<void>()
    const seen: Array<string> = []
    const count: Count = ({ answer }) => {
      seen.push(Buffer.from(answer).toString())
      return Effect.as(Deferred.await(gate), exactly(10, 5))
    }
    const go = Effect.gen(function* () {
      yield* Deferred.succeed(gate, undefined)
      yield* (yield* Recount.Recount).drain
    })
    return Effect.gen(function* () {
      yield* pass(entryOf(A, EXACTLY), "a")
      while (seen.length === 0) yield* Effect.yieldNow
      return yield* run(seen, go)
    }).pipe(Effect.provide(layer({ count, ...setup })))
  })

describe("Recount", () => {
  it.effect("leaves a bill alone that agrees, and one that was never charged", () =>
    Effect.gen(function* () {
      yield* openBooks
      yield* recounted(entryOf(A, { inputToken: 10, outputToken: 5 }))
      yield* pass(entryOf(B, TWICE))
      yield* (yield* Recount.Recount).drain
      assert.deepStrictEqual(yield* balances, { spent: EXACT, earned: (EXACT * 9n) / 10n, fees: EXACT / 10n })
      assert.deepStrictEqual(yield* results, { agreed: 1, unsettled: 1 })
    }).pipe(Effect.provide(layer({}))),
  )

  it.effect("watches only models that have a tokenizer", () =>
    Effect.gen(function* () {
      const recount = yield* Recount.Recount
      assert.isUndefined(recount.observe({ id: A, model: Model.ModelId.make("test/other") }))
      assert.isUndefined(recount.standing(INSTANCE))
    }).pipe(Effect.provide(layer({}))),
  )

  it.effect("counts what is suspicious even if the sample is empty, and nothing else", () =>
    Effect.gen(function* () {
      yield* openBooks
      for (const entry of [entryOf(A, TWICE), entryOf(B, TWICE, "bounded")]) yield* recounted(entry)
      const more = entryOf(C, { inputToken: 20, outputToken: 10 })
      yield* charge(more)
      const observer = (yield* Recount.Recount).observe({ id: C, model: MODEL })
      observer?.onStart({ endpoint: "chat/completions", body: Buffer.from("{}") })
      // Ten tokens of nine bytes cannot be.
      observer?.onEnd({ ...settledOf(more), outputBytes: 9 })
      yield* (yield* Recount.Recount).drain
      assert.deepStrictEqual(yield* results, { lowered: 2 })
    }).pipe(Effect.provide(layer({ percent: 0 }))),
  )

  it.effect("counts the attempt that served, and forgets what ended without a charge", () => {
    const seen: Array<string> = []
    const count: Count = ({ answer, request }) => {
      seen.push(`${Buffer.from(request).toString()} ${Buffer.from(answer).toString()}`)
      return Effect.succeed(exactly(10, 5))
    }
    return Effect.gen(function* () {
      const recount = yield* Recount.Recount
      const [first, second] = [recount.observe({ id: A, model: MODEL }), recount.observe({ id: B, model: MODEL })]
      for (const observer of [first, second]) {
        observer?.onBytes(Buffer.from("before"))
        observer?.onStart({ endpoint: "chat/completions", body: Buffer.from("one") })
        observer?.onBytes(Buffer.from("lost"))
        observer?.onStart({ endpoint: "chat/completions", body: Buffer.from("two") })
        observer?.onBytes(Buffer.from("ser"))
        observer?.onBytes(Buffer.from("ved"))
      }
      first?.onEnd(settledOf(entryOf(A, { inputToken: 10, outputToken: 5 })))
      second?.onEnd(undefined)
      yield* recount.drain
      assert.deepStrictEqual(seen, ["two served"])
    }).pipe(Effect.provide(layer({ count })))
  })

  it.effect("keeps no more requests than the queue holds, the newest ones", () =>
    whileCounting(
      { queueMax: 2 },
      Effect.fnUntraced(function* (seen, go) {
        yield* pass(entryOf(B, EXACTLY), "b")
        yield* pass(entryOf(C, EXACTLY), "c")
        yield* pass(entryOf(D, EXACTLY), "d")
        yield* go
        assert.deepStrictEqual(seen, ["a", "c", "d"])
        assert.deepStrictEqual(yield* results, { agreed: 3, dropped: 1 })
      }),
    ),
  )

  it.effect("takes no more memory than it may: the oldest makes room, and who finds none is not counted", () =>
    whileCounting(
      { bytesMax: 1_000 },
      Effect.fnUntraced(function* (seen, go) {
        yield* pass(entryOf(B, EXACTLY), "b".repeat(600))
        yield* pass(entryOf(C, EXACTLY), "c".repeat(700))
        yield* pass(entryOf(D, EXACTLY), "d".repeat(1_200))
        yield* go
        assert.deepStrictEqual(seen, ["a"])
        assert.deepStrictEqual(yield* results, { agreed: 1, dropped: 3 })
        yield* pass(entryOf(B, EXACTLY), "b".repeat(900))
        yield* go
        assert.deepStrictEqual(seen, ["a", "b".repeat(900)])
      }),
    ),
  )

  it.effect("keeps what was answered, whatever becomes of the buffer it came in, and nothing that is too long", () => {
    const seen: Array<string> = []
    const count: Count = ({ answer }) => {
      seen.push(Buffer.from(answer).toString())
      return Effect.succeed(exactly(10, 5))
    }
    return Effect.gen(function* () {
      const recount = yield* Recount.Recount
      const settled = settledOf(entryOf(A, { inputToken: 10, outputToken: 5 }))
      const pool = Buffer.alloc(65_536, "x")
      const first = recount.observe({ id: A, model: MODEL })
      first?.onStart({ endpoint: "chat/completions", body: Buffer.from("{}") })
      first?.onBytes(pool.subarray(0, 5))
      pool.fill("y")
      first?.onEnd(settled)
      const second = recount.observe({ id: A, model: MODEL })
      second?.onStart({ endpoint: "chat/completions", body: Buffer.from("{}") })
      for (let chunk = 0; chunk < 17; chunk++) second?.onBytes(Buffer.alloc(65_536))
      second?.onEnd(settled)
      const third = recount.observe({ id: A, model: MODEL })
      third?.onStart({ endpoint: "images/generations", body: Buffer.from("{}") })
      third?.onEnd(settled)
      yield* recount.drain
      assert.deepStrictEqual(seen, ["xxxxx"])
      assert.deepStrictEqual(yield* results, { agreed: 1, dropped: 1 })
    }).pipe(Effect.provide(layer({ count })))
  })

  it.effect("counts what is suspicious first, and drops it last", () =>
    whileCounting(
      { queueMax: 2 },
      Effect.fnUntraced(function* (seen, go) {
        yield* pass(entryOf(B, EXACTLY, "bounded"), "suspicious")
        yield* pass(entryOf(C, EXACTLY), "c")
        yield* pass(entryOf(D, EXACTLY), "d")
        yield* go
        assert.deepStrictEqual(seen, ["a", "suspicious", "d"])
      }),
    ),
  )

  it.effect("rests nine times as long as a count took, so that it takes a tenth of a core", () => {
    const began: Array<number> = []
    const count: Count = () =>
      Effect.gen(function* () {
        began.push(yield* Clock.currentTimeMillis)
        yield* Effect.sleep(100)
        return exactly(10, 5)
      })
    return Effect.gen(function* () {
      const usage = { inputToken: 10, outputToken: 5 }
      for (const id of [A, B, C]) yield* pass(entryOf(id, usage))
      for (let step = 0; step < 40; step++) yield* TestClock.adjust(100)
      assert.deepStrictEqual(began, [0, 1_000, 2_000])
    }).pipe(Effect.provide(layer({ count })))
  })

  it.effect("charges nothing and goes on where counting fails", () => {
    let calls = 0
    const reasons = ["NotAvailable", "Crashed"] as const
    const count: Count = () => {
      const reason = reasons[calls++]
      if (calls === 3) return Effect.die("a defect")
      return reason === undefined
        ? Effect.succeed(exactly(10, 5))
        : Effect.fail(new TokenCountError({ reason, detail: "For this test." }))
    }
    return Effect.gen(function* () {
      yield* openBooks
      for (const id of [A, B, C]) yield* recounted(entryOf(id, TWICE))
      assert.strictEqual((yield* balances).spent, 6n * EXACT)
      yield* recounted(entryOf(D, TWICE))
      assert.strictEqual((yield* balances).spent, 7n * EXACT)
      assert.deepStrictEqual(yield* results, { not_available: 1, crashed: 1, failed: 1, lowered: 1 })
    }).pipe(Effect.provide(layer({ count })))
  })
})

describe("Recount.sampled", () => {
  it("takes the share it is told, and the same requests each time", () => {
    const ids = SampleEntry.requestIds(4_000)
    const taken = ids.filter((id) => Recount.sampled("a seed", id, 25))
    assert.isTrue(taken.length > 850 && taken.length < 1_150, String(taken.length))
    assert.deepStrictEqual(
      ids.filter((id) => Recount.sampled("a seed", id, 25)),
      taken,
    )
    assert.notDeepEqual(
      ids.filter((id) => Recount.sampled("another", id, 25)),
      taken,
    )
    assert.isFalse(ids.some((id) => Recount.sampled("a seed", id, 0)))
    assert.isTrue(ids.every((id) => Recount.sampled("a seed", id, 100)))
  })
})
