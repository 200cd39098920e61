/**
 * A common way to write a policy: say by which numbers candidates are ordered, and the rest is done. Filters, ties drawn by
 * the seed, reasons that are written only when read; and where the numbers do not depend on the request, an index too.
 *
 * Candidates are ordered by each number in turn, the smaller first; then by lot; then by id. A lot is a waiting time of mean
 * 1 that the seed gives to an instance, independent of all others. To draw by weight, order by the lot divided by the weight:
 * then each comes first with the probability of its weight, among those that may serve this request.
 *
 * @since 0.1.0
 */
import type { InstanceId } from "@guildhall/core/Instance"
import type { ModelId } from "@guildhall/core/Model"
import type { ReasonCode } from "@guildhall/core/Reason"
import * as Draw from "./Draw.ts"
import { excluding, type Filter } from "./Filter.ts"
import * as Lots from "./internal/Lots.ts"
import { order } from "./internal/Order.ts"
import { type Finding, shelves } from "./internal/Shelves.ts"
import { sound, soundWeight } from "./internal/Sound.ts"
import { StandingIndex } from "./internal/StandingIndex.ts"
import type { Candidate, DirectoryView, Ranking, RoutingPolicy, RoutingRequest } from "./RoutingPolicy.ts"

/**
 * What a policy orders: the candidates that may serve the request, each with its lot. `draw` gives further lots of the same
 * candidates, for a seed made by `Draw.ofSeed` or `Draw.ofId`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pool {
  readonly request: RoutingRequest
  readonly seed: number
  readonly candidates: ReadonlyArray<Candidate>
  readonly lots: Float64Array
  readonly draw: (ofSeed: number) => Float64Array
}

/**
 * The numbers, one column for each, with a row for each candidate of the pool; and why a row stands where it stands.
 * `because` may be called later, when the candidates have changed: it takes what it says from what was computed. A row with
 * one of the `codes` is left out after all. `isDrawn` says that the last column is made of lots, so that none need be added.
 *
 * @category models
 * @since 0.1.0
 */
export interface Score {
  readonly columns: ReadonlyArray<Float64Array>
  readonly because: (row: number) => string
  readonly codes?: ReadonlyArray<ReasonCode | undefined> | undefined
  readonly isDrawn?: boolean | undefined
}

/**
 * A policy of which combinators can use the numbers: which candidates it holds for equals, and how it stands on others' lots.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scored extends RoutingPolicy {
  readonly filters: ReadonlyArray<Filter>
  readonly score: (pool: Pool) => Score
  readonly find?: Find | undefined
}

/**
 * Makes the fast form of a policy, on a directory and with the filters that are asked.
 *
 * @category models
 * @since 0.1.0
 */
export type Find = (
  policy: RoutingPolicy,
  filters: ReadonlyArray<Filter>,
  directory: DirectoryView,
) => ReturnType<NonNullable<RoutingPolicy["prepare"]>>

/**
 * Where candidates stand, whatever is asked, with a row for each: by `first`, then by `second`, and among equals drawn by
 * `weight`. A column that is left out is the same number in all rows. `stand` writes the row of a candidate, and `because`
 * says why it stands there: from what was written, as it may be called when the candidate has changed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Table {
  readonly first?: Float64Array | undefined
  readonly second?: Float64Array | undefined
  readonly weight?: Float64Array | undefined
  readonly stand: (candidate: Candidate, row: number, variant: number) => void
  readonly because: (row: number) => string
}

/**
 * A policy by standing. Its index can be joined with others' (see the combinator `tieBreak`).
 *
 * @category models
 * @since 0.1.0
 */
export interface Standings extends Scored {
  readonly table: (length: number) => Table
  /** Whether candidates of equal `first` are equal. The table of such a policy has that column. */
  readonly isByFirst: boolean
  readonly variantOf: (request: RoutingRequest, seed: number) => number
}

