/**
 * What is asked for, and who serves it at which prices: for providers that choose a model and a price.
 *
 * @since 0.1.0
 */
import type { Instance } from "@guildhall/core/Instance"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import type { ModelId } from "@guildhall/core/Model"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { ModelDemand } from "@guildhall/journal/ModelDemand"
import type { ModelDemandView, PriceRange } from "@guildhall/protocol/api/DemandApi"

/** The most models that are told. @category constants @since 0.1.0 */
export const MODELS_MAX = 1_000

const MILLION = 1_000_000

/** What some instances ask for a million of a unit, in whole cents. */
const range = (instances: ReadonlyArray<Instance>, unit: "inputToken" | "outputToken"): PriceRange | null => {
  const cents = instances
    .map(({ price }) => Number(PriceSheet.cost(price, { [unit]: MILLION }) / PriceSheet.CENT))
    .sort((a, b) => a - b)
  const [min, median, max] = [cents[0], cents[(cents.length - 1) >> 1], cents.at(-1)]
  return min === undefined || median === undefined || max === undefined ? null : { min, median, max }
}

/**
 * The demand for the models that were asked for or are online, most requests first and then by name: at most {@link MODELS_MAX}.
 * `prices` are those that providers of the market ask by default.
 *
 * **Example** (A model that nobody serves)
 *
 * ```ts
 * import { ModelId } from "@guildhall/core/Model"
 * import { Demand } from "@guildhall/gateway"
 *
 * const asked = [{ model: ModelId.make("acme/large"), requests: 7, refused: 7 }]
 * const [first] = Demand.list([], asked, { inputCentsPerMillion: 100, outputCentsPerMillion: 200 })
 * first?.refused_no_capacity_24h // => 7
 * first?.suggested_output_price_per_million // => 200
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const list = (
  instances: ReadonlyArray<Instance>,
  asked: ReadonlyArray<ModelDemand>,
  prices: Pick<MarketDefinition["prices"], "inputCentsPerMillion" | "outputCentsPerMillion">,
): ReadonlyArray<ModelDemandView> => {
  const online = Map.groupBy(
    instances.filter(({ state }) => state === "online"),
    ({ model }) => model,
  )
  const requests = new Map(asked.map((one) => [one.model, one]))
  const models = new Set<ModelId>([...requests.keys(), ...online.keys()])
  const ranked = [...models].sort((a, b) => {
    const more = (requests.get(b)?.requests ?? 0) - (requests.get(a)?.requests ?? 0)
    return more || (a < b ? -1 : 1)
  })
  return ranked.slice(0, MODELS_MAX).map((model) => {
    const serving = online.get(model) ?? []
    const [input, output] = [range(serving, "inputToken"), range(serving, "outputToken")]
    return {
      model,
      requests_24h: requests.get(model)?.requests ?? 0,
      refused_no_capacity_24h: requests.get(model)?.refused ?? 0,
      providers_online: new Set(serving.map(({ memberId }) => memberId)).size,
      instances_online: serving.length,
      input_price_per_million: input,
      output_price_per_million: output,
      suggested_input_price_per_million: input?.median ?? prices.inputCentsPerMillion,
      suggested_output_price_per_million: output?.median ?? prices.outputCentsPerMillion,
    }
  })
}
