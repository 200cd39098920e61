/** `chain deploy`: says what will be, asks, creates what is missing, and prints what goes into the definition. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Address from "@guildhall/chain/Address"
import { tell } from "@guildhall/core/CommandFailure"
import type { Chain } from "../../Chain.ts"
import type * as ChainCommand from "../../ChainCommand.ts"
import * as Deploy from "../../Deploy.ts"
import * as DeployPlan from "../../DeployPlan.ts"
import * as DeploySettings from "../../DeploySettings.ts"
import { Signer } from "../../Signer.ts"
import * as FirstBlock from "../FirstBlock.ts"
import * as Asking from "./Asking.ts"
import * as Problem from "./Problem.ts"
import * as Section from "./Section.ts"
import * as SettingsWords from "./SettingsWords.ts"
import * as Site from "./Site.ts"
import * as Words from "./Words.ts"

/** The file, the chain, and what follows from both. */
interface Task {
  readonly chain: Chain
  readonly settings: DeploySettings.DeploySettings
  readonly plan: DeployPlan.DeployPlan
  /** Whether there is a key of the account that pays. */
  readonly isKeyed: boolean
}

const missing = ({ plan }: Task) => plan.contracts.filter(({ isThere }) => !isThere)

const cost = ({ chain, isKeyed, plan }: Task): ReadonlyArray<string> => {
  const coin = (wei: bigint) => Words.coin(wei, chain.nativeCurrency)
  if (plan.gas === 0n) return ["cost        nothing: all of them stand"]
  const untried = plan.contracts.some(({ isTried }) => !isTried)
  return [
    `gas         about ${Words.grouped(`${plan.gas}`)} at ${Words.gwei(plan.priceWei)}${untried ? "; the endpoint could not try all of them before" : ""}`,
    `cost        about ${coin(plan.costWei)}, at most ${coin(plan.gas * plan.mostWei)}; a rollup adds its fee for data`,
    isKeyed
      ? `account     ${plan.by} has ${coin(plan.hasWei)}`
      : `account     no key of it is set; reckoned as if ${plan.by} paid`,
  ]
}

/** What they are created with. */
const terms = ({ isKeyed, plan, settings }: Task): ReadonlyArray<string> => {
  const isStranger = isKeyed && SettingsWords.of(settings, plan.by).length === 0
  const risky = SettingsWords.besideOperator(settings)
  return [
    ...SettingsWords.roles(settings),
    ...(isStranger ? ["  Who deploys has no role in it afterwards."] : []),
    ...(risky.length === 0
      ? []
      : [
          `  Careful: the operator's key lies on the gateway, and is ${risky.join(", ")} as well. Give these to accounts elsewhere.`,
        ]),
    "",
    ...SettingsWords.terms(settings, plan.tokens),
  ]
}

const words = (task: Task): ReadonlyArray<string> => {
  const { chain, plan } = task
  return [
    `${chain.name} (${chain.id}${chain.isTest ? ", a chain for tests" : ""})`,
    "",
    "contracts",
    ...Words.table(
      plan.contracts.map(({ address, contract, gas, isThere }) => [
        contract,
        address,
        isThere ? "stands" : `to be created, ${Words.grouped(`${gas}`)} gas`,
      ]),
    ),
    "",
    // It is for good, so it is read before, and not again.
    ...(missing(task).length === 0 ? [] : [...terms(task), ""]),
    ...cost(task),
  ]
}

const facts = ({ chain, plan }: Task) => ({
  chainId: chain.id,
  by: plan.by,
  contracts: plan.contracts.map(({ gas, ...one }) => ({ ...one, gas: `${gas}` })),
  gas: `${plan.gas}`,
  priceWei: `${plan.priceWei}`,
  costWei: `${plan.costWei}`,
  needsWei: `${plan.needsWei}`,
  hasWei: `${plan.hasWei}`,
})

const tooLittle = ({ chain, plan }: Task) => {
  const coin = (wei: bigint) => Words.coin(wei, chain.nativeCurrency)
  return Problem.of(
    "TooLittle",
    `${plan.by} cannot pay for it: it has ${coin(plan.hasWei)} on ${chain.name}.`,
    `It costs about ${coin(plan.costWei)} now, and ${coin(plan.needsWei)} must be there in case gas becomes dearer. Nothing was sent.`,
    "Send it some, and run this again.",
  )
}

const confirmed = (task: Task, flags: ChainCommand.DeployFlags) => {
  const { chain, plan } = task
  const count = missing(task).length
  const price = Words.coin(plan.costWei, chain.nativeCurrency)
  const what = `Create ${count} contract${count === 1 ? "" : "s"} on ${chain.name} for about ${price}?`
  return Asking.sure(what, flags, "Or look only, with --dry-run.")
}

