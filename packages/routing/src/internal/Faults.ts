import type { MemberId } from "@guildhall/core/Member"
import type { Asker } from "../Health.ts"

/** So many failures are remembered at most: more are never needed to leave an instance alone. */
const COUNTED_MAX = 100

/** Which failures of one instance count as its own, and which may be the fault of one buyer's requests. */
export class Faults {
  #counted: Array<Pick<Asker, "buyer" | "request"> & { readonly atMs: number }> = []
  /** Who was served last, and when somebody else was. */
  #served: { readonly buyer: MemberId; readonly atMs: number } | undefined
  #otherAtMs = -Infinity

  /** A request was served. */
  served(buyer: MemberId, atMs: number): void {
    if (this.#served !== undefined && this.#served.buyer !== buyer) this.#otherAtMs = this.#served.atMs
    this.#served = { buyer, atMs }
  }

  /** Whether a failure counts, and then remembers that it did. What has counted does not count again. */
  counts({ buyer, fault, request }: Asker, withinMs: number, nowMs: number): boolean {
    const isRecent = (atMs: number): boolean => atMs <= nowMs && nowMs - atMs <= withinMs
    const recent = this.#counted.filter(({ atMs }) => isRecent(atMs))
    if (recent.some((one) => one.buyer === buyer && one.request === request)) return false
    const isFirst = recent.every((one) => one.buyer !== buyer)
    const servesOthers = isRecent(this.#served?.buyer === buyer ? this.#otherAtMs : (this.#served?.atMs ?? -Infinity))
    const isOwn = isFirst || fault === "instance" || (fault === "alone" && !servesOthers)
    this.#counted = isOwn ? [...recent.slice(1 - COUNTED_MAX), { buyer, request, atMs: nowMs }] : recent
    return isOwn
  }
}
