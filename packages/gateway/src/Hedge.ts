/**
 * Asks a second instance where the first is slower than it usually is, and lets the faster one answer. Off unless the
 * definition gives it a share of the requests. The buyer pays for one answer; what the slower instance read of the prompt is
 * paid from the pool `pool:hedge`, and while that has nothing left, nobody is asked twice.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { chargeAssetOf } from "@guildhall/core/MarketDefinition"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { RequestId } from "@guildhall/core/Request"
import * as Split from "@guildhall/core/rules/Split"
import { Ledger } from "@guildhall/ledger/Ledger"
import * as Template from "@guildhall/ledger/templates/Hedge"
import * as AccountOpener from "./AccountOpener.ts"
import * as Ticks from "./internal/Ticks.ts"
import { Market } from "./Market.ts"
import * as Quantiles from "./Quantiles.ts"
import * as RetryBudget from "./RetryBudget.ts"

/** So many of an instance's answers begin sooner; one that takes longer is slow. */
const USUAL = 0.95
/** The pool's money may be paid out like that of any source that does not come back. */
const FUNDING_SOURCE = "platform"

/**
 * An instance that was asked beside another one and lost. `promptTokens` is what it had to read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lost {
  readonly request: RequestId
  readonly attempt: number
  readonly instance: Instance
  readonly promptTokens: number
}

/**
 * What a lost attempt is paid: the provider's share of what its prompt would have cost. Pure.
 *
 * @category rules
 * @since 0.1.0
 */
export const owed = (
  split: Split.Split,
  { instance, promptTokens }: Pick<Lost, "instance" | "promptTokens">,
): bigint => {
  const cost = PriceSheet.cost(instance.price, { inputToken: promptTokens })
  return Split.share(split, cost).find(({ party }) => party === "provider")?.amount ?? 0n
}

/**
 * Makes the hedges of a process. `race` runs the first attempt and, once it has taken `usualMs` and `isSlow` agrees, the
 * second beside it; it answers what each came to. `learn` takes in how long an instance took to its first token, and `usualMs`
 * says what nineteen in twenty of them did not exceed. `pay` pays a lost one, and never fails.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const { definition } = yield* Market
  const ledger = yield* Ledger
  const open = yield* AccountOpener.make
  const percent = definition.relay.hedgePercent
  const firstTokens = Quantiles.make()
  const budget = RetryBudget.make({ percent, perSecond: 0 }, Ticks.now())

  const isFunded = (amount: bigint) =>
    ledger.account(Template.pool).pipe(
      Effect.map(({ balance, held }) => balance - held >= amount),
      Effect.orElseSucceed(() => false),
    )

  const race = Effect.fnUntraced(function* <A>(
    first: Effect.Effect<A>,
    second: Effect.Effect<A>,
    terms: { readonly usualMs: () => number | undefined; readonly isSlow: () => boolean; readonly amount: bigint },
  ) {
    budget.request()
    const running = yield* Effect.forkChild(first, { startImmediately: true })
    const usualMs = terms.usualMs()
    if (usualMs === undefined) return [yield* Fiber.join(running)]
    yield* Effect.raceFirst(Fiber.await(running), Effect.sleep(usualMs))
    if (running.pollUnsafe() !== undefined || !terms.isSlow()) return [yield* Fiber.join(running)]
    const isFree = yield* isFunded(terms.amount)
    // It may have begun to answer meanwhile.
    if (!isFree || !terms.isSlow() || !budget.take(Ticks.now())) return [yield* Fiber.join(running)]
    const other = yield* second
    return [yield* Fiber.join(running), other]
  })

  const pay = Effect.fnUntraced(
    function* (lost: Lost) {
      const { attempt, instance, request } = lost
      const amount = owed(definition.split, lost)
      if (amount === 0n) return
      const hedge = { request, attempt, provider: instance.memberId, fundingSource: FUNDING_SOURCE, amount }
      const posting = yield* Effect.fromResult(Template.posting(hedge))
      yield* open(
        posting.legs.filter((leg) => leg.amount > 0n).map(({ account }) => account),
        chargeAssetOf(definition),
      )
      yield* ledger.post(posting)
    },
    (effect, { attempt, request }) =>
      Effect.catch(effect, (error) =>
        Effect.logWarning(
          `Attempt ${attempt} of ${request} lost to a faster one and could not be paid.`,
          error.message,
        ),
      ),
  )

  return {
    isOn: percent > 0,
    learn: (instance: InstanceId, firstTokenMs: number): void => firstTokens.learn(instance, firstTokenMs),
    usualMs: (instance: InstanceId): number | undefined => firstTokens.quantile(instance, USUAL),
    race,
    pay,
  } as const
})

/**
 * The hedges of a process, as {@link make} makes them.
 *
 * @category models
 * @since 0.1.0
 */
export type Hedge = Effect.Success<typeof make>