/** An array of so many places that are still empty. One that grows is copied again and again. */
const roomFor = <A>(length: number): Array<A> => {
  const room: Array<A> = []
  room.length = length
  return room
}

class Ranked {
  readonly instance: InstanceId
  readonly #row: number
  readonly #score: Score

  constructor(instance: InstanceId, row: number, score: Score) {
    this.instance = instance
    this.#row = row
    this.#score = score
  }
  get because(): string {
    return this.#score.because(this.#row)
  }
  toJSON() {
    return { instance: this.instance, because: this.because }
  }
}

/**
 * A pool, with those left out of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sieved {
  readonly pool: Pool
  /** Of the pool's candidates. */
  readonly ids: ReadonlyArray<InstanceId>
  readonly excluded: Ranking["excluded"]
}

/**
 * Asks the standard filters, and then those given. Lots are drawn among all candidates of the model, so that they do not
 * change with what happens to others of them.
 *
 * @category rules
 * @since 0.1.0
 */
export const sieve = (
  request: RoutingRequest,
  candidates: ReadonlyArray<Candidate>,
  seed: number,
  filters: ReadonlyArray<Filter>,
): Sieved => {
  const { length } = candidates
  const eligible = roomFor<Candidate>(length)
  const ids = roomFor<InstanceId>(length)
  /** The places of the eligible among those of the model. */
  const places = new Int32Array(length)
  const excluded: Array<Ranking["excluded"][number]> = []
  const exclude = excluding(request)
  const known = Lots.likely(candidates[0]?.instance.id ?? "")
  let isKnown = true
  let rows = 0
  let named = 0
  for (let at = 0; at < length; at++) {
    const candidate = candidates[at]
    if (candidate === undefined) continue
    const { id, model } = candidate.instance
    const code = exclude(candidate) ?? also(filters, request, candidate)
    if (code === undefined) {
      eligible[rows] = candidate
      ids[rows] = id
      places[rows++] = named
    } else excluded.push({ instance: id, code })
    if (model !== request.model) continue
    if (known?.names[named] !== id) isKnown = false
    named++
  }
  eligible.length = rows
  ids.length = rows
  const isSame = isKnown && known?.names.length === named
  const tree = isSame ? known : Lots.treeOf(namesOf(candidates, request.model))
  const draw = (ofSeed: number): Float64Array => Lots.draw(tree, ofSeed, places.subarray(0, rows))
  return { pool: { request, seed, candidates: eligible, lots: draw(Draw.ofSeed(seed)), draw }, ids, excluded }
}

const namesOf = (candidates: ReadonlyArray<Candidate>, model: ModelId): ReadonlyArray<InstanceId> =>
  candidates.flatMap(({ instance }) => (instance.model === model ? [instance.id] : []))

/**
 * A column of so many rows. (`Float64Array.from` would do the same, ten times slower.)
 *
 * @category constructors
 * @since 0.1.0
 */
export const column = (length: number, of: (row: number) => number): Float64Array => {
  const values = new Float64Array(length)
  for (let row = 0; row < length; row++) values[row] = of(row)
  return values
}

const also = (filters: ReadonlyArray<Filter>, request: RoutingRequest, candidate: Candidate) => {
  for (const filter of filters) {
    const code = filter(request, candidate)
    if (code !== undefined) return code
  }
  return undefined
}

/** Most numbers are as they should be, and stay as they are. */
const makeSound = (values: Float64Array): void => {
  for (let row = 0; row < values.length; row++) {
    const value = values[row] ?? 0
    if (!(value > 0 && value <= Number.MAX_VALUE)) values[row] = sound(value)
  }
}

