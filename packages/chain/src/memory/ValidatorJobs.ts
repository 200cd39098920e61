/**
 * The jobs of the contract ValidatorRegistry in memory: seeds, votes, verdicts, and the rewards that follow from them.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { Address } from "../Address.ts"
import type { Emitted } from "../ChainEvent.ts"
import { Bytes32 } from "../Hex.ts"
import * as ValidatorSet from "../ValidatorSet.ts"
import * as Step from "./Step.ts"
import * as ValidatorState from "./ValidatorState.ts"

type State = ValidatorState.State
type Of<Tag extends ValidatorSet.ValidatorAct["_tag"]> = Extract<ValidatorSet.ValidatorAct, { readonly _tag: Tag }>

/** Epochs after a job's own: the last to commit a vote, the one of the seed, the last to reveal a vote. */
const [COMMIT_UNTIL, SEED_IN, REVEAL_UNTIL] = [1, 2, 3]

const during = <A>(
  state: State,
  nowS: number,
  [first, last]: readonly [number, number],
  next: () => Result.Result<A, Step.Refusal>,
): Result.Result<A, Step.Refusal> => {
  const current = ValidatorState.epochAt(state, nowS)
  return current < first || current > last ? Step.refuse("WrongEpoch", { first, last, current }) : next()
}

const seedOf = (state: State, epoch: number): ValidatorState.Seed | undefined =>
  Option.getOrUndefined(HashMap.get(state.seeds, String(epoch)))

const withJob = (state: State, job: Bytes32, changed: ValidatorState.JobState): State => ({
  ...state,
  jobs: HashMap.set(state.jobs, job, changed),
})

/** The operator commits to the seed of an epoch. @category transitions @since 0.1.0 */
export const commitSeed = (
  state: State,
  { commitment, epoch }: Of<"CommitSeed">,
  { nowS }: Step.Scene,
): Step.Step<State> => {
  const isLate = epoch < ValidatorState.epochAt(state, nowS)
  if (isLate || commitment === ValidatorState.NOTHING || seedOf(state, epoch) !== undefined) {
    return Step.refuse("SeedNotCommittable", { epoch })
  }
  return Step.done({ ...state, seeds: HashMap.set(state.seeds, String(epoch), { commitment, value: undefined }) }, [
    { _tag: "ValidatorRegistry.SeedCommitted", epoch, commitment },
  ])
}

/** The operator opens a job in the current epoch. @category transitions @since 0.1.0 */
export const openJob = (state: State, { job, reward }: Of<"OpenJob">, scene: Step.Scene): Step.Step<State> => {
  const epoch = ValidatorState.epochAt(state, scene.nowS)
  if (seedOf(state, epoch) === undefined) return Step.refuse("NoSeed", { epoch })
  if (HashMap.has(state.jobs, job)) return Step.refuse("JobExists", { job })
  const { drawnCount } = state.terms
  const listed = ValidatorState.listed(state, epoch).length
  if (listed < drawnCount) return Step.refuse("TooFewValidators", { listed, drawn: drawnCount })
  const { rewardPool } = state.totals
  if (reward > rewardPool) return Step.refuse("NotEnoughRewards", { asked: reward, rewardPool })
  const share = reward / BigInt(drawnCount)
  const reserved = share * BigInt(drawnCount)
  const entropy = Bytes32.make(scene.entropy)
  const opened: ValidatorState.JobState = {
    epoch,
    reserved,
    share,
    closed: false,
    entropy,
    isFixed: false,
    verdict: undefined,
    commitments: HashMap.empty(),
    voters: HashMap.empty(),
  }
  return Step.done(ValidatorState.withTotals(withJob(state, job, opened), { rewardPool: -reserved, reserved }), [
    { _tag: "ValidatorRegistry.JobOpened", job, epoch, reserved },
  ])
}

/** Somebody commits to a vote. @category transitions @since 0.1.0 */
export const commitVote = (
  state: State,
  { by: validator, commitment, job }: Of<"CommitVote">,
  { nowS }: Step.Scene,
): Step.Step<State> =>
  Result.flatMap(ValidatorState.existing(state, job), (known) =>
    during(state, nowS, [known.epoch, known.epoch + COMMIT_UNTIL], () => {
      const before = Step.get(known.commitments, validator, ValidatorState.NOTHING)
      if (before !== ValidatorState.NOTHING) return Step.refuse("AlreadyCommitted", { job, validator })
      const commitments = HashMap.set(known.commitments, validator, commitment)
      const { entropy, isFixed } = known
      const fixed: ReadonlyArray<Emitted> = isFixed ? [] : [{ _tag: "ValidatorRegistry.EntropyFixed", job, entropy }]
      return Step.done(withJob(state, job, { ...known, commitments, isFixed: true }), [
        { _tag: "ValidatorRegistry.VoteCommitted", job, validator, commitment },
        ...fixed,
      ])
    }),
  )

/** Somebody who knows it reveals the seed. @category transitions @since 0.1.0 */
export const revealSeed = (
  state: State,
  { epoch, seed: value }: Of<"RevealSeed">,
  { nowS }: Step.Scene,
): Step.Step<State> => {
  const seed = seedOf(state, epoch)
  if (seed === undefined) return Step.refuse("NoSeed", { epoch })
  return during(state, nowS, [epoch + SEED_IN, epoch + SEED_IN], () => {
    const isRight = ValidatorSet.seedCommitmentOf(value) === seed.commitment
    if (value === ValidatorState.NOTHING || seed.value !== undefined || !isRight) {
      return Step.refuse("WrongSeed", { epoch })
    }
    return Step.done({ ...state, seeds: HashMap.set(state.seeds, String(epoch), { ...seed, value }) }, [
      { _tag: "ValidatorRegistry.SeedRevealed", epoch, seed: value },
    ])
  })
}

