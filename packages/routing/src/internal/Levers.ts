import type { Instance } from "@guildhall/core/Instance"
import type { Rating } from "@guildhall/core/Rating"
import type { Candidate, RoutingRequest } from "../RoutingPolicy.ts"

/** What a provider could have been otherwise, at one request: given its instance as it was, and the one that was ranked first. */
export type Lever = (mine: Candidate, first: Candidate | undefined, request: RoutingRequest) => Candidate

const instanceWith = (mine: Candidate, changes: Partial<Instance>): Candidate => ({
  ...mine,
  instance: { ...mine.instance, ...changes },
})

const ratingWith = (mine: Candidate, changes: Partial<Rating>): Candidate => ({
  ...mine,
  rating: { ...mine.rating, ...changes },
})

const joined = <A>(a: ReadonlyArray<A> | undefined, b: ReadonlyArray<A> | undefined): ReadonlyArray<A> => [
  ...new Set([...(a ?? []), ...(b ?? [])]),
]

const online: Lever = (mine) => instanceWith(mine, { state: "online" })

const concurrency: Lever = (mine) => {
  const more = instanceWith(mine, { concurrency: Math.min(100_000, mine.instance.concurrency * 2) })
  const most = mine.rating?.inFlightMax
  return most === undefined ? more : ratingWith(more, { inFlightMax: most * 2 })
}

const price: Lever = (mine, first) => {
  if (first === undefined) return mine
  const asked = instanceWith(mine, { price: first.instance.price })
  const [own, other] = [mine.rating?.offer, first.rating?.offer]
  if (own === undefined || other === undefined) return asked
  const { inputPerMillion, outputPerMillion, weight } = other
  return ratingWith(asked, { offer: { ...own, inputPerMillion, outputPerMillion, weight } })
}

const context: Lever = (mine, _, { contextTokens }) =>
  instanceWith(mine, { contextLength: Math.max(mine.instance.contextLength, contextTokens) })

const health: Lever = (mine, first) => {
  if (mine.rating === undefined) return mine
  const { offer } = mine.rating
  const best = {
    breaker: "closed",
    healthBps: Math.max(mine.rating.healthBps ?? 0, first?.rating?.healthBps ?? 10_000),
  } as const
  return ratingWith(mine, {
    ...best,
    ...(offer === undefined ? {} : { offer: { ...offer, errorBps: 0, limitedBps: 0 } }),
  })
}

const age: Lever = (mine) => (mine.rating?.rampBps === undefined ? mine : ratingWith(mine, { rampBps: 10_000 }))

const speed: Lever = (mine, first) => {
  if (first === undefined) return mine
  const pace = first.rating?.pace
  const { measured } = first
  const faster = measured === undefined ? mine : { ...mine, measured }
  return pace === undefined ? faster : ratingWith(faster, { pace })
}

const declarations: Lever = (mine, _, { endpoint, features, preferences }) => {
  const { countries, inputs, parameters, regions } = features ?? {}
  const { instance } = mine
  const [country] = countries ?? []
  const [region] = regions ?? []
  const [quantization] = preferences?.quantizations ?? []
  const [firstEndpoint, ...others] = instance.endpoints ?? []
  const isAsked = instance.parameters !== undefined || preferences?.parameters !== undefined
  return instanceWith(mine, {
    ...(isAsked ? { parameters: joined(instance.parameters, joined(parameters, preferences?.parameters)) } : {}),
    ...(instance.inputs === undefined ? {} : { inputs: joined(instance.inputs, inputs) }),
    ...(country === undefined || countries?.includes(instance.country ?? "") === true ? {} : { country }),
    ...(region === undefined || regions?.includes(instance.region ?? "") === true ? {} : { region }),
    ...(quantization === undefined || instance.quantization !== undefined ? {} : { quantization }),
    ...(preferences?.denyRetention === true ? { retainsData: false } : {}),
    ...(instance.rails === undefined || features?.buyer === undefined
      ? {}
      : { rails: joined(instance.rails, [features.buyer.rail]) }),
    ...(firstEndpoint === undefined || endpoint === undefined
      ? {}
      : {
          endpoints: [
            firstEndpoint,
            ...others.filter((one) => one !== endpoint),
            ...(firstEndpoint === endpoint ? [] : [endpoint]),
          ],
        }),
  })
}

const stake: Lever = (mine, first) => {
  const tier = first?.rating?.tier
  return ratingWith(mine, { bonded: true, ...(tier === undefined ? {} : { tier }) })
}

const confidential: Lever = (mine) => ratingWith(mine, { confidential: true })

const quality: Lever = (mine, first) => {
  const best = first?.rating?.qualityBps
  return best === undefined ? mine : ratingWith(mine, { qualityBps: Math.max(best, mine.rating?.qualityBps ?? 0) })
}

/** By name, in the order in which equals are told: what is changed most easily first. */
export const levers = {
  online,
  price,
  concurrency,
  health,
  speed,
  declarations,
  context,
  stake,
  quality,
  age,
  confidential,
} as const satisfies Record<string, Lever>
