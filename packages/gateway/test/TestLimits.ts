/**
 * The limits of several processes over one store, in virtual time.
 */
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { type Allowance, Member } from "@guildhall/core"
import * as Limits from "../src/Limits.ts"
import { LimitStore } from "../src/LimitStore.ts"
import { Market } from "../src/Market.ts"
import { Refusal } from "../src/Refusal.ts"
import { definition } from "./TestLane.ts"

export interface Allowances {
  readonly key?: Allowance.Allowance
  readonly member?: Allowance.Allowance
  readonly market?: Allowance.Allowance
}

export const holder = (name: string, limits?: Allowance.Allowance): Limits.Holder => ({
  keyId: Member.KeyId.make(`key_${name}`),
  memberId: Member.MemberId.make("mem_test"),
  ...(limits === undefined ? {} : { terms: { limits } }),
})

export const market = (owner: string, { key = {}, market = {}, member = {} }: Allowances) =>
  Market.of({
    definition: { ...definition, limits: { ...definition.limits, key, member, market } },
    digest: "d".repeat(64),
    owner,
    payments: [],
  })

/** A process over the store of the test: it can be stopped, which tells everything, or killed, which tells nothing. */
export const start = Effect.fnUntraced(function* (name: string, allowances: Allowances, times = Limits.times) {
  const store = yield* LimitStore
  const scope = yield* Scope.make()
  let isKilled = false
  let exchanges = 0
  const line = LimitStore.of({
    ...store,
    exchange: (request) => {
      if (isKilled) return Effect.never
      exchanges += 1
      return store.exchange(request)
    },
  })
  const context = yield* Layer.buildWithScope(
    Limits.layerWith(times).pipe(
      Layer.provide(Layer.succeed(Market, market(name, allowances))),
      Layer.provide(Layer.succeed(LimitStore, line)),
    ),
    scope,
  )
  const limits = Context.get(context, Limits.Limits)
  return {
    limits,
    exchanges: () => exchanges,
    stop: Scope.close(scope, Exit.void),
    kill: Effect.sync(() => void (isKilled = true)),
  }
})

export type Process = Effect.Success<ReturnType<typeof start>>

/** What became of a request: its place, or the refusal. */
export const enter = (process: Pick<Process, "limits">, who: Limits.Holder): Effect.Effect<Limits.Place | Refusal> =>
  Effect.catch(process.limits.enter(who), (refusal) => Effect.succeed(refusal))

/** The same, with what the request reserves. */
export const reserve = (
  process: Pick<Process, "limits">,
  who: Limits.Holder,
  amount: Limits.Amount,
): Effect.Effect<Limits.Place | Refusal> =>
  Effect.gen(function* () {
    const place = yield* process.limits.enter(who)
    return yield* Effect.as(place.reserve(amount), place).pipe(Effect.tapError(() => Effect.sync(place.leave)))
  }).pipe(Effect.catch((refusal) => Effect.succeed(refusal)))

/** Lets virtual time pass. */
export const pass = (ms: number): Effect.Effect<void> => TestClock.adjust(ms)

/** Runs while virtual time goes on in small steps. */
export const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>, stepMs = 5): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    while (fiber.pollUnsafe() === undefined) {
      yield* TestClock.adjust(stepMs)
      yield* Effect.promise(() => new Promise(setImmediate))
    }
    return yield* fiber.pollUnsafe() ?? Effect.die("it is running")
  })

export const isPlace = (outcome: Limits.Place | Refusal): outcome is Limits.Place => !(outcome instanceof Refusal)
