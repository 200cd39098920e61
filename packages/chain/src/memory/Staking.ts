/**
 * The contract Staking in memory: the same rules and the same rounding, as pure transitions.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import * as Apy from "@guildhall/core/rules/Apy"
import * as Cooldown from "@guildhall/core/rules/Cooldown"
import * as TierRule from "@guildhall/core/rules/Tier"
import type { Address } from "../Address.ts"
import type { StakeAct, StakeTerms, StakeTotals, Standing, Tier, TierTable } from "../StakeBook.ts"
import * as Checkpoints from "./Checkpoints.ts"
import * as Step from "./Step.ts"

/** An account: `earned` and `index` are scaled. @category models @since 0.1.0 */
export interface Account {
  readonly active: Checkpoints.Checkpoints
  readonly unbonding: bigint
  readonly readyAtS: number
  readonly earned: bigint
  readonly index: bigint
}

/** The contract's state. @category models @since 0.1.0 */
export interface State extends Step.Pausable {
  readonly terms: StakeTerms
  readonly accounts: HashMap.HashMap<string, Account>
  readonly totals: StakeTotals
  readonly accrual: Apy.Accrual
  readonly accruedAtS: number
  readonly tables: ReadonlyArray<TierTable>
}

const PERIOD_MAX_S = 31_536_000
const NOBODY: Account = { active: [], unbonding: 0n, readyAtS: 0, earned: 0n, index: 0n }

/** A contract that was just deployed, with its first table of tiers. @category constructors @since 0.1.0 */
export const make = (terms: StakeTerms, tiers: ReadonlyArray<Tier>, nowS: number): State => ({
  terms,
  pausedUntilS: 0,
  accounts: HashMap.empty(),
  totals: { active: 0n, unbonding: 0n, rewards: 0n },
  accrual: { index: 0n, stream: 0n },
  accruedAtS: nowS,
  tables: [{ index: 0, activatesAtS: nowS, tiers }],
})

const accountOf = (state: State, account: Address): Account => Step.get(state.accounts, account, NOBODY)

const accrued = (state: State, nowS: number): Apy.Accrual =>
  Apy.accrue(state.accrual, {
    rate: Apy.rate(state.terms.apyBps),
    totalActive: state.totals.active,
    elapsedS: nowS - state.accruedAtS,
  })

/** Writes down what an account has earned so far. */
const accrue = (state: State, by: Address, nowS: number): State => {
  const accrual = accrued(state, nowS)
  const account = accountOf(state, by)
  const earned = account.earned + Apy.earned(Checkpoints.latest(account.active), accrual.index, account.index)
  return {
    ...state,
    accrual,
    accruedAtS: nowS,
    accounts: HashMap.set(state.accounts, by, { ...account, earned, index: accrual.index }),
  }
}

/** Moves stake between what is active and what leaves, or in, where only one of them changes. */
const move = (
  state: State,
  by: Address,
  nowS: number,
  change: { readonly active: bigint; readonly unbonding: bigint; readonly readyAtS: number },
): State => {
  const ready = change.active === 0n ? state : accrue(state, by, nowS)
  const account = accountOf(ready, by)
  const active = Checkpoints.latest(account.active) + change.active
  return {
    ...ready,
    accounts: HashMap.set(ready.accounts, by, {
      ...account,
      active: change.active === 0n ? account.active : Checkpoints.push(account.active, nowS, active),
      unbonding: account.unbonding + change.unbonding,
      readyAtS: change.readyAtS,
    }),
    totals: {
      ...ready.totals,
      active: ready.totals.active + change.active,
      unbonding: ready.totals.unbonding + change.unbonding,
    },
  }
}

const stake = (state: State, by: Address, amount: bigint, scene: Step.Scene): Step.Step<State> => {
  if (amount === 0n) return Step.refuse("ZeroAmount")
  const { readyAtS } = accountOf(state, by)
  const next = move(state, by, scene.nowS, { active: amount, unbonding: 0n, readyAtS })
  const active = Checkpoints.latest(accountOf(next, by).active)
  return Step.done(
    next,
    [{ _tag: "Staking.Staked", account: by, amount, active }],
    [{ token: state.terms.token, from: by, to: scene.contract, amount }],
  )
}

const requestUnstake = (state: State, by: Address, amount: bigint, scene: Step.Scene): Step.Step<State> => {
  if (amount === 0n) return Step.refuse("ZeroAmount")
  const active = Checkpoints.latest(accountOf(state, by).active)
  if (amount > active) return Step.refuse("NotEnoughActive", { asked: amount, active })
  const readyAtS = Cooldown.endS(scene.nowS, state.terms.cooldownS)
  const next = move(state, by, scene.nowS, { active: -amount, unbonding: amount, readyAtS })
  const { unbonding } = accountOf(next, by)
  return Step.done(next, [{ _tag: "Staking.UnstakeRequested", account: by, amount, unbonding, readyAt: readyAtS }])
}

const cancelUnstake = (state: State, by: Address, scene: Step.Scene): Step.Step<State> => {
  const { unbonding: amount } = accountOf(state, by)
  if (amount === 0n) return Step.refuse("NothingUnbonding", { account: by })
  const next = move(state, by, scene.nowS, { active: amount, unbonding: -amount, readyAtS: 0 })
  const active = Checkpoints.latest(accountOf(next, by).active)
  return Step.done(next, [{ _tag: "Staking.UnstakeCancelled", account: by, amount, active }])
}

