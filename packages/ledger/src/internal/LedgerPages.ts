import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { Account, AccountId } from "../Account.ts"
import type * as Book from "../Book.ts"
import type { HoldId } from "../Hold.ts"
import type { Command } from "../LedgerStore.ts"
import * as Rows from "./LedgerRows.ts"

/** The part of the book that one batch needs, and what the batch changed of it. */
export interface LoadedPages extends Book.Pages {
  readonly write: (changes: ReadonlyArray<Book.Change>) => void
  readonly dirty: {
    readonly accounts: Map<AccountId, Account>
    readonly holds: Map<HoldId, Book.StoredHold>
    readonly leases: Map<string, number>
    readonly postings: Array<Extract<Book.Change, { readonly _tag: "Posted" }>>
    readonly attachments: Array<{ readonly kind: string; readonly body: Schema.Json }>
  }
}

/** What a batch names. */
const namesOf = (commands: ReadonlyArray<Command>) => {
  const accounts = new Set<AccountId>()
  const holds = new Set<HoldId>()
  const keys = new Set<string>()
  const owners = new Set<string>()
  let due = 0
  for (const command of commands) {
    switch (command._tag) {
      case "Open":
        accounts.add(command.id)
        break
      case "Hold":
        accounts.add(command.hold.account)
        holds.add(command.hold.id)
        owners.add(command.hold.owner)
        break
      case "Void":
        holds.add(command.hold)
        break
      case "Renew":
        owners.add(command.owner)
        break
      case "Expire":
        due = Math.max(due, command.limit)
        break
      case "Settle":
      case "Claim":
        holds.add(command.hold)
        keys.add(command.posting.idempotencyKey)
        for (const leg of command.posting.legs) accounts.add(leg.account)
        break
      case "Post":
        keys.add(command.posting.idempotencyKey)
        for (const leg of command.posting.legs) accounts.add(leg.account)
    }
  }
  return { accounts, holds, keys, owners, due }
}

const Loaded = Schema.Struct({
  accounts: Schema.Unknown,
  holds: Schema.Unknown,
  keys: Schema.Array(Rows.KeyRow),
  due: Schema.Array(Schema.String),
  owners: Schema.Array(Schema.Struct({ owner: Schema.String, untilMs: Schema.Int, pending: Schema.Int })),
})
const decodeLoaded = Schema.decodeUnknownEffect(Loaded)

/** Reads what a batch names, in one statement. */
const read = (sql: SqlClient.SqlClient, names: ReturnType<typeof namesOf>, nowMs: number) => {
  const dueQuery =
    names.due === 0
      ? sql`SELECT ''::text AS id WHERE false`
      : sql`SELECT h.id FROM ledger_holds h LEFT JOIN ledger_owners o ON o.owner = h.owner
            WHERE h.state = 'pending' AND GREATEST(h.expires_at_ms, COALESCE(o.until_ms, 0)) <= ${String(nowMs)}::text::bigint
            ORDER BY h.expires_at_ms LIMIT ${names.due}`
  return sql`
    WITH due AS MATERIALIZED (${dueQuery}),
    hold AS MATERIALIZED (
      SELECT ${sql.literal(Rows.holdColumns("h", "o"))} FROM ledger_holds h LEFT JOIN ledger_owners o ON o.owner = h.owner
      WHERE h.id = ANY(${Rows.list(names.holds)}::text[]) OR h.id IN (SELECT id FROM due)
    ),
    account AS (
      SELECT ${sql.literal(Rows.accountColumns("a"))} FROM ledger_accounts a
      WHERE a.id = ANY(${Rows.list(names.accounts)}::text[]) OR a.id IN (SELECT account FROM hold)
    )
    SELECT
      COALESCE((SELECT json_agg(account) FROM account), '[]') AS accounts,
      COALESCE((SELECT json_agg(hold) FROM hold), '[]') AS holds,
      COALESCE((SELECT json_agg(due.id) FROM due), '[]') AS due,
      COALESCE((SELECT json_agg(json_build_object('key', p.key, 'fingerprint', p.fingerprint, 'sequence', p.sequence::text))
        FROM ledger_postings p WHERE p.key = ANY(${Rows.list(names.keys)}::text[])), '[]') AS keys,
      COALESCE((SELECT json_agg(json_build_object('owner', n.owner, 'untilMs', COALESCE(o.until_ms, 0),
          'pending', (SELECT count(*) FROM ledger_holds h WHERE h.state = 'pending' AND h.owner = n.owner)))
        FROM unnest(${Rows.list(names.owners)}::text[]) AS n(owner) LEFT JOIN ledger_owners o ON o.owner = n.owner), '[]') AS owners`
}

