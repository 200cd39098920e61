/**
 * What is on offer: the market's models, from the instances that are listed.
 *
 * @since 0.1.0
 */
import type { Asset } from "@guildhall/core/Asset"
import { Endpoint, standard } from "@guildhall/core/Endpoint"
import { Input, type Instance, isAttested, Quantization } from "@guildhall/core/Instance"
import * as Money from "@guildhall/core/Money"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { UsageUnit } from "@guildhall/core/Usage"
import type { Model, ModelList, Pricing } from "@guildhall/protocol/openai/ModelList"

/** What sheets are compared by: as much of each unit as prices are asked for. */
const COMPARED = {
  inputToken: 1_000_000,
  outputToken: 1_000_000,
  image: 1_000,
  audioSecond: 1_000,
  request: 1_000,
}

/**
 * What a list needs to know: the asset of the prices, when the market began (in seconds since 1970), and its name.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly asset: Asset
  readonly createdS: number
  readonly owner: string
}

const NAMES: Partial<Readonly<Record<UsageUnit, keyof Pricing>>> = {
  inputToken: "prompt",
  outputToken: "completion",
  cachedInputToken: "input_cache_read",
  image: "image",
  audioSecond: "audio_second",
  request: "request",
}

/**
 * A price sheet as a buyer reads it: what one of each unit costs, in whole ones of the asset.
 *
 * **Example** (A dollar for a million tokens in, two out)
 *
 * ```ts
 * import { Asset, PriceSheet } from "@guildhall/core"
 * import { Models } from "@guildhall/gateway"
 *
 * const sheet = PriceSheet.perMillionCents({ input: 100n, output: 200n })
 * Models.pricing(sheet, Asset.USD) // => { prompt: "0.000001", completion: "0.000002" }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const pricing = (sheet: PriceSheet.PriceSheet, asset: Asset): Pricing =>
  Object.fromEntries(
    sheet.flatMap(({ amount, per, unit }) => {
      const name = NAMES[unit]
      return name === undefined ? [] : [[name, Money.format(amount / per, asset)]]
    }),
  )

/** The cheapest of some sheets; the first of those that cost the same. */
const cheapest = (instances: ReadonlyArray<Instance>): PriceSheet.PriceSheet => {
  let best: { readonly sheet: PriceSheet.PriceSheet; readonly cost: bigint } | undefined
  for (const { price: sheet } of instances) {
    const cost = PriceSheet.cost(sheet, COMPARED)
    if (best === undefined || cost < best.cost) best = { sheet, cost }
  }
  return best?.sheet ?? []
}

const describe = (id: string, listed: ReadonlyArray<Instance>, { asset, createdS, owner }: Options): Model => {
  const online = listed.filter(({ state }) => state === "online")
  // What nobody serves at the moment is not on offer. Where nobody is there at all, the model stays as it was last declared:
  // clients that look for theirs when they start find it, and that it is away.
  const instances = online.length === 0 ? listed : online
  const endpoints = new Set(instances.flatMap((instance) => instance.endpoints ?? standard))
  const quantizations = new Set(instances.map(({ quantization }) => quantization))
  const names = (all: ReadonlyArray<string>): ReadonlyArray<string> => [...new Set(all)].sort()
  const sheet = cheapest(instances)
  return {
    id,
    object: "model",
    created: createdS,
    owned_by: owner,
    context_length: instances.reduce((most, { contextLength }) => Math.max(most, contextLength), 0),
    pricing: pricing(sheet, asset),
    price_sheet: sheet,
    asset: asset.code,
    endpoints: Endpoint.literals.filter((endpoint) => endpoints.has(endpoint)),
    quantizations: Quantization.literals.filter((quantization) => quantizations.has(quantization)),
    supported_parameters: names(instances.flatMap(({ parameters }) => parameters ?? [])),
    providers: names(instances.flatMap(({ provider }) => provider ?? [])),
    regions: names(instances.flatMap(({ region }) => region ?? [])),
    countries: names(instances.flatMap(({ country }) => country ?? [])),
    inputs: Input.literals.filter((input) => instances.some(({ inputs }) => inputs?.includes(input) === true)),
    instances_online: online.length,
    instances_without_retention: online.filter(({ retainsData }) => retainsData === false).length,
    instances_attested: online.filter(isAttested).length,
  }
}

/**
 * Lists the models with at least one listed instance, by id: what their online instances declared, or the others where none
 * is online (`instances_online` is 0 then).
 *
 * **Example** (An empty market)
 *
 * ```ts
 * import { Asset } from "@guildhall/core"
 * import { Models } from "@guildhall/gateway"
 *
 * Models.list([], { asset: Asset.USD, createdS: 0, owner: "local" }) // => { object: "list", data: [] }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const list = (instances: ReadonlyArray<Instance>, options: Options): ModelList => {
  const byModel = Map.groupBy(instances, ({ model }) => model)
  const data = [...byModel].map(([id, offering]) => describe(id, offering, options))
  return { object: "list", data: data.sort((a, b) => (a.id < b.id ? -1 : 1)) }
}

/**
 * The model that a URL under `/v1/models/` names. Ids are ASCII and may hold slashes, written as they are or escaped.
 *
 * @category decoding
 * @since 0.1.0
 */
export const nameIn = (url: string): string =>
  (url.split("?", 1)[0] ?? "")
    .replace(/^.*?\/v1\/models\//, "")
    .replace(/%([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
