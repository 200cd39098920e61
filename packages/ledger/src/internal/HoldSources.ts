import * as Result from "effect/Result"
import type { Account, AccountId } from "../Account.ts"
import type { Pages } from "../Book.ts"
import type { Part } from "../Hold.ts"
import { AccountNotOpen, InsufficientFunds, type LedgerError, UnknownAccount } from "../LedgerError.ts"
import { AMOUNT_MAX } from "../Limits.ts"
import { available, invalid, refuse } from "./PostingRules.ts"

/** The accounts that an amount is held of, in their order. */
export type Sources = readonly [first: AccountId, ...further: ReadonlyArray<AccountId>]

type Parts = readonly [Part, ...ReadonlyArray<Part>]

/** What accounts give of an amount: the parts of it, those accounts as they are then, and what all sources have left. */
export interface Covered {
  readonly parts: Parts
  readonly accounts: ReadonlyArray<Account>
  readonly available: bigint
}

/** What accounts can spend together. */
const sumOf = (accounts: ReadonlyArray<Account>): bigint => {
  const sum = accounts.reduce((sum, account) => sum + available(account), 0n)
  return sum < AMOUNT_MAX ? sum : AMOUNT_MAX
}

/** What the sources have left together; undefined where none of them is there. */
export const availableOf = (pages: Pages, sources: ReadonlyArray<AccountId>): bigint | undefined => {
  const accounts = sources.flatMap((id) => pages.account(id) ?? [])
  return accounts.length === 0 ? undefined : sumOf(accounts.filter(({ state }) => state === "open"))
}

type Open = readonly [Account, ...ReadonlyArray<Account>]

/** Those that take part. One that is not there or is closed covers nothing; a frozen one refuses for all. */
const open = (pages: Pages, sources: Sources): Result.Result<Open, LedgerError> => {
  const usable: Array<Account> = []
  let shut: Account | undefined
  for (const id of sources) {
    const account = pages.account(id)
    if (account?.state === "open") usable.push(account)
    else if (account !== undefined && shut?.state !== "frozen") shut = account
  }
  const [first, ...others] = usable
  if (shut !== undefined && (first === undefined || shut.state === "frozen")) {
    return refuse(new AccountNotOpen({ account: shut.id, state: shut.state }))
  }
  if (first === undefined) return refuse(new UnknownAccount({ account: sources[0] }))
  const other = others.find(({ asset }) => asset.code !== first.asset.code)
  return other === undefined
    ? Result.succeed([first, ...others])
    : invalid(`${first.id} is in ${first.asset.code} and ${other.id} in ${other.asset.code}. A hold is in one asset.`)
}

/** Each gives what it can, the first one first; of nothing the first one gives it. */
const give = (accounts: Open, amount: bigint): Parts => {
  const parts: Array<Part> = []
  let rest = amount
  for (const account of accounts) {
    const has = available(account)
    const takes = has < rest ? has : rest
    if (takes > 0n) parts.push({ account: account.id, amount: takes, drawn: 0n })
    rest -= takes > 0n ? takes : 0n
  }
  const [first = { account: accounts[0].id, amount: 0n, drawn: 0n }, ...others] = parts
  return [first, ...others]
}

/** What open accounts give of an amount that they have. Those that give nothing stay as they are, and are not written. */
const coverBy = (accounts: Open, amount: bigint): Result.Result<Covered, LedgerError> => {
  const parts = give(accounts, amount)
  const changed: Array<Account> = []
  const after = accounts.map((account) => {
    const part = parts.find(({ account: id }) => id === account.id)
    if (part === undefined) return account
    const next: Account = { ...account, held: account.held + part.amount }
    changed.push(next)
    return next
  })
  const beyond = changed.find(({ held }) => held > AMOUNT_MAX)
  if (beyond !== undefined) return invalid(`it takes what is held of ${beyond.id} beyond 78 digits.`)
  return Result.succeed({ parts, accounts: changed, available: sumOf(after) })
}

/** What the sources give of an amount, or why they do not: all of it or nothing. */
export const cover = (pages: Pages, sources: Sources, amount: bigint): Result.Result<Covered, LedgerError> => {
  const usable = open(pages, sources)
  if (Result.isFailure(usable)) return Result.fail(usable.failure)
  const has = sumOf(usable.success)
  return has < amount
    ? refuse(new InsufficientFunds({ account: sources[0], available: has, needed: amount }))
    : coverBy(usable.success, amount)
}

/** The parts of a hold after it grew by others: in the order of its sources, what is on no source of it now before them. */
export const joined = (
  sources: ReadonlyArray<AccountId>,
  before: ReadonlyArray<Part>,
  grown: Parts,
): readonly [Part, ...ReadonlyArray<Part>] => {
  const parts = new Map<AccountId, Part>()
  const order = [...before.map(({ account }) => account).filter((id) => !sources.includes(id)), ...sources]
  for (const id of order) {
    const had = before.find(({ account }) => account === id)
    const more = grown.find(({ account }) => account === id)
    const amount = (had?.amount ?? 0n) + (more?.amount ?? 0n)
    if (amount > 0n) parts.set(id, { account: id, amount, drawn: had?.drawn ?? 0n })
  }
  const [first = grown[0], ...others] = parts.values()
  return [first, ...others]
}
