/**
 * GPUs that members offer by name.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { type Asset, USD } from "@guildhall/core/Asset"
import { STRATEGIES } from "@guildhall/core/MarketDefinition"
import * as Money from "@guildhall/core/Money"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import * as DisplayMoney from "@guildhall/protocol/api/DisplayMoney"
import type { GpuView } from "@guildhall/protocol/api/GpusApi"
import { Problem } from "@guildhall/protocol/api/Problem"
import { Devices, type ListedInstance } from "@guildhall/registry/Devices"
import { type Gpu, GpuId, Gpus, type Owner } from "@guildhall/registry/Gpus"
import { Market } from "../Market.ts"
import * as Acts from "./internal/Acts.ts"
import * as Problems from "./internal/Problems.ts"

/** An hour of a GPU costs less than this in whole ones; more is a slip of the hand. */
const PRICE_MAX = 1_000_000n

const makeTerms = Effect.map(Market, ({ definition }) => {
  const asset: Asset = definition.assets.find(({ code }) => code === definition.priceAsset) ?? USD
  const strategies = (definition.strategies ?? STRATEGIES).map(({ use }) => use)
  const most = PRICE_MAX * 10n ** BigInt(asset.scale)
  return {
    asset,
    price: (text: string): Effect.Effect<bigint, Problem> => {
      const parsed = Money.parse(text, asset)
      if (Result.isFailure(parsed)) return Problem.of("invalid_price", `base_price_per_hour: ${parsed.failure}`)
      if (parsed.success >= 0n && parsed.success <= most) return Effect.succeed(parsed.success)
      const detail = `base_price_per_hour: an hour costs from 0 to ${PRICE_MAX} ${asset.code}. Ask for that.`
      return Problem.of("invalid_price", detail)
    },
    strategy: (name: string = strategies[0] ?? ""): Effect.Effect<string, Problem> =>
      strategies.includes(name)
        ? Effect.succeed(name)
        : Problem.of(
            "invalid_request",
            `strategy: there is no "${name}" here. This market has ${strategies.join(", ")}.`,
          ),
  }
})

const isOf = ({ deviceId, memberId }: Owner, gpu: Gpu): boolean =>
  gpu.memberId === memberId && (deviceId === undefined || gpu.deviceId === deviceId)

const view = (gpu: Gpu, asset: Asset, caller: Owner, listed: ReadonlyArray<ListedInstance>): GpuView => {
  const isMine = isOf(caller, gpu)
  const own = isMine && gpu.deviceId !== null ? listed : []
  return {
    id: gpu.id,
    name: gpu.name,
    memory_mib: gpu.memoryMib,
    cuda_version: gpu.cudaVersion,
    base_price_per_hour: DisplayMoney.of(gpu.basePrice, asset),
    region: gpu.region,
    strategy: gpu.strategy,
    is_mine: isMine,
    device_id: isMine ? gpu.deviceId : null,
    instances: own.flatMap(({ instance: { deviceId, id, model, state } }) =>
      deviceId === gpu.deviceId ? [{ id, model, state }] : [],
    ),
    created_at_ms: gpu.createdAtMs,
    changed_at_ms: gpu.changedAtMs,
  }
}

/**
 * The handlers. What is changed is noted in the journal.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "gpus",
  Effect.fnUntraced(function* (handlers) {
    const devices = yield* Devices
    const gpus = yield* Gpus
    const note = yield* Acts.make
    const { asset, price, strategy } = yield* makeTerms

    const show = Effect.fnUntraced(function* (gpu: Gpu) {
      const caller = yield* Caller
      return view(gpu, asset, caller, yield* devices.instancesOf(caller.memberId))
    })

    return handlers.handleAll({
      registerOne: Effect.fn("GpusRoutes.register")(function* ({ payload }) {
        const { deviceId, memberId } = yield* Caller
        const gpu = yield* gpus.register({
          memberId,
          deviceId: deviceId ?? null,
          name: payload.name,
          memoryMib: payload.memory_mib,
          cudaVersion: payload.cuda_version ?? null,
          basePrice: yield* price(payload.base_price_per_hour),
          region: payload.region,
          strategy: yield* strategy(payload.strategy),
        })
        yield* note(memberId, "gpu.registered", gpu.id)
        return yield* show(gpu)
      }, Problems.answer),
      listAll: Effect.fn("GpusRoutes.list")(function* ({ query }) {
        const { deviceId, memberId } = yield* Caller
        const caller = { memberId, deviceId }
        const found = yield* gpus.list({ region: query.region, owner: query.owner === "me" ? caller : undefined })
        const listed = yield* devices.instancesOf(memberId)
        return { data: found.map((gpu) => view(gpu, asset, caller, listed)) }
      }, Problems.answer),
      findOne: Effect.fn("GpusRoutes.find")(function* ({ params: { id } }) {
        const gpu = yield* gpus.find(GpuId.make(id))
        if (gpu === undefined) return yield* Problem.of("not_found", `There is no GPU ${id}.`)
        return yield* show(gpu)
      }, Problems.answer),
      changeOne: Effect.fn("GpusRoutes.change")(function* ({ params: { id }, payload }) {
        const { deviceId, memberId } = yield* Caller
        const change = {
          ...(payload.base_price_per_hour === undefined
            ? {}
            : { basePrice: yield* price(payload.base_price_per_hour) }),
          ...(payload.region === undefined ? {} : { region: payload.region }),
          ...(payload.strategy === undefined ? {} : { strategy: yield* strategy(payload.strategy) }),
        }
        const gpu = yield* gpus.change(GpuId.make(id), { memberId, deviceId }, change)
        yield* note(memberId, "gpu.changed", id)
        return yield* show(gpu)
      }, Problems.answer),
      removeOne: Effect.fn("GpusRoutes.remove")(function* ({ params: { id } }) {
        const { deviceId, memberId } = yield* Caller
        yield* gpus.remove(GpuId.make(id), { memberId, deviceId })
        yield* note(memberId, "gpu.removed", id)
      }, Problems.answer),
    })
  }),
)
