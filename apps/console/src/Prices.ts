/** What to ask for a model: what the market suggests for it, else the market's own prices. */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
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

const Cents = Schema.Int
const Demand = Schema.Struct({
  suggested_input_price_per_million: Cents,
  suggested_output_price_per_million: Cents,
  data: Schema.Array(
    Schema.Struct({
      model: Schema.String,
      requests_24h: Schema.Int,
      providers_online: Schema.Int,
      suggested_input_price_per_million: Cents,
      suggested_output_price_per_million: Cents,
    }),
  ),
})

const decodeDemand = Schema.decodeUnknownOption(Demand)

const demand = async (apiKey: Redacted.Redacted, model: string): Promise<typeof Demand.Type | undefined> => {
  const answer = await fetch(`/v1/providers/demand?model=${encodeURIComponent(model)}`, {
    headers: { authorization: `Bearer ${Redacted.value(apiKey)}` },
    redirect: "error",
    credentials: "omit",
  }).catch(() => undefined)
  if (answer?.ok !== true) return undefined
  return Option.getOrUndefined(decodeDemand(await answer.json().catch(() => undefined)))
}

/** Looks up what to ask. */
export const suggest = async (apiKey: Redacted.Redacted, model: string): Promise<Api.Answer<Suggested>> => {
  const [terms, found] = await Promise.all([
    Api.call(Api.NO_KEY, (client) => client.market.terms()),
    demand(apiKey, model),
  ])
  if (!terms.ok) return terms
  const { name, prices, split } = terms.value
  const shareBps = BigInt(split.shares.find(({ party }) => party === "provider")?.bps ?? 0)
  const base = { shareBps, market: name }
  const own = found?.data.find((one) => one.model === model)
  if (own !== undefined) {
    return {
      ok: true,
      value: {
        ...base,
        input: own.suggested_input_price_per_million,
        output: own.suggested_output_price_per_million,
        from: `from what ${own.providers_online} ${own.providers_online === 1 ? "provider asks" : "providers ask"} for this model, with ${own.requests_24h} requests in the last day`,
      },
    }
  }
  return {
    ok: true,
    value: {
      ...base,
      input: found?.suggested_input_price_per_million ?? prices.inputCentsPerMillion,
      output: found?.suggested_output_price_per_million ?? prices.outputCentsPerMillion,
      from: "the market's own, since nobody serves this model now",
    },
  }
}
