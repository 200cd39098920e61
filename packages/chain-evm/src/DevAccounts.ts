/**
 * The accounts of a chain on a developer's machine: those of `MarketChain.DEVELOPMENT_MNEMONIC`. Everybody knows their keys, so what
 * they have is worth nothing.
 *
 * @since 0.1.0
 */
import { pbkdf2Sync } from "node:crypto"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { HDKey, privateKeyToAddress } from "viem/accounts"
import { toHex } from "viem/utils"
import * as Address from "@guildhall/chain/Address"
import { DEVELOPMENT_MNEMONIC } from "@guildhall/core/MarketChain"
import type { Bytes } from "./internal/Viem.ts"

/** BIP-39, by Node's own hashes: from words to a seed takes two thousand of them, and a start waits for it. */
const seed = () => pbkdf2Sync(DEVELOPMENT_MNEMONIC, "mnemonic", 2_048, 64, "sha512")

let made: HDKey | undefined
const root = (): HDKey => (made ??= HDKey.fromMasterSeed(seed()).derive("m/44'/60'"))

const known = new Map<number, { readonly key: Bytes; readonly address: Address.Address }>()

const of = (index: number) => {
  const found = known.get(index)
  if (found !== undefined) return found
  const key = toHex(root().derive(`m/0'/0/${index}`).privateKey ?? new Uint8Array(32))
  const account = { key, address: Option.getOrThrow(Address.fromText(privateKeyToAddress(key))) }
  known.set(index, account)
  return account
}

/**
 * The address of an account by its number, from 0.
 *
 * **Example** (The first)
 *
 * ```ts
 * import { DevAccounts } from "@guildhall/chain-evm"
 *
 * DevAccounts.address(0) // => "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
 * ```
 *
 * @category accessors
 * @since 0.1.0
 */
export const address = (index: number): Address.Address => of(index).address

/** The private key of an account by its number. @category accessors @since 0.1.0 */
export const key = (index: number): Redacted.Redacted<string> => Redacted.make(of(index).key)

/**
 * The extended public key of an account apart from those: what deposit addresses of such a chain are made of.
 *
 * @category accessors
 * @since 0.1.0
 */
export const depositKey = (): string => root().derive("m/1'/0").publicExtendedKey
