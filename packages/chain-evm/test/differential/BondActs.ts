/** Acts of who bonds devices, and of those who judge them. */
import * as HashMap from "effect/HashMap"
import { ZERO } from "@guildhall/chain/Address"
import type { Bond, Case } from "@guildhall/chain/BondVault"
import type { Bytes32 } from "@guildhall/chain/Hex"
import * as BondState from "@guildhall/chain/memory/BondState"
import type { EndpointVerified } from "@guildhall/chain/Message"
import * as Cast from "./Cast.ts"
import {
  about,
  amount,
  anyone,
  fresh,
  holder,
  member,
  mostly,
  name,
  one,
  type Scene,
  signing,
  weighted,
} from "./Scene.ts"
import { type Draft, type Signing, type Signings, UNSIGNED } from "./Step.ts"

type Act = Extract<Draft, { readonly contract: "ProviderBond" }>["act"]
interface Made {
  readonly act: Act
  readonly signings?: Signings
}

/** The devices of all traces, and two classes beside one that nobody appends. */
export const devices = [0, 1, 2, 3].map((number) => name(0xde, number))
export const classes = [
  [1, 1_000n],
  [2, 77_777n],
] as const

const verified = (scene: Scene, bond: Bond, by = bond.provider): EndpointVerified => {
  const { chance, hints, nowS } = scene
  return {
    _tag: "EndpointVerified",
    device: bond.device,
    provider: chance.percent(95) ? by : anyone(scene),
    classId: chance.percent(95)
      ? bond.state === "Pending"
        ? bond.classId
        : chance.between(1, 2)
      : chance.between(1, 3),
    expiryS: chance.percent(85) ? nowS + 1_000_000 : about(scene, nowS),
    nonce: BigInt(chance.percent(92) ? hints.count++ : chance.between(0, 3)),
  }
}

const attested = (scene: Scene, message: EndpointVerified): Signing =>
  signing(
    scene,
    Cast.of(scene.cast, "verifier"),
    message,
    { ...message, classId: message.classId + 1 },
    { chainId: scene.cast.chainId, contract: scene.cast.contracts.ProviderBond },
  )

const minimumOf = (scene: Scene, classId: number): bigint =>
  classes.find(([id]) => id === classId)?.[1] ?? amount(scene)

const bonding = (scene: Scene, bond: Bond): Made => {
  const by = member(scene)
  const classId = weighted(scene, [
    [12, 1],
    [6, 2],
    [1, 3],
  ])
  const minimum = minimumOf(scene, classId)
  const wanted = scene.chance.percent(75) ? minimum + (amount(scene) % 10n ** 18n) : amount(scene, minimum)
  if (scene.chance.percent(45)) return { act: { _tag: "Bond", by, device: bond.device, classId, amount: wanted } }
  const message = { ...verified(scene, { ...bond, state: "None" }, by), classId }
  return {
    act: { _tag: "BondVerified", by, verified: message, amount: wanted, signature: UNSIGNED },
    signings: { signature: attested(scene, message) },
  }
}

const activation = (scene: Scene, bond: Bond): Made => {
  const message = verified(scene, bond)
  return {
    act: { _tag: "Activate", by: anyone(scene), verified: message, signature: UNSIGNED },
    signings: { signature: attested(scene, message) },
  }
}

const RATES = [0, 1, 3, 200, 333, 500, 777, 1_000, 1_999, 2_000, 2_001, 9_999, 10_000, 65_535]

/** A slash. Its offence is about one of the seconds that matter to it. */
export const slash = (scene: Scene, bond: Bond, offenceTimeS?: number): Act => {
  const { cast, chance, nowS, world } = scene
  const { evidenceWindowS, periodS } = world.bonds.terms
  const edges = [nowS, nowS, nowS - 5, bond.activatedAtS, bond.cooldownEndS, nowS - evidenceWindowS]
  const edge = one(scene, [...edges, nowS - (nowS % periodS)]) ?? nowS
  const known = one(scene, [...HashMap.keys(world.bonds.cases)])
  return {
    _tag: "ProposeSlash",
    by: holder(scene, "slasher"),
    device: chance.percent(96) ? bond.device : name(0xde, 9),
    // Every key of the cases is the id of an offence.
    offenceId: known !== undefined && chance.percent(12) ? (known as Bytes32) : fresh(scene, 0x0f),
    rateBps: one(scene, RATES) ?? 1,
    offenceTimeS: offenceTimeS ?? (chance.percent(40) ? nowS : about(scene, edge)),
    evidenceHash: name(0xe1, chance.below(9)),
    finder: weighted(scene, [
      [30, ZERO],
      [35, anyone(scene)],
      [35, cast.contracts.ValidatorRegistry],
    ]),
  }
}

