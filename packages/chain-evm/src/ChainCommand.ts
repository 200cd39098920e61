/**
 * The command line's `chain`: deploy a market's contracts, look at them, and claim what a provider earned. What it does is loaded when
 * it is asked for, so that other commands do not wait for it.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import type { Chain } from "./Chain.ts"
import type { Signer } from "./Signer.ts"

/** What goes wrong, told as a letter. @category models @since 0.1.0 */
export interface Failure {
  readonly _tag: string
  readonly message: string
}

/** What of a market's definition is looked at. @category models @since 0.1.0 */
export type Market = Pick<MarketDefinition, "name" | "chain" | "stakeAsset">

/**
 * What an app gives.
 *
 * - `chains`: those that are known.
 * - `endpoints`: where a chain is asked, as the settings say; where they name none, its public ones are.
 * - `signer`: the keys of the settings, none or more.
 * - `definition`: a market's, by its file or name; the one of the settings where neither is given.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<E extends Failure, R> {
  readonly chains: Effect.Effect<ReadonlyArray<Chain>, E, R>
  readonly endpoints: (chain: Chain) => Effect.Effect<ReadonlyArray<Redacted.Redacted<string>>, E, R>
  readonly signer: Layer.Layer<Signer, E, R>
  readonly definition: (named: Option.Option<string>) => Effect.Effect<Market, E, R>
}

const json = Flag.Boolean("json").pipe(Flag.withDescription("Print one JSON object"), Flag.withDefault(false))

const yes = Flag.Boolean("yes").pipe(Flag.withAlias("y"), Flag.withDescription("Ask nothing"), Flag.withDefault(false))

const deployFlags = {
  chain: Flag.String("chain").pipe(Flag.withDescription("The chain, by its name or number: base, 8453")),
  settings: Flag.String("settings").pipe(
    Flag.withDescription("A JSON file with the roles, windows and tokens; docs/deploying.md has one to start from"),
  ),
  by: Flag.String("by").pipe(
    Flag.withDescription("The account that pays; without it, the one whose key is set"),
    Flag.optional,
  ),
  dryRun: Flag.Boolean("dry-run").pipe(
    Flag.withDescription("Say what would be created, where and for how much, and send nothing; needs no key"),
    Flag.withDefault(false),
  ),
  yes,
  json,
}

const checkFlags = {
  definition: Flag.String("definition").pipe(
    Flag.withDescription(
      "The market definition: a JSON file or a market's name; without it, the one of GUILDHALL_MARKET, or what the home's market last ran by",
    ),
    Flag.optional,
  ),
  json,
}

const claimFlags = {
  proof: Flag.String("proof").pipe(
    Flag.withDescription(
      "The saved answer of GET /v1/settlements/latest/proof, or the market's address, to fetch it with --key",
    ),
  ),
  key: Flag.Redacted("key").pipe(
    Flag.withDescription(
      "The provider's API key, where --proof is an address; better not on the command line [GUILDHALL_PROVIDER_KEY]",
    ),
    Flag.withFallbackConfig(Config.Redacted("GUILDHALL_PROVIDER_KEY")),
    Flag.optional,
  ),
  dryRun: Flag.Boolean("dry-run").pipe(
    Flag.withDescription("Check the proof against the chain and send nothing; needs no key"),
    Flag.withDefault(false),
  ),
  json,
}

const nothingSent = Flag.Boolean("dry-run").pipe(
  Flag.withDescription("Say what would come of it and send nothing"),
  Flag.withDefault(false),
)

const amount = Argument.String("amount").pipe(Argument.withDescription("In whole tokens, such as 1000 or 0.5"))

const fundFlags = {
  amount,
  definition: checkFlags.definition,
  boost: Flag.Boolean("boost").pipe(
    Flag.withDescription("Into the pool that pays what tiers add, instead of what is settled"),
    Flag.withDefault(false),
  ),
  dryRun: nothingSent,
  yes,
  json,
}

const stakingFlags = {
  chain: deployFlags.chain,
  contract: Flag.String("contract").pipe(Flag.withDescription("The market's staking contract")),
  dryRun: nothingSent,
  yes,
  json,
}
const stakeFlags = { amount, ...stakingFlags }

/** What was given to each of them. @category models @since 0.1.0 */
export type DeployFlags = Command.Command.Config.Infer<typeof deployFlags>
/** @since 0.1.0 */
export type CheckFlags = Command.Command.Config.Infer<typeof checkFlags>
/** @since 0.1.0 */
export type ClaimFlags = Command.Command.Config.Infer<typeof claimFlags>
/** @since 0.1.0 */
export type FundFlags = Command.Command.Config.Infer<typeof fundFlags>
/** @since 0.1.0 */
export type StakingFlags = Command.Command.Config.Infer<typeof stakingFlags>

