import * as Schema from "effect/Schema"
import { Amount } from "@guildhall/core/Money"
import { AccountId } from "../Account.ts"

export const Figure = Schema.Literals([
  "sequence",
  "time",
  "sum",
  "running balance",
  "balance",
  "held",
  "available",
  "terms",
  "account",
  "hold",
  "period",
  "seal",
  "payout",
  "batch",
  "root",
  "chain",
  "node",
  "checkpoint",
])
export type Figure = typeof Figure.Type

export class Disagreement extends Schema.TaggedError<Disagreement>()("Disagreement", {
  figure: Figure,
  sequence: Schema.NullOr(Amount),
  account: Schema.NullOr(AccountId),
  expected: Schema.String,
  found: Schema.String,
}) {
  readonly isRetryable = false
  override get message(): string {
    const where = [
      this.account === null ? "" : ` of ${this.account}`,
      this.sequence === null ? "" : ` at entry ${this.sequence}`,
    ].join("")
    return [
      `The books do not agree: the ${this.figure}${where} should be ${this.expected} and is ${this.found}.`,
      "The history was changed from outside, or a page of the database is damaged.",
      "Stop the market, keep a copy of the database, and restore the last backup that verifies.",
    ].join("\n  ")
  }
}
