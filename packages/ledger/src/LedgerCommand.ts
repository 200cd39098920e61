/**
 * The command line's `ledger`: verify the books, and look at them.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { USD } from "@guildhall/core/Asset"
import * as Money from "@guildhall/core/Money"
import type { Account } from "./Account.ts"
import type { LedgerError } from "./LedgerError.ts"
import { LedgerStore } from "./LedgerStore.ts"
import { type Disagreement, verify as verifyBooks } from "./Verify.ts"

/**
 * Why the command ended with an exit code other than 0. It has printed the reason already, so `runMain` does not log it
 * again.
 *
 * @category errors
 * @since 0.1.0
 */
export class LedgerCommandError extends Schema.TaggedError<LedgerCommandError>()("LedgerCommandError", {
  detail: Schema.String,
}) {
  readonly isRetryable = false
  override get message(): string {
    return this.detail
  }
  override get [Runtime.errorReported](): boolean {
    return false
  }
}

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON object"), Flag.withDefault(false))

/** A line of progress for every so many postings. */
const PROGRESS_EVERY = 50_000

/** What went wrong, as the program that asked for JSON reads it. */
const problem = (error: Disagreement | LedgerError): object =>
  error._tag === "Disagreement"
    ? {
        ok: false,
        figure: error.figure,
        sequence: error.sequence?.toString() ?? null,
        account: error.account,
        expected: error.expected,
        found: error.found,
      }
    : { ok: false, reason: error.reason._tag }

const failed = (error: Disagreement | LedgerError, asJson: boolean) =>
  Effect.gen(function* () {
    if (asJson) yield* Console.log(JSON.stringify({ ...problem(error), detail: error.message }))
    else yield* Console.error(`FAILED\n  ${error.message}`)
    return yield* new LedgerCommandError({ detail: error.message })
  })

const verify = Command.make("verify", { json }, (flags) =>
  Effect.gen(function* () {
    let told = 0
    const progress = (postings: number) => {
      if (flags.json || postings - told < PROGRESS_EVERY) return Effect.void
      told = postings
      return Console.error(`  ${postings} postings …`)
    }
    const verified = yield* verifyBooks(progress)
    const { postings, accounts, pendingHolds } = verified
    yield* Console.log(
      flags.json
        ? JSON.stringify({ ok: true, ...verified })
        : `ok  ${postings} postings, ${accounts} accounts, ${pendingHolds} holds pending: every balance agrees with its history`,
    )
  }).pipe(Effect.catch((error) => failed(error, flags.json))),
).pipe(
  Command.withDescription("Recompute every balance from history, and fail on the first that differs"),
  Command.withExamples([
    { command: "guildhall ledger verify", description: "Verify the books, with the market running or stopped" },
  ]),
)

const shown = (amount: bigint, { asset }: Account): string =>
  asset === USD.code ? Money.format(amount, USD) : amount.toString()

const table = (accounts: ReadonlyArray<Account>): ReadonlyArray<string> => {
  const rows = [
    ["account", "asset", "balance", "held", "state"],
    ...accounts.map((account) => [
      account.id,
      account.asset,
      shown(account.balance, account),
      shown(account.held, account),
      account.state,
    ]),
  ]
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0))
  const widths = [0, 1, 2, 3].map(width)
  return rows.map(([id = "", asset = "", balance = "", held = "", state = ""]) =>
    [
      id.padEnd(widths[0] ?? 0),
      asset.padEnd(widths[1] ?? 0),
      balance.padStart(widths[2] ?? 0),
      held.padStart(widths[3] ?? 0),
      state,
    ].join("  "),
  )
}

const balances = Command.make("balances", { json }, (flags) =>
  Effect.gen(function* () {
    const store = yield* LedgerStore
    const accounts = [...(yield* store.accounts())].sort((a, b) => (a.id < b.id ? -1 : 1))
    if (flags.json) {
      const data = accounts.map(({ floor, balance, held, ...account }) => ({
        ...account,
        floor: floor?.toString() ?? null,
        balance: balance.toString(),
        held: held.toString(),
      }))
      return yield* Console.log(JSON.stringify({ accounts: data }))
    }
    for (const line of table(accounts)) yield* Console.log(line)
  }).pipe(Effect.catch((error) => failed(error, flags.json))),
).pipe(Command.withDescription("Every account with what it has and what is held of it"))

/**
 * The command `ledger`, for an app that gives it a store.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("ledger").pipe(
  Command.withDescription("Verify the books and look at them"),
  Command.withSubcommands([verify, balances]),
)
