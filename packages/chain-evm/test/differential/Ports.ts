/** The ports of a side, and what comes of an act there. */
import * as Effect from "effect/Effect"
import type { Act } from "@guildhall/chain/Act"
import type { Address } from "@guildhall/chain/Address"
import { BondVault } from "@guildhall/chain/BondVault"
import type { ChainError } from "@guildhall/chain/ChainError"
import { InsuranceVault } from "@guildhall/chain/InsuranceVault"
import type * as World from "@guildhall/chain/memory/World"
import { PaymentChannel } from "@guildhall/chain/PaymentChannel"
import { Settlement } from "@guildhall/chain/Settlement"
import { StakeBook } from "@guildhall/chain/StakeBook"
import type { Signatures } from "./Step.ts"
import { ValidatorSet } from "@guildhall/chain/ValidatorSet"

export interface Ports {
  readonly stakes: StakeBook["Service"]
  readonly bonds: BondVault["Service"]
  readonly settlement: Settlement["Service"]
  readonly insurance: InsuranceVault["Service"]
  readonly channels: PaymentChannel["Service"]
  readonly validators: ValidatorSet["Service"]
}

/** Those of a layer. */
export const ports: Effect.Effect<
  Ports,
  never,
  StakeBook | BondVault | Settlement | InsuranceVault | PaymentChannel | ValidatorSet
> = Effect.all({
  stakes: StakeBook,
  bonds: BondVault,
  settlement: Settlement,
  insurance: InsuranceVault,
  channels: PaymentChannel,
  validators: ValidatorSet,
})

/** A side, as it is looked at. */
export interface Side {
  readonly ports: Ports
  readonly balance: (token: Address, account: Address) => Effect.Effect<bigint>
}

/** Does an act by its port. */
export const act = (ports: Ports, move: World.Move): Effect.Effect<Act, ChainError> => {
  switch (move.contract) {
    case "Staking":
      return ports.stakes.act(move.act)
    case "ProviderBond":
      return ports.bonds.act(move.act)
    case "Settlement":
      return ports.settlement.act(move.act)
    case "InsurancePool":
      return ports.insurance.act(move.act)
    case "Channel":
      return ports.channels.act(move.act)
    case "ValidatorRegistry":
      return ports.validators.act(move.act)
  }
}

/** What came of an act: what it emitted, or which rule forbade it. The same on both sides, to the letter. */
export interface Outcome {
  readonly text: string
  readonly act: Act | undefined
  readonly rule: string | undefined
}

/** A value in one way only. */
export const plain = (value: unknown): string =>
  JSON.stringify(value, (key, field: unknown) => {
    if (typeof field === "bigint") return `${field}`
    if (key === "position" || typeof field !== "object" || field === null || Array.isArray(field)) {
      return key === "position" ? undefined : field
    }
    return Object.fromEntries(Object.entries(field).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  })

/** Each side's signatures are of its own kind: what says one again says the name of its field. */
const named = (text: string, signatures: Signatures): string =>
  Object.entries(signatures).reduce((sofar, [field, signature]) => sofar.replaceAll(`"${signature}"`, field), text)

/** Only these are answers to an act: anything else is a fault of the test. */
export const outcome = (act: Effect.Effect<Act, ChainError>, signatures: Signatures): Effect.Effect<Outcome> =>
  Effect.matchEffect(act, {
    onSuccess: (done) => {
      const text = `done at ${done.atS}: ${named(plain(done.events), signatures)}`
      return Effect.succeed({ text, act: done, rule: undefined })
    },
    onFailure: ({ message, reason }) => {
      if (reason._tag === "Refused") {
        const rule = `${reason.contract}: ${reason.rule}`
        return Effect.succeed({ text: `refused by ${rule}`, act: undefined, rule })
      }
      if (reason._tag === "InvalidInput" || reason._tag === "Conflict") {
        return Effect.succeed({ text: `refused as ${reason._tag}`, act: undefined, rule: reason._tag })
      }
      return Effect.die(new Error(`An act was not answered: ${reason._tag}. ${message}`))
    },
  })
