/**
 * The ports of a chain in memory: acts go to its world, reads look at it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type { Act } from "../Act.ts"
import type { BondVault } from "../BondVault.ts"
import * as ChainError from "../ChainError.ts"
import type { InsuranceVault } from "../InsuranceVault.ts"
import type { PaymentChannel } from "../PaymentChannel.ts"
import type { Settlement } from "../Settlement.ts"
import type { StakeBook } from "../StakeBook.ts"
import type { ValidatorSet } from "../ValidatorSet.ts"
import * as BondState from "./BondState.ts"
import * as Channel from "./Channel.ts"
import * as Checkpoints from "./Checkpoints.ts"
import * as InsurancePool from "./InsurancePool.ts"
import * as SettlementEpochs from "./SettlementEpochs.ts"
import * as SettlementState from "./SettlementState.ts"
import * as Staking from "./Staking.ts"
import * as Step from "./Step.ts"
import * as ValidatorState from "./ValidatorState.ts"
import type * as World from "./World.ts"

/** A world that acts change. @category models @since 0.1.0 */
export interface Memory {
  readonly setting: World.Setting
  readonly nowS: Effect.Effect<number>
  readonly world: () => World.World
  readonly act: (move: World.Move) => Effect.Effect<Act, ChainError.ChainError>
}

/** What was granted to a contract is not counted in memory, so there is nothing to grant first. */
const atomicGrant = true

/** The port StakeBook. @category ports @since 0.1.0 */
export const stakeBook = ({ act, nowS, world }: Memory): StakeBook["Service"] => ({
  capabilities: { atomicGrant },
  terms: world().staking.terms,
  act: (asked) => act({ contract: "Staking", act: asked }),
  standing: (account) => Effect.map(nowS, (atS) => Staking.standing(world().staking, account, atS)),
  stakeAt: (account, timeS) =>
    Effect.flatMap(nowS, (current) =>
      timeS < current
        ? Effect.succeed(Staking.stakeAt(world().staking, account, timeS))
        : Effect.fail(ChainError.refused("Staking", "NotPast", { time: timeS, current })),
    ),
  tiers: (atS) => Effect.sync(() => Staking.tableAt(world().staking, atS)),
  totals: Effect.sync(() => world().staking.totals),
})

/** The port BondVault. @category ports @since 0.1.0 */
export const bondVault = ({ act, world }: Memory): BondVault["Service"] => ({
  capabilities: { atomicGrant },
  terms: world().bonds.terms,
  act: (asked) => act({ contract: "ProviderBond", act: asked }),
  bond: (device) => Effect.sync(() => BondState.bondOf(world().bonds, device)),
  case: (offenceId) => Effect.sync(() => BondState.caseOf(world().bonds, offenceId)),
  minimum: (classId) => Effect.sync(() => Option.getOrUndefined(HashMap.get(world().bonds.minimums, String(classId)))),
  credit: (account) => Effect.sync(() => Step.get(world().bonds.credits, account, 0n)),
  totals: Effect.sync(() => world().bonds.totals),
})

/** The port Settlement. @category ports @since 0.1.0 */
export const settlement = ({ act, setting, world }: Memory): Settlement["Service"] => ({
  capabilities: { pulls: true, atomicGrant, maxEntries: SettlementEpochs.ENTRIES_MAX },
  terms: world().settlement.terms,
  domain: { chainId: setting.chainId, contract: setting.addresses.RootVault },
  act: (asked) => act({ contract: "Settlement", act: asked }),
  token: (token) =>
    Effect.sync(() => {
      const { proposal, root, unfund } = SettlementState.bookOf(world().settlement, token)
      return { proposal, root, unfund }
    }),
  credit: (token, account) =>
    Effect.sync(() => {
      const key = SettlementState.keyOf(token, account)
      const { owed, rootClaimed } = world().settlement
      return { owed: Step.get(owed, key, 0n), rootClaimed: Step.get(rootClaimed, key, 0n) }
    }),
  redeemed: (token, provider, epoch) =>
    Effect.sync(() => Step.get(world().settlement.redeemed, `${SettlementState.keyOf(token, provider)} ${epoch}`, 0n)),
  termsAt: (epoch) => Effect.sync(() => SettlementState.termsAt(world().settlement, epoch)),
  totals: (token) => Effect.sync(() => SettlementState.bookOf(world().settlement, token).totals),
})

/** The port InsuranceVault. @category ports @since 0.1.0 */
export const insuranceVault = ({ act, setting, world }: Memory): InsuranceVault["Service"] => ({
  capabilities: { atomicGrant },
  terms: world().insurance.terms,
  domain: { chainId: setting.chainId, contract: setting.addresses.InsurancePool },
  act: (asked) => act({ contract: "InsurancePool", act: asked }),
  claims: (epoch, incident) => Effect.sync(() => InsurancePool.claimsOf(world().insurance, epoch, incident)),
  hasClaimed: (epoch, incident, account) =>
    Effect.sync(() => InsurancePool.hasClaimed(world().insurance, epoch, incident, account)),
  totals: Effect.sync(() => {
    const { free, reserved } = world().insurance
    return { free: Checkpoints.latest(free), reserved }
  }),
})

/** The port ValidatorSet. @category ports @since 0.1.0 */
export const validatorSet = ({ act, setting, world }: Memory): ValidatorSet["Service"] => ({
  capabilities: { atomicGrant },
  terms: world().validators.terms,
  domain: { chainId: setting.chainId, contract: setting.addresses.ValidatorRegistry },
  act: (asked) => act({ contract: "ValidatorRegistry", act: asked }),
  validator: (account) =>
    Effect.sync(() => ({
      ...ValidatorState.bondedOf(world().validators, account),
      credit: Step.get(world().validators.credits, account, 0n),
    })),
  job: (job) =>
    Effect.sync(() => {
      const state = world().validators
      return Option.match(HashMap.get(state.jobs, job), {
        onNone: () => ValidatorState.NO_JOB,
        onSome: (known) => {
          const { closed, entropy, epoch, reserved, share, verdict } = known
          return { closed, entropy, epoch, reserved, share, verdict, drawn: ValidatorState.drawn(state, job, known) }
        },
      })
    }),
  listed: (epoch) => Effect.sync(() => ValidatorState.listed(world().validators, epoch)),
  totals: Effect.sync(() => world().validators.totals),
})

/** The port PaymentChannel. @category ports @since 0.1.0 */
export const paymentChannel = ({ act, setting, world }: Memory): PaymentChannel["Service"] => ({
  capabilities: { atomicGrant },
  terms: world().channels.terms,
  domain: { chainId: setting.chainId, contract: setting.addresses.Channel },
  act: (asked) => act({ contract: "Channel", act: asked }),
  channel: (channelId) => Effect.sync(() => Channel.channelOf(world().channels, channelId)),
  totals: (token) => Effect.sync(() => ({ escrowed: Step.get(world().channels.escrowed, token, 0n) })),
})
