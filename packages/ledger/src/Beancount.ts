/**
 * The books, or a statement, in the plain text of beancount, for an accountant's own tools.
 *
 * The books are the market's: what it has outside is an asset, what it owes a member is a liability, and signs are a
 * bookkeeper's, so an amount is written with the opposite sign of the ledger's. A statement is its owner's: what the account
 * has is an asset, with the ledger's sign, and the other side is one account, so that nobody else's name is in it.
 *
 * An entry is dated by the day, in UTC, on which it counts. Amounts have all digits of their asset, so beancount tolerates no
 * difference. It reckons with 28 digits, as Python's decimals do: what is longer is exact in the text only.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { AssetCode } from "@guildhall/core/Asset"
import type { Account, AccountId, AccountKind } from "./Account.ts"
import type { Entry, Posted } from "./Entry.ts"
import type { LedgerError } from "./LedgerError.ts"
import { LedgerStore, type View } from "./LedgerStore.ts"
import type { Rate } from "./Posting.ts"
import * as Statements from "./Statement.ts"
import type { Text } from "./StatementText.ts"
import * as Syntax from "./internal/BeancountSyntax.ts"
import { iso } from "./internal/TimeText.ts"

const roots: Readonly<Record<AccountKind, string>> = {
  buyer: "Liabilities",
  accrual: "Liabilities",
  payable: "Liabilities",
  receivable: "Assets",
  platform: "Income",
  pool: "Liabilities",
  escrow: "Liabilities",
  insurance: "Liabilities",
  external: "Assets",
  chain: "Equity",
  clearing: "Assets",
  exchange: "Equity",
  rounding: "Income",
}

/**
 * An account's name in the exported books: under `Assets` what the market has outside and is owed, under `Liabilities` what it
 * owes or keeps for others, under `Income` its fees, losses and roundings, under `Equity` its side of exchanges. No two accounts
 * share a name.
 *
 * **Example** (A buyer's account)
 *
 * ```ts
 * import { Account, Beancount } from "@guildhall/ledger"
 * import { Member } from "@guildhall/core"
 *
 * const id = Account.ids.buyer(Member.MemberId.make("mem_1"))
 * Beancount.accountName({ id, kind: "buyer" }) // => "Liabilities:Buyer:Mem-1"
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const accountName = ({ id, kind }: Pick<Account, "id" | "kind">): string => `${roots[kind]}:${Syntax.name(id)}`

/** Where opening balances come from. */
const OPENING = "Equity:Opening-Balances"
/** The other side of a statement's lines. */
const COUNTERPARTS = "Equity:Counterparts"
const DAY_MS = 86_400_000

type Period = Pick<Statements.Query, "fromMs" | "toMs">

/** An entry may count before its account was opened, so without a beginning accounts are open from the first day on. */
const firstOf = ({ fromMs }: Period): number => fromMs ?? 0

/** The last moment that a period has for sure; without an end it is the one of its last entry. */
const lastOf = (period: Period): number => Math.max(firstOf(period), (period.toMs ?? 0) - 1)

/** The first day on which a moment is over. A balance is asserted for the beginning of a day. */
const dayAfter = (ms: number): number => (Math.floor(ms / DAY_MS) + 1) * DAY_MS

const head = (
  period: Period,
  accounts: ReadonlyArray<Account>,
  nameOf: (account: Account) => string,
  own: Array<string>,
) => {
  const firstMs = firstOf(period)
  const assets = new Map(accounts.map(({ asset }) => [asset.code, asset]))
  return [
    ...[...assets.values()].map(({ code, scale }) =>
      Syntax.directive(firstMs, `commodity ${Syntax.commodity(code)}`, { asset: code, scale }),
    ),
    ...own.map((name) => Syntax.directive(firstMs, `open ${name}`)),
    ...accounts.map((account) =>
      Syntax.directive(firstMs, `open ${nameOf(account)} ${Syntax.commodity(account.asset.code)}`, {
        account: account.id,
      }),
    ),
  ]
}

