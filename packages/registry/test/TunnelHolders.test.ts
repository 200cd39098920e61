import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer } from "effect"
import * as TunnelHoldersTest from "../src/testing/TunnelHoldersTest.ts"
import * as TunnelHolders from "../src/TunnelHolders.ts"
import * as TunnelHoldersSql from "../src/TunnelHoldersSql.ts"

const options = { lifeMs: TunnelHoldersTest.LIFE_MS }
TunnelHoldersTest.suite("memory", TunnelHolders.layerMemory(options))
TunnelHoldersTest.suite("SQL", TunnelHoldersSql.layer(options).pipe(Layer.provide(TestDatabase.layer)))

type Exchange = TunnelHolders.TunnelHolders["Service"]["exchange"]
const broken = (change: (exchange: Exchange) => Exchange, life = options) =>
  Layer.effect(
    TunnelHolders.TunnelHolders,
    Effect.map(TunnelHolders.TunnelHolders, ({ exchange }) => ({ exchange: change(exchange) })),
  ).pipe(Layer.provide(TunnelHolders.layerMemory(life)))

TunnelHoldersTest.breaks(
  "it hears itself",
  broken((exchange) => (own) => Effect.map(exchange(own), (heard) => [...heard, own])),
  1,
)
const first = new Map<string, TunnelHolders.Holder>()
TunnelHoldersTest.breaks(
  "what was told first stays",
  broken((exchange) => (own) => {
    const told = first.get(own.gateway) ?? own
    first.set(own.gateway, told)
    return exchange(told)
  }),
  2,
)
TunnelHoldersTest.breaks(
  "it never forgets",
  broken((exchange) => exchange, { lifeMs: 3_600_000 }),
  3,
)
