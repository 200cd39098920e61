/**
 * What is on offer: the market's models, from the instances that are listed.
 *
 * @since 0.1.0
 */
import type { AssetCode } from "@guildhall/core/Asset"
import type { Instance } from "@guildhall/core/Instance"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { Model, ModelList } from "@guildhall/protocol/openai/ModelList"

/** A million tokens in and out: what sheets are compared by. */
const MILLION = { inputToken: 1_000_000, outputToken: 1_000_000 }

/**
 * Lists the models with at least one listed instance, by id. `createdS` is in seconds since 1970.
 *
 * **Example** (An empty market)
 *
 * ```ts
 * import { Asset } from "@guildhall/core"
 * import { Models } from "@guildhall/gateway"
 *
 * Models.list([], { asset: Asset.USD.code, createdS: 0, owner: "local" }) // => { object: "list", data: [] }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const list = (
  instances: ReadonlyArray<Instance>,
  options: { readonly asset: AssetCode; readonly createdS: number; readonly owner: string },
): ModelList => {
  const models = new Map<string, Model>()
  for (const instance of instances) {
    const known = models.get(instance.model)
    const cheaper =
      known === undefined || PriceSheet.cost(instance.price, MILLION) < PriceSheet.cost(known.pricing, MILLION)
    models.set(instance.model, {
      id: instance.model,
      object: "model",
      created: options.createdS,
      owned_by: options.owner,
      context_length: Math.max(known?.context_length ?? 0, instance.contextLength),
      pricing: cheaper ? instance.price : known.pricing,
      asset: options.asset,
      instances_online: (known?.instances_online ?? 0) + (instance.state === "online" ? 1 : 0),
    })
  }
  const data = [...models.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  return { object: "list", data }
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
