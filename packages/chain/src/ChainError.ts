/**
 * Why a chain did not do what was asked, or could not be asked.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Address } from "./Address.ts"
import { Hex } from "./Hex.ts"

/**
 * The contracts of a market.
 *
 * @category models
 * @since 0.1.0
 */
export const Contract = Schema.Literals([
  "Staking",
  "ProviderBond",
  "Settlement",
  "RootVault",
  "InsurancePool",
  "ValidatorRegistry",
  "Channel",
])
/** @since 0.1.0 */
export type Contract = typeof Contract.Type

/**
 * A rule of a contract forbids the act, and nothing moved. `rule` is the name of the contract's error, the same in memory and on
 * every chain, such as `CooldownNotOver`; `detail` has its figures.
 *
 * @category errors
 * @since 0.1.0
 */
export class Refused extends Schema.TaggedError<Refused>()("Refused", {
  contract: Contract,
  rule: Schema.String,
  detail: Schema.String,
}) {
  readonly isRetryable = false
  override get message(): string {
    return `${this.contract} refused: ${this.rule}. ${this.detail}`.trimEnd()
  }
}

/** The key was used for another act. @category errors @since 0.1.0 */
export class Conflict extends Schema.TaggedError<Conflict>()("Conflict", { idempotencyKey: Schema.String }) {
  readonly isRetryable = false
  override get message(): string {
    return `The key "${this.idempotencyKey}" was used for another act. Use a new key for a new act.`
  }
}

/** What was asked can be no act: an amount that no token has, a text that is no hash. @category errors @since 0.1.0 */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()("InvalidInput", { detail: Schema.String }) {
  readonly isRetryable = false
  override get message(): string {
    return this.detail
  }
}

/**
 * The act may be on its way or not: whether it was included is not known yet. Ask again with the same key.
 *
 * @category errors
 * @since 0.1.0
 */
export class Undecided extends Schema.TaggedError<Undecided>()("Undecided", {
  idempotencyKey: Schema.String,
  detail: Schema.String,
}) {
  readonly isRetryable = true
  override get message(): string {
    return `It is not known yet whether "${this.idempotencyKey}" was included: ${this.detail} Ask again with the same key.`
  }
}

/** The chain cannot be asked now. @category errors @since 0.1.0 */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", { detail: Schema.String }) {
  readonly isRetryable = true
  override get message(): string {
    return `The chain cannot be asked: ${this.detail} Try again later.`
  }
}

/** Those who were asked of the chain say different things, so none is believed. @category errors @since 0.1.0 */
export class Disagreement extends Schema.TaggedError<Disagreement>()("Disagreement", { detail: Schema.String }) {
  readonly isRetryable = true
  override get message(): string {
    return `The endpoints of the chain disagree: ${this.detail} Take out the one that is wrong.`
  }
}

/** It is another chain than the one that was meant. @category errors @since 0.1.0 */
export class WrongChain extends Schema.TaggedError<WrongChain>()("WrongChain", {
  expected: Schema.Int,
  found: Schema.Int,
}) {
  readonly isRetryable = false
  override get message(): string {
    return `The endpoint serves chain ${this.found}, not ${this.expected}. Name an endpoint of the right chain.`
  }
}

/** What stands at the address is not the contract that was meant. @category errors @since 0.1.0 */
export class ForeignContract extends Schema.TaggedError<ForeignContract>()("ForeignContract", {
  contract: Contract,
  address: Address,
}) {
  readonly isRetryable = false
  override get message(): string {
    return `${this.address} is not the market's ${this.contract}. Name the address that its deployment printed.`
  }
}

/** A call that nobody signed yet: to a contract, with these bytes. @category models @since 0.1.0 */
export const UnsignedCall = Schema.Struct({ to: Address, data: Hex })
/** @since 0.1.0 */
export type UnsignedCall = typeof UnsignedCall.Type

/** More than this of a call's bytes is not in a letter. */
const SHOWN_MAX = 2_000

const shown = ({ data, to }: UnsignedCall): string =>
  data.length > SHOWN_MAX ? `to ${to}, ${data.length / 2 - 1} bytes of data` : `to ${to}, data ${data}`

/**
 * There is no key with which this account could sign. Where an account of a chain could do it, `calls` are what its owner signs
 * elsewhere, one after the other.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoSigner extends Schema.TaggedError<NoSigner>()("NoSigner", {
  account: Address,
  calls: Schema.optional(Schema.Array(UnsignedCall)),
}) {
  readonly isRetryable = false
  override get message(): string {
    const none = `There is no key for ${this.account}. Give it to the signer, or let its owner`
    return this.calls === undefined ? `${none} act.` : `${none} sign: ${this.calls.map(shown).join("; ")}.`
  }
}

/**
 * All of them.
 *
 * @category errors
 * @since 0.1.0
 */
export const ChainReason = Schema.Union([
  Refused,
  Conflict,
  InvalidInput,
  Undecided,
  Unavailable,
  Disagreement,
  WrongChain,
  ForeignContract,
  NoSigner,
])
/** @since 0.1.0 */
export type ChainReason = typeof ChainReason.Type

/**
 * The error of every port of this package.
 *
 * @category errors
 * @since 0.1.0
 */
export class ChainError extends Schema.TaggedError<ChainError>()("ChainError", { reason: ChainReason }) {
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }
  override get message(): string {
    return this.reason.message
  }
}

/**
 * A rule of a contract forbids it, with the rule's figures by name. Memory and adapters say it the same way.
 *
 * @category constructors
 * @since 0.1.0
 */
export const refused = (
  contract: Contract,
  rule: string,
  figures: Readonly<Record<string, unknown>> = {},
): ChainError => {
  const named = Object.entries(figures).map(([name, figure]) => `${name} ${String(figure)}`)
  return new ChainError({
    reason: new Refused({ contract, rule, detail: named.length === 0 ? "" : `${named.join(", ")}.` }),
  })
}

/** What was asked can be no act. @category constructors @since 0.1.0 */
export const invalid = (detail: string): ChainError => new ChainError({ reason: new InvalidInput({ detail }) })

/** The key was used for another act. @category constructors @since 0.1.0 */
export const conflict = (idempotencyKey: string): ChainError =>
  new ChainError({ reason: new Conflict({ idempotencyKey }) })
