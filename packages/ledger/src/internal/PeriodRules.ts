import type { Applied, Pages } from "../Book.ts"
import type { Act } from "../Entry.ts"
import { Conflict } from "../LedgerError.ts"
import type { Command } from "../LedgerStore.ts"
import { acted, madeBefore } from "./AccountRules.ts"
import { done, invalid, refuse } from "./PostingRules.ts"

type Of<Tag extends Command["_tag"]> = Extract<Command, { readonly _tag: Tag }>

export const close = (pages: Pages, { endMs }: Of<"ClosePeriod">, nowMs: number): Applied => {
  const key = `ledger:close:${endMs}`
  const act: Act = { _tag: "PeriodClosed", endMs }
  if (madeBefore(pages, key, act) !== undefined) return done({ _tag: "PeriodClosed", endMs, replayed: true })
  if (endMs > nowMs) return invalid("a period that has not ended yet cannot be closed.")
  if (endMs <= pages.closedUntilMs) return invalid("that time is closed already, with a later end.")
  return done({ _tag: "PeriodClosed", endMs, replayed: false }, [
    { _tag: "ClosedUntilSet", endMs },
    acted(pages, key, act, nowMs),
  ])
}

export const seal = (pages: Pages, { endMs, trialBalance }: Of<"SealPeriod">, nowMs: number): Applied => {
  const key = `ledger:seal:${endMs}`
  const act: Act = { _tag: "PeriodSealed", endMs, trialBalance }
  const before = madeBefore(pages, key, act)
  if (before === "conflict") return refuse(new Conflict({ idempotencyKey: key }))
  if (before !== undefined) return done({ _tag: "PeriodSealed", sequence: before, replayed: true })
  if (pages.key(`ledger:close:${endMs}`) === undefined)
    return invalid("only a closed period can be sealed. Close it first.")
  const change = acted(pages, key, act, nowMs)
  return done({ _tag: "PeriodSealed", sequence: pages.lastSequence + 1n, replayed: false }, [change])
}
