/**
 * Pays members out on the chain: what they earned and is safe becomes durable runs, and what waits goes in batches.
 */
import * as Effect from "effect/Effect"
import type { Address } from "@guildhall/chain/Address"
import * as MarketChain from "@guildhall/core/MarketChain"
import * as MarketDefinition from "@guildhall/core/MarketDefinition"
import * as PayoutRun from "@guildhall/ledger/PayoutRun"
import * as Loop from "@guildhall/steward/Loop"
import * as Payouts from "@guildhall/steward/Payouts"
import type * as ChainParts from "./ChainParts.ts"
import * as ChainRails from "./ChainRails.ts"
import type * as ChainSite from "./ChainSite.ts"

/** How often it is looked whether a period is over, and whether a batch is paid, at most and at least. */
const LOOK_MS = { least: 2_000, most: 30_000 } as const
/** A batch that the chain has is found by then. */
const LONGEST_WAIT_MS = 600_000

/**
 * Pays for as long as the scope lives.
 *
 * @category constructors
 * @since 0.1.0
 */
export const run = Effect.fnUntraced(function* (
  site: ChainSite.ChainSite,
  definition: ChainSite.Defined,
  terms: ChainParts.PayoutTerms,
  at: { readonly settlement: Address; readonly operator: Address },
) {
  const { asset, flush, rail, wallets } = yield* ChainRails.payouts(site, definition, at.settlement, at.operator)
  const finalityMs = site.chain.confirmations * site.chain.blockTimeMs
  const runs = yield* PayoutRun.make({
    rails: [rail],
    policy: { firstWaitMs: Math.max(LOOK_MS.least, finalityMs), longestWaitMs: LONGEST_WAIT_MS },
  })
  const { round } = yield* Payouts.make({
    rail: rail.name,
    asset: asset.asset,
    sources: terms.sources,
    everyMs: terms.everyMs,
    minimum: (terms.minimum ?? 0n) * MarketChain.unitOf(asset.asset, asset),
    definition: yield* MarketDefinition.digest(definition),
    payable: (members) => Effect.map(wallets(members), (found) => new Set(found.keys())),
  }).pipe(Effect.provideService(PayoutRun.PayoutRun, runs))
  const everyMs = Math.max(LOOK_MS.least, Math.min(LOOK_MS.most, Math.floor(terms.everyMs / 6)))
  yield* Loop.run("Payouts", everyMs, round)
  yield* Loop.run("PayoutBatches", everyMs, flush)
})
