/**
 * The command line's `ledger`: look at the books, verify and prove them.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { KeyRing } from "@guildhall/core/KeyRing"
import * as Money from "@guildhall/core/Money"
import type { Account } from "./Account.ts"
import { LedgerStore } from "./LedgerStore.ts"
import * as PeriodCommand from "./PeriodCommand.ts"
import * as ProofCommand from "./ProofCommand.ts"
import * as StatementCommand from "./StatementCommand.ts"
import { Disagreement, verify as verifyBooks } from "./Verify.ts"
import { CommandFailure, tell } from "./internal/CommandFailure.ts"

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON object"), Flag.withDefault(false))

/** A line of progress for every so many postings. */
const PROGRESS_EVERY = 50_000

const failed = Effect.fnUntraced(function* (
  error: { readonly _tag: string; readonly message: string },
  asJson: boolean,
) {
  if (!asJson || !(error instanceof Disagreement)) return yield* tell(error, asJson)
  const { account, expected, figure, found, message: detail, sequence } = error
  yield* Console.log(
    JSON.stringify({ ok: false, figure, sequence: sequence?.toString() ?? null, account, expected, found, detail }),
  )
  return yield* new CommandFailure({ detail })
})

const verify = Command.make(
  "verify",
  {
    checkpoint: Flag.String("checkpoint").pipe(
      Flag.withDescription("A checkpoint that was taken before: the history must still begin with it"),
      Flag.optional,
    ),
    json,
  },
  (flags) =>
    Effect.gen(function* () {
      let told = 0
      const progress = (entries: number) => {
        if (flags.json || entries - told < PROGRESS_EVERY) return Effect.void
        told = entries
        return Console.error(`  ${entries} entries …`)
      }
      const checkpoint = Option.isNone(flags.checkpoint)
        ? undefined
        : yield* ProofCommand.readCheckpoint(flags.checkpoint.value)
      const verified = yield* verifyBooks({ checkpoint, progress })
      const { accounts, batches, entries, pendingHolds, postings, root } = verified
      yield* Console.log(
        flags.json
          ? JSON.stringify({ ok: true, ...verified })
          : [
              `ok  ${postings} postings, ${accounts} accounts, ${pendingHolds} holds pending: every balance agrees with its history`,
              `    ${entries} entries in ${batches} batches, whose Merkle root is ${root}`,
            ].join("\n"),
      )
    }).pipe(Effect.catch((error) => failed(error, flags.json))),
).pipe(
  Command.withDescription("Recompute everything from history, and fail on the first figure that differs"),
  Command.withExamples([
    { command: "guildhall ledger verify", description: "Verify the books, with the market running or stopped" },
    {
      command: "guildhall ledger verify --checkpoint october.json",
      description: "Find out also whether what was stated in October was rewritten",
    },
  ]),
)

const shown = (amount: bigint, { asset }: Account): string => Money.format(amount, asset)

const table = (accounts: ReadonlyArray<Account>): ReadonlyArray<string> => {
  const rows = [
    ["account", "asset", "balance", "held", "state"],
    ...accounts.map((account) => [
      account.id,
      account.asset.code,
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
      const data = accounts.map(({ asset, ceiling, floor, balance, held, ...account }) => ({
        ...account,
        asset: asset.code,
        scale: asset.scale,
        floor: floor?.toString() ?? null,
        ceiling: ceiling?.toString() ?? null,
        balance: balance.toString(),
        held: held.toString(),
      }))
      return yield* Console.log(JSON.stringify({ accounts: data }))
    }
    for (const line of table(accounts)) yield* Console.log(line)
  }).pipe(Effect.catch((error) => failed(error, flags.json))),
).pipe(Command.withDescription("Every account with what it has and what is held of it"))

/**
 * Makes the command `ledger`, for an app that has books: a store, and the key ring that signs checkpoints. Only `check` works
 * without them.
 *
 * @category commands
 * @since 0.1.0
 */
export const make = <E, R>(books: Layer.Layer<LedgerStore | KeyRing, E, R>) =>
  Command.make("ledger").pipe(
    Command.withDescription("Look at the books, verify and prove them, close a period"),
    Command.withSubcommands([
      verify.pipe(Command.provide(books)),
      balances.pipe(Command.provide(books)),
      StatementCommand.command.pipe(Command.provide(books)),
      StatementCommand.exportCommand.pipe(Command.provide(books)),
      PeriodCommand.command.pipe(Command.provide(books)),
      ProofCommand.prove.pipe(Command.provide(books)),
      ProofCommand.checkpoint.pipe(Command.provide(books)),
      ProofCommand.check,
    ]),
  )
