/**
 * The accounts of a chain on a developer's machine: those of `MarketChain.DEVELOPMENT_MNEMONIC`. Everybody knows their keys, so what
 * they have is worth nothing.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { mnemonicToAccount } from "viem/accounts"
import { toHex } from "viem/utils"
import * as Address from "@guildhall/chain/Address"
import { DEVELOPMENT_MNEMONIC } from "@guildhall/core/MarketChain"

const of = (index: number) => mnemonicToAccount(DEVELOPMENT_MNEMONIC, { addressIndex: index })

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
export const address = (index: number): Address.Address => Option.getOrThrow(Address.fromText(of(index).address))

/** The private key of an account by its number. @category accessors @since 0.1.0 */
export const key = (index: number): Redacted.Redacted<string> =>
  Redacted.make(toHex(of(index).getHdKey().privateKey ?? new Uint8Array(32)))

/**
 * The extended public key of an account apart from those: what deposit addresses of such a chain are made of.
 *
 * @category accessors
 * @since 0.1.0
 */
export const depositKey = (): string =>
  mnemonicToAccount(DEVELOPMENT_MNEMONIC, { path: "m/44'/60'/1'/0" }).getHdKey().publicExtendedKey
