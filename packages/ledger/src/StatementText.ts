/**
 * A statement as text, for programs (JSON), for spreadsheets (CSV) and for people (a table). Each is a stream of lines with
 * their endings, which can be written out as they come.
 *
 * @since 0.1.0
 */
import * as Stream from "effect/Stream"
import * as Money from "@guildhall/core/Money"
import type { Line, Statement } from "./Statement.ts"
import { iso } from "./internal/TimeText.ts"

/**
 * The lines of a text, with their endings. It fails as the statement's lines do: what was written before a failure is not to
 * be used.
 *
 * @category models
 * @since 0.1.0
 */
export type Text = Stream.Stream<string, Stream.Error<Statement["lines"]>>

const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms))

const jsonLine = (line: Line): object => ({
  sequence: line.sequence.toString(),
  postedAt: iso(line.postedAtMs),
  countsAt: iso(line.countsAtMs),
  kind: line.kind,
  reason: line.reason,
  amount: line.amount.toString(),
  balance: line.balance.toString(),
  key: line.idempotencyKey,
  links: line.links,
  hold: line.hold,
})

/**
 * One JSON object, written line by line: `account`, `kind`, `asset`, `from`, `to`, `opening`, `lines`, `closing`. Amounts are
 * strings of smallest units; `asset.scale` says how many of their digits are behind the point.
 *
 * @category writing
 * @since 0.1.0
 */
export const json = (statement: Statement): Text => {
  const { of, fromMs, toMs, opening, closing } = statement
  const head = JSON.stringify({
    account: of.id,
    kind: of.kind,
    asset: of.asset,
    from: isoOrNull(fromMs),
    to: isoOrNull(toMs),
    opening: opening.toString(),
  })
  const lines = Stream.map(statement.lines, (line, at) => `${at === 0 ? "" : ","}${JSON.stringify(jsonLine(line))}\n`)
  return Stream.make(`${head.slice(0, -1)},"lines":[\n`).pipe(
    Stream.concat(lines),
    Stream.concat(Stream.make(`],"closing":"${closing}"}\n`)),
  )
}

const links = ["request", "payout", "case", "booking", "epoch", "movement", "reverses", "definition"] as const

const columns = [
  "sequence",
  "posted_at",
  "counts_at",
  "kind",
  "reason",
  "amount",
  "balance",
  "asset",
  "hold",
  ...links,
  "key",
]

/**
 * A spreadsheet takes a field that begins so for a formula, and would run what a stranger put into an id. The quote in front
 * makes it text.
 */
const asText = (field: string): string => (/^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(field) ? `'${field}` : field)

const quoted = (field: string): string => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)

/** A record of RFC 4180. The `plain` columns are amounts, our own digits, and stay as they are, with their minus. */
const record = (fields: ReadonlyArray<string>, amountColumns: ReadonlyArray<number> = []): string =>
  `${fields.map((field, at) => quoted(amountColumns.includes(at) ? field : asText(field))).join(",")}\r\n`

const amountColumns = [columns.indexOf("amount"), columns.indexOf("balance")]

/**
 * CSV as RFC 4180 has it: a line of names, the opening balance, the lines, the closing balance. Amounts are decimals in whole
 * ones of the asset. No field can be taken for a formula.
 *
 * @category writing
 * @since 0.1.0
 */
export const csv = (statement: Statement): Text => {
  const { asset } = statement.of
  const bound = (kind: string, reason: string, ms: number | null, balance: bigint) =>
    record(
      [
        ...["", "", isoOrNull(ms) ?? "", kind, reason, "", Money.format(balance, asset), asset.code, ""],
        ...[...links, "key"].map(() => ""),
      ],
      amountColumns,
    )
  const row = (line: Line) =>
    record(
      [
        line.sequence.toString(),
        iso(line.postedAtMs),
        iso(line.countsAtMs),
        line.kind,
        line.reason,
        Money.format(line.amount, asset),
        Money.format(line.balance, asset),
        asset.code,
        line.hold ?? "",
        ...links.map((name) => line.links[name] ?? ""),
        line.idempotencyKey,
      ],
      amountColumns,
    )
  return Stream.make(record(columns), bound("opening", "Opening balance", statement.fromMs, statement.opening)).pipe(
    Stream.concat(Stream.map(statement.lines, row)),
    Stream.concat(Stream.make(bound("closing", "Closing balance", statement.toMs, statement.closing))),
  )
}

/** An id comes from anywhere: it must not move a terminal's cursor or its colours. */
const printable = (text: string): string => text.replace(/\p{Cc}|\p{Cf}/gu, "\ufffd")

const row = (sequence: string, time: string, amount: string, balance: string, reason: string): string =>
  `${[sequence.padStart(10), time.padEnd(20), amount.padStart(20), balance.padStart(20), printable(reason)].join("  ").trimEnd()}\n`

const second = (ms: number): string => `${iso(ms).slice(0, 19)}Z`

/**
 * A table for a person, with amounts in whole ones. The time is the one at which a line counts; where it was posted another
 * day, the reason says so.
 *
 * @category writing
 * @since 0.1.0
 */
export const table = (statement: Statement): Text => {
  const { of, fromMs, toMs } = statement
  const shown = (amount: bigint) => Money.format(amount, of.asset)
  const from = fromMs === null ? "the beginning" : iso(fromMs)
  const to = toMs === null ? "now" : iso(toMs)
  const line = ({ sequence, countsAtMs, postedAtMs, amount, balance, reason }: Line) => {
    const posted = iso(postedAtMs).slice(0, 10)
    const isSameDay = iso(countsAtMs).slice(0, 10) === posted
    const told = isSameDay ? reason : `${reason} (posted ${posted})`
    return row(sequence.toString(), second(countsAtMs), shown(amount), shown(balance), told)
  }
  return Stream.make(
    `${of.id} in ${of.asset.code}, from ${from} to ${to}\n`,
    row("entry", "counts at", "amount", "balance", "reason"),
    row("", "", "", shown(statement.opening), "Opening balance"),
  ).pipe(
    Stream.concat(Stream.map(statement.lines, line)),
    Stream.concat(Stream.make(row("", "", "", shown(statement.closing), "Closing balance"))),
  )
}
