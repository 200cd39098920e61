import { assert, describe, it } from "@effect/vitest"
import { AssetCode } from "@guildhall/core/Asset"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Fiber, Layer, Logger, Metric } from "effect"
import { TestClock } from "effect/testing"
import { AccountId } from "../src/Account.ts"
import * as Drift from "../src/Drift.ts"
import { LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import { type Movement, type MovementState, RailError } from "../src/Movement.ts"
import type { Links } from "../src/Posting.ts"
import * as Ledger from "../src/Ledger.ts"
import * as Reconciliation from "../src/Reconciliation.ts"
import * as Scripted from "../src/testing/ScriptedPayoutRail.ts"
import * as Trial from "./PayoutTrial.ts"
import * as Books from "./SampleBooks.ts"

const card = AccountId.make("external:card")
const buyer = AccountId.make("buyer:mem_1")
const USD = AssetCode.make("USD")
const EUR = AssetCode.make("EUR")

type Problem = Drift.Problem

/** A world: what the ledger has, and what the rail lists. */
interface World {
  readonly booked: ReadonlyArray<Drift.Booked>
  readonly listed: ReadonlyArray<Drift.Listed>
}

const states: ReadonlyArray<MovementState> = [
  { _tag: "Failed", detail: "" },
  { _tag: "Pending", next: null },
  { _tag: "Unknown", detail: "" },
]

const keysOf = (movement: Movement) => [`top-up:card:${movement.idempotencyKey}`]

/** A world in which both sides agree: posted by link or by key, in and out, some reversed, some that failed or wait. */
const agreeing = (seed: number): World => {
  const next = Books.numbers(seed)
  const below = (limit: number) => Math.floor(next() * limit)
  const booked: Array<Drift.Booked> = []
  const listed: Array<Drift.Listed> = []
  let sequence = 0n
  const count = 3 + below(30)
  for (let at = 0; at < count; at++) {
    const direction = next() < 0.5 ? "in" : "out"
    const isLinked = next() < 0.6
    const isDone = next() < 0.75
    const wasReversed = next() < 0.15
    const state = isDone ? ({ _tag: "Succeeded" } as const) : (states[below(3)] ?? { _tag: "Succeeded" })
    const movement: Movement = {
      cursor: String(at),
      idempotencyKey: `key-${at}`,
      externalId: `mv-${at}`,
      asset: USD,
      amount: BigInt(1 + below(1_000)),
      state,
    }
    const post = (key: string): Drift.Booked => ({
      sequence: (sequence += BigInt(1 + below(3))),
      direction,
      movement: isLinked ? movement.externalId : null,
      idempotencyKey: key,
      asset: USD,
      amount: movement.amount,
      reverses: null,
    })
    listed.push({ direction, movement, keys: keysOf(movement) })
    if (wasReversed) {
      const wrong = post(isDone ? "elsewhere" : movement.idempotencyKey)
      const back = post(`ledger:reversal:${wrong.sequence}`)
      const other = direction === "in" ? "out" : "in"
      booked.push(wrong, { ...back, direction: other, movement: null, reverses: wrong.sequence })
    }
    if (isDone) booked.push(post(next() < 0.5 ? movement.idempotencyKey : `top-up:card:${movement.idempotencyKey}`))
  }
  return { booked, listed }
}

/** Whether a posting was not reversed and reverses nothing. */
const stands = ({ booked }: World, { reverses, sequence }: Drift.Booked) =>
  reverses === null && !booked.some((other) => other.reverses === sequence)

/** Damages a world in one place; answers the one difference that there is now, or nothing if it has no such place. */
const faults: Readonly<
  Record<string, (world: World, at: number) => (World & { readonly problem: Problem; readonly id: string }) | undefined>
> = {
  "a posting is gone": (world, at) => {
    const standing = world.booked.filter((each) => stands(world, each))
    const gone = standing[at % standing.length]
    if (gone === undefined) return undefined
    return {
      ...world,
      booked: world.booked.filter((each) => each !== gone),
      problem: "missingInLedger",
      id: idOf(world, gone),
    }
  },
  "a movement is gone": (world, at) => {
    const done = world.listed.filter(({ movement }) => movement.state._tag === "Succeeded")
    const gone = done[at % done.length]
    if (gone === undefined) return undefined
    const { externalId } = gone.movement
    return { ...world, listed: world.listed.filter((each) => each !== gone), problem: "missingOutside", id: externalId }
  },
  "an amount is another": (world, at) =>
    changeBooked(world, at, "amountDiffers", (each) => ({ ...each, amount: each.amount + 1n })),
  "an asset is another": (world, at) => changeBooked(world, at, "assetDiffers", (each) => ({ ...each, asset: EUR })),
  "a movement failed after all": (world, at) => {
    const done = world.listed.filter(({ movement }) => movement.state._tag === "Succeeded")
    const gone = done[at % done.length]
    if (gone === undefined) return undefined
    const state = states[at % 3] ?? { _tag: "Succeeded" }
    const listed = world.listed.map((each) =>
      each === gone ? { ...each, movement: { ...each.movement, state } } : each,
    )
    return { ...world, listed, problem: "stateDiffers", id: gone.movement.externalId }
  },
  "a posting is made twice": (world, at) => {
    const standing = world.booked.filter((each) => stands(world, each))
    const twice = standing[at % standing.length]
    if (twice === undefined) return undefined
    const again = { ...twice, movement: idOf(world, twice), idempotencyKey: "again", sequence: 10_000n }
    return { ...world, booked: [...world.booked, again], problem: "duplicate", id: idOf(world, twice) }
  },
  "a movement is listed twice": (world, at) => {
    const done = world.listed.filter(({ movement }) => movement.state._tag === "Succeeded")
    const twice = done[at % done.length]
    if (twice === undefined) return undefined
    return { ...world, listed: [...world.listed, twice], problem: "duplicate", id: twice.movement.externalId }
  },
  "a posting is reversed": (world, at) => {
    const standing = world.booked.filter((each) => stands(world, each))
    const gone = standing[at % standing.length]
    if (gone === undefined) return undefined
    const direction = gone.direction === "in" ? "out" : "in"
    const back = {
      ...gone,
      direction,
      movement: null,
      idempotencyKey: "back",
      sequence: 10_000n,
      reverses: gone.sequence,
    } as const
    return { ...world, booked: [...world.booked, back], problem: "missingInLedger", id: idOf(world, gone) }
  },
}

const isOf = (booked: Drift.Booked, { direction, keys, movement }: Drift.Listed) =>
  booked.direction === direction &&
  (booked.movement === null
    ? [movement.idempotencyKey, ...keys].includes(booked.idempotencyKey)
    : booked.movement === movement.externalId)

const idOf = ({ listed }: World, booked: Drift.Booked): string =>
  listed.find((each) => isOf(booked, each))?.movement.externalId ?? "nothing"

const changeBooked = (world: World, at: number, problem: Problem, change: (booked: Drift.Booked) => Drift.Booked) => {
  const standing = world.booked.filter((each) => stands(world, each))
  const chosen = standing[at % standing.length]
  if (chosen === undefined) return undefined
  const booked = world.booked.map((each) => (each === chosen ? change(each) : each))
  return { ...world, booked, problem, id: idOf(world, chosen) }
}

describe("Drift", () => {
  it("finds none in worlds that agree", () => {
    for (let seed = 0; seed < 300; seed++) {
      const { booked, listed } = agreeing(seed)
      assert.deepStrictEqual(Drift.between(booked, listed), [], `seed ${seed}`)
    }
  })

  for (const [name, damage] of Object.entries(faults)) {
    it(`finds exactly the one: ${name}`, () => {
      let damaged = 0
      for (let seed = 0; seed < 200; seed++) {
        const world = damage(agreeing(seed), seed)
        if (world === undefined) continue
        damaged += 1
        const found = Drift.between(world.booked, world.listed)
        assert.deepStrictEqual(
          found.map(({ externalId, problem }) => [problem, externalId]),
          [[world.problem, world.problem === "missingOutside" ? (found[0]?.externalId ?? null) : world.id]],
          `seed ${seed}`,
        )
      }
      assert.isAbove(damaged, 100)
    })
  }
})

describe("Drift: a movement that was posted twice", () => {
  const movement: Movement = {
    cursor: "1",
    idempotencyKey: "key-1",
    externalId: "mv-1",
    asset: USD,
    amount: 5n,
    state: { _tag: "Succeeded" },
  }
  const listed: Drift.Listed = { direction: "in", movement, keys: [] }
  const posted = (sequence: bigint, amount: bigint): Drift.Booked => ({
    sequence,
    direction: "in",
    movement: "mv-1",
    idempotencyKey: `k-${sequence}`,
    asset: USD,
    amount,
    reverses: null,
  })
  const problems = (...booked: ReadonlyArray<Drift.Booked>) =>
    Drift.between(booked, [listed]).map(({ problem, sequences }) => [problem, sequences])

  it("is compared by the posting that agrees, whichever it is", () => {
    assert.deepStrictEqual(problems(posted(1n, 4n), posted(2n, 5n)), [["duplicate", [1n, 2n]]])
    assert.deepStrictEqual(problems(posted(1n, 5n), posted(2n, 4n)), [["duplicate", [1n, 2n]]])
    assert.deepStrictEqual(problems(posted(1n, 4n), posted(2n, 4n)), [
      ["amountDiffers", [1n]],
      ["duplicate", [1n, 2n]],
    ])
  })
})

/** Makes a world real: postings in a store, and a rail that lists. */
const realise = Effect.fnUntraced(function* (world: World) {
  const store = yield* LedgerStore
  yield* Books.open(store)
  const made = new Map<bigint, bigint>()
  for (const each of [...world.booked].sort((a, b) => (a.sequence < b.sequence ? -1 : 1))) {
    if (each.reverses !== null) {
      const sequence = made.get(each.reverses) ?? 0n
      const [answer] = yield* store.commit([{ _tag: "Reverse", sequence, attachments: [] }])
      yield* Effect.fromResult(answer ?? assert.fail("no answer"))
      continue
    }
    const sign = each.direction === "in" ? 1n : -1n
    const legs = [
      { account: card, amount: -sign * each.amount },
      { account: buyer, amount: sign * each.amount },
    ]
    const links: Links = each.movement === null ? {} : { movement: each.movement }
    const kind = each.direction === "in" ? "topUp" : "refund"
    const key = each.direction + each.idempotencyKey + (each.idempotencyKey === "elsewhere" ? each.sequence : "")
    const posting = {
      idempotencyKey: each.idempotencyKey === "elsewhere" ? key : each.idempotencyKey,
      kind,
      legs,
      attachments: [],
      links,
    } as const
    const [answer] = yield* store.commit([{ _tag: "Post", posting }])
    const outcome = yield* Effect.fromResult(answer ?? assert.fail("no answer"))
    if (outcome._tag === "Posted") made.set(each.sequence, outcome.sequence)
  }
})

const lists =
  (movements: ReadonlyArray<Movement>): Reconciliation.Movements =>
  (after, limit) =>
    Effect.sync(() => {
      const from = after === null ? 0 : Number(after) + 1
      return movements.map((each, at) => ({ ...each, cursor: String(at) })).slice(from, from + Math.min(limit, 7))
    })

const railOf = ({ listed }: World): Reconciliation.Rail => ({
  name: "card",
  account: card,
  incoming: lists(listed.filter(({ direction }) => direction === "in").map(({ movement }) => movement)),
  outgoing: lists(listed.filter(({ direction }) => direction === "out").map(({ movement }) => movement)),
  keys: keysOf,
})

/** Runs something and answers what it logged at the level Error. */
const withErrors = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const errors: Array<string> = []
  const logger = Logger.make<unknown, void>(({ logLevel, message }) => {
    if (logLevel === "Error") errors.push(String(message))
  })
  const answer = yield* Effect.provide(effect, Logger.layer([logger]))
  return { answer, errors }
})