/**
 * Makes the command `chain`, for an app that knows where chains and keys are.
 *
 * @category commands
 * @since 0.1.0
 */
export const make = <E extends Failure, R>(options: Options<E, R>) => {
  const deploy = Command.make("deploy", deployFlags, (flags) =>
    Effect.flatMap(
      Effect.promise(() => import("./internal/command/Deploying.ts")),
      ({ run }) => run(options, flags),
    ),
  ).pipe(
    Command.withDescription("Create a market's contracts, those that are not there yet"),
    Command.withExamples([
      {
        command: "guildhall chain deploy --chain base --settings deploy.json --dry-run",
        description: "See the addresses, roles, windows and the cost first",
      },
      {
        command: "guildhall chain deploy --chain base --settings deploy.json",
        description: "Create them; stopped, it goes on where it was",
      },
    ]),
  )
  const check = Command.make("check", checkFlags, (flags) =>
    Effect.flatMap(
      Effect.promise(() => import("./internal/command/Checking.ts")),
      ({ run }) => run(options, flags),
    ),
  ).pipe(
    Command.withDescription(
      "Look at a market's contracts: whose they are, their roles, windows and money, and what to do",
    ),
    Command.withExamples([
      {
        command: "guildhall chain check --definition market.json",
        description: "Before the market starts, and any time",
      },
    ]),
  )
  const claim = Command.make("claim", claimFlags, (flags) =>
    Effect.flatMap(
      Effect.promise(() => import("./internal/command/Claiming.ts")),
      ({ run }) => run(options, flags),
    ),
  ).pipe(
    Command.withDescription("Have a provider paid what it earned, with the market there or gone"),
    Command.withExamples([
      { command: "guildhall chain claim --proof proof.json", description: "With the saved answer of the market" },
      { command: "guildhall chain claim --proof https://market.example", description: "Ask the market for it" },
    ]),
  )
  const fund = Command.make("fund", fundFlags, (flags) =>
    Effect.flatMap(
      Effect.promise(() => import("./internal/command/Funding.ts")),
      ({ run }) => run(options, flags),
    ),
  ).pipe(
    Command.withDescription("Put money into a market's settlement, for its epochs to be paid"),
    Command.withExamples([
      { command: "guildhall chain fund 5000 --definition market.json", description: "Dollars, for what is settled" },
    ]),
  )
  const staking = (
    flags: StakingFlags,
    kind: "Stake" | "RequestUnstake" | "CancelUnstake" | "Withdraw" | "ClaimRewards",
    amount = "",
  ) =>
    Effect.flatMap(
      Effect.promise(() => import("./internal/command/StakeActs.ts")),
      ({ run }) => run(options, flags, kind, amount),
    )
  const stake = Command.make("stake", stakeFlags, ({ amount, ...flags }) => staking(flags, "Stake", amount)).pipe(
    Command.withDescription("Stake tokens in a market, for a tier"),
    Command.withExamples([
      {
        command: "guildhall chain stake 1000 --chain base --contract 0x… --dry-run",
        description: "See from when it counts, and when it could leave",
      },
    ]),
  )
  const unstake = Command.make("unstake", stakeFlags, ({ amount, ...flags }) =>
    staking(flags, "RequestUnstake", amount),
  ).pipe(
    Command.withDescription(
      "Ask for staked tokens back; they can be withdrawn after the cooldown, which begins anew for all of them when more are asked for",
    ),
  )
  const cancelUnstake = Command.make("cancel-unstake", stakingFlags, (flags) => staking(flags, "CancelUnstake")).pipe(
    Command.withDescription("Stake again what was asked for and not withdrawn yet"),
  )
  const withdraw = Command.make("withdraw", stakingFlags, (flags) => staking(flags, "Withdraw")).pipe(
    Command.withDescription("Take the tokens whose cooldown is over"),
  )
  const claimRewards = Command.make("claim-rewards", stakingFlags, (flags) => staking(flags, "ClaimRewards")).pipe(
    Command.withDescription("Take what the stake has yielded"),
  )
  return Command.make("chain").pipe(
    Command.withDescription(
      "A market's contracts: deploy them, look at them, put money in, claim, stake. What sends signs with the key of GUILDHALL_CHAIN_KEY_FILE or GUILDHALL_CHAIN_KEY, asks at GUILDHALL_CHAIN_RPC, and never prints either",
    ),
    Command.withSubcommands([deploy, check, fund, claim, stake, unstake, cancelUnstake, withdraw, claimRewards]),
  )
}
