/**
 * The rules of settings against the constructors: what a rule refuses no contract can be created with, and what stands just at its
 * bounds every contract takes.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Address from "@guildhall/chain/Address"
import * as Anvil from "@guildhall/tools/Anvil"
import * as DeployPlan from "../src/DeployPlan.ts"
import * as DeployRules from "../src/DeployRules.ts"
import type * as DeploySettings from "../src/DeploySettings.ts"
import * as Development from "../src/Development.ts"
import * as DeployTrial from "./DeployTrial.ts"
import * as SenderTrial from "./SenderTrial.ts"

type Settings = DeploySettings.DeploySettings

const DAY_S = 86_400

const good = Effect.gen(function* () {
  const tokens = yield* Development.tokens(yield* SenderTrial.address("alice"))
  return Development.settings(tokens, yield* DeployTrial.options)
})

const planned = (settings: Settings) =>
  Effect.flatMap(SenderTrial.address("alice"), (by) => DeployPlan.make(by, settings))

/** A setting that is one beyond what is allowed, by its path. */
const beyond = (good: Settings): ReadonlyArray<readonly [path: string, Settings]> => {
  const { bond, insurance, roles, settlement, staking, validators } = good
  const tier = { minStake: 0n, multiplierBps: 10_000, priority: 0 }
  const of = <Key extends "bond" | "insurance" | "settlement" | "staking" | "validators">(
    key: Key,
    changes: ReadonlyArray<Partial<Settings[Key]>>,
  ) =>
    changes.map(
      (change) => [`${key}.${Object.keys(change)[0]}`, { ...good, [key]: { ...good[key], ...change } }] as const,
    )
  return [
    ["roleDelayS", { ...good, roleDelayS: bond.cooldownS - 1 }],
    ["roleDelayS", { ...good, roleDelayS: 8 * DAY_S - 1, settlement: { ...settlement, unfundDelayS: 8 * DAY_S } }],
    ["roles.arbiter", { ...good, roles: { ...roles, arbiter: roles.slasher } }],
    ["roles.challenger", { ...good, roles: { ...roles, challenger: roles.adjuster } }],
    ["roles.challenger", { ...good, roles: { ...roles, challenger: roles.operator } }],
    ["roles.registrar", { ...good, roles: { ...roles, registrar: Address.ZERO } }],
    ...of("staking", [
      { cooldownS: 365 * DAY_S + 1 },
      { tierDelayS: 365 * DAY_S + 1 },
      { minActiveS: staking.cooldownS + 1 },
      { apyBps: 10_001 },
      { tiers: [] },
      { tiers: Array.from({ length: 17 }, (_, at) => ({ ...tier, minStake: BigInt(at) })) },
      { tiers: [tier, tier] },
    ]),
    ["staking.tiers[0].minStake", { ...good, staking: { ...staking, tiers: [{ ...tier, minStake: 1n }] } }],
    ...of("insurance", [
      { challengeDelayS: DAY_S - 1 },
      { epochLengthS: insurance.challengeDelayS - 1 },
      { epochLengthS: 3_650 * DAY_S + 1 },
      { claimWindowS: 30 * DAY_S - 1 },
      { claimWindowS: 3_650 * DAY_S + 1 },
      { epochCapBps: 0 },
      { epochCapBps: 10_001 },
    ]),
    ...of("bond", [
      { evidenceWindowS: 0 },
      { appealWindowS: 0 },
      { rulingWindowS: 0 },
      { rulingWindowS: 365 * DAY_S + 1 },
      { bufferS: 2 * DAY_S - 1 },
      { cooldownS: 7 * DAY_S - 1 },
      { periodS: bond.evidenceWindowS - 1 },
      { periodS: 365 * DAY_S + 1 },
      { capBps: 0 },
      { capBps: 10_001 },
      { finderBps: 2_001 },
    ]),
    ...of("settlement", [
      { epochLengthS: 59 },
      { challengeDelayS: 0 },
      { unfundDelayS: 2 * DAY_S - 1 },
      { voucherEpochs: 0 },
      { treasury: Address.ZERO },
      { providerBps: 10_001 },
      { shares: Array.from({ length: 9 }, () => ({ party: roles.funder, bps: 1 })) },
    ]),
    ["settlement.unfundDelayS", { ...good, settlement: { ...settlement, challengeDelayS: DAY_S + 1 } }],
    ["settlement.shares[0].bps", { ...good, settlement: { ...settlement, shares: [{ party: roles.funder, bps: 0 }] } }],
    [
      "settlement.shares[0].party",
      { ...good, settlement: { ...settlement, shares: [{ party: Address.ZERO, bps: 1 }] } },
    ],
    ...of("validators", [
      { minBond: 0n },
      { epochLengthS: 59 },
      { cooldownS: 4 * validators.epochLengthS + 2 * DAY_S - 1 },
      { cooldownS: 3_650 * DAY_S + 1 },
      { perJob: 16, quorum: 9 },
      { quorum: 2 },
      { quorum: 6 },
      { slashBps: 0 },
      { slashBps: 10_001 },
      { reporterBps: 2_001 },
    ]),
  ]
}

