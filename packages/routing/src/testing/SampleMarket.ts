/**
 * Markets made from a seed, for suites and tests of policies: the same seed gives the same market.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { DirectoryEvent, Measured } from "@guildhall/core/DirectoryEvent"
import { DeviceId, DevicePublicKey } from "@guildhall/core/Device"
import { Endpoint } from "@guildhall/core/Endpoint"
import { type Instance, InstanceId, type InstanceState, Quantization } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import { perMillionCents } from "@guildhall/core/PriceSheet"
import { ProviderPreferences } from "@guildhall/core/ProviderPreferences"
import { Rating, TierPriority } from "@guildhall/core/Rating"
import { RoutingFeatures } from "@guildhall/core/RoutingFeatures"
import * as Draw from "../Draw.ts"
import type { Directory } from "../Directory.ts"
import type { RoutingRequest } from "../RoutingPolicy.ts"

/**
 * A row of numbers drawn from a name: `below(n)` is the next one, from 0 to n − 1.
 *
 * @category models
 * @since 0.1.0
 */
export interface Dice {
  readonly below: (n: number) => number
}

/**
 * Makes the dice of a name.
 *
 * @category constructors
 * @since 0.1.0
 */
export const dice = (name: string): Dice => {
  const ofSeed = Draw.ofId(name)
  let throws = 0
  return { below: (n) => Draw.lot(ofSeed, Draw.ofSeed(throws++)) % n }
}

/**
 * The models that samples are made of. No instance serves the last one.
 *
 * @category constants
 * @since 0.1.0
 */
export const models: ReadonlyArray<ModelId> = ["org/small", "org/large", "org/none"].map((id) => ModelId.make(id))

const modelAt = (at: number): ModelId => models[at] ?? ModelId.make("org/small")

/**
 * An instance: idle, online and roomy, but for what is said.
 *
 * @category constructors
 * @since 0.1.0
 */
export const instance = (options: {
  readonly name: string
  readonly model?: ModelId | undefined
  readonly concurrency?: number | undefined
  readonly contextLength?: number | undefined
  readonly state?: InstanceState | undefined
  readonly declared?: Partial<Pick<Instance, Declared>> | undefined
}): Instance => ({
  id: InstanceId.make(`ins_${options.name}`),
  deviceId: DeviceId.make(`dev_${"0".repeat(32)}`),
  devicePublicKey: DevicePublicKey.make("A".repeat(43)),
  memberId: MemberId.make("mem_provider"),
  price: perMillionCents({ input: 100n, output: 200n }),
  ...options.declared,
  model: options.model ?? modelAt(0),
  reach: { _tag: "Endpoint", url: "http://127.0.0.1:9000/v1" },
  contextLength: options.contextLength ?? 8_192,
  concurrency: options.concurrency ?? 4,
  state: options.state ?? "online",
})

/** What an instance may leave out. */
type Declared =
  | "provider"
  | "endpoints"
  | "quantization"
  | "parameters"
  | "retainsData"
  | "region"
  | "country"
  | "inputs"
  | "rails"
  | "deviceId"
  | "memberId"
  | "price"

const providers = ["acme", "bell", "core"] as const
const REGIONS = ["eu-west", "us-east"] as const
const COUNTRIES = ["DE", "US"] as const
const RAILS = ["Card", "Stablecoin"] as const
const pick = <A>(dice: Dice, list: ReadonlyArray<A>): A | undefined => list[dice.below(list.length)]

