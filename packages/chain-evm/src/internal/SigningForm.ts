/** What is signed, byte for byte. */
import { hashTypedData, keccak256, parseTransaction, recoverAddress, serializeTransaction } from "viem/utils"
import type { TypedData, Unsigned } from "../Signer.ts"
import { type Bytes as Hex, bytes } from "./Viem.ts"

/** A signature's two numbers, and which of two points it means. */
export interface Parts {
  readonly r: Hex
  readonly s: Hex
  readonly yParity: number
}

/** The parts of 65 bytes. */
export const partsOf = (signature: Hex): Parts => ({
  r: `0x${signature.slice(2, 66)}`,
  s: `0x${signature.slice(66, 130)}`,
  yParity: (Number.parseInt(signature.slice(130, 132), 16) + 1) % 2,
})

const unsigned = (transaction: Unsigned, signature?: Parts): Hex => {
  const { chainId, data, gas, nonce, price, to, valueWei } = transaction
  const common = { chainId, data, gas, nonce, to: to === null ? null : bytes(to), value: valueWei }
  // A legacy signature names the chain in its `v`; viem makes that of the parity.
  return price.style === "legacy"
    ? serializeTransaction({ ...common, type: "legacy", gasPrice: price.priceWei }, legacy(chainId, signature))
    : serializeTransaction(
        { ...common, type: "eip1559", maxFeePerGas: price.maxFeeWei, maxPriorityFeePerGas: price.tipWei },
        signature,
      )
}

const legacy = (chainId: number, signature: Parts | undefined) =>
  signature === undefined
    ? undefined
    : { r: signature.r, s: signature.s, v: BigInt(chainId) * 2n + 35n + BigInt(signature.yParity) }

/** What the account signs of a transaction. */
export const transactionDigest = (transaction: Unsigned): Hex => keccak256(unsigned(transaction))

/** The transaction as it is broadcast. */
export const withSignature = (transaction: Unsigned, signature: Parts): Hex => unsigned(transaction, signature)

/** Whether a raw transaction is this one, to the last byte, signed by this account. Rejects or is false where it is not. */
export const isSignedBy = async (raw: Hex, by: string, transaction: Unsigned): Promise<boolean> => {
  const { r, s, v, yParity } = parseTransaction(raw)
  if (r === undefined || s === undefined) return false
  const parity = yParity ?? (v === undefined ? 0 : v >= 35n ? Number((v - 35n) % 2n) : Number(v - 27n))
  const signature = { r, s, yParity: parity }
  if (withSignature(transaction, signature).toLowerCase() !== raw.toLowerCase()) return false
  const signer = await recoverAddress({ hash: transactionDigest(transaction), signature })
  return signer.toLowerCase() === by.toLowerCase()
}

/** What an account signs of typed data. */
export const typedDigest = ({ domain, message, primaryType, types }: TypedData): Hex =>
  hashTypedData<Record<string, unknown>, string>({
    domain: { ...domain, verifyingContract: bytes(domain.verifyingContract) },
    message,
    primaryType,
    types,
  })

/** Whether a signature is this account's of this data. */
export const isTypedBy = async (signature: Hex, by: string, data: TypedData): Promise<boolean> =>
  (await recoverAddress({ hash: typedDigest(data), signature })).toLowerCase() === by.toLowerCase()
