/**
 * PORT. Where processes share limits: counters that they lease portions of. The rule is `LimitRule`; a store keeps the
 * counters and makes each exchange one atomic step.
 *
 * Guarantees, each proved by `LimitStoreTest.suite`:
 *
 * 1. What was spent and what is leased never come to more than the limit, however many processes exchange at once.
 * 2. A process gets what it needs where so much is free, and what it wants while it is alone; where less is free than is of use to it, it gets nothing more, and keeps what it keeps.
 * 3. What a process spent counts once, however often it is told, and however many told it.
 * 4. What was spent in a minute counts for 60 seconds and for at most half a second more, of a day and of a month until they end in UTC, by the store's own clock.
 * 5. A lease that is not renewed ends: places and budgets are free again at once, and what a minute's lease was good for counts as spent.
 * 6. A process whose lease has ended gets back what its requests hold, even beyond the limit.
 * 7. Who holds a lease of a counter is told for a second that others are short of it, and nobody is given more than it needs meanwhile.
 * 8. A process that gave everything back is forgotten and may begin at 0; what it spent still counts.
 * 9. Reading what is used changes nothing, and is 0 where nobody asked.
 * 10. A sweep forgets what no longer counts, and nothing else.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as LimitRule from "./LimitRule.ts"

/**
 * The store did not answer. What it was told may have been taken down or not; telling it again does no harm.
 *
 * @category errors
 * @since 0.1.0
 */
export class LimitStoreError extends Schema.TaggedError<LimitStoreError>()("LimitStoreError", {
  cause: Schema.Defect(),
}) {
  get isRetryable(): boolean {
    return true
  }
  override get message(): string {
    return "The store of the limits cannot be reached. Look after the database; nothing is let in unlimited meanwhile."
  }
}

/**
 * What an exchange comes to: a grant for each ask, and the counters that the process leases and others are short of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Exchanged {
  readonly grants: ReadonlyArray<LimitRule.Grant>
  readonly tight: ReadonlyArray<string>
}

/** At most so many asks go into one exchange. @category constants @since 0.1.0 */
export const ASKS_MAX = 500

/**
 * The port. A counter's name has at most 200 characters; `process` is a name that is new at every start; `lifeMs` is how
 * long a lease lives without another exchange.
 *
 * @category services
 * @since 0.1.0
 */
export class LimitStore extends Context.Service<
  LimitStore,
  {
    readonly exchange: (request: {
      readonly process: string
      readonly lifeMs: number
      /** At most {@link ASKS_MAX}, each about another counter; none only asks for `tight`. */
      readonly asks: ReadonlyArray<LimitRule.Ask>
    }) => Effect.Effect<Exchanged, LimitStoreError>
    readonly usage: (
      counters: ReadonlyArray<{ readonly counter: string; readonly span: LimitRule.Span }>,
    ) => Effect.Effect<ReadonlyArray<LimitRule.Usage>, LimitStoreError>
    /** Answers how many counters were forgotten. */
    readonly sweep: Effect.Effect<number, LimitStoreError>
  }
>()("@guildhall/gateway/LimitStore") {}

const makeMemory = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const counters = new Map<string, LimitRule.Counter>()

  const tightFor = (process: string, nowMs: number): ReadonlyArray<string> =>
    [...counters].flatMap(([name, { leases, shortAtMs }]) =>
      shortAtMs !== null && nowMs - shortAtMs < LimitRule.TIGHT_MS && (leases.get(process)?.units ?? 0) > 0
        ? [name]
        : [],
    )

  return LimitStore.of({
    exchange: ({ asks, lifeMs, process }) =>
      Effect.sync(() => {
        const nowMs = clock.currentTimeMillisUnsafe()
        const grants = asks.map((ask) => {
          const before = counters.get(ask.counter) ?? LimitRule.empty(ask.span)
          const { counter, grant } = LimitRule.exchange(before, ask, { who: process, lifeMs, nowMs })
          counters.set(ask.counter, counter)
          return grant
        })
        return { grants, tight: tightFor(process, nowMs) }
      }),
    usage: (asked) =>
      Effect.sync(() =>
        asked.map(({ counter, span }) =>
          LimitRule.usage(counters.get(counter) ?? LimitRule.empty(span), counter, clock.currentTimeMillisUnsafe()),
        ),
      ),
    sweep: Effect.sync(() => {
      const before = counters.size
      for (const [name, counter] of counters) {
        if (LimitRule.keptUntilMs(counter) <= clock.currentTimeMillisUnsafe()) counters.delete(name)
      }
      return before - counters.size
    }),
  })
})

/**
 * Counters in this process's memory, gone with it: for tests, simulations and a market of one process.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<LimitStore> = Layer.effect(LimitStore, makeMemory)
