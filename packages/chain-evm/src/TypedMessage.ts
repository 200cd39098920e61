/**
 * Messages as wallets sign them: typed data (EIP-712) for the contract that will read it.
 *
 * @since 0.1.0
 */
import type { Domain, Message } from "@guildhall/chain/Message"
import type { TypedData } from "./Signer.ts"

type Field = { readonly name: string; readonly type: string }

interface Form {
  readonly contract: string
  readonly primaryType: string
  readonly fields: ReadonlyArray<Field>
}

const field = (type: string, name: string): Field => ({ name, type })

const formOf: Readonly<Record<Message["_tag"], Form>> = {
  EndpointVerified: {
    contract: "Guildhall ProviderBond",
    primaryType: "EndpointVerified",
    fields: [
      field("bytes32", "device"),
      field("address", "provider"),
      field("uint32", "classId"),
      field("uint48", "expiry"),
      field("uint256", "nonce"),
    ],
  },
  Voucher: {
    contract: "Guildhall Settlement",
    primaryType: "Voucher",
    fields: [
      field("address", "provider"),
      field("address", "token"),
      field("uint48", "epoch"),
      field("uint128", "cumulative"),
    ],
  },
  ChannelVoucher: {
    contract: "EVM Payment Channel",
    primaryType: "Voucher",
    fields: [field("bytes32", "channelId"), field("uint128", "cumulativeAmount")],
  },
  Verdict: {
    contract: "Guildhall ValidatorRegistry",
    primaryType: "Verdict",
    fields: [field("bytes32", "job"), field("bytes32", "verdict")],
  },
}

const valuesOf = (message: Message): Readonly<Record<string, unknown>> => {
  const { _tag, ...values } = message
  // Times have their unit in their name here, and none in the contract.
  return _tag === "EndpointVerified" ? { ...values, expiry: message.expiryS } : values
}

/**
 * A message for one contract on one chain, ready for `Signer.signTypedData`. The domain of a voucher is that of the settlement
 * itself, not that of its vault.
 *
 * **Example** (What a payer signs)
 *
 * ```ts
 * import { Address, Hex } from "@guildhall/chain"
 * import { TypedMessage } from "@guildhall/chain-evm"
 *
 * const typed = TypedMessage.make(
 *   { _tag: "ChannelVoucher", channelId: Hex.word(1n), cumulativeAmount: 5n },
 *   { chainId: 31_337, contract: Address.ZERO },
 * )
 * typed.domain.name // => "EVM Payment Channel"
 * typed.primaryType // => "Voucher"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (message: Message, { chainId, contract }: Domain): TypedData => {
  const form = formOf[message._tag]
  return {
    domain: { name: form.contract, version: "1", chainId, verifyingContract: contract },
    types: { [form.primaryType]: form.fields },
    primaryType: form.primaryType,
    message: valuesOf(message),
  }
}