const rank = ({ pool, excluded, ids }: Sieved, score: (pool: Pool) => Score): Ranking => {
  const scored = score(pool)
  for (const values of scored.columns) makeSound(values)
  const columns = scored.isDrawn === true ? scored.columns : [...scored.columns, pool.lots]
  const rows = order(columns, (row) => ids[row] ?? "", ids.length)
  const ranked = roomFor<Ranking["ranked"][number]>(ids.length)
  const leftOut: Array<Ranking["excluded"][number]> = []
  let length = 0
  for (let place = 0; place < rows.length; place++) {
    const row = rows[place] ?? 0
    const instance = ids[row]
    if (instance === undefined) continue
    const code = scored.codes?.[row]
    if (code === undefined) ranked[length++] = new Ranked(instance, row, scored)
    else leftOut.push({ instance, code })
  }
  ranked.length = length
  return { ranked, excluded: leftOut.length === 0 ? excluded : [...excluded, ...leftOut] }
}

/**
 * Makes a policy from how it scores. Raise `version` with each change that can change a choice.
 *
 * **Example** (The one with the longest context first)
 *
 * ```ts
 * import { ModelId } from "@guildhall/core/Model"
 * import { Scored } from "@guildhall/routing"
 *
 * const longest = Scored.make({
 *   name: "Longest",
 *   version: 1,
 *   score: ({ candidates }) => {
 *     const lengths = Scored.column(candidates.length, (row) => -(candidates[row]?.instance.contextLength ?? 0))
 *     return { columns: [lengths], because: (row) => `${-(lengths[row] ?? 0)} tokens of context` }
 *   },
 * })
 * longest.rank({ model: ModelId.make("a/b"), contextTokens: 1, tried: [] }, [], 7).ranked // => []
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: {
  readonly name: string
  readonly version: number
  readonly score: (pool: Pool) => Score
  readonly filters?: ReadonlyArray<Filter> | undefined
  readonly find?: Find | undefined
  readonly weights?: RoutingPolicy["weights"]
  readonly reads?: RoutingPolicy["reads"]
}): Scored => {
  const { name, version, score, filters = [], find, reads, weights } = options
  const policy: Scored = {
    name,
    version,
    filters,
    score,
    find,
    rank: (request, candidates, seed) => rank(sieve(request, candidates, seed, filters), score),
    ...(weights === undefined ? {} : { weights }),
    ...(reads === undefined ? {} : { reads }),
  }
  if (find === undefined) return policy
  return { ...policy, prepare: (directory) => find(policy, filters, directory) }
}

/**
 * The policy, with a further filter asked after its own.
 *
 * @category constructors
 * @since 0.1.0
 */
export const filtered = (policy: Scored, name: string, filter: Filter): Scored =>
  make({ ...policy, name, filters: [...policy.filters, filter], reads: both(policy.reads, filter.reads) })

/** Where one does not say what it reads, it may be anything. */
const both = (a: RoutingPolicy["reads"], b: RoutingPolicy["reads"]): RoutingPolicy["reads"] =>
  a === undefined || b === undefined ? undefined : [...new Set([...a, ...b])]

const byStanding =
  (table: Standings["table"], variantOf: Standings["variantOf"]) =>
  ({ candidates, lots, request, seed }: Pool): Score => {
    const variant = variantOf(request, seed)
    const standings = table(candidates.length)
    for (let row = 0; row < candidates.length; row++) {
      const candidate = candidates[row]
      if (candidate !== undefined) standings.stand(candidate, row, variant)
    }
    const { first, second, weight } = standings
    const draws = weight === undefined ? lots : drawnBy(weight, lots)
    const because = (row: number): string => `${standings.because(row)}, lot ${(draws[row] ?? 0).toPrecision(6)}`
    return { columns: [first, second, draws].filter((one) => one !== undefined), because, isDrawn: true }
  }

const drawnBy = (weight: Float64Array, lots: Float64Array): Float64Array => {
  const draws = new Float64Array(lots.length)
  for (let row = 0; row < lots.length; row++) draws[row] = (lots[row] ?? 0) / soundWeight(weight[row] ?? 0)
  return draws
}