/** Loads the pages of a batch. The book's row must be locked. */
export const load = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  commands: ReadonlyArray<Command>,
  lastSequence: bigint,
  nowMs: number,
) {
  const rows = yield* read(sql, namesOf(commands), nowMs)
  const loaded = yield* decodeLoaded(rows[0])
  const accounts = new Map((yield* Rows.decodeAccounts(loaded.accounts)).map((account) => [account.id, account]))
  const holds = new Map((yield* Rows.decodeHolds(loaded.holds)).map((hold) => [hold.id, hold]))
  const keys = new Map(loaded.keys.map(({ key, ...known }) => [key, known]))
  const leases = new Map(loaded.owners.map(({ owner, untilMs }) => [owner, untilMs]))
  const pending = new Map(loaded.owners.map(({ owner, pending }) => [owner, pending]))
  const due = new Set(loaded.due)
  const dirty: LoadedPages["dirty"] = {
    accounts: new Map(),
    holds: new Map(),
    leases: new Map(),
    postings: [],
    attachments: [],
  }

  const setHold = (hold: Book.StoredHold): void => {
    const before = holds.get(hold.id)?.state === "pending" ? 1 : 0
    const after = hold.state === "pending" ? 1 : 0
    pending.set(hold.owner, (pending.get(hold.owner) ?? 0) + after - before)
    holds.set(hold.id, hold)
    dirty.holds.set(hold.id, hold)
  }

  const write = (change: Book.Change): void => {
    switch (change._tag) {
      case "AccountSet":
        accounts.set(change.account.id, change.account)
        dirty.accounts.set(change.account.id, change.account)
        return
      case "HoldSet":
        return setHold(change.hold)
      case "Posted":
        keys.set(change.posted.posting.idempotencyKey, {
          fingerprint: change.fingerprint,
          sequence: change.posted.sequence,
        })
        dirty.postings.push(change)
        return
      case "Attached":
        dirty.attachments.push(change.attachment)
        return
      case "LeaseSet":
        leases.set(change.owner, change.untilMs)
        dirty.leases.set(change.owner, change.untilMs)
    }
  }

  const pages: LoadedPages = {
    account: (id) => accounts.get(id),
    hold: (id) => holds.get(id),
    key: (key) => keys.get(key),
    leaseOf: (owner) => leases.get(owner),
    due: (atMs, limit) =>
      [...holds.values()]
        .filter(
          (hold) =>
            due.has(hold.id) &&
            hold.state === "pending" &&
            Math.max(hold.expiresAtMs, leases.get(hold.owner) ?? 0) <= atMs,
        )
        .slice(0, limit),
    pendingOf: (owner) => pending.get(owner) ?? 0,
    get lastSequence() {
      return lastSequence + BigInt(dirty.postings.length)
    },
    write: (changes) => changes.forEach(write),
    dirty,
  }
  return pages
})

