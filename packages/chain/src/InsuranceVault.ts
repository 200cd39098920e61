/**
 * PORT. The pool that takes what slashes take, and pays the buyers who were harmed.
 *
 * Guarantees, each proved by `InsuranceVaultTest.suite`:
 *
 * 1. The same act under the same key is done once and answered alike; another act under the key is a `Conflict`.
 * 2. What is deposited is in the pool, and nothing but claims takes it out.
 * 3. Claims are proposed within the cap of their epoch, a share of what was free at its start, and within that of an incident.
 * 4. Claims count after the challenge delay; cancelled before, their money is free again, and so is what nobody took in time.
 * 5. A claim is paid to the account that its leaf names, once, by a proof; a wrong proof is refused.
 * 6. All claims of an incident are at most its total.
 * 7. What was refused moved nothing, and the totals sum to what went in less what went out.
 * 8. While paused nothing comes in and nothing is promised, and every claim still pays.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Act, Asked } from "./Act.ts"
import type { Address } from "./Address.ts"
import type { ChainError } from "./ChainError.ts"
import * as CumulativeTree from "./CumulativeTree.ts"
import * as Hex from "./Hex.ts"
import type { Bytes32 } from "./Hex.ts"
import type { Domain } from "./Message.ts"

/**
 * What can be done. `Deposit`, `Claim` and `ExpireClaims` are anyone's, `ProposeClaims` is the adjuster's, `CancelClaims` the
 * challenger's. `Pause` and `Unpause` are the pauser's: for a while nothing comes in; what goes out always goes.
 *
 * @category models
 * @since 0.1.0
 */
export type InsuranceAct = Asked &
  (
    | { readonly _tag: "Deposit"; readonly amount: bigint }
    | {
        readonly _tag: "ProposeClaims"
        readonly epoch: number
        readonly incident: Bytes32
        readonly root: Bytes32
        readonly total: bigint
      }
    | { readonly _tag: "CancelClaims"; readonly epoch: number; readonly incident: Bytes32 }
    | { readonly _tag: "ExpireClaims"; readonly epoch: number; readonly incident: Bytes32 }
    | { readonly _tag: "Pause" }
    | { readonly _tag: "Unpause" }
    | {
        readonly _tag: "Claim"
        readonly epoch: number
        readonly incident: Bytes32
        readonly account: Address
        readonly amount: bigint
        readonly proof: ReadonlyArray<Bytes32>
      }
  )

/**
 * The claims of an incident in an epoch: what is left of their total, from which second they are paid, and from which not any
 * more. All is 0 where there are none, or were cancelled.
 *
 * @category models
 * @since 0.1.0
 */
export interface Claims {
  readonly root: Bytes32
  readonly total: bigint
  readonly remaining: bigint
  readonly payableAtS: number
  readonly expiresAtS: number
}

/**
 * The leaf of a claim: the hash of the hash of its six words. A tree is `CumulativeTree.ofLeaves` of them.
 *
 * @category hashing
 * @since 0.1.0
 */
export const leaf = (
  domain: Domain,
  claim: {
    readonly epoch: number
    readonly incident: Bytes32
    readonly account: Address
    readonly amount: bigint
  },
): Bytes32 =>
  CumulativeTree.ofWords([
    Hex.word(BigInt(domain.chainId)),
    Hex.wordOf(domain.contract),
    Hex.word(BigInt(claim.epoch)),
    claim.incident,
    Hex.wordOf(claim.account),
    Hex.word(claim.amount),
  ])

/**
 * What the contract owes: `free` to nobody yet, `reserved` to the claims of its incidents. Together they are what it must hold at
 * least.
 *
 * @category models
 * @since 0.1.0
 */
export interface InsuranceTotals {
  readonly free: bigint
  readonly reserved: bigint
}

/**
 * The terms under which it stands, for good.
 *
 * @category models
 * @since 0.1.0
 */
export interface InsuranceTerms {
  readonly token: Address
  readonly epochLengthS: number
  readonly challengeDelayS: number
  readonly claimWindowS: number
  readonly epochCapBps: number
  readonly incidentCap: bigint
}

/** What an adapter can do: as that of `StakeBook`. @category models @since 0.1.0 */
export interface InsuranceCapabilities {
  readonly atomicGrant: boolean
}

/**
 * The port.
 *
 * @category services
 * @since 0.1.0
 */
export class InsuranceVault extends Context.Service<
  InsuranceVault,
  {
    readonly capabilities: InsuranceCapabilities
    readonly terms: InsuranceTerms
    readonly act: (act: InsuranceAct) => Effect.Effect<Act, ChainError>
    readonly claims: (epoch: number, incident: Bytes32) => Effect.Effect<Claims, ChainError>
    readonly hasClaimed: (epoch: number, incident: Bytes32, account: Address) => Effect.Effect<boolean, ChainError>
    /** What makes a leaf this contract's: its chain and its address. */
    readonly domain: Domain
    readonly totals: Effect.Effect<InsuranceTotals, ChainError>
  }
>()("@guildhall/chain/InsuranceVault") {}
