/** The forms of the contracts' events, by the hash that stands first in their logs. */
import type { Contract } from "@guildhall/chain/ChainError"
import { Bytes32 } from "@guildhall/chain/Hex"
import type { AbiParameter } from "viem"
import { keccak256, stringToHex } from "viem/utils"
import * as Abi from "../abi/index.ts"

type Input = AbiParameter & { readonly name: string }

export interface Form {
  readonly name: string
  readonly indexed: ReadonlyArray<Input>
  readonly rest: ReadonlyArray<Input>
  /** Whether each value fills exactly one word. */
  readonly isStatic: boolean
}

interface AbiEvent {
  readonly type: "event"
  readonly name: string
  readonly inputs: ReadonlyArray<Input & { readonly indexed: boolean }>
}

const isEvent = (item: { readonly type: string }): item is AbiEvent => item.type === "event"

const formOf = ({ inputs, name }: AbiEvent): Form => {
  const rest = inputs.filter(({ indexed }) => !indexed)
  return {
    name,
    indexed: inputs.filter(({ indexed }) => indexed),
    rest,
    isStatic: rest.every(({ type }) => /^(address|bool|bytes32|uint\d+)$/.test(type)),
  }
}

/** The type of a value as it stands in a signature. */
const typeOf = (input: AbiParameter): string =>
  "components" in input ? `(${input.components.map(typeOf).join(",")})${input.type.slice("tuple".length)}` : input.type

const selector = ({ inputs, name }: AbiEvent): string =>
  keccak256(stringToHex(`${name}(${inputs.map(typeOf).join(",")})`))

const abis: Readonly<Record<Contract, ReadonlyArray<{ readonly type: string }>>> = {
  Staking: Abi.Staking.abi,
  ProviderBond: Abi.ProviderBond.abi,
  Settlement: Abi.Settlement.abi,
  InsurancePool: Abi.InsurancePool.abi,
  RootVault: Abi.RootVault.abi,
  ValidatorRegistry: Abi.ValidatorRegistry.abi,
  Channel: Abi.Channel.abi,
}

type Forms = ReadonlyMap<string, Form>

const made = new Map<Contract, Forms>()

/** Hashing the names of all events takes a while, so it is done for a contract when its first log comes. */
const formsOf = (contract: Contract): Forms => {
  const known = made.get(contract)
  if (known !== undefined) return known
  const forms = new Map(abis[contract].filter(isEvent).map((event) => [selector(event), formOf(event)] as const))
  made.set(contract, forms)
  return forms
}

export const of = (contract: Contract, topic: string): Form | undefined => formsOf(contract).get(topic)

export const selectorOf = (contract: Contract, name: string): Bytes32 | undefined => {
  for (const [topic, form] of formsOf(contract)) if (form.name === name) return Bytes32.make(topic)
  return undefined
}
