/**
 * PORT. What providers put up for each device, and the cases in which a part of it is taken.
 *
 * Guarantees, each proved by `BondVaultTest.suite`:
 *
 * 1. The same act under the same key is done once and answered alike; another act under the key is a `Conflict`.
 * 2. A device's bond is pending until the verifier's word, which is good for one device, provider and class, once, and not late.
 *    With the word at hand it is active at once, and a pending bond of somebody else is credited back to that one.
 * 3. A bond below the minimum of its class is refused, and so are a deposit of 2^96 units or more and a second bond for a device.
 * 4. A slash moves its amount into escrow at once: a share of what was bonded at the offence, rounded up, at most what is left;
 *    the shares of all offences of one period add up to at most the cap.
 * 5. A slash of a known device never fails: where nothing can be moved, nothing moves, and the event says why.
 * 6. One offence is slashed once.
 * 7. A bond that is unbonding is slashed like any other, at every point of its way out.
 * 8. Who appeals in time has the arbiter's word: overturned, or not decided in time, the escrow goes back to the bond.
 * 9. A case that nobody appealed is finalised by anyone after the window: the finder is credited its share, rounded down, and the
 *    rest goes to the insurance.
 * 10. Nothing is withdrawn before the cooldown is over, nor while a case is open, and no case is open longer than its two windows.
 * 11. Deregistering starts the cooldown and takes nothing.
 * 12. What was refused moved nothing, and the totals sum to what went in less what went out.
 * 13. While paused nothing comes in; slashes, appeals, decisions and everything that goes out go on.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Act, Asked } from "./Act.ts"
import type { Address } from "./Address.ts"
import type { ChainError } from "./ChainError.ts"
import type { Bytes32 } from "./Hex.ts"
import type { EndpointVerified, Signature } from "./Message.ts"

/**
 * Where a device's bond stands. `Withdrawn` devices can be bonded anew.
 *
 * @category models
 * @since 0.1.0
 */
export type BondState = "None" | "Pending" | "Active" | "Unbonding" | "Withdrawn"

/**
 * Where a case stands: `Proposed` until it is appealed, final, overturned, or lapsed.
 *
 * @category models
 * @since 0.1.0
 */
export type CaseState = "None" | "Proposed" | "Appealed" | "Finalised" | "Overturned" | "Lapsed"

/**
 * What can be done. A device is the SHA-256 of its Ed25519 public key's bytes.
 *
 * - `AppendClass` is the curator's.
 * - `Bond`, `BondVerified`, `TopUp`, `RequestUnbond`, `Withdraw`, `Appeal` are the provider's. `BondVerified` bonds with the
 *   verifier's word at hand; `Activate` brings the word later, and anyone may bring it.
 * - `Deregister` is the registrar's, `ProposeSlash` the slasher's, `Uphold` and `Overturn` the arbiter's.
 * - `Finalise`, `Lapse` and `SendToInsurance` are anyone's. `ClaimCredit` pays what was credited to who asks.
 * - `Pause` and `Unpause` are the pauser's: for a while nothing comes in; what goes out always goes.
 *
 * @category models
 * @since 0.1.0
 */
export type BondAct = Asked &
  (
    | { readonly _tag: "AppendClass"; readonly classId: number; readonly minimum: bigint }
    | { readonly _tag: "Bond"; readonly device: Bytes32; readonly classId: number; readonly amount: bigint }
    | {
        readonly _tag: "BondVerified"
        readonly verified: EndpointVerified
        readonly amount: bigint
        readonly signature: Signature
      }
    | { readonly _tag: "TopUp"; readonly device: Bytes32; readonly amount: bigint }
    | { readonly _tag: "Activate"; readonly verified: EndpointVerified; readonly signature: Signature }
    | { readonly _tag: "RequestUnbond"; readonly device: Bytes32 }
    | { readonly _tag: "Deregister"; readonly device: Bytes32 }
    | { readonly _tag: "Withdraw"; readonly device: Bytes32 }
    | {
        readonly _tag: "ProposeSlash"
        readonly device: Bytes32
        readonly offenceId: Bytes32
        readonly rateBps: number
        readonly offenceTimeS: number
        readonly evidenceHash: Bytes32
        readonly finder: Address
      }
    | { readonly _tag: "Appeal"; readonly offenceId: Bytes32 }
    | { readonly _tag: "Finalise"; readonly offenceId: Bytes32 }
    | { readonly _tag: "Uphold"; readonly offenceId: Bytes32 }
    | { readonly _tag: "Overturn"; readonly offenceId: Bytes32 }
    | { readonly _tag: "Lapse"; readonly offenceId: Bytes32 }
    | { readonly _tag: "ClaimCredit" }
    | { readonly _tag: "SendToInsurance" }
    | { readonly _tag: "Pause" }
    | { readonly _tag: "Unpause" }
  )

