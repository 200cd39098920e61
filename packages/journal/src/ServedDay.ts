/**
 * What an instance served on a day, as the signed receipts of that day say: a sum, never a balance. It can be made again from the
 * receipts at any time, and nothing is paid by it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AssetCode } from "@guildhall/core/Asset"
import { DeviceId } from "@guildhall/core/Device"
import { InstanceId } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import { Amount } from "@guildhall/core/Money"
import type { Receipt } from "@guildhall/core/Receipt"

/**
 * The sums of one instance and one day of UTC, which counts from 1970. A request belongs to the day on which it ended.
 *
 * - `requests`: those that it served, of which something was delivered or paid.
 * - `gross`: what buyers were charged; `shared`: the provider's part of that; `fromLoss`: what the platform paid it for requests
 *   that a gateway lost. What it earned is the sum of the last two.
 * - `busyMs`: from the admission of each request to its end, added up; of requests that ran beside each other, both.
 * - `firstBytes`: how many of the requests that went nowhere else first had their first byte after so long, by the classes of
 *   {@link classOf}.
 *
 * @category models
 * @since 0.1.0
 */
export const ServedDay = Schema.Struct({
  day: Schema.Int,
  provider: MemberId,
  instance: InstanceId,
  device: Schema.NullOr(DeviceId),
  model: ModelId,
  asset: AssetCode,
  requests: Schema.Int,
  inputTokens: Schema.Int,
  outputTokens: Schema.Int,
  gross: Amount,
  shared: Amount,
  fromLoss: Amount,
  busyMs: Schema.Int,
  firstBytes: Schema.Array(Schema.Int),
})
/** @since 0.1.0 */
export type ServedDay = typeof ServedDay.Type

/**
 * How many classes of times there are.
 *
 * @category constants
 * @since 0.1.0
 */
export const CLASSES = 64

const PER_DOUBLING = 4
const DAY_MS = 86_400_000

const startOf = (place: number): number => 2 ** (place / PER_DOUBLING)

/**
 * Where the classes begin, in whole milliseconds: four for each doubling from 1 on, so a class is a fifth wide. Below 5 several
 * begin at the same time, and the last of them counts.
 *
 * @category constants
 * @since 0.1.0
 */
export const starts: ReadonlyArray<number> = Array.from({ length: CLASSES }, (_, place) => Math.ceil(startOf(place)))

/**
 * The class of a time in whole milliseconds: how many begin after the first and not after it. A store may count it in the same way.
 *
 * **Example** (A tenth of a second)
 *
 * ```ts
 * import { ServedDay } from "@guildhall/journal"
 *
 * ServedDay.classOf(100) // => 26
 * ServedDay.classOf(0) // => 0
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const classOf = (ms: number): number => Math.max(0, starts.filter((start) => start <= ms).length - 1)

/**
 * The time that a part of the requests did not exceed, in whole milliseconds: exact to the fifth that a class is wide, and within
 * a class as if its times lay evenly. Undefined where there were none.
 *
 * @category getters
 * @since 0.1.0
 */
export const quantileMs = (firstBytes: ReadonlyArray<number>, share: number): number | undefined => {
  const total = firstBytes.reduce((sum, count) => sum + count, 0)
  if (total <= 0) return undefined
  const wanted = share * total
  let seen = 0
  for (const [place, count] of firstBytes.entries()) {
    if (count > 0 && seen + count >= wanted) {
      const within = (wanted - seen) / count
      return Math.round(startOf(place) + (startOf(place + 1) - startOf(place)) * within)
    }
    seen += count
  }
  return Math.round(startOf(CLASSES))
}

/**
 * The day of a time in milliseconds since 1970.
 *
 * @category getters
 * @since 0.1.0
 */
export const dayAt = (ms: number): number => Math.floor(ms / DAY_MS)

/**
 * What one receipt adds to a day; undefined where nobody served, or for nothing.
 *
 * @category rules
 * @since 0.1.0
 */
export const of = (receipt: Receipt): ServedDay | undefined => {
  const { attempts, charge, endedAtMs, firstByteAtMs, instance, paidFromLoss, provider, startedAtMs, usage } = receipt
  if (provider === undefined || instance === undefined || receipt.outcome === "failed") return undefined
  const firstBytes = Array.from({ length: CLASSES }, () => 0)
  // After a first attempt elsewhere the time is not this one's alone.
  if (firstByteAtMs !== undefined && attempts === 1) firstBytes[classOf(firstByteAtMs - startedAtMs)] = 1
  return {
    day: dayAt(endedAtMs),
    provider,
    instance,
    device: receipt.device ?? null,
    model: receipt.model,
    asset: receipt.asset,
    requests: 1,
    inputTokens: (usage.inputToken ?? 0) + (usage.cachedInputToken ?? 0),
    outputTokens: usage.outputToken ?? 0,
    gross: charge,
    shared: receipt.split.reduce((sum, { amount, party }) => (party === "provider" ? sum + amount : sum), 0n),
    fromLoss: paidFromLoss,
    busyMs: Math.max(0, endedAtMs - startedAtMs),
    firstBytes,
  }
}

const keyOf = ({ asset, day, instance, provider }: ServedDay): string => `${day} ${provider} ${instance} ${asset}`

/** One added to, or taken from, another of the same instance and day. */
const plus = (a: ServedDay, b: ServedDay, sign: 1 | -1): ServedDay => ({
  ...a,
  requests: a.requests + sign * b.requests,
  inputTokens: a.inputTokens + sign * b.inputTokens,
  outputTokens: a.outputTokens + sign * b.outputTokens,
  gross: a.gross + BigInt(sign) * b.gross,
  shared: a.shared + BigInt(sign) * b.shared,
  fromLoss: a.fromLoss + BigInt(sign) * b.fromLoss,
  busyMs: a.busyMs + sign * b.busyMs,
  firstBytes: a.firstBytes.map((count, at) => count + sign * (b.firstBytes[at] ?? 0)),
})

/** Nothing, of the same instance and day. */
const emptied = (day: ServedDay): ServedDay => plus(day, day, -1)

/**
 * Sums by instance and day. A revision of a receipt takes the place of the one before.
 *
 * @category models
 * @since 0.1.0
 */
export class Sums {
  readonly #days = new Map<string, ServedDay>()

  /** Adds what a receipt says, or takes it back where a revision replaced it. */
  count(receipt: Receipt, sign: 1 | -1): void {
    const one = of(receipt)
    if (one === undefined) return
    const key = keyOf(one)
    this.#days.set(key, plus(this.#days.get(key) ?? emptied(one), one, sign))
  }

  /** What it comes to, in the order in which stores lock their rows. */
  all(): ReadonlyArray<ServedDay> {
    return [...this.#days].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, day]) => day)
  }
}

/**
 * Adds days of one instance, or of several, into one: its identity is the first's.
 *
 * @category rules
 * @since 0.1.0
 */
export const sum = (days: ReadonlyArray<ServedDay>): ServedDay | undefined => {
  const [first, ...rest] = days
  return first === undefined ? undefined : rest.reduce((all, day) => plus(all, day, 1), first)
}
