/**
 * PORT. A payer's escrow for one payee: the payer signs how much of it is spent so far, the payee takes that when it likes. The
 * escrow of the published draft for sessions of machine payments on EVM chains.
 *
 * Guarantees, each proved by `PaymentChannelTest.suite`:
 *
 * 1. The same act under the same key is done once and answered alike; another act under the key is a `Conflict`.
 * 2. A channel's id follows from its parties, token, salt and signer, its contract and chain; one is opened once.
 * 3. The payee takes what a voucher grants beyond what it took before, up to the deposit; a voucher pays once.
 * 4. A voucher that the signer did not sign, or for another channel, is refused.
 * 5. A close pays the last voucher to the payee and the rest to the payer.
 * 6. Alone, the payer gets the rest after the grace period, in which the payee can still take what was granted.
 * 7. More can be put in by the payer, which takes back a request to close.
 * 8. What was refused moved nothing, and the totals are what went in less what went out.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Act, Asked } from "./Act.ts"
import type { Address } from "./Address.ts"
import type { ChainError } from "./ChainError.ts"
import * as Hex from "./Hex.ts"
import type { Bytes32 } from "./Hex.ts"
import * as Keccak from "./Keccak.ts"
import type { Domain, Signature } from "./Message.ts"

/**
 * The names of a channel. `authorizedSigner` is the zero address where the payer signs.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChannelNames {
  readonly payer: Address
  readonly payee: Address
  readonly token: Address
  readonly salt: Bytes32
  readonly authorizedSigner: Address
}

/**
 * What can be done. `Open`, `TopUp`, `RequestClose` and `Withdraw` are the payer's; `Settle` and `Close` the payee's. A `Close`
 * for no more than what is settled needs no signature.
 *
 * @category models
 * @since 0.1.0
 */
export type ChannelAct = Asked &
  (
    | {
        readonly _tag: "Open"
        readonly payee: Address
        readonly token: Address
        readonly deposit: bigint
        readonly salt: Bytes32
        readonly authorizedSigner: Address
      }
    | { readonly _tag: "TopUp"; readonly channelId: Bytes32; readonly amount: bigint }
    | {
        readonly _tag: "Settle"
        readonly channelId: Bytes32
        readonly cumulativeAmount: bigint
        readonly signature: Signature
      }
    | {
        readonly _tag: "Close"
        readonly channelId: Bytes32
        readonly cumulativeAmount: bigint
        readonly signature: Signature
      }
    | { readonly _tag: "RequestClose"; readonly channelId: Bytes32 }
    | { readonly _tag: "Withdraw"; readonly channelId: Bytes32 }
  )

/**
 * A channel as it stands; undefined where there is none. `closeRequestedAtS` is 0 unless the payer asked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Channel {
  readonly payer: Address
  readonly payee: Address
  readonly token: Address
  readonly authorizedSigner: Address
  readonly deposit: bigint
  readonly settled: bigint
  readonly closeRequestedAtS: number
  readonly finalized: boolean
}

/**
 * The id of a channel: the hash of its names, its contract and its chain, which needs no call.
 *
 * @category hashing
 * @since 0.1.0
 */
export const idOf = (domain: Domain, { authorizedSigner, payee, payer, salt, token }: ChannelNames): Bytes32 =>
  Keccak.ofHex(
    Hex.concat(
      Hex.wordOf(payer),
      Hex.wordOf(payee),
      Hex.wordOf(token),
      salt,
      Hex.wordOf(authorizedSigner),
      Hex.wordOf(domain.contract),
      Hex.word(BigInt(domain.chainId)),
    ),
  )

/** What the contract owes in a token: what is deposited and not settled. @category models @since 0.1.0 */
export interface ChannelTotals {
  readonly escrowed: bigint
}

/** The terms under which it stands, for good: how long a payer waits who closes alone, in seconds. @category models @since 0.1.0 */
export interface ChannelTerms {
  readonly graceS: number
}

/** What an adapter can do: as that of `StakeBook`. @category models @since 0.1.0 */
export interface ChannelCapabilities {
  readonly atomicGrant: boolean
}

/**
 * The port.
 *
 * @category services
 * @since 0.1.0
 */
export class PaymentChannel extends Context.Service<
  PaymentChannel,
  {
    readonly capabilities: ChannelCapabilities
    readonly terms: ChannelTerms
    readonly act: (act: ChannelAct) => Effect.Effect<Act, ChainError>
    readonly channel: (channelId: Bytes32) => Effect.Effect<Channel | undefined, ChainError>
    /** What makes an id and a voucher this contract's: its chain and its address. */
    readonly domain: Domain
    readonly totals: (token: Address) => Effect.Effect<ChannelTotals, ChainError>
  }
>()("@guildhall/chain/PaymentChannel") {}
