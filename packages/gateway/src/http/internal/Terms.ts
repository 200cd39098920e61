/** What a provider may ask for and declare, whichever way it joins. */
import * as Effect from "effect/Effect"
import { Problem } from "@guildhall/protocol/api/Problem"
import { prices, type Registration } from "@guildhall/protocol/provider/Registration"
import type { Declared } from "@guildhall/registry/Registration"
import { Market } from "../../Market.ts"

type Terms = Omit<Registration, "endpoint_url" | "provider_type" | "reach">

/** What a registration declares; what it leaves out stays undeclared. */
export const declared = (terms: Terms): Declared => ({
  ...(terms.provider === undefined ? {} : { provider: terms.provider }),
  ...(terms.endpoints === undefined ? {} : { endpoints: terms.endpoints }),
  ...(terms.quantization === undefined ? {} : { quantization: terms.quantization }),
  ...(terms.supported_parameters === undefined ? {} : { parameters: terms.supported_parameters }),
  ...(terms.retains_data === undefined ? {} : { retainsData: terms.retains_data }),
  ...(terms.tokenizer === undefined ? {} : { tokenizer: terms.tokenizer }),
  ...(terms.region === undefined ? {} : { region: terms.region }),
  ...(terms.country === undefined ? {} : { country: terms.country }),
  ...(terms.inputs === undefined ? {} : { inputs: terms.inputs }),
  ...(terms.rails === undefined ? {} : { rails: terms.rails }),
})

/** Makes the look at terms: whether the market takes the prices, and anybody pays by the rails. */
export const makeCheck = Effect.map(Market, ({ definition, payments }) => {
  const { maxCentsPerMillion } = definition.prices
  const rails = payments.map(({ name }) => name)
  return (terms: Terms): Effect.Effect<void, Problem> => {
    if (Math.max(...prices(terms)) > maxCentsPerMillion) {
      const detail = `The market takes at most ${maxCentsPerMillion} cents for a million tokens, or for a thousand images, seconds or requests. Ask for less.`
      return Effect.fail(Problem.of("invalid_price", detail))
    }
    const unknown = terms.rails?.find((rail) => !rails.includes(rail))
    if (unknown === undefined) return Effect.void
    const detail = `rails: nobody pays by ${unknown} here, so nobody would be served. This market has ${rails.join(", ")}; leave it out for all of them.`
    return Effect.fail(Problem.of("invalid_request", detail))
  }
})
