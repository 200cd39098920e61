/** Acts of validators, and of those who have them judge. */
import type { Address } from "@guildhall/chain/Address"
import type { Bytes32 } from "@guildhall/chain/Hex"
import * as ValidatorState from "@guildhall/chain/memory/ValidatorState"
import * as ValidatorSet from "@guildhall/chain/ValidatorSet"
import * as HashMap from "effect/HashMap"
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
  type Edge,
  type Plan,
  type Scene,
  signing,
  weighted,
} from "./Scene.ts"
import { type Draft, type Signing, UNSIGNED } from "./Step.ts"

type Act = Extract<Draft, { readonly contract: "ValidatorRegistry" }>["act"]

const of = (act: Act): Draft => ({ contract: "ValidatorRegistry", act })

/** The seed of an epoch, which only traces know before it is revealed. */
const seedOf = (epoch: number): Bytes32 => name(0x5d, epoch)

const domain = ({ cast }: Scene) => ({ chainId: cast.chainId, contract: cast.contracts.ValidatorRegistry })

/** The verdict of a validator: most agree. What it commits to follows from it, and from who it is. */
const verdictOf = ({ chance }: Scene): Bytes32 => name(0x7e, chance.percent(80) ? 0 : chance.between(1, 2))
const saltOf = ({ cast }: Scene, validator: Address): Bytes32 =>
  name(0x5b, [...cast.accounts.values()].indexOf(validator))

/** The jobs, with how many epochs ago each was opened. */
const jobs = ({ nowS, world }: Scene) => {
  const state = world.validators
  const current = ValidatorState.epochAt(state, nowS)
  return Array.from(HashMap.entries(state.jobs), ([key, job]) => ({
    // Every key of the jobs is one's id.
    id: key as Bytes32,
    job,
    age: current - job.epoch,
  }))
}

type Known = ReturnType<typeof jobs>[number]

const commit = (scene: Scene, job: Bytes32, validator: Address): Draft => {
  const { chance, hints } = scene
  const verdict = verdictOf(scene)
  hints.votes.push({ job, validator, verdict })
  const vote = { job, validator, verdict, salt: saltOf(scene, validator) }
  const commitment = chance.percent(98) ? ValidatorSet.commitmentOf(domain(scene), vote) : name(0xc0, chance.below(9))
  return of({ _tag: "CommitVote", by: validator, job, commitment })
}

/** Opens a job. All who are listed vote next: nobody knows who will be drawn. */
const open = (scene: Scene): Draft => {
  const { chance, hints, nowS, world } = scene
  const state = world.validators
  const epoch = ValidatorState.epochAt(state, nowS)
  const known = one(scene, jobs(scene))
  const job = known !== undefined && chance.percent(6) ? known.id : fresh(scene, 0x10b)
  const opening = of({
    _tag: "OpenJob",
    by: holder(scene, "operator"),
    job,
    reward: chance.percent(80) ? BigInt(chance.between(0, 9_999)) : amount(scene, state.totals.rewardPool),
  })
  const voters = ValidatorState.listed(state, epoch).filter(() => chance.percent(85))
  const votes = voters.map((validator) => commit(scene, job, validator))
  if (HashMap.has(state.seeds, `${epoch}`)) {
    hints.next.push(...votes, later(job, 0))
    return opening
  }
  hints.next.push(opening, ...votes, later(job, 0))
  return commitSeed(scene, epoch)
}

const commitSeed = (scene: Scene, epoch: number): Draft =>
  of({
    _tag: "CommitSeed",
    by: Cast.of(scene.cast, "operator"),
    epoch: scene.chance.percent(90) ? epoch : Math.max(0, about(scene, epoch)),
    commitment: ValidatorSet.seedCommitmentOf(seedOf(epoch)),
  })

const revealSeed = (scene: Scene, epoch: number): Draft =>
  of({ _tag: "RevealSeed", by: anyone(scene), epoch, seed: seedOf(scene.chance.percent(96) ? epoch : epoch + 1) })

/** Who is drawn for a job, also before the seed is revealed. */
const drawnFor = ({ world }: Scene, { id, job }: Omit<Known, "age">): ReadonlyArray<Address> => {
  const state = world.validators
  const listed = ValidatorState.listed(state, job.epoch)
  const draw = { seed: seedOf(job.epoch), entropy: job.entropy, job: id }
  return ValidatorSet.drawnPlaces(draw, state.terms.drawnCount, listed.length).flatMap((place) => listed[place] ?? [])
}

const reveal = (scene: Scene, known: Omit<Known, "age">, draw: number): Draft => {
  const { chance, hints } = scene
  const { id } = known
  const validator = drawnFor(scene, known)[draw] ?? member(scene)
  const vote = hints.votes.findLast((one) => one.job === id && one.validator === validator)
  const verdict = vote !== undefined && chance.percent(95) ? vote.verdict : verdictOf(scene)
  const message = { _tag: "Verdict", job: id, verdict } as const
  const salt = saltOf(scene, validator)
  return {
    contract: "ValidatorRegistry",
    act: { _tag: "RevealVote", by: anyone(scene), job: id, draw, verdict, salt, signature: UNSIGNED },
    signings: {
      signature: signing(scene, validator, message, { ...message, verdict: name(0x7e, 9) }, domain(scene)),
    },
  }
}

/** The votes of all who were drawn for a job, in any order. */
const reveals = (scene: Scene, known: Omit<Known, "age">): ReadonlyArray<Draft> => {
  const draws = Array.from({ length: scene.world.validators.terms.drawnCount }, (_, draw) => draw)
  const turned = scene.chance.percent(50) ? draws : draws.toReversed()
  return turned.map((draw) => reveal(scene, known, draw))
}