/**
 * A device's bond. `bonded` is what is there now, `escrowed` what its open cases hold, and `deposited` all that ever came in:
 * what is bonded, escrowed, was slashed and was withdrawn. `cooldownEndS` is 0 unless it unbonds or did.
 *
 * @category models
 * @since 0.1.0
 */
export interface Bond {
  readonly device: Bytes32
  readonly provider: Address
  readonly classId: number
  readonly state: BondState
  readonly activatedAtS: number
  readonly cooldownEndS: number
  readonly openCases: number
  readonly bonded: bigint
  readonly escrowed: bigint
  readonly deposited: bigint
  readonly slashed: bigint
  readonly withdrawn: bigint
}

/**
 * A case. Its windows were fixed when it was proposed: the last second of an appeal, and the last one of a ruling on it.
 * `rateBps` is what counted after the period's cap.
 *
 * @category models
 * @since 0.1.0
 */
export interface Case {
  readonly offenceId: Bytes32
  readonly device: Bytes32
  readonly state: CaseState
  readonly rateBps: number
  readonly amount: bigint
  readonly offenceTimeS: number
  readonly finder: Address
  readonly evidenceHash: Bytes32
  readonly appealUntilS: number
  readonly ruleUntilS: number
}

/**
 * What the contract owes: `bonded` to providers (pending, active or unbonding), `escrowed` by open cases, `insurance` that is to
 * be sent on, `credits` to finders and to who was displaced. Together they are what it must hold at least.
 *
 * @category models
 * @since 0.1.0
 */
export interface BondTotals {
  readonly bonded: bigint
  readonly escrowed: bigint
  readonly insurance: bigint
  readonly credits: bigint
}

/**
 * The terms under which it stands, for good. Seconds and basis points.
 *
 * @category models
 * @since 0.1.0
 */
export interface BondTerms {
  readonly token: Address
  readonly cooldownS: number
  readonly evidenceWindowS: number
  readonly appealWindowS: number
  readonly rulingWindowS: number
  readonly bufferS: number
  readonly periodS: number
  readonly capBps: number
  readonly finderBps: number
}

/** What an adapter can do: as that of `StakeBook`. @category models @since 0.1.0 */
export interface BondCapabilities {
  readonly atomicGrant: boolean
}

/**
 * The port.
 *
 * @category services
 * @since 0.1.0
 */
export class BondVault extends Context.Service<
  BondVault,
  {
    readonly capabilities: BondCapabilities
    readonly terms: BondTerms
    readonly act: (act: BondAct) => Effect.Effect<Act, ChainError>
    /** The bond of a device, in state `None` where there never was one. */
    readonly bond: (device: Bytes32) => Effect.Effect<Bond, ChainError>
    readonly case: (offenceId: Bytes32) => Effect.Effect<Case, ChainError>
    /** The least bond of a class; undefined where there is no such class. */
    readonly minimum: (classId: number) => Effect.Effect<bigint | undefined, ChainError>
    /** What an account can take: shares of what it found, bonds that were displaced. */
    readonly credit: (account: Address) => Effect.Effect<bigint, ChainError>
    readonly totals: Effect.Effect<BondTotals, ChainError>
  }
>()("@guildhall/chain/BondVault") {}
