import { randomBytes } from "node:crypto"
import type * as SqlClient from "effect/sql/SqlClient"
import type { Account, AccountId } from "../Account.ts"
import type * as Book from "../Book.ts"
import * as Chain from "../Chain.ts"
import { type Entry, keyOf } from "../Entry.ts"
import type { Hold } from "../Hold.ts"
import * as Arrays from "./Arrays.ts"
import * as JsonText from "./JsonText.ts"
import type { Standing } from "./LedgerPages.ts"
import * as Rows from "./LedgerRows.ts"
import type { Tables } from "./LedgerTables.ts"
import type { Sheet } from "./Overlay.ts"

/** What a batch changed, ready to be written, and where the book stands after it. */
export interface Written {
  readonly before: Standing
  readonly after: Standing
  readonly sheet: Sheet
  readonly numbers: ReadonlyMap<AccountId, string>
  readonly chained: ReturnType<typeof Chain.append>
  readonly forgetsOwners: boolean
}

/** An account's number begins with its book's. */
const NUMBERS_PER_BOOK = 1n << 40n

const newToken = (): bigint => randomBytes(8).readBigInt64LE()

/** Numbers what is new, and links the batch to the chain. */
export const prepare = (
  book: number,
  before: Standing,
  base: Book.Pages,
  sheet: Sheet,
  numbers: Map<AccountId, string>,
  forgetsOwners: boolean,
): Written => {
  let { lastAccount } = before
  for (const id of sheet.dirty.accounts.keys()) {
    if (base.account(id) !== undefined) continue
    lastAccount += 1n
    numbers.set(id, (BigInt(book) * NUMBERS_PER_BOOK + lastAccount).toString())
  }
  const chained = Chain.append(before.head, sheet.dirty.entries, before.nowMs)
  const after: Standing = {
    token: newToken(),
    lastAccount,
    lastAttachment: before.lastAttachment + BigInt(sheet.dirty.attachments.length),
    head: chained.head,
    nowMs: before.nowMs,
    committedAtMs: before.nowMs,
    resumedAtMs: before.resumedAtMs,
    closedUntilMs: sheet.closedUntilMs,
  }
  return { before, after, sheet, numbers, chained, forgetsOwners }
}

/** How long an owner is remembered after its last renewal ran out. */
const OWNER_KEPT_MS = 24 * 60 * 60 * 1000

const hasNewTerms = (before: Account, { ceiling, floor, state }: Account): boolean =>
  before.floor !== floor || before.ceiling !== ceiling || before.state !== state

/** The changes of accounts: new ones, new terms, and the many that only have another balance. */
const accountsOf = ({ numbers, sheet }: Written, base: Book.Pages) => {
  const opened: Array<object> = []
  const terms: Array<object> = []
  const moved: Array<Account> = []
  for (const account of sheet.dirty.accounts.values()) {
    const before = base.account(account.id)
    if (before !== undefined && !hasNewTerms(before, account)) {
      moved.push(account)
      continue
    }
    const { asset, balance, ceiling, floor, held, id, kind, state } = account
    const row = {
      number: numbers.get(id),
      floor: floor?.toString() ?? null,
      ceiling: ceiling?.toString() ?? null,
      state,
      balance: balance.toString(),
      held: held.toString(),
    }
    if (before === undefined) opened.push({ ...row, id, kind, asset: asset.code, scale: asset.scale })
    else terms.push(row)
  }
  return { opened, terms, moved }
}

const payoutsOf = ({ sheet }: Written, base: Book.Pages) => {
  const begun: Array<object> = []
  const ended: Array<object> = []
  for (const payout of sheet.dirty.payouts.values()) {
    const { account, amount, carriedIn, carriedOut, fromSequence, hold, rail, state, toSequence } = payout
    const row = { account, to: toSequence.toString(), state, carried_out: carriedOut.toString() }
    if (base.lastPayout(account)?.hold === hold) ended.push(row)
    else
      begun.push({
        ...row,
        rail,
        from: fromSequence.toString(),
        carried_in: carriedIn.toString(),
        amount: amount.toString(),
        hold,
      })
  }
  return { begun, ended }
}

