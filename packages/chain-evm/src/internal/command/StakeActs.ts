/** `chain stake`, `unstake`, `cancel-unstake`, `withdraw` and `claim-rewards`: what the owner of stake does with it. */
import * as Clock from "effect/Clock"
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
import * as Rpc from "../../Rpc.ts"
import { toChainError } from "../../RpcError.ts"
import { Signer } from "../../Signer.ts"
import * as Token from "../../Token.ts"
import * as ChainReads from "../ChainReads.ts"
import * as TokenFacts from "../TokenFacts.ts"
import * as Amounts from "./Amounts.ts"
import * as Asking from "./Asking.ts"
import * as Judging from "./Judging.ts"
import * as Problem from "./Problem.ts"
import * as Site from "./Site.ts"
import * as StakeWords from "./StakeWords.ts"

type Act = Parameters<StakeBook["Service"]["act"]>[0]

const orderOf = (kind: StakeWords.Kind, amount: bigint, by: Address.Address): Act => {
  const asked = { idempotencyKey: kind, by }
  switch (kind) {
    case "Stake":
    case "RequestUnstake":
      return { ...asked, _tag: kind, amount }
    default:
      return { ...asked, _tag: kind }
  }
}

/** The second at which a transaction of now would be judged. A chain on which little happens may have had no block for long. */
const nowS = Effect.gen(function* () {
  const reads = ChainReads.make(yield* Rpc.Rpc)
  const head = yield* Effect.mapError(Effect.flatMap(reads.head, reads.block), toChainError)
  return Math.max(head?.atS ?? 0, Math.floor((yield* Clock.currentTimeMillis) / 1_000))
})

const encoded = ({ active, aged, readyAtS, rewards, unbonding }: Standing) => ({
  active: `${active}`,
  aged: `${aged}`,
  unbonding: `${unbonding}`,
  readyAtS,
  rewards: `${rewards}`,
})

const work = Effect.fnUntraced(function* (
  flags: ChainCommand.StakingFlags,
  chain: Chain,
  kind: StakeWords.Kind,
  amount: string,
) {
  const { dryRun, json } = flags
  const address = Address.fromText(flags.contract)
  if (Option.isNone(address)) {
    const what = `"${flags.contract}" is no address, or its checksum is wrong.`
    return yield* Problem.of("NoChain", what, "Copy it again.")
  }
  const by = yield* Site.account((yield* Signer).addresses, Option.none())
  const book = yield* EvmStakeBook.make({ address: address.value })
  const { terms } = book
  const found = yield* TokenFacts.find(terms.token)
  const units = amount === "" ? 0n : yield* Amounts.read(amount, found)
  yield* Site.untilIdle(by, !json)
  const before = yield* book.standing(by)
  if (!json) yield* Console.log(StakeWords.standing(by, found, before))
  const now = {
    atS: yield* nowS,
    by,
    found,
    has: yield* Token.balance(terms.token, by),
    standing: before,
    terms,
    units,
  }
  const obstacle = StakeWords.obstacle(kind, now)
  if (obstacle !== undefined) return yield* obstacle
  if (dryRun) {
    const would = { ok: true, dryRun: true, chainId: chain.id, by, ...encoded(before) }
    return yield* Console.log(json ? JSON.stringify(would) : `${StakeWords.would(kind, now)}\nNothing was sent.`)
  }
  yield* Asking.sure(StakeWords.question(kind, now), flags)
  const { atS, transaction } = yield* book.act(orderOf(kind, units, by))
  const after = yield* book.standing(by)
  const countsFromS = kind === "Stake" || kind === "CancelUnstake" ? atS + terms.minActiveS : undefined
  if (json) {
    const counts = countsFromS === undefined ? {} : { countsFromS }
    const told = { ok: true, chainId: chain.id, by, ...encoded(after), ...counts, transaction }
    return yield* Console.log(JSON.stringify(told))
  }
  yield* Console.log(StakeWords.standing(by, found, after))
  if (countsFromS !== undefined)
    yield* Console.log(`What was added counts for a tier from ${Judging.date(countsFromS)} UTC on.`)
  yield* Console.log(`  transaction ${transaction}`)
})

/** Does it; what goes wrong is told. `amount` is empty where an act has none. */
export const run = <E extends ChainCommand.Failure, R>(
  options: ChainCommand.Options<E, R>,
  flags: ChainCommand.StakingFlags,
  kind: StakeWords.Kind,
  amount: string,
) =>
  Effect.gen(function* () {
    const chain = yield* Site.find(yield* options.chains, flags.chain)
    const ground = Site.sender(options.signer).pipe(Layer.provideMerge(Site.rpc(chain, options)))
    yield* Effect.provide(work(flags, chain, kind, amount), ground)
  }).pipe(Effect.catch((error) => tell(error, flags.json)))
