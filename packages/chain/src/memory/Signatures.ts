/**
 * Signatures of a chain in memory. They tell one signer, message and contract from another, and that is all: anyone can make one.
 *
 * @since 0.1.0
 */
import type { Address } from "../Address.ts"
import type { Contract } from "../ChainError.ts"
import * as Keccak from "../Keccak.ts"
import type { Domain, Message, Signature } from "../Message.ts"
import * as Hex from "../Hex.ts"

/** The contract that reads a message. @category destructors @since 0.1.0 */
export const contractOf = (message: Message): Contract => {
  switch (message._tag) {
    case "EndpointVerified":
      return "ProviderBond"
    case "Voucher":
      return "Settlement"
    case "ChannelVoucher":
      return "Channel"
    case "Verdict":
      return "ValidatorRegistry"
  }
}

/** The signature of a message by an account, for a contract of a chain. @category constructors @since 0.1.0 */
export const sign = ({ chainId, contract }: Domain, by: Address, message: Message): Signature => {
  const fields = Object.entries(message).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const text = JSON.stringify([chainId, contract, by, fields.map(([name, value]) => [name, String(value)])])
  return Hex.Hex.make(Keccak.ofBytes(new TextEncoder().encode(text)))
}

/** Whether it is that signature. @category rules @since 0.1.0 */
export const isSigned =
  (domain: Domain) =>
  (by: Address, message: Message, signature: Signature): boolean =>
    sign(domain, by, message) === signature
