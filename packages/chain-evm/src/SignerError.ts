/**
 * Why nothing was signed. No message has a key in it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Address } from "@guildhall/chain/Address"

/** There is no key of this account. @category errors @since 0.1.0 */
export class NoKey extends Schema.TaggedError<NoKey>()("NoKey", { account: Address }) {
  readonly isRetryable = false
  override get message(): string {
    return `There is no key for ${this.account}. Give it to the signer, or let its owner act.`
  }
}

/** Where a key should be, there is none that can be read. @category errors @since 0.1.0 */
export class BadKey extends Schema.TaggedError<BadKey>()("BadKey", { where: Schema.String, detail: Schema.String }) {
  readonly isRetryable = false
  override get message(): string {
    return `No key can be taken from ${this.where}: ${this.detail}`
  }
}

/** The remote signer does not want to sign this, or signed something else. @category errors @since 0.1.0 */
export class SigningRefused extends Schema.TaggedError<SigningRefused>()("SigningRefused", { detail: Schema.String }) {
  readonly isRetryable = false
  override get message(): string {
    return `Nothing was signed: ${this.detail}`
  }
}

/** The remote signer does not answer. @category errors @since 0.1.0 */
export class SignerAway extends Schema.TaggedError<SignerAway>()("SignerAway", { detail: Schema.String }) {
  readonly isRetryable = true
  override get message(): string {
    return `The signer does not answer: ${this.detail} Try again later.`
  }
}

/** All of them. @category errors @since 0.1.0 */
export const SignerReason = Schema.Union([NoKey, BadKey, SigningRefused, SignerAway])
/** @since 0.1.0 */
export type SignerReason = typeof SignerReason.Type

/** The error of the port `Signer`. @category errors @since 0.1.0 */
export class SignerError extends Schema.TaggedError<SignerError>()("SignerError", { reason: SignerReason }) {
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }
  override get message(): string {
    return this.reason.message
  }
}
