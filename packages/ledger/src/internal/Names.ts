import type { Command } from "../LedgerStore.ts"

/** What commands name, and so what must be read for them. */
export interface Names {
  readonly accounts: Set<string>
  readonly holds: Set<string>
  /** The holds whose context is needed, because the answer has it. */
  readonly taken: Set<string>
  readonly keys: Set<string>
  readonly owners: Set<string>
  /** Payable accounts whose last payout is needed. */
  readonly payable: Set<string>
  readonly assets: Set<string>
  /** The postings that are reversed. */
  readonly sequences: Set<bigint>
  /** How many holds may expire. */
  due: number
}

/** The accounts of holds that end may be payable ones: their payouts are read where the hold's name says so. */
const isPayout = (hold: string): boolean => hold.startsWith("payout:")

/** The payable account that a payout's hold is on; its id is between two parts of the name. */
const accountOf = (hold: string): string => hold.slice("payout:".length, hold.lastIndexOf(":"))

const ended = (names: Names, hold: string): void => {
  names.holds.add(hold)
  if (isPayout(hold)) names.payable.add(accountOf(hold))
}

const add = (names: Names, command: Command): void => {
  switch (command._tag) {
    case "Open":
      names.accounts.add(command.id)
      names.assets.add(command.asset.code)
      names.keys.add(`ledger:open:${command.id}`)
      return
    case "SetTerms":
      names.accounts.add(command.account)
      names.keys.add(command.idempotencyKey)
      return
    case "Hold":
      names.accounts.add(command.hold.account)
      for (const id of command.hold.further ?? []) names.accounts.add(id)
      names.holds.add(command.hold.id)
      names.taken.add(command.hold.id)
      names.owners.add(command.hold.owner)
      return
    case "Grow":
      names.holds.add(command.hold)
      for (const id of command.sources ?? []) names.accounts.add(id)
      return
    case "Void":
      return ended(names, command.hold)
    case "Renew":
      names.owners.add(command.owner)
      return
    case "Expire":
      names.due += command.limit
      return
    case "Reverse":
      names.sequences.add(command.sequence)
      names.keys.add(`ledger:reversal:${command.sequence}`)
      return
    case "ClosePeriod":
    case "SealPeriod":
      names.keys.add(`ledger:close:${command.endMs}`)
      names.keys.add(`ledger:seal:${command.endMs}`)
      return
    case "BeginPayout":
      names.accounts.add(command.account)
      names.payable.add(command.account)
      return
    case "Link":
      for (const each of command.commands) add(names, each)
      return
    case "Preview":
      return add(names, command.command)
    case "Post":
      break
    case "Draw":
    case "Settle":
    case "Claim":
      ended(names, command.hold)
  }
  names.keys.add(command.posting.idempotencyKey)
  for (const leg of command.posting.legs) names.accounts.add(leg.account)
}

/** Finds out what commands name. */
export const of = (commands: ReadonlyArray<Command>): Names => {
  const names: Names = {
    accounts: new Set(),
    holds: new Set(),
    taken: new Set(),
    keys: new Set(),
    owners: new Set(),
    payable: new Set(),
    assets: new Set(),
    sequences: new Set(),
    due: 0,
  }
  for (const command of commands) add(names, command)
  return names
}
