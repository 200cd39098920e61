/** What to ask for a model: what the market suggests, which is the median of those who serve it, or else its own default. */
import * as Schema from "effect/Schema"
import type * as Redacted from "effect/Redacted"
import { ModelId } from "@guildhall/core/Model"
import * as Api from "./Api.ts"

/** Whole cents for a million tokens, and where they come from. */
export interface Suggested {
  readonly input: number
  readonly output: number
  readonly from: string
  /** The provider's part of what buyers pay, in basis points. */
  readonly shareBps: bigint
  readonly market: string
}

const isModel = Schema.is(ModelId)

const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`

/** Looks up what to ask. */
export const suggest = async (apiKey: Redacted.Redacted, model: string): Promise<Api.Answer<Suggested>> => {
  const [terms, demand] = await Promise.all([
    Api.call(Api.NO_KEY, (client) => client.market.terms()),
    Api.call(apiKey, (client) => client.demand.demand({ query: isModel(model) ? { model: ModelId.make(model) } : {} })),
  ])
  if (!terms.ok) return terms
  if (!demand.ok) return demand
  const { name, split } = terms.value
  const own = demand.value.data.find((one) => one.model === model)
  const prices = own ?? demand.value
  const asked =
    own === undefined || own.requests_24h === 0
      ? ""
      : ` It was asked for ${plural(own.requests_24h, "time", "times")} in the last day.`
  return {
    ok: true,
    value: {
      shareBps: BigInt(split.shares.find(({ party }) => party === "provider")?.bps ?? 0),
      market: name,
      input: prices.suggested_input_price_per_million,
      output: prices.suggested_output_price_per_million,
      from:
        own === undefined || own.instances_online === 0
          ? `the market's own, since nobody serves this model now.${asked}`
          : `the median of ${plural(own.instances_online, "instance", "instances")} of it online.${asked}`,
    },
  }
}