const openingText = (amount: Syntax.Amount, period: Period): string =>
  amount.amount === 0n
    ? ""
    : Syntax.transaction(firstOf(period), "Opening balance", {}, [
        amount,
        { ...amount, account: OPENING, amount: -amount.amount },
      ])

const balanceText = ({ account, amount, asset }: Syntax.Amount, dayMs: number): string =>
  Syntax.directive(dayMs, `balance ${account}  ${Syntax.amount(amount, asset)}`)

const times = (postedAtMs: number, countsAtMs: number): Syntax.Metadata => ({
  "posted-at": iso(postedAtMs),
  "counts-at": iso(countsAtMs),
})

/**
 * One account's statement: its opening balance, a transaction for each line, and the assertion of its closing balance.
 *
 * @category writing
 * @since 0.1.0
 */
export const statement = (statement: Statements.Statement): Text =>
  Stream.suspend(() => {
    const { asset } = statement.of
    const account = `Assets:${Syntax.name(statement.of.id)}`
    let lastMs = lastOf(statement)
    const lineText = (line: Statements.Line): string => {
      const { amount, countsAtMs, hold, idempotencyKey, kind, links, postedAtMs, reason, sequence } = line
      lastMs = Math.max(lastMs, countsAtMs)
      const said = {
        sequence: `${sequence}`,
        kind,
        key: idempotencyKey,
        ...times(postedAtMs, countsAtMs),
        ...links,
        hold,
      }
      return Syntax.transaction(countsAtMs, reason, said, [
        { account, amount, asset },
        { account: COUNTERPARTS, amount: -amount, asset },
      ])
    }
    return Stream.fromIterable([
      ...head(statement, [statement.of], () => account, [OPENING, COUNTERPARTS]),
      openingText({ account, amount: statement.opening, asset }, statement),
    ]).pipe(
      Stream.concat(Stream.map(statement.lines, lineText)),
      Stream.concat(
        Stream.suspend(() =>
          Stream.make(`\n${balanceText({ account, amount: statement.closing, asset }, dayAfter(lastMs))}`),
        ),
      ),
    )
  })

const rateOf = ({ from, to, numerator, denominator, source, asOfMs }: Rate): Syntax.Metadata => ({
  rate: `${denominator} ${from} = ${numerator} ${to}`,
  "rate-source": source,
  "rate-as-of": iso(asOfMs),
})

type Named = (id: AccountId) => Pick<Syntax.Amount, "account" | "asset">

const postingText = ({ effectiveAtMs, hold, posting, postedAtMs, sequence }: Posted, named: Named): string => {
  const { idempotencyKey, kind, legs, rate } = posting
  const said = {
    sequence: `${sequence}`,
    kind,
    key: idempotencyKey,
    ...times(postedAtMs, effectiveAtMs),
    ...Statements.linksOf(posting),
    hold,
    ...(rate === undefined ? {} : rateOf(rate)),
  }
  const amounts = legs.map(({ account, amount }) => ({ ...named(account), amount: -amount }))
  return Syntax.transaction(effectiveAtMs, Statements.reasonOf(posting), said, amounts)
}

/** What an export knows while it goes: the balances so far, which accounts were closed, and the last day. */
interface Running {
  readonly balances: Map<AccountId, bigint>
  readonly closed: Set<AccountId>
  lastMs: number
}

const entryText = (entry: Entry, period: Period, running: Running, named: Named): string => {
  if (entry._tag === "Posted") {
    if (!Statements.counts(entry, period)) return ""
    for (const { account, amount } of entry.posting.legs) {
      running.balances.set(account, (running.balances.get(account) ?? 0n) + amount)
    }
    running.lastMs = Math.max(running.lastMs, entry.effectiveAtMs)
    return postingText(entry, named)
  }
  const { act, postedAtMs } = entry
  const isWithin = (period.fromMs ?? 0) <= postedAtMs && (period.toMs === null || postedAtMs < period.toMs)
  if (act._tag === "TermsSet" && act.state === "closed" && isWithin) running.closed.add(act.account)
  if (act._tag !== "PeriodSealed" || act.endMs <= (period.fromMs ?? 0)) return ""
  return `\n${Syntax.directive(act.endMs, `custom "period-sealed" ${Syntax.string(act.trialBalance.root)}`, {
    sequence: `${entry.sequence}`,
    end: iso(act.endMs),
    accounts: act.trialBalance.accounts,
  })}`
}

