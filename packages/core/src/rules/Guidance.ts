/**
 * What a provider could do to earn more, from what was seen of its instances and of the market: each advice with the figures that
 * led to it and what it would bring, the most first. Nothing is said before there are two days to look at.
 *
 * @since 0.1.0
 */
import type { Asset } from "../Asset.ts"
import * as Money from "../Money.ts"

/**
 * How long an instance must have been on the market before there is advice: 48 hours.
 *
 * @category constants
 * @since 0.1.0
 */
export const WAIT_MS = 172_800_000

/**
 * The changes that the requests of the period were routed with once more, in the words of `WhyNot`.
 *
 * @category models
 * @since 0.1.0
 */
export type Change =
  | "online"
  | "price"
  | "concurrency"
  | "health"
  | "speed"
  | "declarations"
  | "context"
  | "stake"
  | "quality"
  | "age"
  | "confidential"

/**
 * What became of the requests of the instance's model that were looked at, which are `looked` of `all` in the period: how many
 * it served, how many went to others although it could be ranked (`outranked`) or could not (`excluded`), and how many came while
 * it was not listed. Of `tried`, each change alone would have won so many.
 *
 * @category models
 * @since 0.1.0
 */
export interface Requests {
  readonly all: number
  readonly looked: number
  readonly served: number
  readonly outranked: number
  readonly excluded: number
  readonly absent: number
  readonly tried: number
  readonly wins: Readonly<Partial<Record<Change, number>>>
}

/**
 * A figure of the instance, and the same of the others that serve its model: undefined where it is not known, or too few others
 * stand behind it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Compared<A> {
  readonly mine: A | undefined
  readonly others: A | undefined
}

/**
 * What is known. Times are milliseconds since 1970 (`sinceMs`: since when the instance is listed) or lengths; amounts are in the
 * smallest unit of `asset`.
 *
 * - `earned`: by the instance in the period, for the requests that it `served` by the journal.
 * - `price`: what a usual request of the model costs at the instance, and at the cheapest and the middle one of the others.
 * - `regions`: how many requests each instance served a day, by region, where enough providers stand behind it.
 * - `strategies`: the pricing strategies that the market has.
 *
 * @category models
 * @since 0.1.0
 */
export interface Facts {
  readonly nowMs: number
  readonly sinceMs: number
  readonly periodMs: number
  readonly asset: Asset
  readonly requests: Requests
  readonly served: number
  readonly earned: bigint
  readonly perRequest: bigint | undefined
  readonly price: { readonly mine: bigint; readonly lowest: bigint; readonly middle: bigint } | undefined
  readonly latencyMs: Compared<number>
  readonly uptimeBps: Compared<number>
  readonly utilisationBps: number | undefined
  readonly concurrency: number
  readonly region: string | undefined
  readonly regions: ReadonlyArray<{ readonly region: string; readonly requestsPerInstance: number }>
  readonly strategies: ReadonlyArray<string>
}

/**
 * What to do.
 *
 * @category models
 * @since 0.1.0
 */
export type Code =
  | "lower_price"
  | "use_utilization_guard"
  | "be_online"
  | "raise_concurrency"
  | "fail_less"
  | "be_faster"
  | "declare_more"
  | "lengthen_context"
  | "stake_more"
  | "raise_quality"
  | "wait_until_older"
  | "be_confidential"
  | "move_region"
  | "other_model"

/**
 * One piece of advice. `numbers` are the figures that led to it: counts and shares as numbers, amounts as decimals of the asset.
 * `requestsPerDay` and `earnedPerDay` are what it would have brought in the period, beside what was; the latter undefined where
 * nothing is known of what a request earns.
 *
 * @category models
 * @since 0.1.0
 */
export interface Advice {
  readonly code: Code
  readonly text: string
  readonly numbers: Readonly<Record<string, number | string>>
  readonly requestsPerDay: number
  readonly earnedPerDay: bigint | undefined
}

/**
 * The answer: since when it counts and when it will speak; or the advice, the most rewarding first, which may be none.
 *
 * @category models
 * @since 0.1.0
 */
export type Guidance =
  | { readonly _tag: "Counting"; readonly sinceMs: number; readonly speaksAtMs: number }
  | { readonly _tag: "Ready"; readonly sinceMs: number; readonly advice: ReadonlyArray<Advice> }

const DAY_MS = 86_400_000
/** An instance with less to do than this may ask for less while it idles. */
const IDLE_BPS = 3_000
/** Another region must have so many times the requests for each instance before a move is worth a word. */
const REGION_TIMES = 2

const tenth = (value: number): number => Math.round(value * 10) / 10
const percent = (bps: number): string => `${Math.round(bps / 10) / 10} %`

interface Measure {
  readonly numbers: Advice["numbers"]
  readonly text: string
}

