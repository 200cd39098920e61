/**
 * A market's database as a test uses it beside the market: it looks, holds a table so that a write stands still, and releases
 * expired holds as another gateway on the same database would.
 */
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Deferred, Effect, Exit, Fiber, Layer, References, Schedule, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { USD } from "@guildhall/core/Asset"
import type { AccountId } from "@guildhall/ledger/Account"
import * as Ledger from "@guildhall/ledger/Ledger"
import * as LedgerStoreSql from "@guildhall/ledger/LedgerStoreSql"
import * as Opening from "@guildhall/ledger/Opening"
import * as TopUp from "@guildhall/ledger/templates/TopUp"
import * as HoldExpiry from "@guildhall/steward/HoldExpiry"

/** A table that is held: reading goes on, writing waits. */
interface Held {
  /** Waits until a write waits. */
  readonly met: () => Promise<void>
  readonly release: () => Promise<void>
}

export interface MarketDatabase {
  readonly url: string
  readonly query: <Row extends object>(statement: string) => Promise<ReadonlyArray<Row>>
  readonly hold: (table: string) => Promise<Held>
  /** Releases what expired, again and again until it is told to stop. */
  readonly sweep: () => () => Promise<void>
  /** Puts money of a source into an account, past every rail. */
  readonly fund: (account: AccountId, source: string, amount: bigint) => Promise<void>
  readonly close: () => Promise<void>
}

const MET_EVERY_MS = 10

/** Makes a fresh database. */
export const make = async (options: { readonly renewMs: number }): Promise<MarketDatabase> => {
  const scope = Scope.makeUnsafe()
  const url = await Effect.runPromise(Scope.provide(TestDatabase.make, scope))
  const context = await Effect.runPromise(Layer.buildWithScope(TestDatabase.at(url), scope))
  const run = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
    Effect.runPromise(Effect.provideContext(effect, context))

  const query = <Row extends object>(statement: string) =>
    run(Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<Row>(statement)))

  const hold = async (table: string): Promise<Held> => {
    const held = Deferred.makeUnsafe<void>()
    const released = Deferred.makeUnsafe<void>()
    const holding = Effect.runFork(
      Effect.provideContext(
        Effect.flatMap(SqlClient.SqlClient, (sql) =>
          sql.withTransaction(
            sql
              .unsafe(`LOCK TABLE ${table} IN EXCLUSIVE MODE`)
              .pipe(Effect.andThen(Deferred.succeed(held, undefined)), Effect.andThen(Deferred.await(released))),
          ),
        ),
        context,
      ),
    )
    await Effect.runPromise(Deferred.await(held))
    const waiting = `SELECT 1 FROM pg_locks WHERE NOT granted AND relation = '${table}'::regclass`
    return {
      met: async () => {
        for (let left = 1_000; (await query(waiting)).length === 0; left--) {
          if (left === 0) throw new Error(`Nobody wants to write to ${table}.`)
          await new Promise((resolve) => setTimeout(resolve, MET_EVERY_MS))
        }
      },
      release: async () => {
        await Effect.runPromise(Deferred.succeed(released, undefined))
        await Effect.runPromise(Fiber.await(holding))
      },
    }
  }

  const ledger = Ledger.layer.pipe(
    Layer.provide(LedgerStoreSql.layer(options)),
    Layer.provide(Layer.succeedContext(context)),
  )

  const fund = (account: AccountId, source: string, amount: bigint) =>
    Effect.gen(function* () {
      const books = yield* Ledger.Ledger
      const order = { rail: "development", key: `${account} ${amount}`, fundingSource: source, to: account, amount }
      const posting = yield* Effect.fromResult(TopUp.posting(order))
      for (const leg of posting.legs) yield* books.open(Opening.of(leg.account, USD))
      yield* books.post(posting)
    }).pipe(Effect.provide(ledger), Effect.runPromise)

  const sweep = () => {
    const sweeping = Effect.runFork(
      HoldExpiry.round.pipe(
        Effect.ignore,
        Effect.repeat(Schedule.spaced("50 millis")),
        Effect.provideService(References.MinimumLogLevel, "Error"),
        Effect.provide(ledger),
      ),
    )
    return () => Effect.runPromise(Fiber.interrupt(sweeping)).then(() => undefined)
  }

  return { url, query, hold, sweep, fund, close: () => Effect.runPromise(Scope.close(scope, Exit.void)) }
}
