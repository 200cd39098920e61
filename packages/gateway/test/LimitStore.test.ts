import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import type * as LimitRule from "../src/LimitRule.ts"
import * as LimitStore from "../src/LimitStore.ts"
import * as LimitStoreTest from "../src/testing/LimitStoreTest.ts"
import * as LimitDatabase from "./LimitDatabase.ts"

const virtual = { pass: (ms: number) => TestClock.adjust(ms) }

LimitStoreTest.suite("memory", LimitStore.layerMemory, virtual)
LimitStoreTest.suite("SQL", LimitDatabase.layer, { pass: LimitDatabase.passLatest })

type Service = LimitStore.LimitStore["Service"]
type Exchange = Service["exchange"]

const broken = (change: (store: Service) => Partial<Service>) =>
  Layer.effect(
    LimitStore.LimitStore,
    Effect.map(Effect.service(LimitStore.LimitStore), (store) =>
      LimitStore.LimitStore.of({ ...store, ...change(store) }),
    ),
  ).pipe(Layer.provide(LimitStore.layerMemory))

/** A store that is told something else than it was told, or that tells something else. */
const asking = (change: (ask: LimitRule.Ask) => LimitRule.Ask) =>
  broken((store) => ({
    exchange: (request) => store.exchange({ ...request, asks: request.asks.map(change) }),
  }))
const granting = (change: (grant: LimitRule.Grant, ask: LimitRule.Ask) => LimitRule.Grant) =>
  broken((store) => ({
    exchange: (request) =>
      Effect.map(store.exchange(request), ({ grants, tight }) => ({
        tight,
        grants: grants.map((grant, at) => {
          const ask = request.asks[at]
          return ask === undefined ? grant : change(grant, ask)
        }),
      })),
  }))

LimitStoreTest.breaks(
  "everyone has the whole limit for itself",
  broken((store) => {
    let others = 0
    const exchange: Exchange = (request) =>
      store.exchange({
        ...request,
        asks: request.asks.map((ask) => ({ ...ask, counter: `${ask.counter}${others++ % 2}` })),
      })
    return { exchange }
  }),
  1,
  virtual,
)
LimitStoreTest.breaks(
  "half of what is needed is given",
  granting((grant, ask) => ({
    ...grant,
    lease: Math.max(ask.keep, Math.floor(grant.lease / 2)),
  })),
  2,
  virtual,
)
LimitStoreTest.breaks(
  "a fragment that is of no use is kept",
  asking((ask) => ({ ...ask, least: ask.keep })),
  2,
  virtual,
)
LimitStoreTest.breaks(
  "telling it again counts again",
  broken((store) => {
    let told = 0
    const exchange: Exchange = (request) =>
      store.exchange({ ...request, asks: request.asks.map((ask) => ({ ...ask, spent: (told += ask.spent) })) })
    return { exchange }
  }),
  3,
  virtual,
)
LimitStoreTest.breaks(
  "a minute's spending never ends",
  asking((ask) => ({
    ...ask,
    span: ask.span === "minute" ? "month" : ask.span,
  })),
  4,
  virtual,
)
LimitStoreTest.breaks(
  "a month ends with the day",
  asking((ask) => ({ ...ask, span: ask.span === "month" ? "day" : ask.span })),
  4,
  virtual,
)
LimitStoreTest.breaks(
  "leases live for ever",
  broken((store) => ({
    exchange: (request) => store.exchange({ ...request, lifeMs: 1e9 }),
  })),
  5,
  virtual,
)
LimitStoreTest.breaks(
  "who was away has lost what it held",
  granting((grant, ask) => ({
    ...grant,
    lease: ask.least > ask.keep ? Math.max(0, grant.lease - ask.busy) : grant.lease,
  })),
  6,
  virtual,
)
LimitStoreTest.breaks(
  "nobody hears that others are short",
  broken((store) => ({
    exchange: (request) => Effect.map(store.exchange(request), (exchanged) => ({ ...exchanged, tight: [] })),
  })),
  7,
  virtual,
)
LimitStoreTest.breaks(
  "who begins anew is taken for the one that it was",
  broken((store) => ({
    exchange: (request) =>
      store.exchange({ ...request, asks: request.asks.map((ask) => ({ ...ask, want: Math.max(1, ask.want) })) }),
  })),
  8,
  virtual,
)
LimitStoreTest.breaks(
  "reading takes",
  broken((store) => {
    let reads = 0
    return {
      usage: (counters) =>
        Effect.map(store.usage(counters), (usages) =>
          usages.map((usage) => ({ ...usage, used: usage.used + reads++ })),
        ),
    }
  }),
  9,
  virtual,
)
LimitStoreTest.breaks(
  "nothing is forgotten",
  broken(() => ({ sweep: Effect.succeed(0) })),
  10,
  virtual,
)
