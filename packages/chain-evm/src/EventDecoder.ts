/**
 * Reads what contracts logged as the events of `@guildhall/chain`.
 *
 * @since 0.1.0
 */
import * as ChainEvent from "@guildhall/chain/ChainEvent"
import type { Contract } from "@guildhall/chain/ChainError"
import type { Bytes32, Hex } from "@guildhall/chain/Hex"
import * as Result from "effect/Result"
import { decodeAbiParameters } from "viem/utils"
import type { IndexedLog } from "./IndexStore.ts"
import * as EventForms from "./internal/EventForms.ts"

/**
 * A contract of the market and where it stands, in any case.
 *
 * @category models
 * @since 0.1.0
 */
export interface Deployed {
  readonly contract: Contract
  readonly address: string
}

/**
 * Reads a log; undefined where it is of no contract that is known, or says nothing of money or standing.
 *
 * @category models
 * @since 0.1.0
 */
export type Decode = (log: IndexedLog) => ChainEvent.ChainEvent | undefined

const word = (data: Hex, at: number): string => `0x${data.slice(2 + 64 * at, 66 + 64 * at)}`

/** A value that fills one word, of a type that does. */
const ofWord = (type: string, value: string): unknown => {
  if (type === "address") return `0x${value.slice(26)}`
  return type.startsWith("uint") ? BigInt(value) : value
}

const argumentsOf = (form: EventForms.Form, { data, topics }: IndexedLog): Record<string, unknown> | undefined => {
  if (topics.length !== form.indexed.length + 1) return undefined
  const values: Record<string, unknown> = {}
  form.indexed.forEach(({ name, type }, at) => (values[name] = ofWord(type, topics[at + 1] ?? "0x0")))
  if (form.isStatic) {
    if (data.length !== 2 + 64 * form.rest.length) return undefined
    form.rest.forEach(({ name, type }, at) => (values[name] = ofWord(type, word(data, at))))
    return values
  }
  const decoded = Result.try((): ReadonlyArray<unknown> => decodeAbiParameters(form.rest, data as `0x${string}`))
  if (Result.isFailure(decoded)) return undefined
  form.rest.forEach(({ name }, at) => (values[name] = decoded.success[at]))
  return values
}

/**
 * Makes a reader of the logs of these contracts.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (deployed: ReadonlyArray<Deployed>): Decode => {
  const contracts = new Map(deployed.map(({ address, contract }) => [address.toLowerCase(), contract]))
  return (log) => {
    const contract = contracts.get(log.address)
    const [selector] = log.topics
    const form = contract === undefined || selector === undefined ? undefined : EventForms.of(contract, selector)
    if (contract === undefined || form === undefined) return undefined
    const values = argumentsOf(form, log)
    if (values === undefined) return undefined
    const { atS, blockHash, blockNumber, logIndex, transaction } = log
    return ChainEvent.fromArguments(contract, form.name, values, {
      blockNumber,
      blockHash,
      transaction,
      logIndex,
      atS,
    })
  }
}

/** The first topic of an event, by its contract and name; undefined where the contract has no such event. @category getters @since 0.1.0 */
export const selectorOf = (contract: Contract, name: string): Bytes32 | undefined =>
  EventForms.selectorOf(contract, name)
