/**
 * What somebody did on a chain. Every act of every port names who does it and has a key of its own, so that asking again
 * after a crash does nothing twice.
 *
 * @since 0.1.0
 */
import * as Canonical from "@guildhall/core/Canonical"
import type { Address } from "./Address.ts"
import type { Contract } from "./ChainError.ts"
import type { ChainEvent } from "./ChainEvent.ts"
import type * as Hex from "./Hex.ts"
import * as Keccak from "./Keccak.ts"

/**
 * What every act has: the account that does it, and the key under which it is done at most once. A key belongs to one
 * content on one chain: the same act again answers as before, another one is a `Conflict`. What was refused leaves its key free.
 *
 * @category models
 * @since 0.1.0
 */
export interface Asked {
  readonly by: Address
  readonly idempotencyKey: string
}

/**
 * An act that is included in the chain: by which transaction, at which of the chain's seconds, and what it emitted, in order.
 * It may still be undone by a reorganisation; what is final comes from the indexer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Act {
  readonly idempotencyKey: string
  readonly transaction: string
  readonly atS: number
  readonly events: ReadonlyArray<ChainEvent>
}

const [UINT16, UINT32, UINT48, UINT88, UINT96, UINT128, UINT256] = [16n, 32n, 48n, 88n, 96n, 128n, 256n].map(
  (bits) => (1n << bits) - 1n,
)

/** The largest value of fields that are no amount of 128 bits. Numbers that end on `S`, and epochs, are of 48. */
const largest: Readonly<Record<string, bigint | undefined>> = {
  bps: UINT16,
  rateBps: UINT16,
  providerBps: UINT16,
  multiplierBps: UINT32,
  priority: 255n,
  classId: UINT32,
  gross: UINT96,
  draw: 255n,
  nonce: UINT256,
}

const KEY_MAX = 200

const problemIn = (name: string, value: unknown, isEntry: boolean): string | undefined => {
  if (typeof value === "bigint" || typeof value === "number") {
    if (typeof value === "number" && !Number.isSafeInteger(value)) return `"${name}" is ${value}. Give a whole number.`
    const most = isEntry ? UINT96 : (largest[name] ?? (typeof value === "number" ? UINT48 : UINT128))
    const isOut = value < 0 || (most !== undefined && BigInt(value) > most)
    return isOut ? `"${name}" is ${value}. It goes from 0 to ${most}.` : undefined
  }
  if (Array.isArray(value)) {
    return first(value.map((entry: unknown) => problemIn(name, entry, name === "entries")))
  }
  if (typeof value !== "object" || value === null) return undefined
  return first(Object.entries(value).map(([key, field]) => problemIn(key, field, isEntry)))
}

const first = (problems: ReadonlyArray<string | undefined>): string | undefined =>
  problems.find((problem) => problem !== undefined)

/** The boost of an epoch has less room than a boost that waits to leave. */
const boostProblem = (act: object): string | undefined =>
  "gross" in act && "boost" in act && typeof act.boost === "bigint" && act.boost > (UINT88 ?? 0n)
    ? `"boost" is ${act.boost}. That of an epoch goes from 0 to ${UINT88}.`
    : undefined

/**
 * What is wrong with an act that no contract could even read: a number below zero or too large, a key that is empty or too long.
 * Undefined where nothing is. Every layer of a port looks before it does anything.
 *
 * **Example** (Less than nothing)
 *
 * ```ts
 * import { Act } from "@guildhall/chain"
 *
 * const less = { idempotencyKey: "a", amount: -1n }
 * Act.problemOf(less) // => '"amount" is -1. It goes from 0 to 340282366920938463463374607431768211455.'
 * const none = { idempotencyKey: "a", amount: 0n }
 * Act.problemOf(none) // => undefined
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const problemOf = (act: Omit<Asked, "by">): string | undefined => {
  const { length } = act.idempotencyKey
  if (length === 0 || length > KEY_MAX) return `The key has ${length} characters. It takes 1 to ${KEY_MAX}.`
  return problemIn("act", act, false) ?? boostProblem(act)
}

const json = (value: unknown): Canonical.Json => {
  if (typeof value === "bigint") return String(value)
  if (Array.isArray(value)) return value.map(json)
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, json(field)]))
  }
  return typeof value === "number" || typeof value === "boolean" || value === null ? value : String(value)
}

/**
 * The hash of what an act does, and where. Two acts under one key are the same act when theirs are equal.
 *
 * @category hashing
 * @since 0.1.0
 */
export const digestOf = (contract: Contract, act: Asked): Hex.Bytes32 =>
  Keccak.ofBytes(Canonical.bytes({ contract, act: json(act) }))
