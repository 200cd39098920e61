/**
 * The command line's `ledger statement`, and `ledger export` for the whole books.
 *
 * @since 0.1.0
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { AccountId } from "./Account.ts"
import * as Beancount from "./Beancount.ts"
import type { Statement } from "./Statement.ts"
import * as Statements from "./Statement.ts"
import * as StatementText from "./StatementText.ts"
import { tell } from "@guildhall/core/CommandFailure"
import * as TimeText from "./internal/TimeText.ts"

const isAccountId = Schema.is(AccountId)

const account = Argument.String("account").pipe(
  Argument.withDescription('The account\'s id, as "guildhall ledger balances" shows it'),
  Argument.filterMap(
    (text) => (isAccountId(text) ? Option.some(text) : Option.none()),
    (text) => `"${text}" is not an account's id. An id is words joined by ":", such as buyer:mem_1.`,
  ),
)

const time = (name: string, what: string) =>
  Flag.String(name).pipe(
    Flag.withDescription(what),
    Flag.filterMap(TimeText.parse, TimeText.complaint),
    Flag.optional,
    Flag.map(Option.getOrNull),
  )

const from = time("from", "The first time that counts: a month, a day or a time, such as 2026-11; else the beginning")
const to = time("to", "The first time that does not count any more; else everything up to now")

const format = (name: string, what: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(what), Flag.withDefault(false))

const json = format("json", "Print one JSON object")
const csv = format("csv", "Print CSV for a spreadsheet")
const beancount = format("beancount", "Print a file for beancount")

/** Writes a text out as it is read, one page at a time. The console ends a line itself. */
const print = (text: StatementText.Text) =>
  Stream.runForEachArray(text, (lines) => Console.log(lines.join("").replace(/\n$/, "")))

type Write = (statement: Statement) => StatementText.Text

const formats = { json: StatementText.json, csv: StatementText.csv, beancount: Beancount.statement }

const writerOf = (flags: Readonly<Record<keyof typeof formats, boolean>>): Option.Option<Write> => {
  const asked = (["json", "csv", "beancount"] as const).filter((name) => flags[name])
  const [name] = asked
  if (asked.length > 1) return Option.none()
  return Option.some(name === undefined ? StatementText.table : formats[name])
}

/**
 * The command `statement <account>`: what happened on an account, as a table, JSON, CSV or beancount. By the time at which an
 * entry counts.
 *
 * @category commands
 * @since 0.1.0
 */
export const command = Command.make("statement", { account, from, to, json, csv, beancount }, (flags) =>
  Effect.gen(function* () {
    const write = writerOf(flags)
    if (Option.isNone(write)) {
      const message = "A statement is written in one format: give --json, --csv or --beancount, not several."
      return yield* tell({ _tag: "InvalidFlags", message }, false)
    }
    const query = { account: flags.account, fromMs: flags.from, toMs: flags.to }
    // What cannot be read at all is told as JSON; what breaks off in the middle has begun another object already.
    let hasBegun = false
    yield* Statements.read(query, (statement) => {
      hasBegun = true
      return print(write.value(statement))
    }).pipe(Effect.catch((error) => tell(error, flags.json && !hasBegun)))
  }),
).pipe(
  Command.withDescription("What happened on an account: opening balance, each line, closing balance"),
  Command.withExamples([
    { command: "guildhall ledger statement buyer:card:mem_1", description: "Everything, as a table" },
    {
      command: "guildhall ledger statement buyer:card:mem_1 --from 2026-11 --to 2026-12 --csv",
      description: "The lines that count in November, for a spreadsheet",
    },
  ]),
)

/**
 * The command `export`: the whole books of a period for beancount.
 *
 * @category commands
 * @since 0.1.0
 */
export const exportCommand = Command.make("export", { from, to }, (flags) =>
  Beancount.read({ fromMs: flags.from, toMs: flags.to }, print).pipe(Effect.catch((error) => tell(error, false))),
).pipe(
  Command.withDescription("The whole books as a file for beancount, with every balance asserted"),
  Command.withExamples([
    { command: "guildhall ledger export --from 2026-11 --to 2026-12 > november.beancount", description: "One month" },
  ]),
)
