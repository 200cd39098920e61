/** What is known for the advice about an instance: of it, of its requests, and of the others that serve its model. */
import * as Clock from "effect/Clock"
import * as Digest from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import { chargeAssetOf } from "@guildhall/core/MarketDefinition"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import * as Estimate from "@guildhall/core/rules/Estimate"
import * as Guidance from "@guildhall/core/rules/Guidance"
import { Journal } from "@guildhall/journal/Journal"
import * as ServedDay from "@guildhall/journal/ServedDay"
import { Router } from "@guildhall/routing/Router"
import * as WhyNotQuery from "@guildhall/routing/WhyNotQuery"
import { Market } from "../../Market.ts"
import * as Presence from "./Presence.ts"
import * as Served from "./Served.ts"

const DAY_MS = 86_400_000
/** So many requests one instance's advice looks at, so close together. */
const SAMPLE = 256
const VERSIONS_MAX = 20_000
const { providersMin } = Estimate.usual

interface Period {
  readonly fromMs: number
  readonly toMs: number
  readonly fromDay: number
  readonly toDay: number
  /** What the days' sums are multiplied by to be those of the period: they begin with a day of UTC. */
  readonly part: number
}

const periodAt = (nowMs: number): Period => {
  const fromMs = nowMs - Guidance.WAIT_MS
  const fromDay = ServedDay.dayAt(fromMs)
  const part = Guidance.WAIT_MS / (nowMs - fromDay * DAY_MS)
  return { fromMs, toMs: nowMs, fromDay, toDay: ServedDay.dayAt(nowMs), part }
}

/** Whether enough other providers stand behind a figure for it to be told. */
const isEnough = (providers: Iterable<string>): boolean => new Set(providers).size >= providersMin

/** What a usual request of the model uses; undefined where there was none. */
const usual = (days: ReadonlyArray<ServedDay.ServedDay>) => {
  const all = ServedDay.sum(days)
  if (all === undefined || all.requests <= 0) return undefined
  return {
    inputToken: Math.round(all.inputTokens / all.requests),
    outputToken: Math.round(all.outputTokens / all.requests),
  }
}

const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)

/** What such a request costs at the instance, and at others of the model that can be asked: their prices are public. */
const pricesOf = (
  instance: Instance,
  others: ReadonlyArray<Instance>,
  days: ReadonlyArray<ServedDay.ServedDay>,
): Guidance.Facts["price"] => {
  const usage = usual(days)
  if (usage === undefined) return undefined
  const costs = others
    .filter(({ state }) => state === "online")
    .map(({ price }) => PriceSheet.cost(price, usage))
    .toSorted(compare)
  const [lowest] = costs
  const middle = costs[Math.floor((costs.length - 1) / 2)]
  return lowest === undefined || middle === undefined
    ? undefined
    : { mine: PriceSheet.cost(instance.price, usage), lowest, middle }
}

/** How many requests an instance served a day, by region: those with enough providers. */
const regionsOf = (
  instances: ReadonlyArray<Instance>,
  days: ReadonlyArray<ServedDay.ServedDay>,
  { fromDay, toMs }: Period,
): Guidance.Facts["regions"] => {
  const elapsed = (toMs - fromDay * DAY_MS) / DAY_MS
  const byRegion = Map.groupBy(instances, ({ region }) => region)
  return [...byRegion].flatMap(([region, some]) => {
    if (region === undefined || !isEnough(some.map(({ memberId }) => memberId))) return []
    const ids = new Set(some.map(({ id }) => id))
    const requests = days.reduce((sum, day) => (ids.has(day.instance) ? sum + day.requests : sum), 0)
    return [{ region, requestsPerInstance: requests / some.length / elapsed }]
  })
}

/** What of an answer about requests the rule looks at. */
const requestsOf = (found: WhyNotQuery.Answer, all: number): Guidance.Requests => ({
  // Where the whole period was looked at, nothing stands for anything else.
  all: found.isSample ? Math.max(all, found.requests) : found.requests,
  looked: found.requests,
  served: found.served,
  outranked: found.outranked,
  excluded: found.excluded,
  absent: found.absent,
  tried: found.tried,
  wins: Object.fromEntries(found.changes.map(({ change, wins }) => [change, wins])),
})