/** What the changes that cost nothing but work are called, and which figures belong to each. */
const measures: Readonly<
  Record<Exclude<Change, "price" | "online">, { readonly code: Code; readonly of: (facts: Facts) => Measure }>
> = {
  concurrency: {
    code: "raise_concurrency",
    of: ({ concurrency, utilisationBps }) => ({
      numbers: { concurrency, ...(utilisationBps === undefined ? {} : { utilisation_bps: utilisationBps }) },
      text: `You declare ${concurrency} requests at a time. With twice as many`,
    }),
  },
  speed: {
    code: "be_faster",
    of: ({ latencyMs: { mine, others } }) => ({
      numbers: {
        ...(mine === undefined ? {} : { first_byte_ms: mine }),
        ...(others === undefined ? {} : { others_first_byte_ms: others }),
      },
      text:
        mine === undefined
          ? "As fast as who was asked instead"
          : `Half of your requests have their first byte within ${mine} ms${others === undefined ? "" : `, those of the others within ${others} ms`}. As fast as who was asked instead`,
    }),
  },
  health: {
    code: "fail_less",
    of: () => ({ numbers: {}, text: "Failures of late keep requests away. Without them" }),
  },
  declarations: {
    code: "declare_more",
    of: () => ({
      numbers: {},
      text: "Requests ask for what you do not declare: parameters, inputs, a region, or that nothing is kept. With it",
    }),
  },
  context: {
    code: "lengthen_context",
    of: () => ({ numbers: {}, text: "Requests are longer than the context that you offer. With a longer one" }),
  },
  stake: { code: "stake_more", of: () => ({ numbers: {}, text: "With the stake of who was asked instead" }) },
  quality: {
    code: "raise_quality",
    of: () => ({ numbers: {}, text: "With the quality that is known of who was asked instead" }),
  },
  age: {
    code: "wait_until_older",
    of: () => ({
      numbers: {},
      text: "A new instance gets a part of what it declares at first. Once it is no longer new",
    }),
  },
  confidential: { code: "be_confidential", of: () => ({ numbers: {}, text: "With an attested, confidential lane" }) },
}

/** Makes what all advice has in common. */
const make = (facts: Facts) => {
  const { asset, earned, periodMs, perRequest, requests, served } = facts
  const days = periodMs / DAY_MS
  /** One request that was looked at stands for so many. */
  const scale = requests.looked > 0 ? Math.max(1, requests.all / requests.looked) : 1
  const perDay = (looked: number): number => (looked * scale) / days
  const each = served > 0 ? earned / BigInt(served) : perRequest
  const times = (amount: bigint | undefined, count: number): bigint | undefined =>
    amount === undefined ? undefined : (amount * BigInt(Math.round(count * 1_000))) / 1_000n
  /** What a change would have won of the requests that could be tried, carried over to all that were missed. */
  const won = (change: Change): number => {
    const { excluded, outranked, tried, wins } = requests
    return tried > 0 ? ((wins[change] ?? 0) / tried) * (outranked + excluded) : 0
  }
  const money = (amount: bigint): string => Money.format(amount, asset)
  const counts = (change: Change): Record<string, number> => ({
    would_have_won: requests.wins[change] ?? 0,
    of_tried: requests.tried,
  })
  const wins = (change: Change): string =>
    `you would have won ${requests.wins[change] ?? 0} of ${requests.tried} requests that went elsewhere`
  return { counts, days, each, money, perDay, times, wins, won }
}

type Made = ReturnType<typeof make>

const onPrice = (facts: Facts, made: Made): ReadonlyArray<Advice> => {
  const { price, served, strategies, utilisationBps } = facts
  const { counts, days, each, money, perDay, times, wins, won } = made
  if (price === undefined || price.mine <= price.lowest || won("price") <= 0) return []
  const more = perDay(won("price"))
  // As low as the lowest: whoever was asked instead asked for that or more, so this is the least that it brings.
  const lowered = each === undefined ? undefined : (each * price.lowest) / price.mine
  const before = times(each, served / days)
  const after = times(lowered, served / days + more)
  const earnedPerDay = before === undefined || after === undefined ? undefined : after - before
  if (earnedPerDay !== undefined && earnedPerDay <= 0n) return []
  const numbers = {
    ...counts("price"),
    price_of_a_request: money(price.mine),
    lowest_of_others: money(price.lowest),
    middle_of_others: money(price.middle),
  }
  const prices = `A usual request costs ${money(price.mine)} at your price, ${money(price.lowest)} at the lowest and ${money(price.middle)} at the middle of the others.`
  const lower: Advice = {
    code: "lower_price",
    text: `${prices} At the price of who was asked instead ${wins("price")}.`,
    numbers,
    requestsPerDay: tenth(more),
    earnedPerDay,
  }
  if (!strategies.includes("UtilizationGuard") || utilisationBps === undefined || utilisationBps >= IDLE_BPS) {
    return [lower]
  }
  const guard: Advice = {
    ...lower,
    code: "use_utilization_guard",
    text: `You are busy for ${percent(utilisationBps)} of what you declare. The strategy UtilizationGuard asks for less while you idle, and for your price when you do not. ${lower.text}`,
    numbers: { ...numbers, utilisation_bps: utilisationBps },
  }
  return [lower, guard]
}

