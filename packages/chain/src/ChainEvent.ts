/**
 * What the contracts of a market emit when money or standing moves. A tag is the contract's name and the event's, the fields are
 * those of the contract: the same in memory and on every chain. Times are the chain's, in whole seconds since 1970.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Amount } from "@guildhall/core/Money"
import { Address, fromText } from "./Address.ts"
import type { Contract } from "./ChainError.ts"
import { BondEvent, IgnoredReason } from "./events/BondEvent.ts"
import { ChannelEvent } from "./events/ChannelEvent.ts"
import { InsuranceEvent } from "./events/InsuranceEvent.ts"
import { type Position, Count } from "./events/Position.ts"
import { EpochKind, SettlementEvent } from "./events/SettlementEvent.ts"
import { StakeEvent } from "./events/StakeEvent.ts"
import { ValidatorEvent } from "./events/ValidatorEvent.ts"
import { Bytes32, Hex } from "./Hex.ts"

/**
 * An event of any contract. As JSON, amounts are decimal strings.
 *
 * @category models
 * @since 0.1.0
 */
export const ChainEvent = Schema.Union([
  ...StakeEvent.members,
  ...BondEvent.members,
  ...SettlementEvent.members,
  ...InsuranceEvent.members,
  ...ValidatorEvent.members,
  ...ChannelEvent.members,
])
/** @since 0.1.0 */
export type ChainEvent = typeof ChainEvent.Type

/** What an event can be called. @category models @since 0.1.0 */
export type Tag = ChainEvent["_tag"]

/** The event of a tag. @category models @since 0.1.0 */
export type Of<T extends Tag> = Extract<ChainEvent, { readonly _tag: T }>

/** An event before it has a place in the chain. @category models @since 0.1.0 */
export type Emitted = ChainEvent extends infer E ? (E extends ChainEvent ? Omit<E, "position"> : never) : never

/** The contract that emitted an event. @category destructors @since 0.1.0 */
export const contractOf = (event: { readonly _tag: Tag }): Contract => {
  const [contract] = event._tag.split(".")
  // A tag is a contract's name, a dot, and an event's name: the schemas say so.
  return contract as Contract
}

/**
 * Reads an event as a client of the chain decoded it: numbers of any kind, addresses and hashes in any case, enumerations by their
 * number. Undefined where the contract has no such event, or one of its fields is missing.
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromArguments = (
  contract: Contract,
  name: string,
  args: Readonly<Record<string, unknown>>,
  position: Position,
): ChainEvent | undefined => {
  const member = members.get(`${contract}.${name}`)
  if (member === undefined) return undefined
  const fields = Object.entries(member.fields).flatMap(([key, field]) =>
    key === "_tag" || key === "position" ? [] : [[key, plain(field, args[key])] as const],
  )
  const encoded = { _tag: `${contract}.${name}`, position, ...Object.fromEntries(fields) }
  return Option.getOrUndefined(decode(encoded))
}

const members = new Map(ChainEvent.members.map((member) => [String(member.fields._tag.schema.literal), member]))

const decode = Schema.decodeUnknownOption(ChainEvent)

/** What a schema of an event's field reads: text for amounts, numbers for counts, names for enumerations. */
const plain = (field: Schema.Top, value: unknown): unknown => {
  if (field === Amount) return String(value)
  if (field === Count) return Number(value)
  if (field === Bytes32 || field === Hex) return typeof value === "string" ? value.toLowerCase() : value
  if (field === Address) return typeof value === "string" ? Option.getOrUndefined(fromText(value)) : value
  if (field === IgnoredReason) return IgnoredReason.literals[Number(value)]
  if (field === EpochKind) return EpochKind.literals[Number(value)]
  if (!Array.isArray(value)) return value
  // The lists of these contracts have members of amounts, counts and addresses only.
  return value.map((entry: Readonly<Record<string, unknown>>) => ({
    ...entry,
    ...(entry["minStake"] === undefined ? {} : { minStake: String(entry["minStake"]) }),
  }))
}
