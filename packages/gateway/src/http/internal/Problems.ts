/** What the market's errors look like on the control lane. */
import * as Effect from "effect/Effect"
import * as SchemaIssue from "effect/SchemaIssue"
import type * as Schema from "effect/Schema"
import type { SettlementRecordError } from "@guildhall/chain/SettlementRecord"
import type { KeyRingError } from "@guildhall/core/KeyRing"
import type { JournalError } from "@guildhall/journal/JournalError"
import type { LedgerError } from "@guildhall/ledger/LedgerError"
import type { RailError } from "@guildhall/ledger/Movement"
import { Problem } from "@guildhall/protocol/api/Problem"
import type { RegistryError } from "@guildhall/registry/RegistryError"
import type { ExplainError } from "@guildhall/routing/Router"
import type { LimitStoreError } from "../../LimitStore.ts"
import type { TopUpRefused } from "../../TopUps.ts"

type Failure =
  | LimitStoreError
  | RegistryError
  | LedgerError
  | JournalError
  | KeyRingError
  | ExplainError
  | RailError
  | TopUpRefused
  | SettlementRecordError

const of = (error: Failure): Problem => {
  switch (error._tag) {
    case "RegistryError":
      return Problem.of(error.code, error.detail)
    case "LedgerError":
      return Problem.of(error.reason.code, error.message)
    case "TopUpRefused":
      return Problem.of(error.code, error.detail)
    case "ExplainError":
      return Problem.of("not_found", error.message)
    case "RailError":
    case "SettlementRecordError":
    case "LimitStoreError":
    case "JournalError":
    case "KeyRingError":
      return Problem.of("service_unavailable")
  }
}

const isProblem = (error: Failure | Problem): error is Problem => error._tag === "Problem"

/** What a refusal says is meant for the caller; what a store says is not, and is worth a line in the log. */
const isOutage = (error: Failure | Problem): boolean => !isProblem(error) && error._tag !== "TopUpRefused"

/** A store that is away is told by whoever writes to it, with its own words: here a line is enough for each request. */
const tell = (error: Failure | Problem): Effect.Effect<void> =>
  error._tag === "LedgerError" || error._tag === "RegistryError" || error._tag === "JournalError"
    ? Effect.andThen(Effect.logWarning(`The control lane could not answer. ${error.message}`), Effect.logDebug(error))
    : Effect.logWarning("The control lane could not answer.", error)

/** Answers every failure with a problem. What is wrong inside the market is logged, and not told. */
export const answer = <A, E extends Failure | Problem, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.catch(effect, (error: Failure | Problem) => {
    const problem = isProblem(error) ? error : of(error)
    return problem.status >= 500 && isOutage(error)
      ? Effect.andThen(tell(error), Effect.fail(problem))
      : Effect.fail(problem)
  })

const format = SchemaIssue.makeFormatterStandardSchemaV1()
const DETAIL_CHARS_MAX = 500

/** Where a value is wrong: the members' names, joined by points. */
export const paths = (error: Schema.SchemaError): ReadonlyArray<string> =>
  format(error.issue).issues.map(({ path }) =>
    (path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join("."),
  )

/** What is wrong with a value, in a sentence or two. */
export const sentence = (error: Schema.SchemaError): string => {
  const issues = format(error.issue).issues
  const names = paths(error)
  const text = issues.map(({ message }, at) => (names[at] ? `${names[at]}: ${message}` : message)).join("; ")
  return text.length > DETAIL_CHARS_MAX ? `${text.slice(0, DETAIL_CHARS_MAX)}…` : text
}
