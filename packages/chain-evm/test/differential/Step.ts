/** What a trace is made of, and how it reads. */
import type { Address } from "@guildhall/chain/Address"
import type { BondAct } from "@guildhall/chain/BondVault"
import type { InsuranceAct } from "@guildhall/chain/InsuranceVault"
import type * as World from "@guildhall/chain/memory/World"
import type { Domain, Message, Signature } from "@guildhall/chain/Message"
import type { ChannelAct } from "@guildhall/chain/PaymentChannel"
import type { SettlementAct } from "@guildhall/chain/Settlement"
import type { StakeAct } from "@guildhall/chain/StakeBook"
import type { ValidatorAct } from "@guildhall/chain/ValidatorSet"
import type { Cast } from "./Cast.ts"
import type * as Reorg from "./Reorg.ts"

/** Who signs what, for which contract: each side makes the signature of its own kind. */
export interface Signing {
  readonly by: Address
  readonly message: Message
  readonly domain: Domain
}

/** An act that each side does, with its own signature where there is one. */
export interface ActStep {
  readonly _tag: "Act"
  readonly move: World.Move
  readonly signings: Signings
}

/** By the fields of an act that have signatures. */
export type Signings = Readonly<Record<string, Signing>>
export type Signatures = Readonly<Record<string, Signature>>

/**
 * - `Wait`: the chain's time goes on by so many seconds.
 * - `Reorg`: so many blocks are taken off the chain; what comes instead follows from the kind, and from chance with this seed.
 * - `Read`: the index reads on, and the mirror posts.
 */
export type Step =
  | ActStep
  | { readonly _tag: "Wait"; readonly seconds: number }
  | { readonly _tag: "Reorg"; readonly depth: number; readonly kind: Reorg.Kind; readonly seed: number }
  | { readonly _tag: "Read" }

type Keyless<A> = A extends unknown ? Omit<A, "idempotencyKey"> : never

/** An act before it has a key, and a signature. */
export type Draft = (
  | { readonly contract: "Staking"; readonly act: Keyless<StakeAct> }
  | { readonly contract: "ProviderBond"; readonly act: Keyless<BondAct> }
  | { readonly contract: "Settlement"; readonly act: Keyless<SettlementAct> }
  | { readonly contract: "InsurancePool"; readonly act: Keyless<InsuranceAct> }
  | { readonly contract: "Channel"; readonly act: Keyless<ChannelAct> }
  | { readonly contract: "ValidatorRegistry"; readonly act: Keyless<ValidatorAct> }
) & { readonly signings?: Signings | undefined }

/** What stands for a signature until a side makes its own. */
export const UNSIGNED = "0x" as Signature

/** Gives a draft its key. */
export const act = ({ act: drafted, contract, signings = {} }: Draft, idempotencyKey: string): ActStep => ({
  _tag: "Act",
  // A draft is a move whose act lacks its key and nothing else.
  move: { contract, act: { ...drafted, idempotencyKey } } as World.Move,
  signings,
})

/** The move with its signatures in it. */
export const signed = (move: World.Move, signatures: Signatures): World.Move =>
  // Only acts that have the fields are ever signed.
  ({ ...move, act: { ...move.act, ...signatures } }) as World.Move

const shorten = (text: string): string => (text.length > 42 ? `${text.slice(0, 12)}…${text.slice(-4)}` : text)

/** A value with names for addresses. */
const words = (value: unknown, namesOf: ReadonlyMap<string, string>): string => {
  if (typeof value === "string") return namesOf.get(value) ?? shorten(value)
  if (Array.isArray(value)) return `[${value.map((one) => words(one, namesOf)).join(", ")}]`
  if (typeof value !== "object" || value === null) return String(value)
  const fields = Object.entries(value).filter(([name]) => name !== "_tag")
  return `{ ${fields.map(([name, field]) => `${name} ${words(field, namesOf)}`).join(", ")} }`
}

/** The names of all addresses that are known. */
export const namesOf = ({ accounts, contracts, tokens }: Cast): ReadonlyMap<string, string> =>
  new Map(
    [...accounts, ...Object.entries(tokens), ...Object.entries(contracts)].map(([name, address]) => [address, name]),
  )

/** A step in words. */
export const describe = (step: Step, names: ReadonlyMap<string, string>): string => {
  switch (step._tag) {
    case "Wait":
      return `${step.seconds} s go by`
    case "Reorg":
      return `${step.depth} blocks are taken back, and what was in them comes as ${step.kind} (${step.seed})`
    case "Read":
      return "the index and the mirror read on"
    case "Act": {
      const { _tag, by, idempotencyKey: __, ...fields } = step.move.act
      const signers = Object.values(step.signings).map(({ by: signer }) => `, signed by ${words(signer, names)}`)
      return `${words(by, names)}: ${step.move.contract}.${_tag} ${words(fields, names)}${signers.join("")}`
    }
  }
}
