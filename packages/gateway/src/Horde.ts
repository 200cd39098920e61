/**
 * Workers of AI Horde as providers: each model of a worker is an instance without a device key, listed at its first pop under
 * the member whose API key it sends, and there for as long as it pops. A job of theirs is one generation; a request takes
 * as many as it asks for answers.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import type { DeviceId } from "@guildhall/core/Device"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type { MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import type { ImagePop, Popped, Submit, TextPop } from "@guildhall/protocol/provider/HordeWorker"
import { priceSheet, type Prices } from "@guildhall/protocol/provider/Registration"
import { Devices } from "@guildhall/registry/Devices"
import type { RegistryError } from "@guildhall/registry/RegistryError"
import { HordeDesk, type Limits } from "./internal/HordeDesk.ts"
import { Market } from "./Market.ts"
import { PullJobs } from "./PullJobs.ts"

/**
 * - `prices`: what their instances ask, in the words of a registration: a worker of Horde names none. 100 and 200 cents for a
 *   million tokens and 2,000 for a thousand images, or less where the market takes no more.
 * - `holdMs` (3,000): how long a pop waits for a job. `ttlMs` (150,000): how long a worker has for one.
 * - `pictureBytesMax` (16 MiB) for one picture, `keptBytesMax` (256 MiB) for all that were uploaded and not yet submitted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly prices?: Prices & { readonly image_price_per_thousand: number }
  readonly holdMs?: number | undefined
  readonly ttlMs?: number | undefined
  readonly pictureBytesMax?: number | undefined
  readonly keptBytesMax?: number | undefined
}

/** The largest picture that is taken, unless told otherwise. @category constants @since 0.1.0 */
export const PICTURE_BYTES_MAX = 16 * 1024 * 1024

const PRICES = { input_price_per_million: 100, output_price_per_million: 200, image_price_per_thousand: 2_000 }
const LIMITS: Limits = {
  holdMs: 3_000,
  ttlMs: 150_000,
  pictureBytesMax: PICTURE_BYTES_MAX,
  keptBytesMax: 256 * 1024 * 1024,
}
const KNOWN_MAX = 10_000

/**
 * What a worker is refused for, in Horde's own words: `rc` is its code.
 *
 * @category errors
 * @since 0.1.0
 */
export class HordeRefusal extends Data.TaggedError("HordeRefusal")<{
  readonly status: 400 | 401 | 403 | 404 | 413 | 503
  readonly rc: string
  readonly message: string
}> {}

/** Text or images. @category models @since 0.1.0 */
export type Kind = "text" | "image"

/**
 * The service. `origin` is the address under which the worker reaches the gateway, such as `https://market.example`. What a
 * submit answers is what was earned, in kudos: ten-thousandths of the charge asset's unit (0.0001 USD), estimated by four characters
 * for a token; what is paid is what the market counts.
 *
 * @category services
 * @since 0.1.0
 */
export class Horde extends Context.Service<
  Horde,
  {
    readonly popText: (member: MemberId, pop: TextPop) => Effect.Effect<Popped, HordeRefusal>
    readonly popImage: (member: MemberId, pop: ImagePop, origin: string) => Effect.Effect<Popped, HordeRefusal>
    readonly submit: (member: MemberId, kind: Kind, submit: Submit) => Effect.Effect<number, HordeRefusal>
    /** Keeps a picture that was put where a job's `r2_upload` said: once. */
    readonly put: (id: string, secret: string, bytes: Uint8Array) => Effect.Effect<void, HordeRefusal>
  }
>()("@guildhall/gateway/Horde") {}

/** An instance as it was listed last, and when it last beat. */
interface Known {
  readonly instance: Instance
  readonly terms: string
  readonly beatAtMs: number
}

const isModel = Schema.is(ModelId)

const refusalOf = (error: RegistryError): HordeRefusal => {
  const message = error.detail
  if (error.code === "device_revoked") return new HordeRefusal({ status: 403, rc: "WorkerMaintenance", message })
  if (error.isRetryable) return new HordeRefusal({ status: 503, rc: "Maintenance", message })
  return new HordeRefusal({ status: error.code === "insufficient_role" ? 403 : 400, rc: "BadRequest", message })
}

interface Offer {
  readonly member: MemberId
  readonly kind: Kind
  readonly name: string
  readonly models: ReadonlyArray<string>
  readonly contextLength: number
  readonly threads: number
}

