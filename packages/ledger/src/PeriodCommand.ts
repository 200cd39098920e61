/**
 * The command line's `ledger close`: closes a period and seals its trial balance.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Money from "@guildhall/core/Money"
import type { Account } from "./Account.ts"
import * as Ledger from "./Ledger.ts"
import { LedgerStore } from "./LedgerStore.ts"
import * as Period from "./Period.ts"
import { tell } from "@guildhall/core/CommandFailure"
import * as TimeText from "./internal/TimeText.ts"

const end = Argument.String("time").pipe(
  Argument.withDescription(
    "The end of the period: a month, a day or a time, such as 2026-12 for all that counts before",
  ),
  Argument.filterMap(TimeText.parse, TimeText.complaint),
)

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON object"), Flag.withDefault(false))

const jsonText = ({ endMs, sequence, trialBalance }: Period.Closed): string =>
  JSON.stringify({
    ok: true,
    end: TimeText.iso(endMs),
    sequence: sequence.toString(),
    root: trialBalance.root,
    accounts: trialBalance.accounts,
    totals: trialBalance.totals.map(({ asset, debits, credits }) => ({
      asset,
      debits: debits.toString(),
      credits: credits.toString(),
    })),
  })

const letter = (
  { endMs, sequence, trialBalance }: Period.Closed,
  accounts: ReadonlyArray<Account>,
): ReadonlyArray<string> => {
  const assets = new Map(accounts.map(({ asset }) => [asset.code, asset]))
  const shown = (amount: bigint, code: Account["asset"]["code"]) => {
    const asset = assets.get(code)
    return asset === undefined ? `${amount} units` : Money.format(amount, asset)
  }
  return [
    `closed  everything that counts before ${TimeText.iso(endMs)}`,
    `  seal      entry ${sequence}`,
    `  root      ${trialBalance.root}`,
    `  accounts  ${trialBalance.accounts}`,
    ...trialBalance.totals.map(
      ({ asset, credits, debits }) =>
        `  ${asset.padEnd(8)}  debits ${shown(debits, asset)}, credits ${shown(credits, asset)}`,
    ),
  ]
}

/**
 * The command `close <time>`. Closing the same period again changes nothing and prints the same.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("close", { end, json }, (flags) =>
  Effect.gen(function* () {
    const store = yield* LedgerStore
    const closed = yield* Effect.provide(Period.close(flags.end), Ledger.layer)
    if (flags.json) return yield* Console.log(jsonText(closed))
    for (const line of letter(closed, yield* store.accounts())) yield* Console.log(line)
  }).pipe(Effect.catch((error) => tell(error, flags.json))),
).pipe(
  Command.withDescription("Close a period: nothing may count before its end any more, and its balances are sealed"),
  Command.withExamples([
    { command: "guildhall ledger close 2026-12", description: "Close November 2026, and all before it" },
  ]),
)
