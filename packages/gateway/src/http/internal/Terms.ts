/** What a provider may ask for and declare, whichever way it joins. */
import * as Effect from "effect/Effect"
import { Problem } from "@guildhall/protocol/api/Problem"
import { prices, PUBLISHED_RAILS, type Registration } from "@guildhall/protocol/provider/Registration"
import type { Declared } from "@guildhall/registry/Registration"
import { Market } from "../../Market.ts"

type Terms = Omit<Registration, "endpoint_url" | "provider_type" | "reach" | "context_length_offered">

const WORDS = ["accepts_stripe", "accepts_tempo"] as const

/** The rails that a registration declares, by their names or in the published words: undefined for all that there are. */
const makeRails = (known: ReadonlyArray<string>) => {
  const check = (rails: ReadonlyArray<string>): Effect.Effect<void, Problem> => {
    const unknown = rails.find((rail) => !known.includes(rail))
    if (unknown === undefined) return Effect.void
    const detail = `rails: nobody pays by ${unknown} here, so nobody would be served. This market has ${known.join(", ")}; leave it out for all of them.`
    return Effect.fail(Problem.of("invalid_request", detail))
  }
  return Effect.fnUntraced(function* (terms: Terms) {
    const said = WORDS.filter((word) => terms[word] !== undefined)
    if (said.length === 0) return yield* Effect.as(check(terms.rails ?? []), terms.rails)
    if (terms.rails !== undefined) {
      const detail = `rails: ${said.join(" and ")} say the same. Send one or the other.`
      return yield* Problem.of("invalid_request", detail)
    }
    yield* check(said.filter((word) => terms[word] === true).map((word) => PUBLISHED_RAILS[word]))
    const off = said.filter((word) => terms[word] === false).map((word): string => PUBLISHED_RAILS[word])
    const rails = known.filter((rail) => !off.includes(rail))
    if (rails.length === known.length) return undefined
    if (rails.length > 0) return rails
    const detail = `${said.join(", ")}: this market has ${known.join(", ")} and no other rail. Leave one on.`
    return yield* Problem.of("last_rail", detail)
  })
}

/** What a registration declares; what it leaves out stays undeclared. */
const declared = (terms: Terms, rails: Declared["rails"]): Declared => ({
  ...(terms.provider === undefined ? {} : { provider: terms.provider }),
  ...(terms.endpoints === undefined ? {} : { endpoints: terms.endpoints }),
  ...(terms.quantization === undefined ? {} : { quantization: terms.quantization }),
  ...(terms.supported_parameters === undefined ? {} : { parameters: terms.supported_parameters }),
  ...(terms.retains_data === undefined ? {} : { retainsData: terms.retains_data }),
  ...(terms.tokenizer === undefined ? {} : { tokenizer: terms.tokenizer }),
  ...(terms.region === undefined ? {} : { region: terms.region }),
  ...(terms.country === undefined ? {} : { country: terms.country }),
  ...(terms.inputs === undefined ? {} : { inputs: terms.inputs }),
  ...(rails === undefined ? {} : { rails }),
})

/** Makes the look at terms: whether the market takes the prices, and anybody pays by the rails. Answers what they declare. */
export const makeCheck = Effect.map(Market, ({ definition, payments }) => {
  const { maxCentsPerMillion } = definition.prices
  const railsOf = makeRails(payments.map(({ name }) => name))
  return Effect.fnUntraced(function* (terms: Terms) {
    if (Math.max(...prices(terms)) > maxCentsPerMillion) {
      const detail = `The market takes at most ${maxCentsPerMillion} cents for a million tokens, or for a thousand images, seconds or requests. Ask for less.`
      return yield* Problem.of("invalid_price", detail)
    }
    return declared(terms, yield* railsOf(terms))
  })
})
