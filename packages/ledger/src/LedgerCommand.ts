/**
 * The command line's `ledger`: look at the books, verify and prove them.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { KeyRing } from "@guildhall/core/KeyRing"
import * as Money from "@guildhall/core/Money"
import type { Account } from "./Account.ts"
import { LedgerStore, type Moment, type View } from "./LedgerStore.ts"
import * as PeriodCommand from "./PeriodCommand.ts"
import * as ProofCommand from "./ProofCommand.ts"
import * as StatementCommand from "./StatementCommand.ts"
import { Disagreement, verify as verifyBooks } from "./Verify.ts"
import { CommandFailure, tell } from "@guildhall/core/CommandFailure"
import * as TimeText from "./internal/TimeText.ts"

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

const verify = (book: number) =>
  Command.make(
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
          : yield* ProofCommand.readCheckpoint(flags.checkpoint.value, book)
        const verified = yield* verifyBooks({ checkpoint, progress })
        const { accounts, batches, entries, pendingHolds, postings, root } = verified
        yield* Console.log(
          flags.json
            ? JSON.stringify({ ok: true, ...verified, checkpoint: checkpoint?.size.toString() ?? null })
            : [
                `ok  ${postings} postings, ${accounts} accounts, ${pendingHolds} holds pending: every balance agrees with its history`,
                `    ${entries} entries in ${batches} batches, whose Merkle root is ${root}`,
                ...(checkpoint === undefined
                  ? []
                  : [
                      `    and the first ${checkpoint.size} entries are those that ${checkpoint.signature.keyId} signed`,
                    ]),
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

/** Rows in columns: amounts end where their column does, names begin there. */
const table = (rows: ReadonlyArray<ReadonlyArray<string>>, right: ReadonlyArray<number>): ReadonlyArray<string> => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((text, column) => {
        const width = widths[column] ?? 0
        return right.includes(column) ? text.padStart(width) : text.padEnd(width)
      })
      .join("  ")
      .trimEnd(),
  )
}

const now = (accounts: ReadonlyArray<Account>): ReadonlyArray<string> =>
  table(
    [
      ["account", "asset", "balance", "held", "state"],
      ...accounts.map((account) => [
        account.id,
        account.asset.code,
        shown(account.balance, account),
        shown(account.held, account),
        account.state,
      ]),
    ],
    [2, 3],
  )

const nowJson = (accounts: ReadonlyArray<Account>): string =>
  JSON.stringify({
    accounts: accounts.map(({ asset, ceiling, floor, balance, held, ...account }) => ({
      ...account,
      asset: asset.code,
      scale: asset.scale,
      floor: floor?.toString() ?? null,
      ceiling: ceiling?.toString() ?? null,
      balance: balance.toString(),
      held: held.toString(),
    })),
  })

type Standing = Pick<Account, "id" | "kind" | "asset" | "balance">

const then = (accounts: ReadonlyArray<Standing>): ReadonlyArray<string> =>
  table(
    [
      ["account", "asset", "balance"],
      ...accounts.map(({ asset, balance, id }) => [id, asset.code, Money.format(balance, asset)]),
    ],
    [2],
  )

const thenJson = (accounts: ReadonlyArray<Standing>, at: Moment): string =>
  JSON.stringify({
    ...("sequence" in at ? { sequence: at.sequence.toString() } : { before: TimeText.iso(at.beforeMs) }),
    accounts: accounts.map(({ asset, balance, id, kind }) => ({
      id,
      kind,
      asset: asset.code,
      scale: asset.scale,
      balance: balance.toString(),
    })),
  })

/** A moment was asked for in two ways, or is none of this history. */
class NoMoment extends Schema.TaggedError<NoMoment>()("InvalidFlags", { detail: Schema.String }) {
  readonly isRetryable = false
  override get message(): string {
    return this.detail
  }
}

