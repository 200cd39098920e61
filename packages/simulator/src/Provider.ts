/**
 * A provider's instance as the market knows it, and the engine behind it.
 *
 * @since 0.1.0
 */
import { DeviceId, DevicePublicKey } from "@guildhall/core/Device"
import { type Instance, InstanceId } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import type { PriceSheet } from "@guildhall/core/PriceSheet"
import { CENT } from "@guildhall/core/PriceSheet"
import type { Chance } from "./Chance.ts"
import type { EngineSpec } from "./Engine.ts"

/**
 * An instance. `engine` is the index of the engine that serves it: instances that share one are one machine under several
 * names. `says` is the load that it reports, the true one where it is absent; `probeSpeed` is how much faster it answers the
 * market's probes than buyers' requests.
 *
 * @category models
 * @since 0.1.0
 */
export interface Provider {
  readonly instance: Instance
  readonly engine: number
  readonly says?: { readonly running: number; readonly queued: number } | undefined
  readonly probeSpeed?: number | undefined
}

/**
 * The one model of a simulated market.
 *
 * @category constants
 * @since 0.1.0
 */
export const model: ModelId = ModelId.make("simulated/model")

/**
 * A sheet in cents for a million tokens; what is in the cache costs a quarter.
 *
 * @category constructors
 * @since 0.1.0
 */
export const price = (inputCents: number, outputCents: number): PriceSheet => {
  const line = (unit: "inputToken" | "cachedInputToken" | "outputToken", cents: number) => ({
    unit,
    // Hundredths of a cent are whole units of a token's price.
    amount: (BigInt(Math.round(cents * 100)) * CENT) / 100n,
    per: 1_000_000n,
  })
  return [line("inputToken", inputCents), line("cachedInputToken", inputCents / 4), line("outputToken", outputCents)]
}

/**
 * Makes a provider that is honest, and declares what its engine can take at a time.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: {
  readonly name: string
  readonly engine: number
  readonly concurrency: number
  readonly inputCents: number
  readonly outputCents: number
}): Provider => ({
  engine: options.engine,
  instance: {
    id: InstanceId.make(`ins_${options.name}`),
    deviceId: DeviceId.make(`dev_${"0".repeat(32)}`),
    devicePublicKey: DevicePublicKey.make("A".repeat(43)),
    memberId: MemberId.make(`mem_${options.name}`),
    model,
    reach: { _tag: "Memory", name: options.name },
    price: price(options.inputCents, options.outputCents),
    contextLength: 32_768,
    concurrency: options.concurrency,
    state: "online",
  },
})

/**
 * Engines and the instances before them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pool {
  readonly engines: ReadonlyArray<EngineSpec>
  readonly providers: ReadonlyArray<Provider>
}

/** Three kinds of machines. Prices are in cents for a million tokens. */
const KINDS = [
  { name: "large", prefillTokensPerSecond: 20_000, tokenMs: 8, tokenMsPerPeer: 0.4, batchMax: 24, outputCents: 80 },
  { name: "middle", prefillTokensPerSecond: 10_000, tokenMs: 14, tokenMsPerPeer: 0.7, batchMax: 16, outputCents: 50 },
  { name: "small", prefillTokensPerSecond: 5_000, tokenMs: 22, tokenMsPerPeer: 1.2, batchMax: 8, outputCents: 30 },
] as const

/**
 * A pool of three kinds of machines in turn: large ones are fast and dear, small ones slow and cheap, and within a kind
 * speeds differ by a fifth and prices by two fifths, each on its own, so that some are a bad bargain.
 *
 * @category constructors
 * @since 0.1.0
 */
export const mixed = (chance: Chance, count: number): Pool => {
  const engines: Array<EngineSpec> = []
  const providers: Array<Provider> = []
  for (let at = 0; at < count; at++) {
    const kind = KINDS[at % KINDS.length] ?? KINDS[0]
    const speed = 0.8 + 0.4 * chance.next()
    const outputCents = kind.outputCents * (0.6 + 0.8 * chance.next())
    engines.push({
      prefillTokensPerSecond: kind.prefillTokensPerSecond * speed,
      tokenMs: kind.tokenMs / speed,
      tokenMsPerPeer: kind.tokenMsPerPeer / speed,
      batchMax: kind.batchMax,
      queueMax: 4,
      cacheTokens: 0,
    })
    const name = `${kind.name}-${at}`
    providers.push(make({ name, engine: at, concurrency: kind.batchMax, inputCents: outputCents / 4, outputCents }))
  }
  return { engines, providers }
}

/**
 * A pool of equal machines at one price, with caches: what is left to choose is whose cache helps, and who has room.
 *
 * @category constructors
 * @since 0.1.0
 */
export const equal = (count: number, cacheTokens: number): Pool => {
  const engine = { prefillTokensPerSecond: 10_000, tokenMs: 12, tokenMsPerPeer: 0.6, batchMax: 16, queueMax: 8 }
  return {
    engines: Array.from({ length: count }, () => ({ ...engine, cacheTokens })),
    providers: Array.from({ length: count }, (_, at) =>
      make({ name: `equal-${at}`, engine: at, concurrency: 16, inputCents: 12, outputCents: 48 }),
    ),
  }
}

/**
 * How many requests a second an engine can serve at most, of so many tokens each on average.
 *
 * @category rules
 * @since 0.1.0
 */
export const requestsPerSecond = (spec: EngineSpec, inputTokens: number, outputTokens: number): number => {
  const prefill = spec.prefillTokensPerSecond / inputTokens
  const fullPaceMs = spec.tokenMs + spec.tokenMsPerPeer * (spec.batchMax - 1)
  // A request has its place in the batch while its prompt is computed, too.
  const heldMs = (1_000 * inputTokens) / spec.prefillTokensPerSecond + outputTokens * fullPaceMs
  return Math.min(prefill, (spec.batchMax * 1_000) / heldMs)
}