/** What can become of a case, mostly what its state allows. */
export const judgement = (scene: Scene, found: Case): Act => {
  const { offenceId, state } = found
  const { provider } = BondState.bondOf(scene.world.bonds, found.device)
  const { nowS } = scene
  const [proposed, appealed] = [state === "Proposed" ? 10 : 1, state === "Appealed" ? 10 : 1]
  const [isDecided, isLapsed] = [nowS >= found.appealUntilS, nowS >= found.ruleUntilS]
  return weighted<() => Act>(scene, [
    [isDecided ? 2 : 2 * proposed, () => ({ _tag: "Appeal", by: mostly(scene, provider), offenceId })],
    [isDecided ? 3 * proposed : 3, () => ({ _tag: "Finalise", by: anyone(scene), offenceId })],
    [appealed, () => ({ _tag: "Uphold", by: holder(scene, "arbiter"), offenceId })],
    [proposed + appealed, () => ({ _tag: "Overturn", by: holder(scene, "arbiter"), offenceId })],
    [isLapsed ? 4 * appealed : 2, () => ({ _tag: "Lapse", by: anyone(scene), offenceId })],
  ])()
}

/** A finder takes its share; that of the validators comes by their own contract. */
export const collect = ({ cast }: Scene, finder: Bond["provider"]): Draft =>
  finder === cast.contracts.ValidatorRegistry
    ? { contract: "ValidatorRegistry", act: { _tag: "CollectFinderShares", by: Cast.of(cast, "eve") } }
    : { contract: "ProviderBond", act: { _tag: "ClaimCredit", by: finder === ZERO ? Cast.of(cast, "eve") : finder } }

/** An act. */
export const draft = (scene: Scene): Draft => {
  const { world } = scene
  const known = [...HashMap.values(world.bonds.devices)].filter(({ state }) => state !== "Withdrawn")
  const device = (scene.chance.percent(60) ? one(scene, known)?.device : one(scene, devices)) ?? name(0xde, 0)
  const bond = BondState.bondOf(world.bonds, device)
  const cases = [...HashMap.values(world.bonds.cases)]
  const open = cases.filter(({ state }) => state === "Proposed" || state === "Appealed")
  const found = one(scene, open.length > 0 && scene.chance.percent(85) ? open : cases)
  const by = mostly(scene, bond.provider)
  const isOut = bond.state === "None" || bond.state === "Withdrawn"
  const isLive = bond.state === "Active" || bond.state === "Unbonding"
  // Every key of the credits is an account.
  const credited = one(scene, [...HashMap.keys(world.bonds.credits)]) as Bond["provider"] | undefined
  const only = (act: () => Act) => (): Made => ({ act: act() })
  const made = weighted<() => Made>(scene, [
    [isOut ? 60 : 5, () => bonding(scene, bond)],
    [bond.state === "Pending" ? 40 : 2, () => activation(scene, bond)],
    [6, only(() => ({ _tag: "TopUp", by, device, amount: amount(scene, bond.bonded) }))],
    [isLive ? 6 : 2, only(() => ({ _tag: "RequestUnbond", by, device }))],
    [2, only(() => ({ _tag: "Deregister", by: holder(scene, "registrar"), device }))],
    [bond.state === "Unbonding" ? 8 : 1, only(() => ({ _tag: "Withdraw", by, device }))],
    [isLive ? 30 : 4, only(() => slash(scene, bond))],
    [
      found === undefined ? 0 : open.length > 0 ? 44 : 12,
      only(() => (found === undefined ? slash(scene, bond) : judgement(scene, found))),
    ],
    [world.bonds.totals.insurance > 0n ? 5 : 1, only(() => ({ _tag: "SendToInsurance", by: anyone(scene) }))],
    [1, only(() => ({ _tag: "AppendClass", by: holder(scene, "curator"), classId: 1, minimum: amount(scene) }))],
    [1, only(() => ({ _tag: "Pause", by: holder(scene, "pauser") }))],
    [1, only(() => ({ _tag: "Unpause", by: holder(scene, "pauser") }))],
  ])()
  if (scene.chance.percent(credited === undefined ? 1 : 4)) return collect(scene, credited ?? anyone(scene))
  return { contract: "ProviderBond", ...made }
}
