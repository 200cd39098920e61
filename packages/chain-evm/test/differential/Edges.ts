/** The seconds at which something begins to be allowed, or ends to be: where a rule that is off by one is found. */
import * as HashMap from "effect/HashMap"
import type { Address } from "@guildhall/chain/Address"
import type { Bytes32 } from "@guildhall/chain/Hex"
import * as BondActs from "./BondActs.ts"
import * as Cast from "./Cast.ts"
import * as EpochActs from "./EpochActs.ts"
import * as InsuranceActs from "./InsuranceActs.ts"
import { anyone, type Edge, holder, type Scene } from "./Scene.ts"
import * as SettlementActs from "./SettlementActs.ts"
import * as StakeActs from "./StakeActs.ts"
import * as ValidatorActs from "./ValidatorActs.ts"
import type { Draft } from "./Step.ts"

const stakes = ({ world }: Scene): ReadonlyArray<Edge> =>
  HashMap.toEntries(world.staking.accounts).flatMap(([key, { readyAtS, unbonding }]) =>
    unbonding === 0n
      ? []
      : // Every key of the accounts is one's address.
        [{ atS: readyAtS, acts: () => [{ contract: "Staking", act: { _tag: "Withdraw", by: key as Address } }] }],
  )

const bonds = ({ world }: Scene): ReadonlyArray<Edge> => {
  const devices = [...HashMap.values(world.bonds.devices)].flatMap((bond): ReadonlyArray<Edge> => {
    if (bond.state !== "Unbonding") return []
    const withdraw: Draft = {
      contract: "ProviderBond",
      act: { _tag: "Withdraw", by: bond.provider, device: bond.device },
    }
    const slash = (scene: Scene, offenceTimeS: number): Draft => ({
      contract: "ProviderBond",
      act: BondActs.slash(scene, bond, offenceTimeS),
    })
    return [
      {
        atS: bond.cooldownEndS,
        acts: (scene) => [
          ...(scene.chance.percent(50) ? [slash(scene, bond.cooldownEndS + scene.chance.between(-1, 1))] : []),
          withdraw,
        ],
      },
      { atS: bond.cooldownEndS + 100, acts: (scene) => [slash(scene, bond.cooldownEndS), withdraw] },
    ]
  })
  const cases = [...HashMap.values(world.bonds.cases)].flatMap((found): ReadonlyArray<Edge> => {
    const judge = (scene: Scene): ReadonlyArray<Draft> => [
      { contract: "ProviderBond", act: BondActs.judgement(scene, found) },
    ]
    const lapse = (scene: Scene): ReadonlyArray<Draft> => [
      { contract: "ProviderBond", act: { _tag: "Lapse", by: anyone(scene), offenceId: found.offenceId } },
      ...judge(scene),
    ]
    const finalise = (scene: Scene): ReadonlyArray<Draft> => [
      { contract: "ProviderBond", act: { _tag: "Finalise", by: anyone(scene), offenceId: found.offenceId } },
      ...judge(scene),
      BondActs.collect(scene, found.finder),
    ]
    if (found.state === "Proposed") {
      return [
        { atS: found.appealUntilS, acts: judge },
        { atS: found.appealUntilS, acts: finalise },
      ]
    }
    return found.state === "Appealed" ? [{ atS: found.ruleUntilS, acts: lapse }] : []
  })
  return [...devices, ...cases]
}

const settlements = ({ cast, nowS, world }: Scene): ReadonlyArray<Edge> => {
  const { epochLengthS } = world.settlement.terms
  const nextS = (Math.floor(nowS / epochLengthS) + 1) * epochLengthS
  const books = HashMap.toEntries(world.settlement.books).flatMap(
    ([key, { proposal, unfund }]): ReadonlyArray<Edge> => {
      // Every key of the books is a token.
      const token = key as Address
      const of = (act: Extract<Draft, { readonly contract: "Settlement" }>["act"]): ReadonlyArray<Draft> => [
        { contract: "Settlement", act },
      ]
      const take = (scene: Scene) => of({ _tag: "Unfund", by: holder(scene, "funder"), token })
      return [
        { atS: nextS, acts: (scene) => of(EpochActs.propose(scene, token)) },
        { atS: nextS, acts: (scene) => [SettlementActs.redeem(scene, token)] },
        ...(proposal.kind === "None"
          ? []
          : [
              {
                atS: proposal.appliesAtS,
                acts: (scene: Scene) => [
                  ...of(EpochActs.apply(scene, token)),
                  ...of(EpochActs.claim(scene, token, proposal.commitment)),
                ],
              },
            ]),
        ...(unfund.readyAtS === 0
          ? []
          : [
              { atS: unfund.readyAtS, acts: take },
              { atS: unfund.expiresAtS, acts: take },
            ]),
      ]
    },
  )
  const oldest = Math.floor(nowS / epochLengthS) - world.settlement.terms.voucherEpochs
  const expiring: Edge = {
    atS: nextS,
    acts: (scene) => [SettlementActs.redeem(scene, cast.tokens.usd, Math.max(0, oldest))],
  }
  return [...books, expiring]
}