/** What came while it was offline, and while it was not listed: of the latter it would have won as many as it usually does. */
const onUptime = ({ requests, uptimeBps: { mine, others } }: Facts, made: Made): ReadonlyArray<Advice> => {
  const { absent, excluded, outranked, served } = requests
  const { counts, each, perDay, times, won } = made
  const present = served + outranked + excluded
  const more = perDay(won("online") + (present > 0 ? (absent * served) / present : 0))
  if (more <= 0) return []
  const seen = mine === undefined ? "" : `You were online for ${percent(mine)} of the time`
  const compared = others === undefined || mine === undefined ? "" : `, the others for ${percent(others)}`
  return [
    {
      code: "be_online",
      text: `${seen}${compared}${seen === "" ? "" : ". "}${absent} requests that were looked at came while you were not listed, and ${requests.wins.online ?? 0} of ${requests.tried} you would have won by being online.`,
      numbers: {
        ...counts("online"),
        absent,
        ...(mine === undefined ? {} : { uptime_bps: mine }),
        ...(others === undefined ? {} : { others_uptime_bps: others }),
      },
      requestsPerDay: tenth(more),
      earnedPerDay: times(each, more),
    },
  ]
}

const onChanges = (facts: Facts, made: Made): ReadonlyArray<Advice> =>
  Object.entries(measures).flatMap(([name, { code, of }]) => {
    // The keys of a record of changes are changes.
    const change = name as keyof typeof measures
    const more = made.perDay(made.won(change))
    if (more <= 0) return []
    const { numbers, text } = of(facts)
    return [
      {
        code,
        text: `${text} ${made.wins(change)}.`,
        numbers: { ...made.counts(change), ...numbers },
        requestsPerDay: tenth(more),
        earnedPerDay: made.times(made.each, more),
      },
    ]
  })

const onRegion = ({ region, regions }: Facts, { each, times }: Made): ReadonlyArray<Advice> => {
  const mine = regions.find((one) => one.region === region)
  const [best] = regions.toSorted((a, b) => b.requestsPerInstance - a.requestsPerInstance)
  if (best === undefined || mine === undefined || best.region === mine.region) return []
  if (best.requestsPerInstance < mine.requestsPerInstance * REGION_TIMES || best.requestsPerInstance <= 0) return []
  const more = best.requestsPerInstance - mine.requestsPerInstance
  return [
    {
      code: "move_region",
      text: `An instance in ${best.region} serves ${tenth(best.requestsPerInstance)} requests of this model a day, one in ${mine.region} ${tenth(mine.requestsPerInstance)}. If you have machines in both, serve it there.`,
      numbers: {
        region: mine.region,
        requests_per_instance: tenth(mine.requestsPerInstance),
        best_region: best.region,
        best_requests_per_instance: tenth(best.requestsPerInstance),
      },
      requestsPerDay: tenth(more),
      earnedPerDay: times(each, more),
    },
  ]
}

const NO_DEMAND: Advice = {
  code: "other_model",
  text: "Nobody asked for this model in the period: nothing that you change about the instance brings requests. GET /v1/providers/demand says which models are asked for.",
  numbers: { requests: 0 },
  requestsPerDay: 0,
  earnedPerDay: 0n,
}

const byEffect = (a: Advice, b: Advice): number => {
  const [left, right] = [a.earnedPerDay ?? 0n, b.earnedPerDay ?? 0n]
  return left === right ? b.requestsPerDay - a.requestsPerDay : left < right ? 1 : -1
}

/**
 * What can be advised. The same facts give the same advice.
 *
 * @category rules
 * @since 0.1.0
 */
export const advise = (facts: Facts): Guidance => {
  const { nowMs, requests, sinceMs } = facts
  const speaksAtMs = sinceMs + WAIT_MS
  if (nowMs < speaksAtMs) return { _tag: "Counting", sinceMs, speaksAtMs }
  if (requests.all <= 0 && requests.looked <= 0) return { _tag: "Ready", sinceMs, advice: [NO_DEMAND] }
  const made = make(facts)
  const advice = [
    ...onPrice(facts, made),
    ...onUptime(facts, made),
    ...onChanges(facts, made),
    ...onRegion(facts, made),
  ]
  return { _tag: "Ready", sinceMs, advice: advice.toSorted(byEffect) }
}
