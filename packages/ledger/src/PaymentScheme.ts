/**
 * PORT. How a request is paid for: an API key with a balance, a machine payment, a voucher. A scheme says who pays
 * from what the request carries, or how to pay where it carries nothing.
 *
 * Guarantees, each proved by `PaymentSchemeTest.suite`:
 *
 * 1. A request with a valid credential is verified as one payer, the same each time.
 * 2. A request without a credential of this scheme is `NotMine`, so another scheme may look at it.
 * 3. A wrong, unknown or revoked credential of this scheme is refused with a stable code, and tells nothing about why it is close.
 * 4. A challenge names how to pay and holds no secret.
 * 5. Settling twice with the same idempotency key has the effect of settling once.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { KeyTerms } from "@guildhall/core/KeyTerms"
import type { DataCollection, KeyId, MemberId, Role } from "@guildhall/core/Member"
import * as Parts from "@guildhall/core/Parts"
import { ReasonCode } from "@guildhall/core/Reason"
import type { AccountId } from "./Account.ts"

/**
 * An account that pays. `fundingSource` names where its money comes from (`card`, `credit`, …) and so in which accrual the
 * provider's share gathers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Source {
  readonly account: AccountId
  readonly fundingSource: string
}

/**
 * Who pays, from which account; `further` are those that follow where it has not enough, in their order. `terms` is what its
 * key may be used for, where a scheme has keys with terms.
 *
 * @category models
 * @since 0.1.0
 */
export interface Payer extends Source {
  readonly memberId: MemberId
  readonly keyId: KeyId
  readonly further?: ReadonlyArray<Source>
  readonly role: Role
  readonly dataCollection: DataCollection
  readonly terms?: KeyTerms | undefined
}

/**
 * All accounts that a payer pays from, in the order in which they are spent.
 *
 * @category getters
 * @since 0.1.0
 */
export const sourcesOf = (payer: Source & Pick<Payer, "further">): readonly [Source, ...ReadonlyArray<Source>] => {
  const { account, fundingSource, further = [] } = payer
  return [{ account, fundingSource }, ...further]
}

/**
 * What a scheme found in a request.
 *
 * @category models
 * @since 0.1.0
 */
export type Verified = { readonly _tag: "Payer"; readonly payer: Payer } | { readonly _tag: "NotMine" }

/** Why a scheme refused. @category errors @since 0.1.0 */
export class PaymentError extends Schema.TaggedError<PaymentError>()("PaymentError", {
  code: ReasonCode,
  detail: Schema.String,
}) {
  get isRetryable(): boolean {
    return this.code === "service_unavailable"
  }
  override get message(): string {
    return this.detail
  }
}

/**
 * The port. Header names are lower case.
 *
 * @category models
 * @since 0.1.0
 */
export interface PaymentScheme {
  readonly name: string
  readonly capabilities: { readonly settlesPerRequest: boolean }
  /** Finds the payer in a request's headers. */
  readonly verify: (headers: Readonly<Record<string, string | undefined>>) => Effect.Effect<Verified, PaymentError>
  /** What a request that carries nothing is told, as values of `www-authenticate`. */
  readonly challenge: (request: {
    readonly maximum: bigint | null
  }) => Effect.Effect<ReadonlyArray<string>, PaymentError>
  /** Tells the scheme what a request came to. Answers headers for the buyer, such as a payment receipt. */
  readonly settle: (charge: {
    readonly idempotencyKey: string
    readonly payer: Payer
    readonly amount: bigint
  }) => Effect.Effect<Readonly<Record<string, string>>, PaymentError>
}

/** The kind under which a definition names a scheme. @category parts @since 0.1.0 */
export const PaymentScheme: Parts.Kind<PaymentScheme> = Parts.kind("payment scheme")