/** All at their least, and all at their most. */
const edges = ({ roles, ...good }: Settings): ReadonlyArray<Settings> => {
  const tiers = (count: number) =>
    Array.from({ length: count }, (_, at) => ({ minStake: BigInt(at), multiplierBps: 10_000, priority: 0 }))
  const years = { cooldownS: 365 * DAY_S, rulingWindowS: 365 * DAY_S, periodS: 365 * DAY_S }
  const shares = Array.from({ length: 8 }, () => ({ party: roles.funder, bps: 1 }))
  return [
    {
      ...good,
      roles,
      roleDelayS: 2 * DAY_S + 2,
      staking: { ...good.staking, cooldownS: 0, minActiveS: 0, tierDelayS: 0, apyBps: 0, tiers: tiers(1) },
      insurance: {
        ...good.insurance,
        epochLengthS: DAY_S,
        challengeDelayS: DAY_S,
        claimWindowS: 30 * DAY_S,
        epochCapBps: 1,
      },
      bond: {
        cooldownS: 2 * DAY_S + 2,
        ...{ evidenceWindowS: 1, appealWindowS: 1, rulingWindowS: 1, periodS: 1 },
        ...{ bufferS: 2 * DAY_S, capBps: 1, finderBps: 0 },
      },
      settlement: {
        ...good.settlement,
        ...{ epochLengthS: 60, challengeDelayS: 1, unfundDelayS: 2 * DAY_S, voucherEpochs: 1, providerBps: 0 },
      },
      validators: {
        ...{ minBond: 1n, epochLengthS: 60, cooldownS: 2 * DAY_S + 240, perJob: 1, quorum: 1 },
        ...{ slashBps: 1, reporterBps: 0 },
      },
    },
    {
      ...good,
      roles,
      roleDelayS: 366 * DAY_S,
      staking: {
        ...good.staking,
        ...{
          cooldownS: 365 * DAY_S,
          minActiveS: 365 * DAY_S,
          tierDelayS: 365 * DAY_S,
          apyBps: 10_000,
          tiers: tiers(16),
        },
      },
      insurance: {
        ...good.insurance,
        ...{
          epochLengthS: 3_650 * DAY_S,
          challengeDelayS: 3_650 * DAY_S,
          claimWindowS: 3_650 * DAY_S,
          epochCapBps: 10_000,
        },
      },
      bond: { ...good.bond, ...years, capBps: 10_000, finderBps: 2_000 },
      settlement: {
        ...good.settlement,
        ...{
          epochLengthS: 183 * DAY_S,
          challengeDelayS: 183 * DAY_S,
          unfundDelayS: 366 * DAY_S,
          providerBps: 9_992,
          shares,
        },
      },
      validators: {
        ...good.validators,
        ...{
          epochLengthS: 366 * DAY_S,
          cooldownS: 3_650 * DAY_S,
          perJob: 15,
          quorum: 15,
          slashBps: 10_000,
          reporterBps: 2_000,
        },
      },
    },
  ]
}

layer(SenderTrial.layer().pipe(Layer.provideMerge(Anvil.layer())), { excludeTestServices: true })(
  "DeployRules",
  (it) => {
    it.effect("name the setting with which no contract can be created", () =>
      Effect.gen(function* () {
        for (const [path, settings] of beyond(yield* good)) {
          const problems = DeployRules.problems(settings)
          assert.deepStrictEqual(
            problems.map((one) => one.path),
            [path],
          )
          const { reason } = yield* Effect.flip(Effect.asVoid(planned(settings)))
          assert.strictEqual(reason._tag, "InvalidInput", path)
        }
      }),
    )

    it.effect("allow all that the contracts take, up to the bounds", () =>
      Effect.gen(function* () {
        for (const settings of edges(yield* good)) {
          assert.deepStrictEqual(DeployRules.problems(settings), [])
          assert.lengthOf((yield* planned(settings)).contracts, 6)
        }
      }),
    )
  },
)
