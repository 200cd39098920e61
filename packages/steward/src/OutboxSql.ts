/**
 * The outbox where ledger and journal lie in one database: receipts are copied by it, and only what is rare or odd passes
 * through this process.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as SqlClient from "effect/sql/SqlClient"
import * as EndedCopy from "@guildhall/journal/EndedCopy"
import { Journal } from "@guildhall/journal/Journal"
import * as LedgerStoreSql from "@guildhall/ledger/LedgerStoreSql"
import * as Outbox from "./Outbox.ts"

/**
 * Copies one step, and answers how many attachments that was. Where the process dies in between, the next step begins at the
 * same place and finds there what was copied already.
 *
 * @category constructors
 * @since 0.1.0
 */
export const copy = (options: Pick<LedgerStoreSql.Options, "book" | "schema"> = {}) =>
  Effect.gen(function* () {
    const journal = yield* Journal
    const sql = yield* SqlClient.SqlClient
    const after = yield* journal.position
    const page = LedgerStoreSql.attachmentsAfter(sql, options, { after, limit: Outbox.STEP_MAX })
    const { copied, count, last, others } = yield* EndedCopy.copy(page)
    if (count === 0) return 0
    yield* Outbox.carry(
      others.map(({ atMs, body, kind, sequence }) => ({ sequence, attachment: { kind, body }, attachedAtMs: atMs })),
      last,
    )
    yield* Metric.update(Metric.withAttributes(Outbox.copied, { kind: EndedCopy.KIND }), copied)
    return count
  }).pipe(Effect.withSpan("OutboxSql.copy"))
