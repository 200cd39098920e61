import type { Instance } from "@guildhall/core/Instance"
import type { Rating } from "@guildhall/core/Rating"
import type { Usage } from "@guildhall/core/Usage"
import * as Price from "./Price.ts"

/** Half an hour in six parts, one of which has begun. */
const PART_MS = 300_000
const PARTS = 6
/** Of fewer requests, nothing is said. */
const REQUESTS_MIN = 5
const MILLION = 1_000_000
/** More tokens than any answer has: a count beyond it is a wrong report. */
const TOKENS_MAX = 1_000_000_000

/** What is counted in each part. */
const INPUT = 0
const INPUT_COST = 1
const OUTPUT = 2
const OUTPUT_COST = 3
const SUCCEEDED = 4
const FAILED = 5
const LIMITED = 6
const FIELDS = 7

const tokens = (count: number | undefined): number =>
  count !== undefined && count > 0 ? Math.min(count, TOKENS_MAX) : 0

const bps = (part: number, whole: number): number => (whole === 0 ? 0 : Math.round((10_000 * part) / whole))

/** What an instance cost and how it behaved in the last half hour, in constant memory. */
export class OfferWindow {
  readonly #parts = new Float64Array(PARTS * FIELDS)
  readonly #at = new Float64Array(PARTS).fill(-PARTS)

  /** What one request was charged for at these terms. */
  charge({ price }: Pick<Instance, "price">, usage: Usage, nowMs: number): void {
    const at = this.#part(nowMs)
    const { cached, input, output, request } = Price.ofUnits(price)
    const [fresh, kept, answered] = [
      tokens(usage.inputToken),
      tokens(usage.cachedInputToken),
      tokens(usage.outputToken),
    ]
    this.#add(at + INPUT, fresh + kept)
    this.#add(at + INPUT_COST, fresh * input + kept * cached + tokens(usage.request) * request)
    this.#add(at + OUTPUT, answered)
    this.#add(at + OUTPUT_COST, answered * output)
  }

  /** How one request ended. */
  count(kind: "succeeded" | "failed" | "limited", nowMs: number): void {
    this.#add(this.#part(nowMs) + (kind === "succeeded" ? SUCCEEDED : kind === "failed" ? FAILED : LIMITED), 1)
  }

  /** What can be said: its list prices where too little was charged, and `undefined` where too little was asked. */
  offer({ price }: Pick<Instance, "price">, nowMs: number): NonNullable<Rating["offer"]> | undefined {
    const now = Math.floor(nowMs / PART_MS)
    const sums = new Float64Array(FIELDS)
    for (let part = 0; part < PARTS; part++) {
      const at = this.#at[part] ?? -PARTS
      if (at > now || at <= now - PARTS) continue
      for (let field = 0; field < FIELDS; field++) {
        sums[field] = (sums[field] ?? 0) + (this.#parts[part * FIELDS + field] ?? 0)
      }
    }
    const [input = 0, inputCost = 0, output = 0, outputCost = 0, succeeded = 0, failed = 0, limited = 0] = sums
    if (succeeded + failed + limited < REQUESTS_MIN) return undefined
    const list = Price.ofUnits(price)
    return {
      inputPerMillion: Math.round((input === 0 ? list.input : inputCost / input) * MILLION),
      outputPerMillion: Math.round((output === 0 ? list.output : outputCost / output) * MILLION),
      errorBps: bps(failed, succeeded + failed),
      limitedBps: bps(limited, succeeded + failed + limited),
      weight: 0,
    }
  }

  /** What is said of an instance of which nothing is known any more: its list prices. */
  static listed({ price }: Pick<Instance, "price">): NonNullable<Rating["offer"]> {
    const { input, output } = Price.ofUnits(price)
    return {
      inputPerMillion: Math.round(input * MILLION),
      outputPerMillion: Math.round(output * MILLION),
      errorBps: 0,
      limitedBps: 0,
      weight: 0,
    }
  }

  /** Whether nothing that is measured has changed. */
  static isSame(one: NonNullable<Rating["offer"]>, other: NonNullable<Rating["offer"]>): boolean {
    return (
      one.inputPerMillion === other.inputPerMillion &&
      one.outputPerMillion === other.outputPerMillion &&
      one.errorBps === other.errorBps &&
      one.limitedBps === other.limitedBps
    )
  }

  #add(at: number, more: number): void {
    this.#parts[at] = (this.#parts[at] ?? 0) + more
  }

  /** Where the part that a time is in begins, emptied where it held an older one. */
  #part(nowMs: number): number {
    const at = Math.floor(nowMs / PART_MS)
    const part = ((at % PARTS) + PARTS) % PARTS
    if (this.#at[part] !== at) {
      this.#at[part] = at
      this.#parts.fill(0, part * FIELDS, (part + 1) * FIELDS)
    }
    return part * FIELDS
  }
}