const close = (scene: Scene, job: Bytes32): Draft => of({ _tag: "CloseJob", by: anyone(scene), job })

const share = (scene: Scene, job: Bytes32): Draft => {
  const { rewardPool } = scene.world.validators.totals
  const some = scene.chance.percent(70) ? BigInt(scene.chance.between(0, 999)) : amount(scene, rewardPool)
  return of({ _tag: "ShareFinding", by: holder(scene, "operator"), job, amount: some })
}

/** When something more can be done about a job: the seed and the votes, late votes, and what is left. */
export const milestones = ({ world }: Scene, known: Omit<Known, "age">): readonly [Edge, Edge, Edge, Edge] => {
  const { id, job } = known
  const { epochLengthS } = world.validators.terms
  const at = (epochs: number): number => (job.epoch + epochs) * epochLengthS
  return [
    { atS: at(2) + 1, acts: (scene) => [revealSeed(scene, job.epoch), ...reveals(scene, known), later(id, 3)] },
    { atS: at(3), acts: (scene) => reveals(scene, known) },
    { atS: at(4), acts: (scene) => reveals(scene, known).slice(0, 1) },
    { atS: at(4) + 1, acts: (scene) => [share(scene, id), close(scene, id)] },
  ]
}

/** Goes on with a job at one of its milestones, if it is there by then and chance wants. */
const later =
  (id: Bytes32, milestone: 0 | 3): Plan =>
  (scene) => {
    const known = jobs(scene).find((one) => one.id === id)
    return known === undefined || scene.chance.percent(40) ? undefined : milestones(scene, known)[milestone]
  }

/** Two verdicts of one validator that contradict each other. */
export const report = (scene: Scene, validator: Address): Draft => {
  const { chance } = scene
  const job = one(scene, jobs(scene))?.id ?? fresh(scene, 0x10b)
  const [verdictA, verdictB] = [name(0x7e, 0), name(0x7e, chance.percent(95) ? 1 : 0)]
  const signed = (verdict: Bytes32): Signing => {
    const message = { _tag: "Verdict", job, verdict } as const
    return signing(scene, validator, message, { ...message, verdict: name(0x7e, 9) }, domain(scene))
  }
  const by = anyone(scene)
  return {
    contract: "ValidatorRegistry",
    act: { _tag: "Report", by, validator, job, verdictA, signatureA: UNSIGNED, verdictB, signatureB: UNSIGNED },
    signings: { signatureA: signed(verdictA), signatureB: signed(verdictB) },
  }
}

/** What a job's age allows, mostly. */
const judging = (scene: Scene, known: Known): Draft => {
  const { age, id, job } = known
  const listed = one(scene, ValidatorState.listed(scene.world.validators, job.epoch))
  const draw = scene.chance.below(scene.world.validators.terms.drawnCount + (scene.chance.percent(5) ? 2 : 0))
  return weighted<() => Draft>(scene, [
    [age <= 1 ? 20 : 1, () => commit(scene, id, mostly(scene, listed))],
    [age === 2 ? 8 : 1, () => revealSeed(scene, job.epoch)],
    [age === 2 || age === 3 ? 20 : 1, () => reveal(scene, known, draw)],
    [age > 3 && !job.closed ? 10 : 1, () => close(scene, id)],
    [age > 3 && job.verdict !== undefined ? 12 : 1, () => share(scene, id)],
  ])()
}

const REGISTRANTS = ["ann", "bob", "cid", "dan", "eve", "whale", "funder"] as const

/** An act. */
export const draft = (scene: Scene): Draft => {
  const { cast, chance, nowS, world } = scene
  const state = world.validators
  const known = one(scene, jobs(scene))
  // Every key of these is an account.
  const validator = one(scene, [...HashMap.keys(state.validators)]) as Address | undefined
  const credited = one(scene, [...HashMap.keys(state.credits)]) as Address | undefined
  const bonded = validator === undefined ? undefined : ValidatorState.bondedOf(state, validator)
  const isFinder = HashMap.has(world.bonds.credits, cast.contracts.ValidatorRegistry)
  const newcomer = Cast.of(cast, one(scene, REGISTRANTS) ?? "ann")
  const epoch = ValidatorState.epochAt(state, nowS)
  const only = (act: () => Act) => (): Draft => of(act())
  return weighted<() => Draft>(scene, [
    [8, only(() => ({ _tag: "Register", by: newcomer, amount: amount(scene, state.terms.minBond) }))],
    [6, only(() => ({ _tag: "TopUp", by: mostly(scene, validator), amount: amount(scene) }))],
    [bonded?.state === "Active" ? 6 : 1, only(() => ({ _tag: "RequestExit", by: mostly(scene, validator) }))],
    [bonded?.state === "Exiting" ? 8 : 1, only(() => ({ _tag: "Withdraw", by: mostly(scene, validator) }))],
    [5, only(() => ({ _tag: "FundRewards", by: member(scene), amount: amount(scene) }))],
    [isFinder ? 30 : 2, only(() => ({ _tag: "CollectFinderShares", by: anyone(scene) }))],
    [4, () => commitSeed(scene, epoch)],
    [24, () => open(scene)],
    [known === undefined ? 0 : 34, () => (known === undefined ? open(scene) : judging(scene, known))],
    [9, () => report(scene, validator ?? member(scene))],
    [credited === undefined ? 1 : 8, only(() => ({ _tag: "ClaimCredit", by: mostly(scene, credited) }))],
    [state.totals.insurance > 0n ? 6 : 1, only(() => ({ _tag: "SendToInsurance", by: anyone(scene) }))],
    [chance.percent(50) ? 1 : 0, only(() => ({ _tag: "Pause", by: holder(scene, "pauser") }))],
    [1, only(() => ({ _tag: "Unpause", by: holder(scene, "pauser") }))],
  ])()
}