const insurances = ({ hints, world }: Scene): ReadonlyArray<Edge> =>
  hints.incidents.flatMap((incident): ReadonlyArray<Edge> => {
    const { epoch, incident: id } = incident
    const found = HashMap.get(world.insurance.claims, `${epoch} ${id}`)
    if (found._tag === "None") return []
    const of = (act: Extract<Draft, { readonly contract: "InsurancePool" }>["act"]): Draft => ({
      contract: "InsurancePool",
      act,
    })
    const claim = (scene: Scene): Draft => of(InsuranceActs.claim(scene, incident))
    return [
      {
        atS: found.value.payableAtS,
        acts: (scene) => [
          scene.chance.percent(50)
            ? claim(scene)
            : of({ _tag: "CancelClaims", by: holder(scene, "challenger"), epoch, incident: id }),
          claim(scene),
        ],
      },
      {
        atS: found.value.expiresAtS,
        acts: (scene) => [claim(scene), of({ _tag: "ExpireClaims", by: anyone(scene), epoch, incident: id })],
      },
    ]
  })

const channels = ({ world }: Scene): ReadonlyArray<Edge> =>
  HashMap.toEntries(world.channels.channels).flatMap(([key, { closeRequestedAtS, finalized, payer }]) =>
    closeRequestedAtS === 0 || finalized
      ? []
      : [
          {
            atS: closeRequestedAtS + world.channels.terms.graceS,
            // Every key of the channels is an id.
            acts: () => [{ contract: "Channel", act: { _tag: "Withdraw", by: payer, channelId: key as Bytes32 } }],
          },
        ],
  )

const pauses = ({ cast, world }: Scene): ReadonlyArray<Edge> => [
  { atS: world.staking.pausedUntilS, acts: (scene) => [StakeActs.draft(scene)] },
  {
    atS: world.settlement.pausedUntilS,
    acts: (scene) => [
      {
        contract: "Settlement",
        act: { _tag: "Fund", by: Cast.of(cast, "ann"), token: scene.cast.tokens.usd, amount: 12_345n },
      },
    ],
  },
]

const validators = (scene: Scene): ReadonlyArray<Edge> => {
  const state = scene.world.validators
  const exits = HashMap.toEntries(state.validators).flatMap(
    ([key, { cooldownEndS, state: stands }]): ReadonlyArray<Edge> => {
      // Every key of the validators is an account.
      const validator = key as Address
      const withdraw: Draft = { contract: "ValidatorRegistry", act: { _tag: "Withdraw", by: validator } }
      return stands === "Exiting"
        ? [{ atS: cooldownEndS, acts: (scene) => [ValidatorActs.report(scene, validator), withdraw] }]
        : []
    },
  )
  const jobs = HashMap.toEntries(state.jobs).flatMap(([key, job]): ReadonlyArray<Edge> => {
    // Every key of the jobs is one's id.
    return ValidatorActs.milestones(scene, { id: key as Bytes32, job })
  })
  return [...exits, ...jobs]
}

/** The parts of the market, each with what is ahead in it. */
export const parts = { stakes, bonds, settlements, insurances, channels, validators, pauses }
export type Part = keyof typeof parts

/** Those of a part that are still to come. */
export const ahead = (scene: Scene, part: Part): ReadonlyArray<Edge> =>
  parts[part](scene).filter(({ atS }) => atS > scene.nowS + 1)
