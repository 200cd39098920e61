/**
 * The accounts of a chain on a developer's machine: those of the mnemonic that anvil and its kin print in their manuals. Everybody
 * knows their keys, so what they have is worth nothing.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { mnemonicToAccount } from "viem/accounts"
import { toHex } from "viem/utils"
import * as Address from "@guildhall/chain/Address"

/** The mnemonic. @category constants @since 0.1.0 */
export const MNEMONIC = "test test test test test test test test test test test junk"

const of = (index: number) => mnemonicToAccount(MNEMONIC, { addressIndex: index })

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