/** With the block in which the first of them was created, also where another run created it. */
const deployed = Effect.fnUntraced(function* ({ chain, plan, settings }: Task, isTold: boolean) {
  let count = 0
  const there = new Set<string>(plan.contracts.flatMap(({ contract, isThere }) => (isThere ? [contract] : [])))
  const told = (contract: string, address: string) => {
    count += 1
    if (!isTold) return Effect.void
    const what = there.has(contract) ? "stands" : "created"
    return Console.error(`  ${count} of ${plan.contracts.length}  ${contract.padEnd(17)}  ${address}  ${what}`)
  }
  const made = yield* Deploy.deploy(plan.by, settings, told)
  const fromBlock =
    made.fromBlock > 0 ? made.fromBlock : yield* FirstBlock.find(plan.contracts.map(({ address }) => address))
  return { made, section: Section.make(chain, { ...made, fromBlock }, settings, plan.tokens) }
})

const report = (
  { chain }: Task,
  { made, section }: Effect.Success<ReturnType<typeof deployed>>,
): ReadonlyArray<string> => [
  "",
  `The contracts stand on ${chain.name}, and are ours. Roots are claimed at ${made.rootVault}.`,
  "",
  "For the market definition:",
  "",
  JSON.stringify(section, undefined, 2),
  "",
  ...(section.chain.fromBlock === undefined
    ? [
        "fromBlock is not known: the endpoint keeps no state of so long ago. Look up on an explorer in which block",
        `${made.staking} was created, and add it to the chain.`,
      ]
    : []),
  ...(chain.tokens.length === 0
    ? ["Add the address and the decimals of the token that providers are paid in (USD)."]
    : []),
  "Add the stake asset to its assets, and to chain.settlement.sources what is settled and when: docs/chain.md.",
  "Then: guildhall chain check --definition <file>",
]

const accountOf = Effect.fnUntraced(function* (flags: ChainCommand.DeployFlags, roles: DeploySettings.Roles) {
  const named = Option.isNone(flags.by) ? Option.none() : Address.fromText(flags.by.value)
  if (Option.isSome(flags.by) && Option.isNone(named)) {
    return yield* Problem.of("NoKey", `"${flags.by.value}" is no address, or its checksum is wrong.`, "Copy it again.")
  }
  const { addresses } = yield* Signer
  // Nothing is signed, so any account will do to reckon with.
  if (flags.dryRun) return Option.getOrElse(named, () => addresses[0] ?? roles.governor)
  return yield* Site.account(addresses, named)
})

const work = Effect.fnUntraced(function* (
  flags: ChainCommand.DeployFlags,
  chain: Chain,
  settings: DeploySettings.DeploySettings,
) {
  const { dryRun, json } = flags
  const by = yield* accountOf(flags, settings.roles)
  if (!dryRun) yield* Site.untilIdle(by, !json)
  const plan = yield* DeployPlan.make(by, settings)
  const task = { chain, settings, plan, isKeyed: (yield* Signer).addresses.includes(by) }
  if (!json) for (const line of words(task)) yield* Console.log(line)
  if (dryRun) {
    return yield* json
      ? Console.log(JSON.stringify({ ok: true, dryRun, ...facts(task) }))
      : Console.log("\nNothing was sent (--dry-run).")
  }
  if (missing(task).length > 0) {
    if (chain.fundsInCoin && plan.hasWei < plan.needsWei) return yield* tooLittle(task)
    yield* confirmed(task, flags)
    if (!json) yield* Console.error("")
  }
  const result = yield* deployed(task, !json)
  if (json) {
    const created = missing(task).map(({ contract }) => contract)
    return yield* Console.log(
      JSON.stringify({ ok: true, by, created, deployed: result.made, definition: result.section }),
    )
  }
  for (const line of report(task, result)) yield* Console.log(line)
})

/** Runs it; what goes wrong is told. */
export const run = <E extends ChainCommand.Failure, R>(
  options: ChainCommand.Options<E, R>,
  flags: ChainCommand.DeployFlags,
) =>
  Effect.gen(function* () {
    const chain = yield* Site.find(yield* options.chains, flags.chain)
    const json = yield* Site.readJson(flags.settings, "a file of settings (docs/deploying.md has one)")
    const settings = yield* DeploySettings.decode(json)
    const ground = Site.sender(options.signer).pipe(Layer.provideMerge(Site.rpc(chain, options)))
    yield* Effect.provide(work(flags, chain, settings), ground)
  }).pipe(Effect.catch((error) => tell(error, flags.json)))
