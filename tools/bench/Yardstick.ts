/**
 * What a ledger on PostgreSQL is measured by: one row for each transfer, inserted by a statement of its own, each
 * committed to the disk before the next one on its connection is sent. No balances, no rules, no proof.
 */
import { PgConnection } from "@effect/sql-pg"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { execute } from "./LedgerCluster.ts"
import { type Outcome, drive } from "./LedgerClients.ts"

/** Runs the yardstick on so many connections. */
export interface Yardstick {
  readonly run: (connections: number, durationMs: number) => Promise<Outcome>
}

const create = `CREATE TABLE yardstick (
  id bigint PRIMARY KEY,
  debit_account bigint NOT NULL,
  credit_account bigint NOT NULL,
  amount numeric(78,0) NOT NULL,
  created_at timestamptz NOT NULL
)`

const insert = "INSERT INTO yardstick VALUES ($1, $2, $3, $4::text::numeric, now())"

/** Makes the yardstick's table. */
export const make = async (url: string): Promise<Yardstick> => {
  await execute(url, create)
  let last = 0n
  const run = (connections: number, durationMs: number): Promise<Outcome> =>
    Effect.gen(function* () {
      // Plain connections, one for each caller: less work for the client than a pool, and so the higher figure.
      const open = Array.from({ length: connections }, () => PgConnection.make({ url: Redacted.make(url) }))
      const pool = yield* Effect.all(open, { concurrency: 4 })
      const step = (caller: number) =>
        Effect.suspend(() => {
          last += 1n
          return pool[caller]?.queryValues(insert, [last, last % 1_000n, last % 997n, "2500000003"]) ?? Effect.never
        })
      return yield* drive({ callers: connections, warmMs: 200, durationMs, step })
    }).pipe(Effect.scoped, Effect.runPromise)
  return { run }
}

/** Raw inserts per second by the number of connections: each of these numbers tried, one after the other. */
export const survey = async (yardstick: Yardstick, durationMs: number): Promise<ReadonlyMap<number, number>> => {
  const found = new Map<number, number>()
  for (const connections of [1, 8, 16, 32]) {
    found.set(connections, (await yardstick.run(connections, durationMs)).perSecond)
  }
  return found
}
