/** `chain fund`: puts money into the settlement of a market, to be settled or to boost. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Address from "@guildhall/chain/Address"
import { tell } from "@guildhall/core/CommandFailure"
import type { MarketChain } from "@guildhall/core/MarketChain"
import type { Chain } from "../../Chain.ts"
import type * as ChainCommand from "../../ChainCommand.ts"
import * as EvmSettlement from "../../EvmSettlement.ts"
import { Signer } from "../../Signer.ts"
import * as Token from "../../Token.ts"
import * as Amounts from "./Amounts.ts"
import * as Asking from "./Asking.ts"
import * as Problem from "./Problem.ts"
import * as Site from "./Site.ts"
import * as Words from "./Words.ts"

const missing = (what: string) =>
  Problem.of(
    "NoChain",
    `The definition names no ${what}.`,
    "Deploy first, and paste what was printed: guildhall chain deploy.",
  )

const named = (text: string | undefined, what: string): Effect.Effect<Address.Address, Problem.Problem> =>
  Option.match(Address.fromText(text ?? ""), {
    onNone: () => Effect.fail(missing(what)),
    onSome: Effect.succeed,
  })

const work = Effect.fnUntraced(function* (chain: Chain, terms: MarketChain, flags: ChainCommand.FundFlags) {
  const { boost, dryRun, json } = flags
  const { asset } = terms.settlement
  const given = terms.tokens[asset]
  const token = yield* named(given?.address, `token of ${asset}`)
  const found = yield* Token.check(token, { decimals: given?.decimals ?? 0 })
  const amount = yield* Amounts.read(flags.amount, found)
  const by = yield* Site.account((yield* Signer).addresses, Option.none())
  const settlement = yield* EvmSettlement.make({ address: yield* named(terms.contracts?.settlement, "settlement") })
  yield* Site.untilIdle(by, !json)
  const pools = Effect.map(settlement.totals(token), ({ boostPool, funded }) => (boost ? boostPool : funded))
  const before = yield* pools
  const shown = (units: bigint) => Words.amount(units, found)
  const has = yield* Token.balance(token, by)
  const pool = boost ? "boost pool" : "settlement"
  if (!json) yield* Console.log(`The ${pool} on ${chain.name} has ${shown(before)}, and ${by} has ${shown(has)}.`)
  if (has < amount) {
    return yield* Problem.of(
      "TooLittle",
      `${by} has ${shown(has)}, not ${shown(amount)}. Nothing was sent.`,
      "Send it some.",
    )
  }
  if (dryRun) {
    const would = { ok: true, dryRun: true, by, pool, amount: `${amount}`, has: `${before}` }
    const then = `With ${shown(amount)} more it would have ${shown(before + amount)}. Nothing was sent.`
    return yield* Console.log(json ? JSON.stringify(would) : then)
  }
  yield* Asking.sure(`Put ${shown(amount)} in? Only the funder takes it back, with a delay.`, flags)
  const act = yield* settlement.act({ _tag: boost ? "FundBoost" : "Fund", idempotencyKey: "fund", by, token, amount })
  const after = yield* pools
  yield* Console.log(
    json
      ? JSON.stringify({ ok: true, by, pool, amount: `${amount}`, has: `${after}`, transaction: act.transaction })
      : `It has ${shown(after)} now, by transaction ${act.transaction}.`,
  )
})

/** Runs it; what goes wrong is told. */
export const run = <E extends ChainCommand.Failure, R>(
  options: ChainCommand.Options<E, R>,
  flags: ChainCommand.FundFlags,
) =>
  Effect.gen(function* () {
    const terms = (yield* options.definition(flags.definition)).chain
    if (terms === undefined) return yield* missing("chain")
    const chain = yield* Site.find(yield* options.chains, `${terms.id}`)
    const ground = Site.sender(options.signer).pipe(Layer.provideMerge(Site.rpc(chain, options)))
    yield* Effect.provide(work(chain, terms, flags), ground)
  }).pipe(Effect.catch((error) => tell(error, flags.json)))