interface Paid {
  readonly state: State
  readonly events: ReadonlyArray<Emitted>
}

const reward = (paid: Paid, job: Bytes32, known: ValidatorState.JobState, validator: Address): Paid => {
  const { share } = known
  const current = Step.get(paid.state.jobs, job, known)
  const less = withJob(paid.state, job, { ...current, reserved: current.reserved - share })
  const credited = ValidatorState.credit(less, validator, share)
  return {
    state: ValidatorState.withTotals(credited, { reserved: -share }),
    events: [...paid.events, { _tag: "ValidatorRegistry.Rewarded", job, validator, amount: share }],
  }
}

/** The vote that makes the quorum pays all before it, a later equal one itself. */
const count = (state: State, job: Bytes32, validator: Address, verdict: Bytes32): Paid => {
  const known = HashMap.getUnsafe(state.jobs, job)
  const voters = [...Step.get(known.voters, verdict, []), validator]
  const voted = { ...known, voters: HashMap.set(known.voters, verdict, voters) }
  if (known.verdict === verdict) {
    return reward({ state: withJob(state, job, voted), events: [] }, job, voted, validator)
  }
  if (voters.length !== state.terms.quorum) return { state: withJob(state, job, voted), events: [] }
  const judged = { ...voted, verdict }
  return voters.reduce<Paid>((paid, voter) => reward(paid, job, judged, voter), {
    state: withJob(state, job, judged),
    events: [{ _tag: "ValidatorRegistry.VerdictReached", job, verdict }],
  })
}

/** Anyone brings the vote of a validator that was drawn. @category transitions @since 0.1.0 */
export const revealVote = (state: State, act: Of<"RevealVote">, scene: Step.Scene): Step.Step<State> =>
  Result.flatMap(ValidatorState.existing(state, act.job), (known) => {
    const { draw, job, salt, signature, verdict } = act
    const { epoch } = known
    if (seedOf(state, epoch)?.value === undefined) return Step.refuse("NoSeed", { epoch })
    return during(state, scene.nowS, [epoch + SEED_IN, epoch + REVEAL_UNTIL], () => {
      const validator = ValidatorState.drawn(state, job, known)[draw]
      if (validator === undefined) return Step.refuse("NoSuchDraw", { draw })
      if (verdict === ValidatorState.NOTHING) return Step.refuse("ZeroVerdict")
      const committed = Step.get(known.commitments, validator, ValidatorState.NOTHING)
      if (committed !== ValidatorSet.commitmentOf(scene, { job, validator, verdict, salt })) {
        return Step.refuse("WrongVote", { job, validator })
      }
      if (!scene.isSigned(validator, { _tag: "Verdict", job, verdict }, signature)) {
        return Step.refuse("InvalidSignature")
      }
      const commitments = HashMap.remove(known.commitments, validator)
      const counted = count(withJob(state, job, { ...known, commitments }), job, validator, verdict)
      return Step.done(counted.state, [
        { _tag: "ValidatorRegistry.VoteRevealed", job, validator, verdict, signature },
        ...counted.events,
      ])
    })
  })

const LAST_EPOCH = 2 ** 48 - 1

/** Anyone frees what is left of a job's reward. @category transitions @since 0.1.0 */
export const closeJob = (state: State, job: Bytes32, { nowS }: Step.Scene): Step.Step<State> =>
  Result.flatMap(ValidatorState.existing(state, job), (known) => {
    if (known.closed) return Step.refuse("JobIsClosed", { job })
    return during(state, nowS, [known.epoch + REVEAL_UNTIL + 1, LAST_EPOCH], () => {
      const returned = known.reserved
      const ended = withJob(state, job, { ...known, reserved: 0n, closed: true })
      return Step.done(ValidatorState.withTotals(ended, { reserved: -returned, rewardPool: returned }), [
        { _tag: "ValidatorRegistry.JobClosed", job, returned },
      ])
    })
  })

/** The operator divides what was found between those who found it. @category transitions @since 0.1.0 */
export const shareFinding = (
  state: State,
  { amount, job }: Of<"ShareFinding">,
  { nowS }: Step.Scene,
): Step.Step<State> =>
  Result.flatMap(ValidatorState.existing(state, job), (known) => {
    const { verdict } = known
    if (verdict === undefined) return Step.refuse("NoVerdict", { job })
    return during(state, nowS, [known.epoch + REVEAL_UNTIL + 1, LAST_EPOCH], () => {
      const finders = Step.get(known.voters, verdict, [])
      const share = amount / BigInt(finders.length)
      if (share === 0n) return Step.refuse("ZeroAmount")
      const { rewardPool } = state.totals
      if (amount > rewardPool) return Step.refuse("NotEnoughRewards", { asked: amount, rewardPool })
      const credited = finders.reduce((next, finder) => ValidatorState.credit(next, finder, share), state)
      return Step.done(
        ValidatorState.withTotals(credited, { rewardPool: -(share * BigInt(finders.length)) }),
        finders.map((validator) => ({ _tag: "ValidatorRegistry.FindingShared", job, validator, amount: share })),
      )
    })
  })