const mismatch = (account: AccountId, expected: bigint, found: bigint) =>
  new Statements.StatementMismatch({ account, expected, found })

/** The closing balances, which are those that the entries lead to, and the accounts that were closed. */
const tail = (
  accounts: ReadonlyArray<Account>,
  closing: ReadonlyMap<AccountId, bigint>,
  running: Running,
  named: Named,
): Text =>
  Stream.suspend(() => {
    const dayMs = dayAfter(running.lastMs)
    const texts = ["\n"]
    for (const { id } of accounts) {
      const amount = closing.get(id) ?? 0n
      const found = running.balances.get(id) ?? 0n
      if (found !== amount) return Stream.fail(mismatch(id, amount, found))
      texts.push(balanceText({ ...named(id), amount: -amount }, dayMs))
      if (running.closed.has(id)) texts.push(Syntax.directive(dayMs, `close ${named(id).account}`))
    }
    return Stream.fromIterable(texts)
  })

/**
 * The books of a period: commodities, accounts, opening balances, every entry that counts in it, the assertion of every
 * closing balance, and what was sealed. Read it inside the snapshot that the view is of. It fails with `StatementMismatch`
 * where an account's entries do not lead to its closing balance, and with `InvalidCommand` where the period ends before it
 * begins. Memory grows with the accounts, not with the entries.
 *
 * @category writing
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (view: View, period: Period): Effect.fn.Return<Text, LedgerError> {
  const { fromMs, toMs } = period
  yield* Statements.checkPeriod(period)
  const accounts = [...(yield* view.accounts())].sort((a, b) => (a.id < b.id ? -1 : 1))
  const opening = fromMs === null ? new Map<AccountId, bigint>() : yield* view.balances({ beforeMs: fromMs })
  const closing =
    toMs === null ? new Map(accounts.map(({ id, balance }) => [id, balance])) : yield* view.balances({ beforeMs: toMs })
  const names = new Map(
    accounts.map((account) => [account.id, { account: accountName(account), asset: account.asset }]),
  )
  // An account that is not there: the text then uses one that it does not open, and whoever checks it sees that.
  const named: Named = (id) =>
    names.get(id) ?? {
      account: `Equity:Unknown:${Syntax.name(id)}`,
      asset: { code: AssetCode.make("UNKNOWN"), scale: 0 },
    }
  return Stream.suspend(() => {
    const running: Running = { balances: new Map(opening), closed: new Set(), lastMs: lastOf(period) }
    const openings = accounts.map(({ id }) => openingText({ ...named(id), amount: -(opening.get(id) ?? 0n) }, period))
    const texts = Stream.map(Statements.entries(view, period), (entry) => entryText(entry, period, running, named))
    return Stream.fromIterable([...head(period, accounts, accountName, [OPENING]), ...openings]).pipe(
      Stream.concat(texts),
      Stream.filter((text) => text !== ""),
      Stream.concat(tail(accounts, closing, running, named)),
    )
  })
})

/**
 * Reads the books of a period in one moment, while the market runs on; `use` gets the text and writes it out.
 *
 * @category writing
 * @since 0.1.0
 */
export const read = Effect.fn("Beancount.read")(function* <A, E, R>(
  period: Period,
  use: (text: Text) => Effect.Effect<A, E, R>,
): Effect.fn.Return<A, E | LedgerError, R | LedgerStore> {
  const store = yield* LedgerStore
  return yield* store.snapshot((view) => Effect.flatMap(make(view, period), use))
})
