/**
 * What an account sends to the chain to be paid by a root: bytes that any wallet can send, so that nobody needs the market for it.
 *
 * @since 0.1.0
 */
import type { Address } from "./Address.ts"
import * as Hex from "./Hex.ts"
import * as Keccak from "./Keccak.ts"

/**
 * What is claimed: all that the account earned in a token, with the proof.
 *
 * @category models
 * @since 0.1.0
 */
export interface RootClaim {
  readonly token: Address
  readonly account: Address
  readonly cumulative: bigint
  readonly proof: ReadonlyArray<Hex.Bytes32>
}

/** The function of the contract that pays by roots. @category constants @since 0.1.0 */
export const FUNCTION = "claim(address,address,uint128,bytes32[])"

const selector = Keccak.ofBytes(new TextEncoder().encode(FUNCTION)).slice(0, 10)
const wordOf = (address: Address): Hex.Bytes32 => Hex.word(BigInt(address))
/** Where the list of hashes begins: after the four words before it. */
const LIST_AT = Hex.word(128n)

/**
 * The call's data. Anyone may send it; the account is paid.
 *
 * **Example** (No proof, for an account that is alone)
 *
 * ```ts
 * import { Address, RootClaim } from "@guildhall/chain"
 *
 * const claim = { token: Address.ZERO, account: Address.ZERO, cumulative: 5n, proof: [] }
 * RootClaim.data(claim).length // => 2 + 2 * (4 + 5 * 32)
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const data = ({ account, cumulative, proof, token }: RootClaim): Hex.Hex =>
  Hex.concat(
    selector,
    wordOf(token),
    wordOf(account),
    Hex.word(cumulative),
    LIST_AT,
    Hex.word(BigInt(proof.length)),
    ...proof,
  )
