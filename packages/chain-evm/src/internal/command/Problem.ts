/** Why a command of `chain` did not do what was asked, where neither the chain nor a contract is the reason. */
import * as Schema from "effect/Schema"

export class Problem extends Schema.TaggedError<Problem>()("Problem", {
  reason: Schema.Literals([
    "UnknownChain",
    "NoEndpoint",
    "NoKey",
    "BadFile",
    "BadProof",
    "TooLittle",
    "NothingToDo",
    "NotReady",
    "NotConfirmed",
    "Waiting",
    "NoChain",
    "BadAmount",
    "MarketRefused",
  ]),
  detail: Schema.String,
}) {
  readonly isRetryable = false
  override get message(): string {
    return this.detail
  }
}

/** A letter of these words. */
export const of = (reason: Problem["reason"], ...lines: ReadonlyArray<string>): Problem =>
  new Problem({ reason, detail: lines.join("\n  ") })