/** Writes what a batch changed, in one statement. */
export const save = (
  sql: SqlClient.SqlClient,
  { dirty, lastSequence }: LoadedPages,
  book: { readonly attachment: bigint; readonly nowMs: number; readonly resumedAtMs: number },
) => {
  const accounts = [...dirty.accounts.values()].map((account) => ({
    ...account,
    floor: account.floor?.toString() ?? null,
    balance: account.balance.toString(),
    held: account.held.toString(),
  }))
  const holds = [...dirty.holds.values()].map((hold) => ({ ...hold, amount: hold.amount.toString() }))
  const postings = dirty.postings.map(({ posted, fingerprint }) => ({
    sequence: posted.sequence.toString(),
    key: posted.posting.idempotencyKey,
    fingerprint,
    kind: posted.posting.kind,
    hold: posted.hold,
    at: posted.postedAtMs,
  }))
  const legs = dirty.postings.flatMap(({ posted }) =>
    posted.posting.legs.map(({ account, amount }, number) => ({
      sequence: posted.sequence.toString(),
      number,
      account,
      amount: amount.toString(),
      balance: String(posted.balances[number]),
    })),
  )
  const attachments = dirty.attachments.map(({ kind, body }, index) => ({
    sequence: (book.attachment + BigInt(index + 1)).toString(),
    kind,
    body,
  }))
  const leases = [...dirty.leases].map(([owner, until]) => ({ owner, until }))
  const now = String(book.nowMs)
  return sql`
    WITH accounts AS (
      INSERT INTO ledger_accounts (id, kind, asset, floor, state, balance, held)
      SELECT id, kind, asset, floor, state, balance, held FROM json_to_recordset(${JSON.stringify(accounts)}::text::json)
        AS t(id text, kind text, asset text, floor numeric, state text, balance numeric, held numeric)
      ON CONFLICT (id) DO UPDATE SET state = excluded.state, balance = excluded.balance, held = excluded.held
    ), holds AS (
      INSERT INTO ledger_holds (id, account, amount, owner, life_ms, definition_digest, context, state, claimed,
        expires_at_ms, taken_as, ended_as)
      SELECT id, account, amount, owner, "lifeMs", "definitionDigest", context, state, claimed, "expiresAtMs", "takenAs", "endedAs"
      FROM json_to_recordset(${JSON.stringify(holds)}::text::json)
        AS t(id text, account text, amount numeric, owner text, "lifeMs" int, "definitionDigest" text, context json, state text,
          claimed boolean, "expiresAtMs" bigint, "takenAs" text, "endedAs" text)
      ON CONFLICT (id) DO UPDATE SET state = excluded.state, claimed = excluded.claimed, ended_as = excluded.ended_as
    ), postings AS (
      INSERT INTO ledger_postings (sequence, key, fingerprint, kind, hold, posted_at_ms)
      SELECT sequence, key, fingerprint, kind, hold, at FROM json_to_recordset(${JSON.stringify(postings)}::text::json)
        AS t(sequence bigint, key text, fingerprint text, kind text, hold text, at bigint)
    ), legs AS (
      INSERT INTO ledger_legs (sequence, number, account, amount, balance)
      SELECT sequence, number, account, amount, balance FROM json_to_recordset(${JSON.stringify(legs)}::text::json)
        AS t(sequence bigint, number int, account text, amount numeric, balance numeric)
    ), attachments AS (
      INSERT INTO ledger_attachments (sequence, kind, body, at_ms)
      SELECT sequence, kind, body, ${now}::text::bigint FROM json_to_recordset(${JSON.stringify(attachments)}::text::json)
        AS t(sequence bigint, kind text, body json)
    ), owners AS (
      INSERT INTO ledger_owners (owner, until_ms)
      SELECT owner, until FROM json_to_recordset(${JSON.stringify(leases)}::text::json) AS t(owner text, until bigint)
      ON CONFLICT (owner) DO UPDATE SET until_ms = excluded.until_ms
    )
    UPDATE ledger_book SET
      last_sequence = ${lastSequence.toString()}::text::bigint,
      last_attachment = ${(book.attachment + BigInt(attachments.length)).toString()}::text::bigint,
      committed_at_ms = ${now}::text::bigint,
      resumed_at_ms = ${String(book.resumedAtMs)}::text::bigint
    WHERE id = 1`
}
