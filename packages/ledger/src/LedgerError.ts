/**
 * Why the ledger refused. One error with a union of reasons; each says what happened, why, and what to do.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import { Amount } from "@guildhall/core/Money"
import type { ReasonCode } from "@guildhall/core/Reason"
import { AccountId } from "./Account.ts"
import { HoldId, HoldState } from "./Hold.ts"

/** The account's balance, less what is held, would fall below its floor. @category errors @since 0.1.0 */
export class InsufficientFunds extends Schema.TaggedError<InsufficientFunds>()("InsufficientFunds", {
  account: AccountId,
  available: Amount,
  needed: Amount,
}) {
  readonly isRetryable = false
  readonly code: ReasonCode = "insufficient_funds"
  override get message(): string {
    return `${this.account} has ${this.available} available and needs ${this.needed}. Top it up, or ask for less.`
  }
}

/** No such account. @category errors @since 0.1.0 */
export class UnknownAccount extends Schema.TaggedError<UnknownAccount>()("UnknownAccount", { account: AccountId }) {
  readonly isRetryable = false
  readonly code: ReasonCode = "not_found"
  override get message(): string {
    return `There is no account ${this.account}. Open it first.`
  }
}

/** The account is frozen or closed. @category errors @since 0.1.0 */
export class AccountNotOpen extends Schema.TaggedError<AccountNotOpen>()("AccountNotOpen", {
  account: AccountId,
  state: Schema.String,
}) {
  readonly isRetryable = false
  readonly code: ReasonCode = "account_frozen"
  override get message(): string {
    return `${this.account} is ${this.state} and takes no postings. An operator can open it again.`
  }
}

/** The account's balance would rise above its ceiling. @category errors @since 0.1.0 */
export class CeilingExceeded extends Schema.TaggedError<CeilingExceeded>()("CeilingExceeded", {
  account: AccountId,
  ceiling: Amount,
  balance: Amount,
}) {
  readonly isRetryable = false
  readonly code: ReasonCode = "ceiling_exceeded"
  override get message(): string {
    return `${this.account} may hold ${this.ceiling} at most and would have ${this.balance}. Raise its ceiling, or post less.`
  }
}

/** The posting would count in a period that is closed. @category errors @since 0.1.0 */
export class PeriodClosed extends Schema.TaggedError<PeriodClosed>()("PeriodClosed", {
  closedUntilMs: Schema.Int,
  effectiveAtMs: Schema.Int,
}) {
  readonly isRetryable = false
  readonly code: ReasonCode = "period_closed"
  override get message(): string {
    const at = (ms: number) => DateTime.formatIso(DateTime.makeUnsafe(ms))
    return `A posting cannot count at ${at(this.effectiveAtMs)}: the books are closed until ${at(this.closedUntilMs)}. Post it with a later time.`
  }
}

/** The key was used before, with another content. @category errors @since 0.1.0 */
export class Conflict extends Schema.TaggedError<Conflict>()("Conflict", { idempotencyKey: Schema.String }) {
  readonly isRetryable = false
  readonly code: ReasonCode = "idempotency_conflict"
  override get message(): string {
    return `The key ${this.idempotencyKey} was used before for something else. Use a new key for a new request.`
  }
}

/** The hold is unknown, or is not in a state that allows this. @category errors @since 0.1.0 */
export class HoldNotAvailable extends Schema.TaggedError<HoldNotAvailable>()("HoldNotAvailable", {
  hold: HoldId,
  state: Schema.NullOr(HoldState),
  wanted: HoldState,
}) {
  readonly isRetryable = false
  readonly code: ReasonCode = "hold_expired"
  override get message(): string {
    return this.state === null
      ? `There is no hold ${this.hold}.`
      : `The hold ${this.hold} is ${this.state}, and this needs one that is ${this.wanted}. If it expired, file a claim.`
  }
}

/** The command breaks a rule of form: legs that do not sum to zero, attachments too large, more than was held. @category errors @since 0.1.0 */
export class InvalidCommand extends Schema.TaggedError<InvalidCommand>()("InvalidCommand", { detail: Schema.String }) {
  readonly isRetryable = false
  readonly code: ReasonCode = "invalid_request"
  override get message(): string {
    return `The ledger cannot take this: ${this.detail}`
  }
}

/** The store did not answer. Whether the command took effect is not known: send it again with the same key. @category errors @since 0.1.0 */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", { cause: Schema.Defect() }) {
  readonly isRetryable = true
  readonly code: ReasonCode = "service_unavailable"
  override get message(): string {
    return "The ledger's store did not answer. Send the same command with the same key again."
  }
}

/** Why a single command is refused. @category errors @since 0.1.0 */
export const Refusal = Schema.Union([
  InsufficientFunds,
  UnknownAccount,
  AccountNotOpen,
  CeilingExceeded,
  PeriodClosed,
  Conflict,
  HoldNotAvailable,
  InvalidCommand,
])
/** @since 0.1.0 */
export type Refusal = typeof Refusal.Type

/** One of the linked commands was refused, so none was made. @category errors @since 0.1.0 */
export class LinkRefused extends Schema.TaggedError<LinkRefused>()("LinkRefused", {
  index: Schema.Int,
  cause: Refusal,
}) {
  readonly isRetryable = false
  get code(): ReasonCode {
    return this.cause.code
  }
  override get message(): string {
    return `Command ${this.index} of the linked ones was refused, so none was made. ${this.cause.message}`
  }
}

/** What can go wrong. @category errors @since 0.1.0 */
export const LedgerReason = Schema.Union([...Refusal.members, LinkRefused, Unavailable])
/** @since 0.1.0 */
export type LedgerReason = typeof LedgerReason.Type

/** The one error of the ledger and its stores. @category errors @since 0.1.0 */
export class LedgerError extends Schema.TaggedError<LedgerError>()("LedgerError", { reason: LedgerReason }) {
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }
  override get message(): string {
    return this.reason.message
  }
}