const withdraw = (state: State, by: Address, scene: Step.Scene): Step.Step<State> => {
  const { unbonding: amount, readyAtS } = accountOf(state, by)
  if (amount === 0n) return Step.refuse("NothingUnbonding", { account: by })
  if (!Cooldown.isOver(scene.nowS, readyAtS)) return Step.refuse("CooldownNotOver", { readyAt: readyAtS })
  return Step.done(
    move(state, by, scene.nowS, { active: 0n, unbonding: -amount, readyAtS: 0 }),
    [{ _tag: "Staking.Withdrawn", account: by, amount }],
    [{ token: state.terms.token, from: scene.contract, to: by, amount }],
  )
}

const claimRewards = (state: State, by: Address, scene: Step.Scene): Step.Step<State> => {
  const next = accrue(state, by, scene.nowS)
  const account = accountOf(next, by)
  const amount = Apy.whole(account.earned)
  if (amount === 0n) return Step.refuse("NoRewards", { account: by })
  return Step.done(
    {
      ...next,
      accounts: HashMap.set(next.accounts, by, { ...account, earned: account.earned - amount * Apy.SCALE }),
      totals: { ...next.totals, rewards: next.totals.rewards - amount },
    },
    [{ _tag: "Staking.RewardsClaimed", account: by, amount }],
    [{ token: state.terms.token, from: scene.contract, to: by, amount }],
  )
}

const fundRewards = (state: State, by: Address, amount: bigint, scene: Step.Scene): Step.Step<State> => {
  if (amount === 0n) return Step.refuse("ZeroAmount")
  // What was not funded in the past is not paid for the past.
  const next = accrue(state, by, scene.nowS)
  return Step.done(
    {
      ...next,
      accrual: { ...next.accrual, stream: next.accrual.stream + amount * Apy.SCALE },
      totals: { ...next.totals, rewards: next.totals.rewards + amount },
    },
    [{ _tag: "Staking.RewardsFunded", from: by, amount }],
    [{ token: state.terms.token, from: by, to: scene.contract, amount }],
  )
}

const appendTiers = (
  state: State,
  { activatesAtS, tiers }: { readonly activatesAtS: number; readonly tiers: ReadonlyArray<Tier> },
  scene: Step.Scene,
): Step.Step<State> => {
  const afterLastS = (state.tables.at(-1)?.activatesAtS ?? -1) + 1
  const earliestS = Math.max(scene.nowS + state.terms.tierDelayS, afterLastS)
  if (activatesAtS < earliestS) return Step.refuse("TiersTooEarly", { activatesAt: activatesAtS, earliest: earliestS })
  const latestS = scene.nowS + state.terms.tierDelayS + PERIOD_MAX_S
  if (activatesAtS > latestS) return Step.refuse("TiersTooLate", { activatesAt: activatesAtS, latest: latestS })
  const isRising = tiers.every((tier, at) => at === 0 || tier.minStake > (tiers[at - 1]?.minStake ?? 0n))
  if (tiers.length > TierRule.TIERS_MAX || tiers[0]?.minStake !== 0n || !isRising) return Step.refuse("BadTiers")
  const index = state.tables.length
  return Step.done({ ...state, tables: [...state.tables, { index, activatesAtS, tiers }] }, [
    { _tag: "Staking.TiersAppended", table: index, activatesAt: activatesAtS, tiers },
  ])
}

/** Does an act, or says which rule forbids it. @category transitions @since 0.1.0 */
export const step = (state: State, act: StakeAct, scene: Step.Scene): Step.Step<State> => {
  const { by } = act
  switch (act._tag) {
    case "Stake":
      return Step.whenNotPaused(state, scene, () => stake(state, by, act.amount, scene))
    case "RequestUnstake":
      return requestUnstake(state, by, act.amount, scene)
    case "CancelUnstake":
      return cancelUnstake(state, by, scene)
    case "Withdraw":
      return withdraw(state, by, scene)
    case "ClaimRewards":
      return claimRewards(state, by, scene)
    case "FundRewards":
      return Step.whenNotPaused(state, scene, () => fundRewards(state, by, act.amount, scene))
    case "AppendTiers":
      return Step.onlyRole(scene, "curator", by, () => appendTiers(state, act, scene))
    case "Pause":
      return Step.pause(state, by, scene)
    case "Unpause":
      return Step.unpause(state, by, scene)
  }
}

/** The active stake of an account at the end of a second. @category destructors @since 0.1.0 */
export const stakeAt = (state: State, account: Address, timeS: number): bigint =>
  Checkpoints.at(accountOf(state, account).active, timeS)

/** The table that counts at a second. @category destructors @since 0.1.0 */
export const tableAt = (state: State, timeS: number): TierTable | undefined =>
  state.tables.findLast((table) => table.activatesAtS <= timeS)

/** How an account stands. @category destructors @since 0.1.0 */
export const standing = (state: State, account: Address, nowS: number): Standing => {
  const known = accountOf(state, account)
  const active = Checkpoints.latest(known.active)
  const aged = TierRule.aged(active, stakeAt(state, account, nowS - state.terms.minActiveS))
  const { index } = accrued(state, nowS)
  return {
    active,
    aged,
    unbonding: known.unbonding,
    readyAtS: known.readyAtS,
    tier: TierRule.of(tableAt(state, nowS)?.tiers ?? [], aged)?.tier,
    rewards: Apy.whole(known.earned + Apy.earned(active, index, known.index)),
  }
}