const gauge = Effect.map(Metric.snapshot, (all) => {
  let sum = 0
  for (const each of all) {
    if (each.id === "guildhall_reconciliation_drift" && each.type === "Gauge") sum += Number(each.state.value)
  }
  return sum
})

describe("Reconciliation", () => {
  it.effect("finds nothing where both sides agree, and raises no alarm", () =>
    Effect.gen(function* () {
      for (let seed = 0; seed < 25; seed++) {
        const world = agreeing(seed)
        const { answer, errors } = yield* withErrors(
          Effect.andThen(realise(world), Reconciliation.reconcile(railOf(world))).pipe(
            Effect.provide(LedgerStoreMemory.layer, { local: true }),
          ),
        )
        assert.deepStrictEqual(answer.drift, [])
        assert.strictEqual(answer.movements, world.listed.length)
        assert.strictEqual(
          answer.matched,
          world.listed.filter(({ movement }) => movement.state._tag === "Succeeded").length,
        )
        assert.strictEqual(answer.postings, world.booked.length)
        assert.deepStrictEqual(errors, [])
      }
      assert.strictEqual(yield* gauge, 0)
    }),
  )

  it.live("reads PostgreSQL as it reads the memory", () =>
    Effect.gen(function* () {
      const world = agreeing(4)
      yield* realise(world)
      const { drift, postings } = yield* Reconciliation.reconcile(railOf(world))
      assert.deepStrictEqual(drift, [])
      assert.strictEqual(postings, world.booked.length)
      const gone = world.listed.find(({ movement }) => movement.state._tag === "Succeeded")
      const rest = { ...world, listed: world.listed.filter((each) => each !== gone) }
      const missing = yield* Reconciliation.reconcile(railOf(rest))
      assert.deepStrictEqual(
        missing.drift.map(({ problem }) => problem),
        ["missingOutside"],
      )
    }).pipe(Effect.provide(LedgerStoreSql.layer({ renewMs: 10_000 }).pipe(Layer.provide(TestDatabase.layer)))),
  )

  // An asset cannot be another in a real store: a leg has the asset of its account.
  for (const [name, damage] of Object.entries(faults).filter(([name]) => !name.includes("asset"))) {
    it.effect(`lists exactly the one, as the whole comparison does, and alarms: ${name}`, () =>
      Effect.gen(function* () {
        for (let seed = 0; seed < 25; seed++) {
          const world = damage(agreeing(seed), seed)
          if (world === undefined) continue
          const { answer, errors } = yield* withErrors(
            Effect.andThen(realise(world), Reconciliation.reconcile(railOf(world))).pipe(
              Effect.provide(LedgerStoreMemory.layer, { local: true }),
            ),
          )
          const whole = Drift.between(world.booked, world.listed)
          assert.deepStrictEqual(
            answer.drift.map(({ externalId, problem }) => [problem, externalId]),
            whole.map(({ externalId, problem }) => [problem, externalId]),
            `seed ${seed}`,
          )
          assert.lengthOf(answer.drift, 1)
          assert.lengthOf(errors, 1)
          assert.include(errors[0] ?? "", "differ in 1 items")
          assert.strictEqual(yield* gauge, 1)
        }
      }),
    )
  }

  const topUp = (at: number): Movement => ({
    cursor: String(at),
    idempotencyKey: `key-${at}`,
    externalId: `mv-${at}`,
    asset: USD,
    amount: 5n,
    state: { _tag: "Succeeded" },
  })
  const booked = (at: number): Drift.Booked => ({
    sequence: BigInt(at),
    direction: "in",
    movement: `mv-${at}`,
    idempotencyKey: `key-${at}`,
    asset: USD,
    amount: 5n,
    reverses: null,
  })

  it.effect("finds what was reversed long after it agreed, also where only one direction is compared", () =>
    Effect.gen(function* () {
      const many = Array.from({ length: 2_500 }, (_, at) => at + 1)
      const back: Drift.Booked = { ...booked(2_501), direction: "out", movement: null, reverses: 7n }
      yield* realise({ booked: [...many.map(booked), back], listed: [] })
      const incoming = lists(many.map(topUp))
      for (const outgoing of [lists([]), undefined]) {
        const { drift } = yield* Reconciliation.reconcile({ name: "card", account: card, incoming, outgoing })
        assert.deepStrictEqual(
          drift.map(({ externalId, problem }) => [problem, externalId]),
          [["missingInLedger", "mv-7"]],
        )
      }
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )

  it.effect("waits for what is being posted just now", () =>
    Effect.gen(function* () {
      yield* realise({ booked: [], listed: [] })
      const rail = { name: "card", account: card, incoming: lists([topUp(1)]), graceMs: 5_000 }
      const running = yield* Effect.forkChild(Reconciliation.reconcile(rail))
      yield* TestClock.adjust(1_000)
      yield* realise({ booked: [booked(1)], listed: [] })
      yield* TestClock.adjust(5_000)
      const { drift, matched } = yield* Fiber.join(running)
      assert.deepStrictEqual(drift, [])
      assert.strictEqual(matched, 1)
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )

  it.effect("leaves postings of a direction alone that it is not given", () =>
    Effect.gen(function* () {
      yield* realise({ booked: [booked(1), { ...booked(2), direction: "out" }], listed: [] })
      const { drift } = yield* Reconciliation.reconcile({ name: "card", account: card, incoming: lists([topUp(1)]) })
      assert.deepStrictEqual(drift, [])
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )

  it.effect(
    "answers what the rail answers where it does not list, and never reads a cursor that stands still for ever",
    () =>
      Effect.gen(function* () {
        yield* realise({ booked: [booked(1)], listed: [] })
        const away = new RailError({ reason: "Unavailable", detail: "" })
        const error = yield* Effect.flip(
          Reconciliation.reconcile({ name: "card", account: card, incoming: () => Effect.fail(away) }),
        )
        assert.strictEqual(error, away)
        const stuck = () => Effect.succeed([topUp(1)])
        const { drift } = yield* Reconciliation.reconcile({ name: "card", account: card, incoming: stuck })
        assert.deepStrictEqual(
          drift.map(({ problem }) => problem),
          ["duplicate"],
        )
      }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )

  it.effect("knows the payouts that were run, of several attempts, and a second one that was paid", () => {
    const failed = { ...Scripted.arrives, end: { _tag: "Failed", detail: "closed" } } as const
    let sends = 0
    const deliver = () => (sends++ === 0 ? failed : Scripted.arrives)
    const scripted = Scripted.make({ name: Trial.bank, scale: 2, deliver })
    return Effect.gen(function* () {
      const member = Trial.newMember()
      yield* Trial.earn(member, 5n * Trial.cent)
      assert.isTrue(yield* Trial.ends(yield* Trial.begun(member)))
      const rail = { name: Trial.bank, account: Trial.outside, outgoing: scripted.rail.movements }
      const { drift, matched, movements } = yield* Reconciliation.reconcile(rail)
      assert.deepStrictEqual(drift, [])
      assert.deepStrictEqual([matched, movements], [1, 2])

      const bothPaid: Reconciliation.Movements = (after, limit) =>
        Effect.map(scripted.rail.movements(after, limit), (page) =>
          page.map((each) => ({ ...each, state: { _tag: "Succeeded" } as const })),
        )
      const twice = yield* Reconciliation.reconcile({ ...rail, outgoing: bothPaid })
      assert.deepStrictEqual(
        twice.drift.map(({ problem }) => problem),
        ["duplicate"],
      )
    }).pipe(
      Effect.provide(
        Trial.runs(scripted.rail).pipe(
          Layer.provideMerge(Ledger.layer.pipe(Layer.provideMerge(LedgerStoreMemory.layer))),
        ),
      ),
    )
  })

  it.effect("refuses two sides that have nothing to do with each other", () =>
    Effect.gen(function* () {
      yield* realise({ booked: [], listed: [] })
      const many: Reconciliation.Movements = (after, limit) =>
        Effect.sync(() => {
          const from = after === null ? 0 : Number(after) + 1
          return Array.from({ length: limit }, (_, at) => topUp(from + at))
        })
      const error = yield* Effect.flip(Reconciliation.reconcile({ name: "card", account: card, incoming: many }))
      assert.strictEqual(error._tag, "TooFarApart")
      const stranger = AccountId.make("external:other")
      const unknown = yield* Effect.flip(Reconciliation.reconcile({ name: "card", account: stranger }))
      assert.include(unknown.message, "external:other")
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )
})