const sampleDeclared = (dice: Dice): Partial<Pick<Instance, Declared>> => {
  if (dice.below(2) === 0) return {}
  const quantization = pick(dice, Quantization.literals)
  const provider = pick(dice, providers)
  const endpoint = pick(dice, Endpoint.literals)
  return {
    ...(provider === undefined ? {} : { provider }),
    ...(quantization === undefined ? {} : { quantization }),
    ...(endpoint === undefined || dice.below(3) > 0 ? {} : { endpoints: [endpoint] as const }),
    ...(dice.below(2) === 0 ? {} : { parameters: dice.below(2) === 0 ? ["tools"] : ["tools", "seed"] }),
    ...(dice.below(2) === 0 ? {} : { retainsData: dice.below(2) === 0 }),
    ...(dice.below(2) === 0 ? {} : { region: pick(dice, REGIONS) ?? "", country: pick(dice, COUNTRIES) ?? "" }),
    ...(dice.below(2) === 0 ? {} : { inputs: dice.below(2) === 0 ? [] : ["image" as const] }),
    ...(dice.below(3) > 0 ? {} : { rails: [pick(dice, RAILS) ?? ""] }),
    ...(dice.below(2) === 0 ? {} : { price: cents(1 + dice.below(300), 1 + dice.below(600)) }),
    ...(dice.below(2) === 0 ? {} : { memberId: MemberId.make(`mem_${pick(dice, providers) ?? ""}`) }),
    ...(dice.below(2) === 0 ? {} : { deviceId: DeviceId.make(`dev_${`${dice.below(3)}`.repeat(32)}`) }),
  }
}

const cents = (input: number, output: number) => perMillionCents({ input: BigInt(input), output: BigInt(output) })

/**
 * What a random buyer asks for: each filter and each order now and then.
 *
 * @category samples
 * @since 0.1.0
 */
export const preferences = (dice: Dice): ProviderPreferences => {
  const some = <A>(make: () => A): A | undefined => (dice.below(4) === 0 ? make() : undefined)
  const names = () => [pick(dice, providers) ?? "acme", `ins_${dice.below(26)}`]
  const wanted = {
    order: some(names),
    only: some(() => [...providers.slice(dice.below(3)), `ins_${dice.below(26)}`]),
    ignore: some(names),
    fallbacks: some(() => dice.below(2) === 0),
    parameters: some(() => ["tools"]),
    quantizations: some(() => Quantization.literals.slice(dice.below(8))),
    maxPrice: some(() => ({ inputTokens: BigInt(dice.below(3)) * 10n ** 12n })),
    denyRetention: some(() => true),
    sort: some(() => pick(dice, ["price", "throughput", "latency"] as const) ?? "price"),
    throughputMin: some(() => ({ p50: dice.below(100) })),
    latencyMaxMs: some(() => ({ p90: dice.below(1_000) })),
  }
  const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined))
  return Schema.decodeUnknownSync(Schema.toType(ProviderPreferences))(given)
}

const measured = (dice: Dice): Measured => {
  const four = (): Measured["firstTokenMs"] => [dice.below(500), dice.below(700), dice.below(900), dice.below(1_200)]
  return { firstTokenMs: four(), tokensPerSecond: four() }
}

const BREAKERS = ["closed", "closed", "closed", "parked", "probing", "ejected"] as const

/**
 * What may be found out about an instance: each part now and then.
 *
 * @category samples
 * @since 0.1.0
 */
export const rating = (dice: Dice): Rating => {
  const some = <A>(make: () => A): A | undefined => (dice.below(3) === 0 ? make() : undefined)
  const found = {
    breaker: some(() => pick(dice, BREAKERS)),
    healthBps: some(() => dice.below(10_001)),
    rampBps: some(() => [2_000, 5_000, 10_000][dice.below(3)]),
    inFlightMax: some(() => 2 + dice.below(4)),
    tier: some(() => ({
      priority: pick(dice, TierPriority.literals) ?? "normal",
      weightBps: [10_000, 12_500, 15_000, 20_000][dice.below(4)] ?? 10_000,
    })),
    bonded: some(() => dice.below(2) === 0),
    confidential: some(() => dice.below(2) === 0),
    qualityBps: some(() => dice.below(10_001)),
    foreign: some(() => dice.below(3)),
    peersInFlight: some(() => dice.below(2)),
    pace: some(() => ({ firstTokenMs: dice.below(900), tokenUs: dice.below(60_000) })),
    offer: some(() => ({
      inputPerMillion: dice.below(300) * 10 ** 10,
      outputPerMillion: dice.below(300) * 10 ** 10,
      errorBps: dice.below(500),
      limitedBps: dice.below(500),
      weight: 1 + dice.below(1_000),
    })),
  }
  return Schema.decodeUnknownSync(Rating)(
    Object.fromEntries(Object.entries(found).filter(([, it]) => it !== undefined)),
  )
}

