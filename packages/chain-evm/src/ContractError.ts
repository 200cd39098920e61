/**
 * What a contract says when it refuses: the bytes of its error, read as the name of a rule and its figures. The same words as
 * those of the chain in memory.
 *
 * Known are the errors of the market's contracts, of OpenZeppelin's libraries in them, and of tokens (ERC-6093, EIP-2612,
 * EIP-3009). One of these reaches us from whatever contract down the line refused.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as ChainError from "@guildhall/chain/ChainError"
import type { Abi, AbiParameter } from "viem"
import { decodeErrorResult, hexToString, parseAbi, toFunctionSelector, trim } from "viem/utils"
import * as Abis from "./abi/index.ts"
import * as ContractAbi from "./internal/ContractAbi.ts"
import { bytes } from "./internal/Viem.ts"
import { type Reverted, type SenderError, toChainError as ofSender } from "./SenderError.ts"

/**
 * The rule that forbids an act, by the name of its error, and the error's arguments by name. Addresses are checksummed, roles and
 * states are words.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rule {
  readonly rule: string
  readonly figures: Readonly<Record<string, unknown>>
}

/** What Solidity itself refuses with, and what an error says that is only a text. */
const builtIn = parseAbi(["error Error(string reason)", "error Panic(uint256 code)"])

interface ErrorForm {
  readonly abi: Abi
  readonly name: string
  readonly inputs: ReadonlyArray<AbiParameter>
}

const formsOf = (abi: Abi): ReadonlyArray<readonly [string, ErrorForm]> =>
  abi.flatMap((item) =>
    item.type === "error" ? [[selectorOf(item), { abi: [item], name: item.name, inputs: item.inputs }] as const] : [],
  )

const typeOf = (input: AbiParameter): string =>
  "components" in input ? `(${input.components.map(typeOf).join(",")})${input.type.slice("tuple".length)}` : input.type

const selectorOf = ({ inputs, name }: { readonly name: string; readonly inputs: ReadonlyArray<AbiParameter> }) =>
  toFunctionSelector(`${name}(${inputs.map(typeOf).join(",")})`)

type Forms = ReadonlyMap<string, ErrorForm>

const made = new Map<ChainError.Contract | "any", Forms>()

const abisOf = (whose: ChainError.Contract | "any"): ReadonlyArray<Abi> =>
  whose === "any"
    ? [builtIn, Abis.Usd.abi, Abis.Plain18.abi, ...Object.values(ContractAbi.all)]
    : [ContractAbi.all[whose]]

/** Hashing the names of all errors takes a while, so it is done when the first one comes. */
const forms = (whose: ChainError.Contract | "any"): Forms => {
  const known = made.get(whose) ?? new Map(abisOf(whose).flatMap((abi) => formsOf(abi)))
  made.set(whose, known)
  return known
}

/** The words of the contracts' enumerations, by the last part of their names. */
const words: Readonly<Record<string, ReadonlyArray<string>>> = {
  DeviceState: ["None", "Pending", "Active", "Unbonding", "Withdrawn"],
  CaseState: ["None", "Proposed", "Appealed", "Finalised", "Overturned", "Lapsed"],
  EpochKind: ["None", "Root", "Batch"],
  ValidatorState: ["None", "Active", "Exiting"],
}

/** A role is its name in ASCII, filled up with zeros. */
const isRole = ({ name, type }: AbiParameter): boolean => type === "bytes32" && (name === "role" || name === "other")

const figureOf = (input: AbiParameter, value: unknown): unknown => {
  const enumeration = /^enum (?:\w+\.)?(\w+)$/.exec(input.internalType ?? "")?.[1]
  if (enumeration !== undefined) return words[enumeration]?.[Number(value)] ?? value
  if (isRole(input) && typeof value === "string") return hexToString(trim(bytes(value), { dir: "right" }))
  return value
}

/**
 * Reads the bytes of an error, first as one of the contract that was called: the same error may name its arguments in another way
 * elsewhere. What nobody knows is `UnknownError` with its first four bytes, and a refusal without any word is
 * `Reverted`.
 *
 * **Example** (A rule and its figures)
 *
 * ```ts
 * import { ContractError } from "@guildhall/chain-evm"
 *
 * const { rule, figures } = ContractError.decode("0xe450d38c0000000000000000000000005aaeb6053f3e94c9b9a09f33669435e7ef1beaed00000000000000000000000000000000000000000000000000000000000000010000000000000000000000000000000000000000000000000000000000000002")
 * rule // => "ERC20InsufficientBalance"
 * figures["sender"] // => "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
 * figures["needed"] // => 2n
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (data: string, contract?: ChainError.Contract): Rule => {
  if (data === "0x") return { rule: "Reverted", figures: {} }
  const selector = data.slice(0, 10).toLowerCase()
  const own = contract === undefined ? undefined : forms(contract).get(selector)
  const form = own ?? forms("any").get(selector)
  const args = form === undefined ? undefined : argumentsOf(form, data)
  if (form === undefined || args === undefined) return { rule: "UnknownError", figures: { selector } }
  return {
    rule: form.name,
    figures: Object.fromEntries(
      form.inputs.map((input, at) => [input.name ?? `${at}`, figureOf(input, args[at])] as const),
    ),
  }
}

const argumentsOf = ({ abi }: ErrorForm, data: string): ReadonlyArray<unknown> | undefined =>
  Option.getOrUndefined(Option.liftThrowable(() => decodeErrorResult({ abi, data: bytes(data) }).args ?? [])())

/**
 * The refusal of a contract as the ports say it. `detail` is what the node said, for where it gave no bytes.
 *
 * @category conversions
 * @since 0.1.0
 */
export const refusal = (
  contract: ChainError.Contract,
  { data, detail }: { readonly data: string | null; readonly detail: string },
): ChainError.ChainError => {
  if (data === null) return ChainError.refused(contract, "Reverted", { reason: detail.replace(/\.$/, "") })
  const { figures, rule } = decode(data, contract)
  return ChainError.refused(contract, rule, figures)
}

/**
 * A refusal that was found only when the transaction was included: the letter says that its key is used up.
 *
 * @category conversions
 * @since 0.1.0
 */
export const included = (error: ChainError.ChainError, { detail }: Reverted): ChainError.ChainError => {
  const { reason } = error
  if (reason._tag !== "Refused") return error
  const { contract, rule } = reason
  const told = `${reason.detail} It was found only in the chain: ${detail} The fee is gone; use a new key.`.trimStart()
  return new ChainError.ChainError({ reason: new ChainError.Refused({ contract, rule, detail: told }) })
}

/**
 * What became of a transaction to a contract, as the ports say it. Where the contract refused only after it was included, the
 * letter says so, for then its key is used up.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toChainError =
  (contract: ChainError.Contract) =>
  (error: SenderError): ChainError.ChainError => {
    const { reason } = error
    if (reason._tag !== "Reverted") return ofSender(error)
    if (!reason.isSent) return refusal(contract, reason)
    // Without bytes there is no more to say than that it was included in vain.
    return included(refusal(contract, { data: reason.data ?? "0x", detail: reason.detail }), reason)
  }

/** Whether it is one contract's refusal by a rule of this name. @category guards @since 0.1.0 */
export const isRule = (error: ChainError.ChainError, ...rules: ReadonlyArray<string>): boolean =>
  error.reason._tag === "Refused" && rules.includes(error.reason.rule)