/** Makes the advice about one instance, with the period that it rests on. */
export const make = Effect.gen(function* () {
  const { definition } = yield* Market
  const journal = yield* Journal
  const router = yield* Router
  const served = yield* Served.make
  const seenFrom = yield* Presence.make
  const asset = chargeAssetOf(definition)

  const latencies = (instance: Instance, days: ReadonlyArray<ServedDay.ServedDay>) => {
    const of = (some: ReadonlyArray<ServedDay.ServedDay>) =>
      ServedDay.quantileMs(ServedDay.sum(some)?.firstBytes ?? [], 0.5)
    const others = days.filter(({ provider }) => provider !== instance.memberId)
    return {
      mine: of(days.filter((day) => day.instance === instance.id)),
      others: isEnough(others.map(({ provider }) => provider)) ? of(others) : undefined,
    }
  }

  const uptimes = Effect.fnUntraced(function* (id: InstanceId, others: ReadonlyArray<Instance>, { fromDay }: Period) {
    const seen = yield* seenFrom([id, ...others.map((one) => one.id)], fromDay)
    const rest = seen.filter(({ instanceId }) => instanceId !== id)
    return {
      mine: Presence.uptimeBps(seen.filter(({ instanceId }) => instanceId === id)),
      others: isEnough(others.map(({ memberId }) => memberId)) ? Presence.uptimeBps(rest) : undefined,
    }
  })

  const why = Effect.fnUntraced(function* ({ id, memberId }: Instance, { fromMs, toMs }: Period) {
    const target = { member: memberId, instance: id }
    const { policyOf } = router
    const query = { target, fromMs, toMs, sample: SAMPLE, versionsMax: VERSIONS_MAX, policyOf }
    return yield* WhyNotQuery.run(query).pipe(
      Effect.provideService(Journal, journal),
      Effect.provide(Digest.layerWebCrypto),
    )
  })

  return Effect.fn("Guides.advise")(function* (instance: Instance) {
    const nowMs = yield* Clock.currentTimeMillis
    const sinceMs = Math.min(instance.listedAtMs ?? nowMs, nowMs)
    const speaksAtMs = sinceMs + Guidance.WAIT_MS
    const period = periodAt(nowMs)
    const { fromDay, fromMs, part, toDay, toMs } = period
    if (nowMs < speaksAtMs) return { guidance: { _tag: "Counting", sinceMs, speaksAtMs } as const, fromMs, toMs }
    yield* router.flush
    const found = yield* why(instance, period)
    const { concurrency, id, memberId, model, region } = instance
    const rows = yield* served({ provider: null, fromDay, toDay, model }, (day) => day)
    const days = rows.filter((day) => day.asset === definition.chargeAsset)
    const peers = router.instances(model)
    const others = peers.filter((one) => one.memberId !== memberId)
    const own = ServedDay.sum(days.filter((day) => day.instance === id))
    const all = ServedDay.sum(days)
    const scaled = (count: number): number => Math.round(count * part)
    const guidance = Guidance.advise({
      nowMs,
      sinceMs,
      periodMs: Guidance.WAIT_MS,
      asset,
      requests: requestsOf(found, scaled(all?.requests ?? 0)),
      served: scaled(own?.requests ?? 0),
      earned: own === undefined ? 0n : perRequestOf(own) * BigInt(scaled(own.requests)),
      perRequest: all !== undefined && isEnough(days.map(({ provider }) => provider)) ? perRequestOf(all) : undefined,
      price: pricesOf(instance, others, days),
      latencyMs: latencies(instance, days),
      uptimeBps: yield* uptimes(id, others, period),
      utilisationBps: Math.min(
        10_000,
        Math.round((10_000 * (own?.busyMs ?? 0)) / (concurrency * (toMs - fromDay * DAY_MS))),
      ),
      concurrency,
      region,
      regions: regionsOf(peers, days, period),
      strategies: (definition.strategies ?? []).map(({ use }) => use),
    })
    return { guidance, fromMs, toMs }
  })
})

const perRequestOf = ({ fromLoss, requests, shared }: ServedDay.ServedDay): bigint =>
  requests > 0 ? (shared + fromLoss) / BigInt(requests) : 0n
