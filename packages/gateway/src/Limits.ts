/**
 * The limits at the door: how many requests and tokens in a minute, how many requests at a time, and how much money in a
 * day and a month, for each key, each member and the market as a whole.
 *
 * All processes of a market share the limits through `LimitStore`. Each leases portions and spends them without asking, so
 * a request waits for the store only where a key is new to the process or little is left; then for a second at most.
 * Where the store is away, requests go on within what is leased, and then get `service_unavailable`: never more than the
 * limit.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type { LimitName, LimitScope } from "@guildhall/core/Allowance"
import type { KeyTerms } from "@guildhall/core/KeyTerms"
import { chargeAssetOf } from "@guildhall/core/MarketDefinition"
import type { KeyId, MemberId } from "@guildhall/core/Member"
import * as LimitGates from "./internal/LimitGates.ts"
import * as LimitLine from "./internal/LimitLine.ts"
import type * as LimitQueue from "./internal/LimitQueue.ts"
import * as LimitRefusal from "./internal/LimitRefusal.ts"
import type { Portion } from "./internal/Portion.ts"
import { LimitStore, type LimitStoreError } from "./LimitStore.ts"
import { Market } from "./Market.ts"
import type { Refusal } from "./Refusal.ts"

/**
 * Whose limits apply. A `Payer` of the ledger is one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Holder {
  readonly keyId: KeyId
  readonly memberId: MemberId
  readonly terms?: KeyTerms | undefined
}

/**
 * What a request takes, or took: tokens of prompt and answer together, and the cost in the smallest unit of the charge
 * asset.
 *
 * @category models
 * @since 0.1.0
 */
export interface Amount {
  readonly tokens: number
  readonly cost: bigint
}

/**
 * The place of a request that was let in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Place {
  /**
   * Sets aside the most that the request may take, before anything is done for it. Where it turns out to need more, it
   * reserves the rest; a refusal takes nothing. Where a limit by the minute could never allow for the most tokens,
   * `likelyTokens` count.
   */
  readonly reserve: (amount: Amount & { readonly likelyTokens?: number | undefined }) => Effect.Effect<void, Refusal>
  /** Tells what the request came to, in place of what was reserved. Without it, it came to nothing. */
  readonly spend: (amount: Amount) => void
  /** Gives back the request's turn among those under way: it has been answered, and is only to be written down. */
  readonly over: () => void
  /** Gives back all the rest. Must be called once the request is over; more often is no harm. */
  readonly leave: () => void
  /** What the answer says of the limits by the minute: `x-ratelimit-limit-requests` and so on, as in OpenAI's API. */
  readonly headers: () => Record<string, string>
}

/**
 * One limit and what is used of it, in the unit of the limit. `underWay` is what requests under way set aside, `used` what
 * others came to.
 *
 * @category models
 * @since 0.1.0
 */
export interface LimitUsage {
  readonly scope: LimitScope
  readonly name: LimitName
  readonly limit: number
  readonly used: number
  readonly underWay: number
  readonly resetsInMs: number | null
}

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class Limits extends Context.Service<
  Limits,
  {
    /** Lets a request in, which counts from now on, or says which limit it met. Mostly it answers at once. */
    readonly enter: (holder: Holder) => Effect.Effect<Place, Refusal>
    /** What is used of every limit of a key, by all processes as far as they have told. */
    readonly usage: (holder: Holder) => Effect.Effect<ReadonlyArray<LimitUsage>, LimitStoreError>
  }
>()("@guildhall/gateway/Limits") {}

/**
 * How leases are dealt with, in milliseconds: how often others' needs are looked at, how long a lease lives without
 * renewal, and how long a request waits for one at most.
 *
 * @category models
 * @since 0.1.0
 */
export type Times = LimitLine.Times

/**
 * A portion that others need is given back within 100 ms; what a killed process had leased is free after 10 s; no request
 * waits longer than a second.
 *
 * @category constants
 * @since 0.1.0
 */
export const times: Times = { everyMs: 100, lifeMs: 10_000, waitMs: 1_000 }

const SWEEP_EVERY = "10 minutes"

const one = () => 1

/** A count as the store takes it: whole, and not below nothing. */
const whole = (count: number): number => (count > 0 ? Math.min(Math.ceil(count), Number.MAX_SAFE_INTEGER) : 0)

