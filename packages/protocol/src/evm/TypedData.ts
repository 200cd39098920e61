/**
 * Typed structured data and its digest, as EIP-712 has them: what a wallet shows before it signs.
 *
 * @since 0.1.0
 */
import { keccak_256 } from "@noble/hashes/sha3.js"
import { concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js"

/**
 * A member of a struct: its name, and its type: `string`, `address`, `uint256`, `bytes32`, or the name of another struct.
 *
 * @category models
 * @since 0.1.0
 */
export interface Member {
  readonly name: string
  readonly type: string
}

/**
 * A value: texts for strings, addresses and bytes (the last two in hexadecimal, `0x` first), bigints, and structs.
 *
 * @category models
 * @since 0.1.0
 */
export type Value = string | bigint | { readonly [name: string]: Value }

/**
 * What is signed: the structs by name, that of the message, the domain that it counts in, and the message.
 *
 * @category models
 * @since 0.1.0
 */
export interface TypedData {
  readonly types: Readonly<Record<string, ReadonlyArray<Member>>>
  readonly primaryType: string
  readonly domain: { readonly [name: string]: Value }
  readonly message: { readonly [name: string]: Value }
}

const HEX = /^0x(?:[0-9a-fA-F]{2})*$/
const WORD = 32

const left = (bytes: Uint8Array): Uint8Array => {
  const word = new Uint8Array(WORD)
  word.set(bytes, WORD - bytes.length)
  return word
}

const uint = (value: bigint): Uint8Array => hexToBytes(value.toString(16).padStart(WORD * 2, "0"))

/** A struct's name and members, and after it those of the structs that it is made of, by name. */
const typeText = (types: TypedData["types"], name: string): string => {
  const found = new Set<string>()
  const visit = (type: string): void => {
    if (found.has(type) || types[type] === undefined) return
    found.add(type)
    for (const member of types[type]) visit(member.type)
  }
  visit(name)
  found.delete(name)
  return [name, ...[...found].sort()]
    .map((type) => `${type}(${(types[type] ?? []).map((member) => `${member.type} ${member.name}`).join(",")})`)
    .join("")
}

/** A word for a member; undefined where the value is not of its type. */
const word = (types: TypedData["types"], type: string, value: Value | undefined): Uint8Array | undefined => {
  if (types[type] !== undefined) return typeof value === "object" ? structHash(types, type, value) : undefined
  if (type === "string") return typeof value === "string" ? keccak_256(utf8ToBytes(value)) : undefined
  if (type === "uint256") {
    return typeof value === "bigint" && value >= 0n && value < 1n << 256n ? uint(value) : undefined
  }
  if (typeof value !== "string" || !HEX.test(value)) return undefined
  const bytes = hexToBytes(value.slice(2))
  if (type === "address") return bytes.length === 20 ? left(bytes) : undefined
  return type === "bytes32" && bytes.length === WORD ? bytes : undefined
}

/**
 * The hash of a struct; undefined where a value is missing or not of its type.
 *
 * @category encoding
 * @since 0.1.0
 */
export const structHash = (
  types: TypedData["types"],
  name: string,
  values: { readonly [name: string]: Value },
): Uint8Array | undefined => {
  const words: Array<Uint8Array> = [keccak_256(utf8ToBytes(typeText(types, name)))]
  for (const member of types[name] ?? []) {
    const encoded = word(types, member.type, values[member.name])
    if (encoded === undefined) return undefined
    words.push(encoded)
  }
  return keccak_256(concatBytes(...words))
}

/**
 * The digest that a wallet signs; undefined where a value is missing or not of its type. The struct of the domain is named
 * `EIP712Domain`.
 *
 * @category encoding
 * @since 0.1.0
 */
export const digest = ({ domain, message, primaryType, types }: TypedData): Uint8Array | undefined => {
  const separator = structHash(types, "EIP712Domain", domain)
  const content = structHash(types, primaryType, message)
  if (separator === undefined || content === undefined) return undefined
  return keccak_256(concatBytes(Uint8Array.of(0x19, 0x01), separator, content))
}

/**
 * The data as the JSON that wallets take (`eth_signTypedData_v4`): numbers as decimal texts.
 *
 * @category encoding
 * @since 0.1.0
 */
export const json = (data: TypedData): string =>
  JSON.stringify(data, (_name, value: unknown) => (typeof value === "bigint" ? value.toString() : value))
