/**
 * Pays members out by a rail, period after period: what they earned that nobody can take back any more moves on to what is paid, and
 * each who has enough of it gets a durable run of the ledger's `PayoutRun`. Whoever cannot be paid yet keeps what it earned in the
 * books.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Asset } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import * as Account from "@guildhall/ledger/Account"
import { Ledger } from "@guildhall/ledger/Ledger"
import { Conflict, type LedgerError } from "@guildhall/ledger/LedgerError"
import { LedgerStore } from "@guildhall/ledger/LedgerStore"
import * as Matured from "@guildhall/ledger/Matured"
import * as Opening from "@guildhall/ledger/Opening"
import { PayoutRun } from "@guildhall/ledger/PayoutRun"
import * as Maturity from "@guildhall/ledger/templates/Maturity"

/**
 * What is paid out by.
 *
 * - `rail`: its name, which is that of the accounts `payable:<rail>:<member>` and one of those that `PayoutRun` was made with.
 * - `asset`: what is paid, of which the books have so many decimals.
 * - `sources`: what was earned of which source is paid, and how long after it was earned at the earliest. A source that is not named
 *   is never paid; one that something else pays must not be named here.
 * - `everyMs`: the length of a period. Once in each, what was earned before it began and is safe is paid.
 * - `minimum`: who has less, in the asset's smallest unit, waits for a later period.
 * - `definition`: the digest under which payouts that begin now begin and end.
 * - `payable`: who of these members can be paid by the rail.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<E, R> {
  readonly rail: string
  readonly asset: Asset
  readonly sources: Readonly<Record<string, { readonly afterMs: number }>>
  readonly everyMs: number
  readonly minimum: bigint
  readonly definition: string
  readonly payable: (members: ReadonlyArray<MemberId>) => Effect.Effect<ReadonlySet<MemberId>, E, R>
}

/** So many commands wait for the ledger at a time; it commits them together. */
const AT_ONCE = { concurrency: 64, discard: true } as const

/** What was made before, under the same key, stays as it is: planned anew it may differ. */
const unlessMade = <A>(effect: Effect.Effect<A, LedgerError>): Effect.Effect<void, LedgerError> =>
  Effect.catch(Effect.asVoid(effect), (error) => (error.reason instanceof Conflict ? Effect.void : Effect.fail(error)))

const isMember = Schema.is(MemberId)

/**
 * Makes the `round` that looks once: in a period that it has seen to already it does nothing. Begun anew, it makes nothing twice, and
 * sees to it that the runs of before go on. Run it from one place, more often than the periods change.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <E, R>(options: Options<E, R>) {
  const { asset, definition, everyMs, minimum, payable, rail, sources } = options
  const ledger = yield* Ledger
  const store = yield* LedgerStore
  const runs = yield* PayoutRun

  const mature = Effect.fnUntraced(function* (period: number) {
    const safe = Object.entries(sources).map(([source, { afterMs }]) => [source, period * everyMs - afterMs] as const)
    const untilMs = Object.fromEntries(safe)
    const due = yield* store.snapshot((view) => Matured.find(view, { asset: asset.code, untilMs }))
    const known = yield* payable([...new Set(due.map(({ provider }) => provider))])
    yield* Effect.forEach(
      due.filter(({ provider }) => known.has(provider)),
      (matured) =>
        Effect.gen(function* () {
          yield* unlessMade(ledger.open(Opening.of(Account.ids.payable(rail, matured.provider), asset)))
          const posting = Maturity.posting({ ...matured, rail, epoch: `${rail}-${period}` }, { definition })
          yield* unlessMade(Effect.flatMap(Effect.fromResult(posting), ledger.post))
        }),
      AT_ONCE,
    )
  })

  const pay = Effect.gen(function* () {
    const prefix = `payable:${rail}:`
    const members = (yield* store.accounts()).flatMap(({ asset: { code }, balance, id, state }) => {
      const member = id.slice(prefix.length)
      const isDue = id.startsWith(prefix) && code === asset.code && state === "open" && balance > 0n
      return isDue && isMember(member) ? [member] : []
    })
    yield* Effect.forEach(members, (member) => runs.start({ rail, member, minimum, definition }), AT_ONCE)
  })

  let seen: number | undefined
  const round = Effect.gen(function* () {
    const period = Math.floor((yield* Clock.currentTimeMillis) / everyMs)
    if (period === seen) return
    yield* mature(period)
    yield* pay
    seen = period
  }).pipe(Effect.withSpan("Payouts.round"))
  return { round }
})