/**
 * Makes the limits of this process, which share the market's through the store until the scope closes; then everything is
 * told and given back.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Times) {
  const { definition, owner } = yield* Market
  const store = yield* LimitStore
  const clock = yield* Clock.Clock
  // Rounded up to a whole billionth of the asset: small enough for any sum to fit, large enough for no charge to vanish.
  const unit = 10n ** BigInt(chargeAssetOf(definition).scale) / 1_000_000_000n
  const nanos = (cost: bigint): number => whole(Number((cost + unit - 1n) / unit))
  // The clock must not jump with the wall's time: what counts is how much time has passed.
  const nowMs = () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

  const portions = new Map<string, Portion>()
  const gates = LimitGates.make(definition, portions)
  const line = LimitLine.make({ store, portions, process: owner, times: options, nowMs, onScan: gates.sweep })
  // The loop ends before this.
  yield* Effect.addFinalizer(() => line.close)
  yield* Effect.forkScoped(line.loop)
  yield* Effect.forkScoped(
    Effect.repeat(Effect.ignore(store.sweep), Schedule.spaced(SWEEP_EVERY)).pipe(Effect.delay(SWEEP_EVERY)),
  )

  /** Where something lacks: refuses what is known not to be there, and waits for the rest. */
  const lacking = (taking: LimitQueue.Taking, now: number): Effect.Effect<void, Refusal> => {
    const { portions, units } = taking
    for (const portion of portions) {
      const shortage = portion.closedAs(units(portion), now)
      if (shortage === undefined) continue
      return Effect.fail(LimitRefusal.of({ _tag: shortage, portion, units: units(portion) }, now))
    }
    return Effect.mapError(line.wait(taking), (lack) => LimitRefusal.of(lack, nowMs()))
  }

  const place = (gate: LimitGates.Gate): Place => {
    let reserved = { tokens: 0, nanos: 0 }
    let spent = { tokens: 0, nanos: 0 }
    let isOver = false
    let isLeft = false
    const over = () => {
      if (isOver) return
      isOver = true
      for (const portion of gate.entering) portion.give(1, 0)
    }
    return {
      reserve: ({ cost, likelyTokens, tokens }) => {
        const isTooMany = gate.tokens.some(({ limit }) => reserved.tokens + tokens > limit)
        const more = { tokens: whole(isTooMany ? (likelyTokens ?? tokens) : tokens), nanos: nanos(cost) }
        const units = ({ name }: Portion) => (name === "tokensPerMinute" ? more.tokens : more.nanos)
        const add = () => {
          reserved = { tokens: reserved.tokens + more.tokens, nanos: reserved.nanos + more.nanos }
        }
        return Effect.suspend(() => {
          const now = nowMs()
          const taking = { portions: gate.reserving, units }
          if (line.take(taking, now) !== undefined) return Effect.map(lacking(taking, now), add)
          add()
          return Effect.void
        })
      },
      spend: ({ cost, tokens }) => {
        spent = { tokens: whole(tokens), nanos: nanos(cost) }
      },
      over,
      leave: () => {
        if (isLeft) return
        isLeft = true
        over()
        gates.leave(gate, nowMs())
        for (const portion of gate.reserving) {
          if (portion.name === "tokensPerMinute") portion.give(reserved.tokens, spent.tokens)
          else portion.give(reserved.nanos, spent.nanos)
        }
      },
      headers: () => LimitRefusal.headers(gate.requests, gate.tokens, nowMs()),
    }
  }

  return Limits.of({
    enter: (holder) =>
      Effect.suspend(() => {
        const now = nowMs()
        const gate = gates.of(holder, now)
        if (gate === undefined) return Effect.fail(LimitRefusal.of({ _tag: "Away" }, now))
        // Counted before it waits, so that its portions stay.
        gate.inFlight += 1
        const taking = { portions: gate.entering, units: one }
        if (line.take(taking, now) === undefined) return Effect.succeed(place(gate))
        return lacking(taking, now).pipe(
          Effect.map(() => place(gate)),
          Effect.onError(() => Effect.sync(() => gates.leave(gate, nowMs()))),
        )
      }),
    usage: Effect.fn("Limits.usage")(function* (holder) {
      const wanted = LimitGates.applying(definition, holder)
      const found = yield* store.usage(wanted)
      return wanted.map(({ counter, limit, name, scope }, at): LimitUsage => {
        const { busy, resetInMs, used } = found[at] ?? { busy: 0, used: 0, resetInMs: null }
        const mine = portions.get(counter)?.untold ?? { busy: 0, spent: 0 }
        const units = (count: number) => LimitRefusal.inUnits(name, count)
        return {
          scope,
          name,
          limit: units(limit),
          used: units(used + mine.spent),
          underWay: units(busy + mine.busy),
          resetsInMs: resetInMs,
        }
      })
    }),
  })
})

/**
 * The limits with times of one's own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Times): Layer.Layer<Limits, never, Market | LimitStore> =>
  Layer.effect(Limits, make(options))

/**
 * The limits, by {@link times}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Limits, never, Market | LimitStore> = layerWith(times)
