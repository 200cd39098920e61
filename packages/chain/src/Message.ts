/**
 * What is signed away from the chain and shown to a contract later. Each is typed data (EIP-712) of one contract on one chain, so
 * that a signature is good for nothing else.
 *
 * @since 0.1.0
 */
import type { Address } from "./Address.ts"
import type { Bytes32, Hex } from "./Hex.ts"

/**
 * The market's verifier has checked a device: its bond may become active. Good until `expiryS` and for one nonce.
 *
 * @category models
 * @since 0.1.0
 */
export interface EndpointVerified {
  readonly _tag: "EndpointVerified"
  readonly device: Bytes32
  readonly provider: Address
  readonly classId: number
  readonly expiryS: number
  readonly nonce: bigint
}

/**
 * What a provider has earned in an epoch so far, gross, by the word of the market's signer. The highest one replaces all before.
 *
 * @category models
 * @since 0.1.0
 */
export interface Voucher {
  readonly _tag: "Voucher"
  readonly provider: Address
  readonly token: Address
  readonly epoch: number
  readonly cumulative: bigint
}

/**
 * What a payer grants a payee from their channel, in all.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChannelVoucher {
  readonly _tag: "ChannelVoucher"
  readonly channelId: Bytes32
  readonly cumulativeAmount: bigint
}

/**
 * What a validator found on a job, as a hash or whatever else the market writes there; never zero. Two that differ, signed by one
 * validator, cost it a part of its bond.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verdict {
  readonly _tag: "Verdict"
  readonly job: Bytes32
  readonly verdict: Bytes32
}

/**
 * What makes something one contract's: its chain and its address.
 *
 * @category models
 * @since 0.1.0
 */
export interface Domain {
  readonly chainId: number
  readonly contract: Address
}

/** What can be signed. @category models @since 0.1.0 */
export type Message = EndpointVerified | Voucher | ChannelVoucher | Verdict

/** A signature, as the chain has it. Ports carry it and do not look inside. @category models @since 0.1.0 */
export type Signature = Hex
