/**
 * How long it takes to choose an instance: every policy, among 10 to 10,000 instances of one model that are half full, rated
 * and measured, with all filters on. The fast form is what a gateway runs; the reference form is what an auditor runs.
 *
 * `npm run bench -- routing [--json <file>] [--quick]`
 */
import { getHeapStatistics } from "node:v8"
import type { InstanceId } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import { perMillionCents } from "@guildhall/core/PriceSheet"
import { Directory } from "@guildhall/routing/Directory"
import type { RoutingPolicy, RoutingRequest } from "@guildhall/routing/RoutingPolicy"
import * as SampleMarket from "@guildhall/routing/testing/SampleMarket"
import type { Options } from "../bench.ts"
import { quantile } from "./Load.ts"
import * as RoutingPage from "./RoutingPage.ts"
import { labelOf, policies } from "./RoutingPolicies.ts"

const SIZES = [10, 100, 1_000, 10_000]
const CONCURRENCY = 8
const model = ModelId.make("org/bench")

/** A market of one model; no two instances are alike. */
const market = (size: number): Directory => {
  const dice = SampleMarket.dice(`routing ${size}`)
  const directory = new Directory()
  for (let at = 0; at < size; at++) {
    const price = perMillionCents({ input: BigInt(50 + dice.below(100)), output: BigInt(100 + dice.below(300)) })
    const instance = SampleMarket.instance({ name: `${at}`, model, concurrency: CONCURRENCY, contextLength: 131_072 })
    directory.apply({ _tag: "InstanceListed", instance: { ...instance, price } })
    const tokenUs = 10_000 + dice.below(40_000)
    directory.apply({
      _tag: "InstanceRated",
      instanceId: instance.id,
      rating: {
        breaker: "closed",
        healthBps: 9_000 + dice.below(1_001),
        rampBps: 10_000,
        qualityBps: 9_000 + dice.below(1_001),
        tier: { priority: dice.below(10) === 0 ? "preferred" : "normal", weightBps: 10_000 + dice.below(10_000) },
        bonded: true,
        pace: { firstTokenMs: 100 + dice.below(900), tokenUs },
        offer: {
          inputPerMillion: (50 + dice.below(100)) * 10 ** 10,
          outputPerMillion: (100 + dice.below(300)) * 10 ** 10,
          errorBps: dice.below(100),
          limitedBps: dice.below(100),
          weight: 1 + dice.below(1_000_000),
        },
      },
    })
  }
  return directory
}

/** Requests that differ as a market's do: who asks, how long they are, how conversations begin. */
const requests = (count: number): ReadonlyArray<RoutingRequest> => {
  const dice = SampleMarket.dice("requests")
  return Array.from({ length: count }, () => ({
    model,
    contextTokens: 512 << dice.below(6),
    tried: [],
    features: {
      affinity: `conversation-${dice.below(5_000)}`,
      inputTokens: 100 + dice.below(4_000),
      outputTokens: 50 + dice.below(1_000),
    },
  }))
}

interface Timed {
  readonly p50Us: number
  readonly p99Us: number
  readonly bytes: number
}

const REQUESTS = requests(4_096)
const requestAt = (at: number): RoutingRequest =>
  REQUESTS[at % REQUESTS.length] ?? { model, contextTokens: 512, tried: [] }

/** Chooses again and again while requests begin and end, so that the market stays about half full. */
const timeFast = (policy: RoutingPolicy, size: number, count: number): Timed | undefined => {
  const directory = market(size)
  const fast = policy.prepare?.(directory)
  if (fast === undefined) return undefined
  const begun: Array<InstanceId> = []
  const halfFull = Math.max(1, (size * CONCURRENCY) >> 1)
  const times = new Float64Array(count)
  const warmUp = count + halfFull
  for (let at = 0; at < warmUp + count; at++) {
    const request = requestAt(at)
    const isTimed = at >= warmUp
    const began = performance.now()
    const id = fast.choose(request, at)
    const tookMs = performance.now() - began
    if (isTimed) times[at - warmUp] = tookMs * 1_000
    if (id !== undefined) {
      directory.apply({ _tag: "DispatchStarted", instanceId: id })
      begun.push(id)
    }
    // The one that ends is not the oldest: answers differ in length.
    const over = begun.length > halfFull ? begun.splice((at * 7_919) % begun.length, 1)[0] : undefined
    if (over !== undefined) directory.apply({ _tag: "DispatchEnded", instanceId: over })
  }
  // Memory is counted in large steps, so over many choices, and apart from what the changes allocate.
  const before = getHeapStatistics().total_allocated_bytes
  for (let at = 0; at < count; at++) fast.choose(requestAt(at), at)
  const bytes = (getHeapStatistics().total_allocated_bytes - before) / count
  const all = [...times]
  return { p50Us: quantile(all, 0.5), p99Us: quantile(all, 0.99), bytes }
}

const timeRank = (policy: RoutingPolicy, size: number, count: number): number => {
  const directory = market(size)
  const candidates = directory.candidates(model)
  const times: Array<number> = []
  for (let at = 0; at < count * 2; at++) {
    const began = performance.now()
    policy.rank(requestAt(at), candidates, at)
    if (at >= count) times.push((performance.now() - began) * 1_000)
  }
  return quantile(times, 0.5)
}

/** CPU of one change of an instance's load, with the fast form listening, in microseconds. */
const timeUpdate = (policy: RoutingPolicy, size: number, count: number): number => {
  const directory = market(size)
  const fast = policy.prepare?.(directory)
  fast?.choose(requestAt(0), 0)
  const ids = directory.candidates(model).map(({ instance }) => instance.id)
  const step = (at: number): void => {
    const instanceId = ids[(at * 7_919) % ids.length]
    if (instanceId === undefined) return
    directory.apply({ _tag: at % 2 === 0 ? "DispatchStarted" : "DispatchEnded", instanceId })
  }
  for (let at = 0; at < count; at++) step(at >> 1)
  const before = process.cpuUsage()
  for (let at = 0; at < count; at++) step(at)
  const { system, user } = process.cpuUsage(before)
  return (system + user) / count
}

/** Runs the benchmark. A full run also writes its figures into the documentation. */
export const run = async ({ isQuick, progress }: Options): Promise<Readonly<Record<string, number>>> => {
  const count = isQuick ? 2_000 : 50_000
  const metrics: Record<string, number> = {}
  let updateUs = 0
  for (const policy of policies) {
    const label = labelOf(policy)
    progress(label)
    for (const size of SIZES) {
      const fast = timeFast(policy, size, count)
      if (fast !== undefined) {
        metrics[`${label}_p50_us_${size}`] = fast.p50Us
        metrics[`${label}_p99_us_${size}`] = fast.p99Us
        metrics[`${label}_bytes_${size}`] = fast.bytes
      }
      metrics[`${label}_rank_us_${size}`] = timeRank(policy, size, isQuick ? 10 : 200)
    }
    if (policy.prepare === undefined) continue
    const us = timeUpdate(policy, 1_000, count * 4)
    metrics[`${label}_update_us`] = us
    updateUs = Math.max(updateUs, us)
  }
  metrics.update_us = updateUs
  if (!isQuick) progress(`written: ${RoutingPage.write(metrics)}`)
  return metrics
}
