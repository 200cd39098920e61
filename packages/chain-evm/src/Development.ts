/**
 * A whole market on a chain of a developer's machine: two tokens that anybody mints, the contracts with short epochs, and the
 * first money in them. Nothing here belongs on a chain that is worth anything, and it refuses one.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { encodeFunctionData } from "viem/utils"
import type { Address } from "@guildhall/chain/Address"
import * as ChainError from "@guildhall/chain/ChainError"
import { abi as settlementAbi } from "./abi/Settlement.ts"
import { abi as usdAbi } from "./abi/Usd.ts"
import { creation as plainCode } from "./bytecode/Plain18.ts"
import { creation as usdCode } from "./bytecode/Usd.ts"
import * as Deploy from "./Deploy.ts"
import type { DeploySettings, Roles } from "./DeploySettings.ts"
import * as Creations from "./internal/Creations.ts"
import { bytes } from "./internal/Viem.ts"
import * as Rpc from "./Rpc.ts"
import * as Sender from "./Sender.ts"
import { toChainError } from "./SenderError.ts"
import * as Token from "./Token.ts"

/** The tokens of a chain for development: dollars with 6 decimals, and a token to stake with 18. @category models @since 0.1.0 */
export interface Tokens {
  readonly usd: Address
  readonly stake: Address
}

/**
 * - `roles`: who holds what.
 * - `treasury`, `voucherSigner`: of the first terms of the settlement, whose provider share is `providerBps`.
 * - `epochLengthS`: of the settlement's epochs; a day if nothing is said.
 * - `salt`: another one makes another market on the same chain.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly roles: Roles
  readonly treasury: Address
  readonly voucherSigner: Address
  readonly providerBps?: number | undefined
  readonly shares?: DeploySettings["settlement"]["shares"] | undefined
  readonly epochLengthS?: number | undefined
  readonly salt?: string | undefined
}

const DAY_S = 86_400
const token18 = (whole: bigint): bigint => whole * 10n ** 18n

/**
 * Settings that the contracts take, with the tiers of the market Space.
 *
 * @category constructors
 * @since 0.1.0
 */
export const settings = (tokens: Tokens, options: Options): DeploySettings => ({
  salt: options.salt,
  roles: options.roles,
  roleDelayS: 7 * DAY_S,
  staking: {
    token: tokens.stake,
    cooldownS: 7 * DAY_S,
    minActiveS: DAY_S,
    tierDelayS: 2 * DAY_S,
    apyBps: 500,
    tiers: [
      { minStake: 0n, multiplierBps: 10_000, priority: 0 },
      { minStake: token18(1_000n), multiplierBps: 12_500, priority: 1 },
      { minStake: token18(10_000n), multiplierBps: 15_000, priority: 2 },
      { minStake: token18(100_000n), multiplierBps: 20_000, priority: 3 },
    ],
  },
  insurance: {
    token: tokens.stake,
    epochLengthS: DAY_S,
    challengeDelayS: DAY_S,
    claimWindowS: 30 * DAY_S,
    epochCapBps: 2_000,
    incidentCap: token18(10_000n),
  },
  bond: {
    cooldownS: 7 * DAY_S,
    evidenceWindowS: 3 * DAY_S,
    appealWindowS: 2 * DAY_S,
    rulingWindowS: 3 * DAY_S,
    bufferS: 2 * DAY_S,
    periodS: 30 * DAY_S,
    capBps: 2_000,
    finderBps: 2_000,
  },
  settlement: {
    epochLengthS: options.epochLengthS ?? DAY_S,
    challengeDelayS: 60,
    unfundDelayS: 2 * DAY_S,
    voucherEpochs: 30,
    providerBps: options.providerBps ?? 9_000,
    treasury: options.treasury,
    voucherSigner: options.voucherSigner,
    shares: options.shares ?? [],
  },
  validators: {
    minBond: token18(10_000n),
    epochLengthS: DAY_S,
    cooldownS: 7 * DAY_S,
    perJob: 5,
    quorum: 3,
    slashBps: 10_000,
    reporterBps: 2_000,
  },
})

const mustBeTest = Effect.flatMap(Rpc.Rpc, ({ chain }) =>
  chain.isTest
    ? Effect.void
    : ChainError.invalid(`${chain.name} is no chain for development. Name tokens that are worth something there.`),
)

/**
 * Creates the two tokens, if they are not there.
 *
 * @category constructors
 * @since 0.1.0
 */
export const tokens = Effect.fn("Development.tokens")(function* (by: Address) {
  yield* mustBeTest
  const usd = yield* Deploy.create(by, Creations.creation("Usd", usdCode))
  const stake = yield* Deploy.create(by, Creations.creation("Plain18", plainCode))
  return { usd, stake } satisfies Tokens
})

const send = Effect.fnUntraced(function* (idempotencyKey: string, by: Address, to: Address, data: `0x${string}`) {
  const sender = yield* Sender.Sender
  return yield* Effect.mapError(sender.send({ idempotencyKey, by, to, data }), toChainError)
})

/**
 * Makes money of a development token. The same key makes it once.
 *
 * @category combinators
 * @since 0.1.0
 */
export const mint = Effect.fn("Development.mint")(function* (asked: {
  readonly idempotencyKey: string
  readonly by: Address
  readonly token: Address
  readonly to: Address
  readonly amount: bigint
}) {
  yield* mustBeTest
  const { amount, by, idempotencyKey, to, token } = asked
  const data = encodeFunctionData({ abi: usdAbi, functionName: "mint", args: [bytes(to), amount] })
  return yield* send(idempotencyKey, by, token, data)
})

/**
 * Makes dollars and puts them into a settlement: so much to settle, and so much to boost. The same key does it once.
 *
 * @category combinators
 * @since 0.1.0
 */
export const fund = Effect.fn("Development.fund")(function* (asked: {
  readonly idempotencyKey: string
  readonly by: Address
  readonly token: Address
  readonly settlement: Address
  readonly funded: bigint
  readonly boost: bigint
}) {
  const { boost, by, funded, idempotencyKey, settlement, token } = asked
  yield* mint({ idempotencyKey: `${idempotencyKey}:mint`, by, token, to: by, amount: funded + boost })
  const grant = { abi: Token.abi, functionName: "approve", args: [bytes(settlement), funded + boost] } as const
  yield* send(`${idempotencyKey}:grant`, by, token, encodeFunctionData(grant))
  for (const [functionName, amount] of [
    ["fund", funded],
    ["fundBoost", boost],
  ] as const) {
    if (amount === 0n) continue
    const data = encodeFunctionData({ abi: settlementAbi, functionName, args: [bytes(token), amount] })
    yield* send(`${idempotencyKey}:${functionName}`, by, settlement, data)
  }
})

/**
 * The tokens and the contracts, those that are not there yet.
 *
 * @category constructors
 * @since 0.1.0
 */
export const deploy = Effect.fn("Development.deploy")(function* (by: Address, options: Options) {
  const made = yield* tokens(by)
  const contracts = yield* Deploy.deploy(by, settings(made, options))
  return { tokens: made, contracts }
})
