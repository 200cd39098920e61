import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { AssetCode } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import * as Conformance from "@guildhall/core/testing/Conformance"
import type { Movement, MovementState, RailError } from "../../Movement.ts"
import * as Sample from "../SampleCommand.ts"

/** What both kinds of rail have in common: money is moved by `move`, whichever way. */
export interface Rail {
  readonly move: (request: Request) => Effect.Effect<Movement, RailError>
  readonly find: (idempotencyKey: string) => Effect.Effect<Movement, RailError>
  readonly movements: (after: string | null, limit: number) => Effect.Effect<ReadonlyArray<Movement>, RailError>
}

/** A top-up or a payout. */
export interface Request {
  readonly idempotencyKey: string
  readonly member: MemberId
  readonly asset: AssetCode
  readonly amount: bigint
}

/**
 * A rail to try, with an asset and an amount that it takes. `moved` is all the money that it has moved, by its own count;
 * `advance` lets it go on with what is pending. Both may be left out where there is no such thing.
 */
export interface Trial<R = Rail> {
  readonly rail: R
  readonly asset: AssetCode
  readonly amount: bigint
  readonly moved?: Effect.Effect<bigint>
  readonly advance?: Effect.Effect<void>
}

/** Both kinds of rail move money by the same rules: proves one that calls its moving otherwise. */
export const of =
  <R extends Omit<Rail, "move">>(moveOf: (rail: R) => Rail["move"]) =>
  (proof: (trial: Trial) => Effect.Effect<void, unknown>) =>
  ({ rail, ...trial }: Trial<R>): Effect.Effect<void, unknown> =>
    proof({ ...trial, rail: { move: moveOf(rail), find: rail.find, movements: rail.movements } })

const request = ({ asset, amount }: Trial, values: Partial<Request> = {}): Request => ({
  idempotencyKey: `test:${Sample.text()}`,
  member: MemberId.make(`mem_${Sample.text()}`),
  asset,
  amount,
  ...values,
})

const isFinal = (state: MovementState): boolean => state._tag === "Succeeded" || state._tag === "Failed"

/** All movements, page by page. */
const all = Effect.fnUntraced(function* (rail: Rail, limit: number) {
  const items: Array<Movement> = []
  for (let after: string | null = null; ;) {
    const page: ReadonlyArray<Movement> = yield* rail.movements(after, limit)
    assert.isAtMost(page.length, limit)
    const last = page.at(-1)
    if (last === undefined) return items
    items.push(...page)
    assert.isAtMost(items.length, 10_000, "the pages do not end")
    after = last.cursor
  }
})

const fails = <A>(effect: Effect.Effect<A, RailError>, reason: RailError["reason"]) =>
  Effect.map(Conformance.refused(effect, `as ${reason}`), (error) => assert.strictEqual(error.reason, reason))

export const once = Effect.fnUntraced(function* (trial: Trial) {
  const { rail, asset, amount, moved = Effect.succeed(0n) } = trial
  const asked = request(trial)
  const first = yield* rail.move(asked)
  const before = yield* moved
  const second = yield* rail.move(asked)
  assert.strictEqual(second.externalId, first.externalId)
  assert.strictEqual(second.cursor, first.cursor)
  assert.strictEqual(yield* moved, before)
  yield* fails(rail.move({ ...asked, amount: amount + 1n }), "Conflict")
  yield* fails(rail.move({ ...asked, member: MemberId.make(`mem_${Sample.text()}`) }), "Conflict")
  const other = AssetCode.make(asset === "EUR" ? "USD" : "EUR")
  yield* fails(rail.move({ ...asked, asset: other }), "Conflict")
  const listed = yield* all(rail, 50)
  assert.lengthOf(
    listed.filter(({ idempotencyKey }) => idempotencyKey === asked.idempotencyKey),
    1,
  )
  const another = yield* rail.move(request(trial))
  assert.notStrictEqual(another.externalId, first.externalId)
})

export const found = Effect.fnUntraced(function* (trial: Trial) {
  const asked = request(trial)
  const moved = yield* trial.rail.move(asked)
  const movement = yield* Conformance.answered(trial.rail.find(asked.idempotencyKey))
  for (const { idempotencyKey, asset, amount } of [moved, movement]) {
    assert.deepStrictEqual(
      { idempotencyKey, asset, amount },
      { idempotencyKey: asked.idempotencyKey, asset: asked.asset, amount: asked.amount },
    )
  }
  assert.strictEqual(movement.externalId, moved.externalId)
  yield* fails(trial.rail.find(`test:${Sample.text()}`), "NotFound")
})

/** A final state stays; with `failedMovesNothing`, a proven failure has moved no money. */
export const final = (options: { readonly failedMovesNothing: boolean }) =>
  Effect.fnUntraced(function* (trial: Trial) {
    const { rail, advance = Effect.void, moved } = trial
    for (let round = 0; round < 6; round++) {
      const before = moved === undefined ? 0n : yield* moved
      const asked = request(trial)
      const first = yield* rail.move(asked)
      if (moved !== undefined && options.failedMovesNothing && first.state._tag === "Failed") {
        assert.strictEqual(yield* moved, before, "it failed, and money moved")
      }
      let state = first.state
      for (let look = 0; look < 5; look++) {
        yield* advance
        const now = look % 2 === 0 ? yield* rail.find(asked.idempotencyKey) : yield* rail.move(asked)
        if (isFinal(state)) assert.deepStrictEqual(now.state, state)
        state = now.state
      }
    }
  })

export const listed = Effect.fnUntraced(function* (trial: Trial) {
  const { rail } = trial
  const asked = Array.from({ length: 7 }, () => request(trial))
  for (const one of asked) yield* rail.move(one)
  const keysOf = (movements: ReadonlyArray<Movement>) => movements.map(({ idempotencyKey }) => idempotencyKey)
  const whole = keysOf(yield* all(rail, 1_000))
  assert.strictEqual(new Set(whole).size, whole.length, "a movement is listed twice")
  assert.includeMembers(
    whole,
    asked.map(({ idempotencyKey }) => idempotencyKey),
  )
  for (const limit of [1, 2, 3]) assert.deepStrictEqual(keysOf(yield* all(rail, limit)), whole)
  const before = (yield* all(rail, 1_000)).at(-1)
  const later = request(trial)
  yield* rail.move(later)
  assert.deepStrictEqual(keysOf(yield* rail.movements(before?.cursor ?? null, 10)), [later.idempotencyKey])
})

export const refusesNothing = Effect.fnUntraced(function* (trial: Trial) {
  const { rail } = trial
  const count = (yield* all(rail, 50)).length
  for (const amount of [0n, -1n, -trial.amount]) {
    const asked = request(trial, { amount })
    yield* fails(rail.move(asked), "Refused")
    yield* fails(rail.find(asked.idempotencyKey), "NotFound")
    // The key of what was refused is free.
    assert.strictEqual((yield* rail.move({ ...asked, amount: trial.amount })).amount, trial.amount)
  }
  assert.lengthOf(yield* all(rail, 50), count + 3)
})