/** Lists what a worker offers, and lets it beat by its pops. */
const makeList = Effect.fnUntraced(function* (options: Options) {
  const { definition } = yield* Market
  const devices = yield* Devices
  const known = yield* Ref.make<ReadonlyMap<string, Known>>(new Map())
  const most = definition.prices.maxCentsPerMillion
  const asked = { ...PRICES, ...options.prices }
  const { image_price_per_thousand, ...tokens } = asked
  const pricesOf = (kind: Kind): Prices =>
    kind === "text"
      ? {
          ...tokens,
          input_price_per_million: Math.min(most, tokens.input_price_per_million),
          output_price_per_million: Math.min(most, tokens.output_price_per_million),
        }
      : {
          input_price_per_million: 0,
          output_price_per_million: 0,
          image_price_per_thousand: Math.min(most, image_price_per_thousand),
        }
  const prices = { text: priceSheet(pricesOf("text")), image: priceSheet(pricesOf("image")) }
  const everyMs = definition.heartbeat.intervalMs / 3

  const one = Effect.fnUntraced(function* (offer: Offer, name: string) {
    if (!isModel(name)) {
      const message = `"${name.slice(0, 100)}" cannot be the name of a model here. Letters, digits and ._:/@+- can.`
      return yield* new HordeRefusal({ status: 400, rc: "BadRequest", message })
    }
    const { contextLength, kind, member, threads } = offer
    const key = `${member}\n${offer.name}\n${name}`
    const terms = `${kind} ${contextLength} ${threads}`
    const nowMs = yield* Clock.currentTimeMillis
    const former = (yield* Ref.get(known)).get(key)
    const isSame = former?.terms === terms
    if (isSame && nowMs - former.beatAtMs < everyMs) return former.instance
    const register = devices.register({
      memberId: member,
      keyless: `horde:${offer.name}`,
      model: name,
      reach: { _tag: "Pull" },
      price: prices[kind],
      contextLength,
      concurrency: threads,
      endpoints: kind === "text" ? ["chat/completions", "completions"] : ["images/generations"],
      inputs: [],
    })
    const listed = Effect.map(register, ({ instance }) => instance)
    const beat = (instance: Instance) =>
      Effect.as(devices.beat(instance.deviceId, [{ id: instance.id, state: "serving" }]), instance)
    // One that its member took off the market is listed again: its worker pops.
    const instance = yield* (
      isSame
        ? Effect.catchIf(
            beat(former.instance),
            (error) => error.code === "not_found",
            () => listed,
          )
        : listed
    ).pipe(Effect.mapError(refusalOf))
    yield* Ref.update(known, (map) => {
      const next = new Map(map)
      next.delete(key)
      next.set(key, { instance, terms, beatAtMs: nowMs })
      const [oldest] = next.size > KNOWN_MAX ? next.keys() : []
      if (oldest !== undefined) next.delete(oldest)
      return next
    })
    return instance
  })

  return Effect.fnUntraced(function* (offer: Offer) {
    if (offer.models.length === 0) {
      return yield* new HordeRefusal({ status: 400, rc: "BadRequest", message: "models: say which you have." })
    }
    return yield* Effect.forEach(offer.models, (model) => one(offer, model))
  })
})

/**
 * Makes the service.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const market = yield* Market
  const jobs = yield* PullJobs
  const clock = yield* Clock.Clock
  const list = yield* makeList(options)
  const limits = {
    holdMs: options.holdMs ?? LIMITS.holdMs,
    ttlMs: options.ttlMs ?? LIMITS.ttlMs,
    pictureBytesMax: options.pictureBytesMax ?? LIMITS.pictureBytesMax,
    keptBytesMax: options.keptBytesMax ?? LIMITS.keptBytesMax,
  }
  const desk = new HordeDesk(limits, market.definition, () => clock.currentTimeMillisUnsafe())

  const pop = Effect.fnUntraced(function* (offer: Offer, most: number, origin: string) {
    const listed = yield* list(offer)
    const device: DeviceId | undefined = listed[0]?.deviceId
    const instances: ReadonlySet<InstanceId> = new Set(listed.map(({ id }) => id))
    if (device === undefined) return desk.none()
    const worker = { member: offer.member, device, instances, most, contextLength: offer.contextLength, origin }
    for (let waitMs = limits.holdMs; ; waitMs = 0) {
      const waiting = desk.next(worker)
      if (waiting !== undefined) return waiting
      const [job] = yield* jobs.take({ device, instances, count: 1, waitMs, leaseMs: limits.ttlMs })
      if (job === undefined) return desk.none()
      const popped = desk.begin(worker, job)
      if (popped !== undefined) return popped
    }
  })
  const refuse = (refusal: ConstructorParameters<typeof HordeRefusal>[0] | number) =>
    typeof refusal === "number" ? Effect.succeed(refusal) : Effect.fail(new HordeRefusal(refusal))

  return Horde.of({
    popText: Effect.fn("Horde.popText")(function* (member, asked) {
      const { max_context_length: contextLength, max_length, models, name, threads } = asked
      return yield* pop({ member, kind: "text", name, models, contextLength, threads }, max_length, "")
    }),
    popImage: Effect.fn("Horde.popImage")(function* (member, asked, origin) {
      const { max_pixels, models, name, threads } = asked
      const offer: Offer = { member, kind: "image", name, models, contextLength: 4_096, threads }
      return yield* pop(offer, max_pixels, origin)
    }),
    submit: (member, kind, submit) => Effect.suspend(() => refuse(desk.submit(member, kind, submit))),
    put: (id, secret, bytes) =>
      Effect.suspend(() => {
        const refusal = desk.put(id, secret, bytes)
        return refusal === undefined ? Effect.void : Effect.fail(new HordeRefusal(refusal))
      }),
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Horde, never, Market | Devices | PullJobs> =>
  Layer.effect(Horde, make(options))