/** The weight of those that stand best. */
const weightsOf =
  (table: Standings["table"], variantOf: Standings["variantOf"]): NonNullable<RoutingPolicy["weights"]> =>
  (request, candidates) => {
    const variant = variantOf(request, 0)
    const standings = table(candidates.length)
    candidates.forEach((candidate, row) => standings.stand(candidate, row, variant))
    const { first, second, weight } = standings
    const isBest = candidates.map(() => true)
    for (const values of [first, second]) {
      if (values === undefined) continue
      const best = values.reduce(
        (least, value, row) => (isBest[row] === true ? Math.min(least, value) : least),
        Infinity,
      )
      values.forEach((value, row) => (isBest[row] &&= value === best))
    }
    return isBest.map((is, row) => (is ? (weight?.[row] ?? 1) : 0))
  }

/**
 * Makes a policy from where a candidate stands, whatever is asked. It has a fast form: an index that a change of one
 * instance costs a few steps, and in which the first of the ranking is found by a few more.
 *
 * A policy whose order is one of a few, by the request or the seed, has `variants`: `variantOf` says which one holds, and
 * `stand` is told. Each has an index of its own, made when it is first asked for. Where the seed decides on the variant, say
 * the `weights` that come of it; otherwise they are known.
 *
 * @category constructors
 * @since 0.1.0
 */
export const standings = (options: {
  readonly name: string
  readonly version: number
  readonly table: (length: number) => Table
  readonly variantOf?: ((request: RoutingRequest, seed: number) => number) | undefined
  readonly filters?: ReadonlyArray<Filter> | undefined
  readonly isByFirst?: boolean | undefined
  readonly weights?: RoutingPolicy["weights"]
  readonly reads?: RoutingPolicy["reads"]
}): Standings => {
  const { name, version, table, variantOf = () => 0, filters = [], isByFirst = false } = options
  const { reads, weights = weightsOf(table, variantOf) } = options
  const score = byStanding(table, variantOf)
  const finding: Finding<StandingIndex> = {
    index: (variant) => new StandingIndex(table(1), variant),
    find: (indexOf, request, seed, mayServe) =>
      indexOf(variantOf(request, seed))?.walk(Draw.ofSeed(seed), mayServe)?.instance.id,
  }
  const find: Find = (...on) => shelves(finding, ...on)
  return { ...make({ name, version, score, filters, weights, find, reads }), table, isByFirst, variantOf }
}

/**
 * Lets a combinator use any policy: one that only ranks holds no two for equals, and each stands by its place.
 *
 * @category constructors
 * @since 0.1.0
 */
export const lift = (policy: RoutingPolicy): Scored => {
  if (isScored(policy)) return policy
  const score = ({ candidates, request, seed }: Pool): Score => {
    const { ranked, excluded } = policy.rank(request, candidates, seed)
    const places = new Map<string, number>(ranked.map(({ instance }, place) => [instance, place]))
    const codes = new Map(excluded.map(({ instance, code }) => [instance, code]))
    const standing = column(candidates.length, (row) => places.get(candidates[row]?.instance.id ?? "") ?? Infinity)
    const reasons = [...standing].map((place) => ranked[place]?.because ?? "")
    return {
      columns: [standing],
      because: (row) => reasons[row] ?? "",
      codes: candidates.map(({ instance }) => codes.get(instance.id)),
    }
  }
  const { name, reads, version } = policy
  return make({ name, version, score, ...(reads === undefined ? {} : { reads }) })
}

/**
 * Whether combinators can use a policy's numbers.
 *
 * @category guards
 * @since 0.1.0
 */
export const isScored = (policy: RoutingPolicy): policy is Scored => "score" in policy && "filters" in policy

/**
 * Whether a policy is by standing.
 *
 * @category guards
 * @since 0.1.0
 */
export const isStandings = (policy: RoutingPolicy): policy is Standings => isScored(policy) && "table" in policy
