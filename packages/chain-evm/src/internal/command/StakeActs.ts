/** `chain stake`, `unstake` and `withdraw`: what the owner of stake does with it. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Address from "@guildhall/chain/Address"
import type { Standing, StakeBook } from "@guildhall/chain/StakeBook"
import { tell } from "@guildhall/core/CommandFailure"
import type { Chain } from "../../Chain.ts"
import type * as ChainCommand from "../../ChainCommand.ts"
import * as EvmStakeBook from "../../EvmStakeBook.ts"
import { Signer } from "../../Signer.ts"
import type * as Token from "../../Token.ts"
import * as TokenFacts from "../TokenFacts.ts"
import * as Amounts from "./Amounts.ts"
import * as Asking from "./Asking.ts"
import * as Judging from "./Judging.ts"
import * as Problem from "./Problem.ts"
import * as Site from "./Site.ts"
import * as Words from "./Words.ts"

type Act = Parameters<StakeBook["Service"]["act"]>[0]
type Kind = "Stake" | "RequestUnstake" | "Withdraw"

/** What is asked before, and the act. */
const orderOf = (kind: Kind, units: bigint, by: Address.Address): Act => {
  const asked = { idempotencyKey: kind, by }
  return kind === "Withdraw" ? { ...asked, _tag: kind } : { ...asked, _tag: kind, amount: units }
}

const question = (
  kind: Kind,
  units: bigint,
  found: Token.Found,
  { cooldownS, minActiveS }: StakeBook["Service"]["terms"],
): string => {
  const shown = Words.amount(units, found)
  switch (kind) {
    case "Stake":
      return `Stake ${shown}? It counts for a tier after ${Words.duration(minActiveS)}, and leaves ${Words.duration(cooldownS)} after it is asked for.`
    case "RequestUnstake":
      return `Ask for ${shown} back? It counts no more, and can be withdrawn after ${Words.duration(cooldownS)}.`
    case "Withdraw":
      return "Withdraw what is ready?"
  }
}

const words = (by: string, found: Token.Found, standing: Standing): string => {
  const { active, aged, readyAtS, rewards, tier, unbonding } = standing
  return [
    `${by} has ${Words.amount(active, found)} staked, ${Words.amount(aged, found)} of it counting for a tier`,
    tier === undefined ? "" : ` (earnings × ${tier.multiplierBps / 10_000})`,
    unbonding === 0n ? "" : `, ${Words.amount(unbonding, found)} to be withdrawn from ${Judging.date(readyAtS)} UTC on`,
    rewards === 0n ? "" : `, ${Words.amount(rewards, found)} of rewards`,
    ".",
  ].join("")
}

const work = Effect.fnUntraced(function* (flags: ChainCommand.StakingFlags, chain: Chain, kind: Kind, amount: string) {
  const { json } = flags
  const address = Address.fromText(flags.contract)
  if (Option.isNone(address)) {
    return yield* Problem.of(
      "NoChain",
      `"${flags.contract}" is no address, or its checksum is wrong.`,
      "Copy it again.",
    )
  }
  const by = yield* Site.account((yield* Signer).addresses, Option.none())
  const book = yield* EvmStakeBook.make({ address: address.value })
  const found = yield* TokenFacts.find(book.terms.token)
  const units = kind === "Withdraw" ? 0n : yield* Amounts.read(amount, found)
  yield* Site.untilIdle(by, !json)
  if (!json) yield* Console.log(words(by, found, yield* book.standing(by)))
  yield* Asking.sure(question(kind, units, found, book.terms), flags)
  const { transaction } = yield* book.act(orderOf(kind, units, by))
  const after = yield* book.standing(by)
  if (!json) return yield* Console.log(`${words(by, found, after)}\n  transaction ${transaction}`)
  const standing = { active: `${after.active}`, unbonding: `${after.unbonding}`, readyAtS: after.readyAtS }
  yield* Console.log(JSON.stringify({ ok: true, chainId: chain.id, by, ...standing, transaction }))
})

const run = <E extends ChainCommand.Failure, R>(
  options: ChainCommand.Options<E, R>,
  flags: ChainCommand.StakingFlags,
  kind: Kind,
  amount: string,
) =>
  Effect.gen(function* () {
    const chain = yield* Site.find(yield* options.chains, flags.chain)
    const ground = Site.sender(options.signer).pipe(Layer.provideMerge(Site.rpc(chain, options)))
    yield* Effect.provide(work(flags, chain, kind, amount), ground)
  }).pipe(Effect.catch((error) => tell(error, flags.json)))

type Run<Rest extends ReadonlyArray<string>> = <E extends ChainCommand.Failure, R>(
  options: ChainCommand.Options<E, R>,
  flags: ChainCommand.StakingFlags,
  ...rest: Rest
) => ReturnType<typeof run<E, R>>

/** Puts tokens in. */
export const stake: Run<[amount: string]> = (options, flags, amount) => run(options, flags, "Stake", amount)
/** Asks for tokens back. */
export const unstake: Run<[amount: string]> = (options, flags, amount) => run(options, flags, "RequestUnstake", amount)
/** Takes what is ready. */
export const withdraw: Run<[]> = (options, flags) => run(options, flags, "Withdraw", "")
