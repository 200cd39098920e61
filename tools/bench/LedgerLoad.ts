/**
 * What the market asks of its ledger: charges that pay a provider, the platform and the insurance at once, with or
 * without a hold before. A posting of four legs, one of them taking, is three transfers.
 */
import { PgClient } from "@effect/sql-pg"
import type { HoldRequest } from "@guildhall/ledger/Hold"
import { type Account, AccountId } from "@guildhall/ledger/Account"
import * as Ledger from "@guildhall/ledger/Ledger"
import type { LedgerError } from "@guildhall/ledger/LedgerError"
import type { LedgerStore } from "@guildhall/ledger/LedgerStore"
import * as LedgerStoreSql from "@guildhall/ledger/LedgerStoreSql"
import { HoldId } from "@guildhall/ledger/Hold"
import type { Posting } from "@guildhall/ledger/Posting"
import { USD } from "@guildhall/core/Asset"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import { randomUUIDv7 } from "node:crypto"
import { type Outcome, drive } from "./LedgerClients.ts"

/** A ledger on a database, open for as long as the benchmark needs it. */
export type Books = ManagedRuntime.ManagedRuntime<Ledger.Ledger | LedgerStore | PgClient.PgClient, unknown>

/** Opens a book of the ledger as a gateway does. */
export const open = (url: string, book: number): Books => {
  const options = { renewMs: 10_000, book }
  return ManagedRuntime.make(
    Ledger.layer.pipe(
      Layer.provideMerge(LedgerStoreSql.layer(options)),
      Layer.provideMerge(PgClient.layer({ url: Redacted.make(url), maxConnections: 10 })),
    ),
  )
}

/** Whose money moves: where there are fewer of one kind than of another, they are shared, and the fewest are hot. */
export interface Parties {
  readonly buyers: ReadonlyArray<AccountId>
  readonly providers: ReadonlyArray<AccountId>
  readonly fees: ReadonlyArray<AccountId>
  readonly insurances: ReadonlyArray<AccountId>
}

const named = (prefix: string, count: number): ReadonlyArray<AccountId> =>
  Array.from({ length: count }, (_, at) => AccountId.make(`${prefix}_${at}`))

/** A thousand buyers and providers, and one account each for the fee and the insurance. */
export const hot: Parties = {
  buyers: named("buyer:hot", 1_000),
  providers: named("payable:hot", 1_000),
  fees: named("platform:hot", 1),
  insurances: named("pool:hot", 1),
}

/** So many sets of four accounts: a posting shares none with any that runs beside it. */
export const cold = (count: number): Parties => ({
  buyers: named("buyer:cold", count),
  providers: named("payable:cold", count),
  fees: named("platform:cold", count),
  insurances: named("pool:cold", count),
})

const funding = AccountId.make("external:bench")
const fundedWith = 10n ** 30n

const openAccount = (id: AccountId, kind: Account["kind"], floor: bigint | null) =>
  Effect.flatMap(Ledger.Ledger, (ledger) => ledger.open({ id, kind, asset: USD, floor }))

const topUp = (buyers: ReadonlyArray<AccountId>): Posting => ({
  idempotencyKey: `topUp:${randomUUIDv7()}`,
  kind: "topUp",
  legs: [
    { account: funding, amount: -fundedWith * BigInt(buyers.length) },
    ...buyers.map((account) => ({ account, amount: fundedWith })),
  ],
  attachments: [],
})

/** Opens the accounts and gives the buyers more than they can spend. Answers how many transfers that took. */
export const prepare = (parties: Parties): Effect.Effect<number, LedgerError, Ledger.Ledger> =>
  Effect.gen(function* () {
    const ledger = yield* Ledger.Ledger
    const many = { concurrency: 2_048, discard: true } as const
    yield* openAccount(funding, "external", null)
    yield* Effect.forEach(parties.buyers, (id) => openAccount(id, "buyer", 0n), many)
    yield* Effect.forEach(parties.providers, (id) => openAccount(id, "payable", 0n), many)
    yield* Effect.forEach(parties.fees, (id) => openAccount(id, "platform", 0n), many)
    yield* Effect.forEach(parties.insurances, (id) => openAccount(id, "pool", 0n), many)
    for (let at = 0; at < parties.buyers.length; at += 99) yield* ledger.post(topUp(parties.buyers.slice(at, at + 99)))
    return parties.buyers.length
  })

/** How many transfers one charge is: each is one debit and one credit. */
export const transfersEach = 3

const price = 2_500_000_003n
const fee = 125_000_000n
const insurance = 25_000_000n

/** The next of each kind. Of a thousand the order is mixed, so that neighbours do not always meet. */
const makeNext = (parties: Parties) => {
  let turn = Math.floor(Math.random() * 10_000)
  const pick = (ids: ReadonlyArray<AccountId>, stride: number): AccountId => {
    const id = ids[(turn * stride) % ids.length]
    if (id === undefined) throw new Error("A party has no accounts.")
    return id
  }
  return () => {
    turn += 1
    return {
      buyer: pick(parties.buyers, 1),
      provider: pick(parties.providers, parties.fees.length > 1 ? 1 : 617),
      fee: pick(parties.fees, 1),
      insurance: pick(parties.insurances, 1),
    }
  }
}

type Chosen = ReturnType<ReturnType<typeof makeNext>>

const charge = (chosen: Chosen, request: string): Posting => ({
  idempotencyKey: `charge:${request}`,
  kind: "charge",
  legs: [
    { account: chosen.buyer, amount: -price },
    { account: chosen.provider, amount: price - fee - insurance },
    { account: chosen.fee, amount: fee },
    { account: chosen.insurance, amount: insurance },
  ],
  attachments: [],
})

/** How a load runs. */
export interface Size {
  readonly callers: number
  readonly durationMs: number
  readonly warmMs?: number
}

/** Charges, one after the other from each caller. */
export const charges = (
  parties: Parties,
  { callers, durationMs, warmMs = 400 }: Size,
): Effect.Effect<Outcome, LedgerError, Ledger.Ledger> =>
  Effect.flatMap(Ledger.Ledger, (ledger) => {
    const next = makeNext(parties)
    const step = () => Effect.suspend(() => ledger.post(charge(next(), `req_${randomUUIDv7()}`)))
    return drive({ callers, warmMs, durationMs, step })
  })

const holdOf = (chosen: Chosen, request: string): HoldRequest => ({
  id: HoldId.make(request),
  account: chosen.buyer,
  amount: 2n * price,
  owner: `bench-${process.pid}`,
  lifeMs: 60_000,
  definitionDigest: "bench",
  context: { model: "bench/mock", maxTokens: 100 },
})

/** A hold, and then the charge that posts it: what a market does for every request. */
export const pairs = (
  parties: Parties,
  { callers, durationMs, warmMs = 400 }: Size,
): Effect.Effect<Outcome, LedgerError, Ledger.Ledger> =>
  Effect.flatMap(Ledger.Ledger, (ledger) => {
    const next = makeNext(parties)
    const step = () =>
      Effect.suspend(() => {
        const chosen = next()
        const request = `req_${randomUUIDv7().replaceAll("-", "")}`
        const hold = holdOf(chosen, request)
        return Effect.andThen(ledger.hold(hold), ledger.settle(hold.id, charge(chosen, request)))
      })
    return drive({ callers, warmMs, durationMs, step })
  })
