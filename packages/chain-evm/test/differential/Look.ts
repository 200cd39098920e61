/** All that can be seen of a side: every standing, every total, every balance, in words that can be compared. */
import { Effect, HashMap } from "effect"
import type { Address } from "@guildhall/chain/Address"
import type { Bytes32 } from "@guildhall/chain/Hex"
import type * as World from "@guildhall/chain/memory/World"
import * as ValidatorState from "@guildhall/chain/memory/ValidatorState"
import * as BondActs from "./BondActs.ts"
import type * as Cast from "./Cast.ts"
import * as Ports from "./Ports.ts"
import type { Hints } from "./Scene.ts"

/** What there is to look at: it follows from the chain in memory, which knows every key. */
export interface Subject {
  readonly cast: Cast.Cast
  readonly world: World.World
  readonly hints: Hints
  readonly nowS: number
  /** A job that the newest block opened: what its draw follows from is not known to the contract yet. */
  readonly young: Bytes32 | undefined
}

type Seen = ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown>]>

// Every key of these maps is what it is a map of.
const keysOf = <A extends string>(map: HashMap.HashMap<string, unknown>): ReadonlyArray<A> =>
  Array.from(HashMap.keys(map), (key) => key as A)

const stakes = ({ nowS, world }: Subject, { stakes }: Ports.Ports): Seen => [
  ["Staking totals", stakes.totals],
  ["Staking tiers", stakes.tiers(nowS)],
  ["Staking tiers in a while", stakes.tiers(nowS + 10_000_000)],
  ...keysOf<Address>(world.staking.accounts).flatMap((account): Seen => [
    [`Staking standing of ${account}`, stakes.standing(account)],
    [`Staking stake of ${account} a second ago`, stakes.stakeAt(account, nowS - 1)],
    [`Staking stake of ${account} two days ago`, stakes.stakeAt(account, nowS - 172_800)],
  ]),
]

const bonds = ({ world }: Subject, { bonds }: Ports.Ports): Seen => [
  ["ProviderBond totals", bonds.totals],
  ...BondActs.devices.map((device) => [`ProviderBond device ${device}`, bonds.bond(device)] as const),
  ...BondActs.classes.map(([classId]) => [`ProviderBond class ${classId}`, bonds.minimum(classId)] as const),
  ...keysOf<Bytes32>(world.bonds.cases).map((id) => [`ProviderBond case ${id}`, bonds.case(id)] as const),
  ...keysOf<Address>(world.bonds.credits).map((one) => [`ProviderBond credit of ${one}`, bonds.credit(one)] as const),
]

const settlements = ({ cast, world }: Subject, { settlement }: Ports.Ports): Seen => {
  const state = world.settlement
  // A key is a token and an account, and an epoch where it is of vouchers.
  const pairs = new Set([...keysOf(state.owed), ...keysOf(state.rootClaimed)])
  return [
    ...Object.values(cast.tokens).flatMap((token): Seen => [
      [`Settlement totals of ${token}`, settlement.totals(token)],
      [`Settlement token ${token}`, settlement.token(token)],
    ]),
    ...[...pairs].map((pair) => {
      const [token, account] = pair.split(" ") as [Address, Address]
      return [`Settlement credit ${pair}`, settlement.credit(token, account)] as const
    }),
    ...keysOf(state.redeemed).map((key) => {
      const [token, provider, epoch] = key.split(" ") as [Address, Address, string]
      return [`Settlement redeemed ${key}`, settlement.redeemed(token, provider, Number(epoch))] as const
    }),
    ...state.appended.map(
      ({ fromEpoch }) => [`Settlement terms at ${fromEpoch}`, settlement.termsAt(fromEpoch)] as const,
    ),
  ]
}

const insurances = ({ hints }: Subject, { insurance }: Ports.Ports): Seen => [
  ["InsurancePool totals", insurance.totals],
  ...hints.incidents.flatMap(({ epoch, incident, leaves }): Seen => [
    [`InsurancePool claims ${epoch} ${incident}`, insurance.claims(epoch, incident)],
    ...leaves.map(
      ({ account }) =>
        [
          `InsurancePool claim of ${account} in ${epoch} ${incident}`,
          insurance.hasClaimed(epoch, incident, account),
        ] as const,
    ),
  ]),
]

const channels = ({ cast, world }: Subject, { channels }: Ports.Ports): Seen => [
  ...Object.values(cast.tokens).map((token) => [`Channel totals of ${token}`, channels.totals(token)] as const),
  ...keysOf<Bytes32>(world.channels.channels).map((id) => [`Channel ${id}`, channels.channel(id)] as const),
]

const validators = ({ nowS, world, young }: Subject, { validators }: Ports.Ports): Seen => {
  const state = world.validators
  const accounts = new Set([...keysOf<Address>(state.validators), ...keysOf<Address>(state.credits)])
  const jobs = keysOf<Bytes32>(state.jobs)
  const current = ValidatorState.epochAt(state, nowS)
  const epochs = new Set([
    current - 1,
    current,
    current + 1,
    ...[...HashMap.values(state.jobs)].map(({ epoch }) => epoch),
  ])
  return [
    ["ValidatorRegistry totals", validators.totals],
    ...[...accounts].map((one) => [`ValidatorRegistry validator ${one}`, validators.validator(one)] as const),
    ...jobs.filter((job) => job !== young).map((job) => [`ValidatorRegistry job ${job}`, validators.job(job)] as const),
    ...[...epochs].map((epoch) => [`ValidatorRegistry list of ${epoch}`, validators.listed(epoch)] as const),
  ]
}

const balances = ({ cast }: Subject, { balance }: Ports.Side): Seen =>
  Object.values(cast.tokens).flatMap((token) =>
    [...cast.accounts.values(), ...Object.values(cast.contracts)].map(
      (account) => [`balance of ${account} in ${token}`, balance(token, account)] as const,
    ),
  )

/** What a side says of all of it. */
export const at = (subject: Subject, side: Ports.Side): Effect.Effect<ReadonlyMap<string, string>> =>
  Effect.gen(function* () {
    const parts = [stakes, bonds, settlements, insurances, channels, validators].flatMap((part) =>
      part(subject, side.ports),
    )
    const seen = yield* Effect.forEach(
      [...parts, ...balances(subject, side)],
      ([name, read]) => Effect.map(Effect.orDie(read), (value) => [name, Ports.plain(value) ?? "undefined"] as const),
      { concurrency: "unbounded" },
    )
    return new Map(seen)
  })

/** Where two differ, in words; nothing where they do not. */
export const differences = (
  memory: ReadonlyMap<string, string>,
  contracts: ReadonlyMap<string, string>,
): ReadonlyArray<string> =>
  [...memory].flatMap(([name, value]) => {
    const other = contracts.get(name)
    return other === value ? [] : [`${name}\n    memory:    ${value}\n    contracts: ${other}`]
  })
