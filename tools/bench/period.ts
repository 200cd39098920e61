/**
 * How long it takes to close a month, to write the statement of an account that every posting moves, and to export the
 * whole books; and whether memory stays flat meanwhile.
 */
import { PgClient } from "@effect/sql-pg"
import { AssetCode } from "@guildhall/core/Asset"
import { AccountId } from "@guildhall/ledger/Account"
import * as Beancount from "@guildhall/ledger/Beancount"
import * as Ledger from "@guildhall/ledger/Ledger"
import { type Command, LedgerStore } from "@guildhall/ledger/LedgerStore"
import * as LedgerStoreSql from "@guildhall/ledger/LedgerStoreSql"
import * as Period from "@guildhall/ledger/Period"
import * as Statement from "@guildhall/ledger/Statement"
import * as StatementText from "@guildhall/ledger/StatementText"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { Run } from "../bench.ts"
import * as LedgerCluster from "./LedgerCluster.ts"

const asset = { code: AssetCode.make("USD"), scale: 12 }
const fees = AccountId.make("platform:fees")
const card = AccountId.make("external:card")
const BATCH = 1_000

const buyer = (at: number) => AccountId.make(`buyer:mem_${at}`)

const open = (id: AccountId, kind: "buyer" | "platform" | "external"): Command => ({
  _tag: "Open",
  id,
  kind,
  asset,
  floor: null,
  ceiling: null,
})

const charge = (at: number, accounts: number, effectiveAtMs: number | undefined): Command => ({
  _tag: "Post",
  posting: {
    idempotencyKey: `request:${at}`,
    kind: "charge",
    legs: [
      { account: buyer((at * 7_919) % accounts), amount: -1_000n },
      { account: card, amount: 900n },
      { account: fees, amount: 100n },
    ],
    attachments: [],
    links: { request: `req_${at}` },
    ...(effectiveAtMs === undefined ? {} : { effectiveAtMs }),
  },
})

/** Commits so many commands, a thousand at a time. */
const commitAll = Effect.fnUntraced(function* (count: number, make: (at: number) => Command) {
  const store = yield* LedgerStore
  for (let from = 0; from < count; from += BATCH) {
    const commands = Array.from({ length: Math.min(BATCH, count - from) }, (_, at) => make(from + at))
    for (const answer of yield* store.commit(commands)) yield* Effect.fromResult(answer)
  }
})

/** Seconds that an effect takes, and by how much this process grew at most meanwhile, in MB. */
const measured = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  globalThis.gc?.()
  const before = process.memoryUsage().rss
  let most = before
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 20)
  const began = performance.now()
  const answer = yield* Effect.ensuring(
    effect,
    Effect.sync(() => clearInterval(watch)),
  )
  return { answer, seconds: (performance.now() - began) / 1_000, grownMb: (most - before) / 1_048_576 }
})

const countText = (text: StatementText.Text) =>
  Stream.runFold(
    text,
    () => 0,
    (count) => count + 1,
  )

/** Loads a book and measures. */
export const run: Run = async ({ isQuick, progress }) => {
  const transfers = isQuick ? 50_000 : 1_000_000
  const accounts = isQuick ? 1_000 : 20_000
  const server = await LedgerCluster.start()
  const program = Effect.gen(function* () {
    yield* commitAll(accounts, (at) => open(buyer(at), "buyer"))
    yield* commitAll(2, (at) => (at === 0 ? open(fees, "platform") : open(card, "external")))
    progress(`${transfers} transfers over ${accounts} accounts …`)
    const loaded = yield* measured(commitAll(transfers, (at) => charge(at, accounts, undefined)))
    yield* Effect.sleep("50 millis")
    const endMs = Date.now()
    progress("closing the month …")
    const closed = yield* measured(Period.close(endMs))
    const again = yield* measured(Period.close(endMs))

    progress("writing the statement of the hottest account …")
    const query = { account: fees, fromMs: null, toMs: endMs }
    const statement = yield* measured(Statement.read(query, (made) => countText(StatementText.csv(made))))
    progress("exporting the books …")
    const books = yield* measured(Beancount.read({ fromMs: null, toMs: endMs }, countText))

    progress("closing a period in which a tenth was posted too late …")
    yield* Effect.sleep("50 millis")
    const lateMs = Date.now()
    yield* Effect.sleep("50 millis")
    yield* commitAll(transfers / 10, (at) => charge(transfers + at, accounts, lateMs - 10))
    const late = yield* measured(Period.close(lateMs))
    return {
      transfers,
      accounts: closed.answer.trialBalance.accounts,
      load_per_s: transfers / loaded.seconds,
      close_s: closed.seconds,
      close_mb: closed.grownMb,
      close_again_s: again.seconds,
      close_late_s: late.seconds,
      statement_lines_per_s: statement.answer / statement.seconds,
      statement_mb: statement.grownMb,
      export_per_s: transfers / books.seconds,
      export_mb: books.grownMb,
    }
  })
  try {
    const url = await server.database("period")
    const Live = Ledger.layer.pipe(
      Layer.provideMerge(LedgerStoreSql.layer({ renewMs: 10_000 })),
      Layer.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 4 })),
    )
    return await Effect.runPromise(Effect.provide(program, Live))
  } finally {
    await server.stop()
  }
}
