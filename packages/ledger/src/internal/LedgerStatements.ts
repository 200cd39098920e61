import type * as SqlClient from "effect/sql/SqlClient"
import type { Account } from "../Account.ts"
import type * as Book from "../Book.ts"
import type { Hold } from "../Hold.ts"
import type { Command } from "../LedgerStore.ts"
import type { Attachment } from "../Posting.ts"
import * as Rows from "./LedgerRows.ts"

/** What a batch names, and so what must be read for it. */
export interface Names {
  readonly accounts: ReadonlySet<string>
  readonly holds: ReadonlySet<string>
  /** The holds whose context is needed, because the answer has it. */
  readonly taken: ReadonlySet<string>
  readonly keys: ReadonlySet<string>
  readonly owners: ReadonlySet<string>
  /** How many holds may expire. */
  readonly due: number
}

/** Finds out what a batch names. */
export const namesOf = (commands: ReadonlyArray<Command>): Names => {
  const accounts = new Set<string>()
  const holds = new Set<string>()
  const taken = new Set<string>()
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
        taken.add(command.hold.id)
        owners.add(command.hold.owner)
        break
      case "Void":
        holds.add(command.hold)
        break
      case "Renew":
        owners.add(command.owner)
        break
      case "Expire":
        due += command.limit
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
  return { accounts, holds, taken, keys, owners, due }
}

/**
 * Locks the book: what is read after this is what every batch before has left behind. The planner is told to go by keys
 * in this transaction: it makes its plans while the tables are small, when reading them whole seems best, and keeps them.
 */
export const lock = (sql: SqlClient.SqlClient) => sql<{
  readonly sequence: bigint
  readonly attachment: bigint
  readonly now_ms: bigint
  readonly committed_at_ms: bigint
  readonly resumed_at_ms: bigint
}>`
  SELECT last_sequence AS sequence, last_attachment AS attachment, committed_at_ms, resumed_at_ms,
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms,
    set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true)
  FROM ledger_book WHERE id = 1 FOR UPDATE`

/**
 * Reads what a batch names, in one statement, and locks the accounts in the order of their ids. Each part is found by
 * its key: whatever the planner knows of a table that is still empty, no part of this may read a table from end to end.
 */
export const read = (sql: SqlClient.SqlClient, names: Names, nowMs: number) => sql`
  WITH due AS MATERIALIZED (
    SELECT h.id FROM ledger_holds h LEFT JOIN ledger_owners o ON o.owner = h.owner
    WHERE h.state = 'pending' AND GREATEST(h.expires_at_ms, COALESCE(o.until_ms, 0)) <= ${String(nowMs)}::text::bigint
    ORDER BY GREATEST(h.expires_at_ms, COALESCE(o.until_ms, 0)), h.id LIMIT ${String(names.due)}::text::bigint
  ), hold AS MATERIALIZED (
    SELECT ${sql.literal(Rows.holdColumns)},
      CASE WHEN h.id = ANY(${Rows.list(names.taken)}::text[]) OR h.id IN (SELECT id FROM due) THEN h.context::text END
        AS context
    FROM ledger_holds h LEFT JOIN ledger_owners o ON o.owner = h.owner
    WHERE h.id = ANY(ARRAY(SELECT unnest(${Rows.list(names.holds)}::text[]) UNION SELECT id FROM due))
  ), account AS MATERIALIZED (
    SELECT ${sql.literal(Rows.accountColumns)} FROM ledger_accounts a
    WHERE a.id = ANY(ARRAY(SELECT unnest(${Rows.list(names.accounts)}::text[]) UNION SELECT account FROM hold))
    ORDER BY a.id FOR NO KEY UPDATE
  )
  SELECT
    COALESCE((SELECT json_agg(account) FROM account), '[]') AS accounts,
    COALESCE((SELECT json_agg(hold) FROM hold), '[]') AS holds,
    COALESCE((SELECT json_agg(due.id) FROM due), '[]') AS due,
    COALESCE((SELECT json_agg(json_build_object('key', p.key, 'fingerprint', p.fingerprint, 'sequence', p.sequence::text))
      FROM ledger_postings p WHERE p.key = ANY(${Rows.list(names.keys)}::text[])), '[]') AS keys,
    COALESCE((SELECT json_agg(json_build_object('owner', n.owner, 'untilMs', COALESCE(o.until_ms, 0),
        'pending', (SELECT count(*) FROM ledger_holds h WHERE h.state = 'pending' AND h.owner = n.owner)))
      FROM unnest(${Rows.list(names.owners)}::text[]) AS n(owner) LEFT JOIN ledger_owners o ON o.owner = n.owner), '[]')
      AS owners`

/** What a batch changed. */
export interface Dirty {
  readonly newAccounts: Map<string, Account>
  readonly accounts: Map<string, Account>
  readonly newHolds: Map<string, Hold>
  readonly holds: Map<string, Hold>
  readonly leases: Map<string, number>
  readonly postings: Array<Extract<Book.Change, { readonly _tag: "Posted" }>>
  readonly attachments: Array<Attachment>
}

/** Where the book stands: its last numbers, its time, and since when the store answers without a pause. */
export interface BookRow {
  readonly sequence: bigint
  readonly attachment: bigint
  readonly nowMs: number
  readonly resumedAtMs: number
}

