/**
 * A market as its definition has it: the parts that it names, made.
 */
import { randomUUID } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MarketDefinition from "@guildhall/core/MarketDefinition"
import { Market } from "@guildhall/gateway/Market"
import { Deposits } from "@guildhall/gateway/Deposits"
import * as TopUps from "@guildhall/gateway/TopUps"
import { PaymentRail } from "@guildhall/ledger/PaymentRail"
import { PaymentScheme } from "@guildhall/ledger/PaymentScheme"
import { Members } from "@guildhall/registry/Members"
import * as NamedPolicies from "@guildhall/routing/NamedPolicies"
import * as Router from "@guildhall/routing/Router"
import { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import * as ChainParts from "./ChainParts.ts"
import type { Facts } from "./Launch.ts"
import * as MarketParts from "./MarketParts.ts"
import * as RoutingFile from "./RoutingFile.ts"

/**
 * The market and its router. The home remembers which policies it has had, so that their decisions can be made again.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (home: string, definition: MarketDefinition.MarketDefinition) =>
  Layer.effectContext(
    Effect.gen(function* () {
      const parts = MarketParts.make(yield* Members, definition, ChainParts.checking)
      const payments = yield* Effect.forEach(definition.payments, (ref) => parts.resolve(PaymentScheme, ref))
      const policy = yield* parts.resolve(RoutingPolicy, definition.routing)
      const digest = yield* MarketDefinition.digest(definition)
      const named = { [NamedPolicies.nameOf(policy)]: definition.routing }
      yield* RoutingFile.add(home, { market: definition.name, definition: digest, policies: named })
      const former = yield* NamedPolicies.resolve(parts, (yield* RoutingFile.read(home))?.policies ?? {})
      const formerPolicies = [...former.values()]
      const router = yield* Router.make({ replica: "gateway", policy, formerPolicies, health: definition.health })
      return Context.make(Market, { definition, digest, owner: `gateway-${randomUUID()}`, payments }).pipe(
        Context.add(Router.Router, router),
      )
    }),
  )

/** Deposits on the market's chain, where the definition names them: their program is loaded only then. */
const makeDeposits = Effect.fnUntraced(function* (facts: Facts, definition: MarketDefinition.MarketDefinition) {
  const terms = ChainParts.depositOf(definition)
  const { chain } = definition
  if (terms === undefined || chain === undefined) return undefined
  const [sites, rails] = yield* Effect.promise(() => Promise.all([import("./ChainSite.ts"), import("./ChainRails.ts")]))
  const defined = { ...definition, chain }
  return yield* rails.deposits(facts, yield* sites.make(facts, defined), defined, terms)
})

/**
 * Top-ups by the rails that the definition names, and where members pay to by themselves.
 *
 * @category layers
 * @since 0.1.0
 */
export const topUps = (facts: Facts, definition: MarketDefinition.MarketDefinition) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const made = yield* makeDeposits(facts, definition)
      const parts = MarketParts.make(yield* Members, definition, {
        ...ChainParts.checking,
        ...(made === undefined ? {} : { deposit: () => Effect.succeed(made.rail) }),
      })
      const rails = yield* Effect.forEach(definition.topUps, (ref) => parts.resolve(PaymentRail, ref))
      return Layer.merge(
        TopUps.layer({ rails }),
        made === undefined ? Layer.empty : Layer.succeed(Deposits, made.addressesOf),
      )
    }),
  )