/** Whether all of a hold's row is written: it is of several accounts, or grew. Of the many others only the state changes. */
const isWhole = ({ amount, asked, parts }: Hold, before: Hold | undefined): boolean =>
  parts !== undefined || (before === undefined ? asked !== undefined : amount !== before.amount)

/** The changes of holds: new ones, those that were drawn on or ended, and the few whose row is written whole. */
const holdsOf = ({ sheet }: Written, base: Book.Pages) => {
  const taken: Array<Hold> = []
  const moved: Array<Hold> = []
  const whole: Array<object> = []
  for (const hold of sheet.dirty.holds.values()) {
    const before = base.hold(hold.id)
    if (isWhole(hold, before)) {
      const { asked, amount, definitionDigest, drawn, expiresAtMs, lifeMs, parts, ...rest } = hold
      whole.push({
        ...rest,
        amount: amount.toString(),
        drawn: drawn.toString(),
        asked: asked?.toString() ?? null,
        parts: parts === undefined ? null : Rows.partTuples(parts),
        life: lifeMs,
        digest: definitionDigest,
        // As text: what is JSON within JSON would be read with all its escapes, of which a text can keep only some.
        context: before === undefined ? JsonText.take(hold.context) : null,
        expires: expiresAtMs,
      })
    } else if (before === undefined) taken.push(hold)
    else moved.push(hold)
  }
  return { taken, moved, whole }
}

/** What few batches change, as JSON; nothing, where this one does not. */
const othersOf = (
  written: Written,
  base: Book.Pages,
  accounts: ReturnType<typeof accountsOf>,
  holds: ReadonlyArray<object>,
): string => {
  const { chained, forgetsOwners, sheet } = written
  const { opened, terms } = accounts
  const { begun, ended } = payoutsOf(written, base)
  const leases = [...sheet.dirty.leases].map(([owner, until]) => ({ owner, until }))
  const nodes = chained.nodes.map(({ hash, index, level, number }) => ({
    number: number.toString(),
    level,
    index: index.toString(),
    hash: Buffer.from(hash).toString("hex"),
  }))
  const lists = { opened, terms, holds, begun, ended, leases, nodes }
  if (!forgetsOwners && Object.values(lists).every((list) => list.length === 0)) return ""
  const forgetBeforeMs = forgetsOwners ? written.before.nowMs - OWNER_KEPT_MS : null
  return JSON.stringify({ ...lists, forgetBeforeMs })
}

/** The columns of entries, each as an array. */
const entryColumns = (entries: ReadonlyArray<Entry>, numbers: ReadonlyMap<AccountId, string>) => {
  const accounts: Array<string> = []
  const amounts: Array<string> = []
  const balances: Array<string> = []
  const moves = new Map<string, Array<bigint>>()
  for (const entry of entries) {
    const legs = entry._tag === "Posted" ? entry.posting.legs : []
    const ids = legs.map(({ account }) => numbers.get(account) ?? "0")
    accounts.push(`{${ids.join(",")}}`)
    amounts.push(`{${legs.map(({ amount }) => amount).join(",")}}`)
    balances.push(entry._tag === "Posted" ? `{${entry.balances.join(",")}}` : "{}")
    for (const id of ids) {
      const known = moves.get(id)
      if (known === undefined) moves.set(id, [entry.sequence])
      else if (known.at(-1) !== entry.sequence) known.push(entry.sequence)
    }
  }
  return { accounts, amounts, balances, moves }
}

/**
 * Waits until everything that was committed so far is on the disk: the log is written in order, so whatever is committed after
 * it, and waits for the disk, shows that. A message in the log is the least that can be.
 */
export const flush = (sql: SqlClient.SqlClient) =>
  sql`SELECT set_config('synchronous_commit', 'on', true), pg_logical_emit_message(true, 'guildhall-ledger', '')::text`

