import type { Account, Terms } from "../Account.ts"
import type { Applied, Change, Pages } from "../Book.ts"
import { actText } from "../Chain.ts"
import type { Act } from "../Entry.ts"
import { Conflict, UnknownAccount } from "../LedgerError.ts"
import type { Command } from "../LedgerStore.ts"
import { digest, done, invalid, refuse } from "./PostingRules.ts"

type Of<Tag extends Command["_tag"]> = Extract<Command, { readonly _tag: Tag }>

/** The entry of an act, next in the history. */
export const acted = (pages: Pages, idempotencyKey: string, act: Act, nowMs: number): Change => ({
  _tag: "Entered",
  entry: {
    _tag: "Acted",
    sequence: pages.lastSequence + 1n,
    idempotencyKey,
    fingerprint: digest(actText(act)),
    act,
    postedAtMs: nowMs,
  },
})

/** The sequence of an act that was made before under the key; "conflict" where it was another one. */
export const madeBefore = (pages: Pages, key: string, act: Act): bigint | "conflict" | undefined => {
  const known = pages.key(key)
  if (known === undefined) return undefined
  return known.fingerprint === digest(actText(act)) ? known.sequence : "conflict"
}

export const open = (pages: Pages, { id, kind, asset, floor, ceiling }: Of<"Open">, nowMs: number): Applied => {
  const key = `ledger:open:${id}`
  const act: Act = { _tag: "Opened", account: id, kind, asset, floor, ceiling, state: "open" }
  const before = madeBefore(pages, key, act)
  const known = pages.account(id)
  if (before === "conflict") return refuse(new Conflict({ idempotencyKey: id }))
  if (known !== undefined) return done({ _tag: "Opened", account: known, replayed: true })
  const scale = pages.scaleOf(asset.code)
  if (scale !== undefined && scale !== asset.scale) {
    return invalid(`${asset.code} has ${scale} decimals in these books, and ${id} would have ${asset.scale}.`)
  }
  const account: Account = { id, kind, asset, floor, ceiling, state: "open", balance: 0n, held: 0n }
  return done({ _tag: "Opened", account, replayed: false }, [
    { _tag: "AccountSet", account },
    acted(pages, key, act, nowMs),
  ])
}

/** Why an account cannot have such terms with what it has now. */
const unfit = (account: Account, { floor, ceiling, state }: Terms): string | undefined => {
  const { id, balance, held } = account
  if (account.state === "closed" && state !== "closed") return `${id} is closed and stays so. Open another account.`
  if (state === "closed" && (balance !== 0n || held !== 0n)) {
    return `${id} has ${balance}, of which ${held} is held, and only an empty account can be closed.`
  }
  if (floor !== null && balance - held < floor) {
    return `${id} has ${balance - held} available, which is below the floor of ${floor}.`
  }
  if (ceiling !== null && balance > ceiling) return `${id} has ${balance}, which is above the ceiling of ${ceiling}.`
  return undefined
}

export const setTerms = (pages: Pages, command: Of<"SetTerms">, nowMs: number): Applied => {
  const { account: id, idempotencyKey, terms } = command
  const act: Act = { _tag: "TermsSet", account: id, ...terms }
  const before = madeBefore(pages, idempotencyKey, act)
  const known = pages.account(id)
  if (before === "conflict") return refuse(new Conflict({ idempotencyKey }))
  if (known === undefined) return refuse(new UnknownAccount({ account: id }))
  if (before !== undefined) return done({ _tag: "TermsSet", account: known, replayed: true })
  const problem = unfit(known, terms)
  if (problem !== undefined) return invalid(problem)
  const account: Account = { ...known, ...terms }
  return done({ _tag: "TermsSet", account, replayed: false }, [
    { _tag: "AccountSet", account },
    acted(pages, idempotencyKey, act, nowMs),
  ])
}