/** Few ids, loads and lengths, so that ties, full instances and returning ones are common. */
const sampleInstance = (dice: Dice): Instance =>
  instance({
    name: `${dice.below(24)}`,
    model: modelAt(dice.below(2)),
    concurrency: 1 + dice.below(6),
    contextLength: 1_024 << dice.below(3),
    state: stateAt(dice.below(6)),
    declared: sampleDeclared(dice),
  })

/** Mostly online. */
const stateAt = (at: number): InstanceState => (at === 1 ? "offline" : at === 2 ? "draining" : "online")

/**
 * An event that may happen next; some name an instance that is not there.
 *
 * @category constructors
 * @since 0.1.0
 */
export const event = (dice: Dice): DirectoryEvent => {
  const instanceId = InstanceId.make(`ins_${dice.below(26)}`)
  switch (dice.below(13)) {
    case 12:
    case 11:
      return { _tag: "InstanceRated", instanceId, rating: rating(dice) }
    case 10:
      return { _tag: "InstanceMeasured", instanceId, measured: measured(dice) }
    case 0:
    case 1:
      return { _tag: "InstanceListed", instance: sampleInstance(dice) }
    case 2:
      return { _tag: "InstanceUnlisted", instanceId }
    case 3:
    case 4:
      return { _tag: "StateChanged", instanceId, state: stateAt(dice.below(6)) }
    case 5:
    case 6:
      return { _tag: "DispatchEnded", instanceId }
    default:
      return { _tag: "DispatchStarted", instanceId }
  }
}

/**
 * A request that may come next. Half of them have been tried on an instance or two of their model.
 *
 * @category constructors
 * @since 0.1.0
 */
export const request = (dice: Dice, directory: Pick<Directory, "candidates">): RoutingRequest => {
  const model = modelAt(dice.below(models.length))
  const ids = [...directory.candidates(model)].map(({ instance }) => instance.id)
  const tried = ids.length === 0 ? [] : Array.from({ length: dice.below(4) }, () => ids[dice.below(ids.length)])
  return {
    model,
    contextTokens: 512 << dice.below(5),
    tried: dice.below(2) === 0 ? [] : tried.flatMap((id) => id ?? []),
    endpoint: dice.below(3) === 0 ? pick(dice, Endpoint.literals) : undefined,
    preferences: dice.below(3) === 0 ? preferences(dice) : undefined,
  }
}

/**
 * What the market may know of a request: each part now and then.
 *
 * @category samples
 * @since 0.1.0
 */
export const features = (dice: Dice): RoutingFeatures => {
  const some = <A>(odds: number, make: () => A): A | undefined => (dice.below(odds) === 0 ? make() : undefined)
  const known = {
    buyer: some(2, () => ({
      member: MemberId.make(`mem_${pick(dice, providers) ?? ""}`),
      class: dice.below(2) === 0 ? "premium" : "standard",
      rail: pick(dice, RAILS) ?? "",
    })),
    parameters: some(6, () => ["tools"]),
    inputs: some(6, () => ["image"]),
    regions: some(6, () => [pick(dice, REGIONS) ?? ""]),
    countries: some(6, () => [pick(dice, COUNTRIES) ?? ""]),
    confidential: some(12, () => true),
    affinity: some(2, () => `conversation ${dice.below(6)}`),
    inputTokens: some(2, () => 64 << dice.below(8)),
    outputTokens: some(2, () => 16 << dice.below(8)),
    owed: some(4, () => [modelAt(dice.below(models.length))]),
  }
  const given = Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined))
  return Schema.decodeUnknownSync(RoutingFeatures)(given)
}

/**
 * A seed of a ranking: a safe integer of any size and sign.
 *
 * @category constructors
 * @since 0.1.0
 */
export const seed = (dice: Dice): number =>
  (dice.below(2) === 0 ? 1 : -1) * (dice.below(2 ** 21) * (dice.below(2) === 0 ? 1 : 2 ** 32) + dice.below(2 ** 31))