/** Writes a batch in one call: it answers whether the book still stood where the batch began. */
export const write = (sql: SqlClient.SqlClient, t: Tables, book: number, base: Book.Pages, written: Written) => {
  const { after, before, chained, numbers, sheet } = written
  const { attachments, entries } = sheet.dirty
  const { accounts, amounts, balances, moves } = entryColumns(entries, numbers)
  const accountChanges = accountsOf(written, base)
  const { taken: newHolds, moved: holds, whole } = holdsOf(written, base)
  const texts = Arrays.ofTexts
  const numbersOf = Arrays.ofNumbers
  const jsons = (items: ReadonlyArray<string | null>) => Arrays.splitJson(sql, Arrays.ofJson(items))
  const hashes = Buffer.concat(after.head.peaks)
  const isPosted = (entry: Entry) => entry._tag === "Posted"
  return sql<{ readonly isWritten: boolean }>`SELECT ${t.schema}.ledger_write(${book}::int,
    ${String(before.token)}::text::bigint, ${String(after.token)}::text::bigint, ${String(after.head.size)}::text::bigint,
    ${String(after.lastAccount)}::text::bigint, ${String(after.lastAttachment)}::text::bigint,
    ${String(after.head.batch)}::text::bigint, ${after.head.chain}::bytea, ${hashes}::bytea,
    ${String(before.nowMs)}::text::bigint, ${String(after.resumedAtMs)}::text::bigint,
    ${String(after.closedUntilMs)}::text::bigint,
    ${texts(entries.map(keyOf))}::text[], ${texts(entries.map(({ fingerprint }) => fingerprint))}::text[],
    ${texts(entries.map((entry) => (isPosted(entry) ? entry.posting.kind : "act")))}::text[],
    ${texts(entries.map((entry) => (isPosted(entry) ? entry.hold : null)))}::text[],
    ${jsons(entries.map((entry) => (isPosted(entry) ? Chain.detailOf(entry.posting) : Chain.actText(entry.act))))},
    ${numbersOf(entries.map((entry) => (isPosted(entry) ? entry.effectiveAtMs : entry.postedAtMs)))}::text::bigint[],
    ${texts(accounts)}::text[], ${texts(amounts)}::text[], ${texts(balances)}::text[],
    ${`{${[...moves.keys()].join(",")}}`}::text::bigint[], ${numbersOf(Array.from(moves.values(), (all) => all[0] ?? 0n))}::text::bigint[],
    ${texts(Array.from(moves.values(), (all) => (all.length > 1 ? numbersOf(all.slice(1)) : null)))}::text[],
    ${`{${accountChanges.moved.map(({ id }) => numbers.get(id) ?? "0").join(",")}}`}::text::bigint[],
    ${numbersOf(accountChanges.moved.map(({ balance }) => balance))}::text::numeric[],
    ${numbersOf(accountChanges.moved.map(({ held }) => held))}::text::numeric[],
    ${texts(holds.map(({ id }) => id))}::text[], ${texts(holds.map(({ state }) => state))}::text[],
    ${numbersOf(holds.map(({ drawn }) => drawn))}::text::numeric[],
    ${`{${holds.map(({ claimed }) => claimed).join(",")}}`}::text::boolean[],
    ${texts(newHolds.map(({ id }) => id))}::text[], ${texts(newHolds.map(({ account }) => account))}::text[],
    ${numbersOf(newHolds.map(({ amount }) => amount))}::text::numeric[],
    ${numbersOf(newHolds.map(({ drawn }) => drawn))}::text::numeric[],
    ${texts(newHolds.map(({ owner }) => owner))}::text[],
    ${texts(newHolds.map(({ lifeMs }) => (lifeMs === null ? null : String(lifeMs))))}::text::int[],
    ${texts(newHolds.map(({ definitionDigest }) => definitionDigest))}::text[],
    ${jsons(newHolds.map(({ context }) => JsonText.take(context)))},
    ${texts(newHolds.map(({ state }) => state))}::text[],
    ${texts(newHolds.map(({ expiresAtMs }) => (expiresAtMs === null ? null : String(expiresAtMs))))}::text::bigint[],
    ${texts(attachments.map(({ kind }) => kind))}::text[],
    ${jsons(attachments.map(({ body }) => JsonText.take(body)))},
    ${chained.batch?.root ?? new Uint8Array()}::bytea, ${othersOf(written, base, accountChanges, whole)}::text) AS "isWritten"`
}