const accountRow = ({ floor, balance, held, ...account }: Account) => ({
  ...account,
  floor: floor?.toString() ?? null,
  balance: balance.toString(),
  held: held.toString(),
})

// JSON inside JSON travels as text: PostgreSQL would read its escapes, and refuse some, where it only has to keep them.
const holdRow = ({ amount, context, ...hold }: Hold) => ({
  ...hold,
  amount: amount.toString(),
  context: JSON.stringify(context),
})

const postingRow = ({ posted, fingerprint }: Dirty["postings"][number]) => ({
  sequence: posted.sequence.toString(),
  key: posted.posting.idempotencyKey,
  fingerprint,
  kind: posted.posting.kind,
  hold: posted.hold,
  at: posted.postedAtMs,
})

const legRows = ({ posted }: Dirty["postings"][number]) =>
  posted.posting.legs.map(({ account, amount }, number) => ({
    sequence: posted.sequence.toString(),
    number,
    account,
    amount: amount.toString(),
    balance: String(posted.balances[number]),
  }))

/** Writes what a batch changed, in one statement. */
export const write = (sql: SqlClient.SqlClient, dirty: Dirty, book: BookRow) => {
  const rows = (items: ReadonlyArray<unknown>) => sql`json_to_recordset(${JSON.stringify(items)}::text::json)`
  const attachments = dirty.attachments.map(({ kind, body }, index) => ({
    sequence: (book.attachment + BigInt(index + 1)).toString(),
    kind,
    body: JSON.stringify(body),
  }))
  const leases = [...dirty.leases].map(([owner, until]) => ({ owner, until }))
  return sql`
    WITH new_accounts AS (
      INSERT INTO ledger_accounts (id, kind, asset, floor, state, balance, held)
      SELECT * FROM ${rows([...dirty.newAccounts.values()].map(accountRow))}
        AS t(id text, kind text, asset text, floor numeric, state text, balance numeric, held numeric)
    ), accounts AS (
      UPDATE ledger_accounts a SET balance = t.balance, held = t.held
      FROM ${rows([...dirty.accounts.values()].map(accountRow))} AS t(id text, balance numeric, held numeric)
      WHERE a.id = t.id
    ), new_holds AS (
      INSERT INTO ledger_holds (id, account, amount, owner, life_ms, definition_digest, context, state, claimed,
        expires_at_ms)
      SELECT id, account, amount, owner, "lifeMs", "definitionDigest", context::json, state, claimed, "expiresAtMs"
      FROM ${rows([...dirty.newHolds.values()].map(holdRow))}
        AS t(id text, account text, amount numeric, owner text, "lifeMs" int, "definitionDigest" text, context text,
          state text, claimed boolean, "expiresAtMs" bigint)
    ), holds AS (
      UPDATE ledger_holds h SET state = t.state, claimed = t.claimed
      FROM ${rows([...dirty.holds.values()].map(({ id, state, claimed }) => ({ id, state, claimed })))}
        AS t(id text, state text, claimed boolean)
      WHERE h.id = t.id
    ), postings AS (
      INSERT INTO ledger_postings (sequence, key, fingerprint, kind, hold, posted_at_ms)
      SELECT * FROM ${rows(dirty.postings.map(postingRow))}
        AS t(sequence bigint, key text, fingerprint text, kind text, hold text, at bigint)
    ), legs AS (
      INSERT INTO ledger_legs (sequence, number, account, amount, balance)
      SELECT * FROM ${rows(dirty.postings.flatMap(legRows))}
        AS t(sequence bigint, number int, account text, amount numeric, balance numeric)
    ), attachments AS (
      INSERT INTO ledger_attachments (sequence, kind, body, at_ms)
      SELECT sequence, kind, body::json, ${String(book.nowMs)}::text::bigint FROM ${rows(attachments)}
        AS t(sequence bigint, kind text, body text)
    ), owners AS (
      INSERT INTO ledger_owners (owner, until_ms)
      SELECT * FROM ${rows(leases)} AS t(owner text, until bigint)
      ON CONFLICT (owner) DO UPDATE SET until_ms = excluded.until_ms
    )
    UPDATE ledger_book SET
      last_sequence = ${(book.sequence + BigInt(dirty.postings.length)).toString()}::text::bigint,
      last_attachment = ${(book.attachment + BigInt(attachments.length)).toString()}::text::bigint,
      committed_at_ms = ${String(book.nowMs)}::text::bigint,
      resumed_at_ms = ${String(book.resumedAtMs)}::text::bigint
    WHERE id = 1`
}

/** How long an owner is remembered after its last renewal ran out. */
const OWNER_KEPT_MS = 24 * 60 * 60 * 1000

/** Forgets the owners of long ago that hold nothing: every process that ever ran was one. */
export const forgetOwners = (sql: SqlClient.SqlClient, nowMs: number) => sql`
  DELETE FROM ledger_owners o WHERE o.until_ms < ${String(nowMs - OWNER_KEPT_MS)}::text::bigint
    AND NOT EXISTS (SELECT FROM ledger_holds h WHERE h.state = 'pending' AND h.owner = o.owner)`