/** What the accounts had at a moment, those that had moved by then: holds and terms are those of now, and left out. */
const standingsAt = Effect.fnUntraced(function* (view: View, at: Moment) {
  if ("sequence" in at) {
    const [found] = yield* view.history("entries", { after: at.sequence - 1n, limit: 1 })
    if (found?.sequence !== at.sequence) {
      return yield* new NoMoment({
        detail: `There is no entry ${at.sequence} in this book. "guildhall ledger verify" says how many there are.`,
      })
    }
  }
  const balances = yield* view.balances(at)
  return byId(yield* view.accounts()).flatMap((account): ReadonlyArray<Standing> => {
    const balance = balances.get(account.id)
    return balance === undefined ? [] : [{ ...account, balance }]
  })
})

const byId = (accounts: ReadonlyArray<Account>): ReadonlyArray<Account> =>
  [...accounts].sort((a, b) => (a.id < b.id ? -1 : 1))

const momentOf = (flags: { readonly at: number | null; readonly sequence: bigint | null }) => {
  if (flags.at !== null && flags.sequence !== null) {
    return new NoMoment({ detail: "A moment is a time or an entry: give --at or --sequence, not both." })
  }
  const at: Moment | null =
    flags.sequence === null ? (flags.at === null ? null : { beforeMs: flags.at }) : { sequence: flags.sequence }
  return Effect.succeed(at)
}

const balances = Command.make(
  "balances",
  {
    at: Flag.String("at").pipe(
      Flag.withDescription("What accounts had before this time: all that counts earlier. A month, a day or a time"),
      Flag.filterMap(TimeText.parse, TimeText.complaint),
      Flag.optional,
      Flag.map(Option.getOrNull),
    ),
    sequence: Flag.String("sequence").pipe(
      Flag.withDescription("What accounts had right after this entry"),
      Flag.filterMap(
        (text) => (/^[1-9]\d{0,17}$/.test(text) ? Option.some(BigInt(text)) : Option.none()),
        (text) => `"${text}" is not the number of an entry. They are counted from 1.`,
      ),
      Flag.optional,
      Flag.map(Option.getOrNull),
    ),
    json,
  },
  (flags) =>
    Effect.gen(function* () {
      const store = yield* LedgerStore
      const at = yield* momentOf(flags)
      if (at !== null) {
        const standings = yield* store.snapshot((view) => standingsAt(view, at))
        if (flags.json) return yield* Console.log(thenJson(standings, at))
        for (const line of then(standings)) yield* Console.log(line)
        return
      }
      const accounts = byId(yield* store.accounts())
      if (flags.json) return yield* Console.log(nowJson(accounts))
      for (const line of now(accounts)) yield* Console.log(line)
    }).pipe(Effect.catch((error) => failed(error, flags.json))),
).pipe(
  Command.withDescription("Every account with what it has and what is held of it, now or at a moment of the past"),
  Command.withExamples([
    { command: "guildhall ledger balances", description: "As they are now" },
    { command: "guildhall ledger balances --at 2026-12", description: "At the end of November 2026" },
    { command: "guildhall ledger balances --sequence 4711", description: "Right after entry 4711" },
  ]),
)

/**
 * Makes the command `ledger`, for an app that has books: a store, the key ring that signs checkpoints, and the number of the
 * store's book, which checkpoints state. Only `check` works without them.
 *
 * @category commands
 * @since 0.1.0
 */
export const make = <E, R>(books: Layer.Layer<LedgerStore | KeyRing, E, R>, book = 1) =>
  Command.make("ledger").pipe(
    Command.withDescription("Look at the books, verify and prove them, close a period"),
    Command.withSubcommands([
      verify(book).pipe(Command.provide(books)),
      balances.pipe(Command.provide(books)),
      StatementCommand.command.pipe(Command.provide(books)),
      StatementCommand.exportCommand.pipe(Command.provide(books)),
      PeriodCommand.command.pipe(Command.provide(books)),
      ProofCommand.prove(book).pipe(Command.provide(books)),
      ProofCommand.checkpoint(book).pipe(Command.provide(books)),
      ProofCommand.check,
    ]),
  )
