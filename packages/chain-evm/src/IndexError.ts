/**
 * Why an index does not go on. Nothing that was read before is lost by any of these.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * What stands in the way.
 *
 * - `unreachable`: the chain's endpoint does not answer, or cuts its answers.
 * - `inconsistent`: its answers contradict each other: it lags behind itself, or it lies. Nothing of them was kept.
 * - `wrongChain`: it serves another chain.
 * - `reorgTooDeep`: blocks changed that counted as final. Nothing is rolled back.
 * - `otherSubject`: the index was made of another chain or other contracts.
 * - `overtaken`: another process moved the index meanwhile.
 * - `store`: the index's own store does not answer.
 *
 * @category errors
 * @since 0.1.0
 */
export const Obstacle = Schema.Literals([
  "unreachable",
  "inconsistent",
  "wrongChain",
  "reorgTooDeep",
  "otherSubject",
  "overtaken",
  "store",
])
/** @since 0.1.0 */
export type Obstacle = typeof Obstacle.Type

const said: Readonly<Record<Obstacle, readonly [happened: string, todo: string]>> = {
  unreachable: ["The chain does not answer.", "It is asked again by itself; look after the endpoint if this lasts."],
  inconsistent: [
    "The chain's endpoint contradicts itself.",
    "Nothing of it was kept, and it is asked again by itself; take another endpoint if this lasts.",
  ],
  wrongChain: ["The endpoint serves another chain.", "Name an endpoint of the market's chain."],
  reorgTooDeep: [
    "The chain changed blocks that counted as final.",
    "Nothing was rolled back and nothing is read until somebody decides: if the endpoint is on a wrong fork, name another one; if the chain really changed, restore the books to before that block.",
  ],
  otherSubject: [
    "The index was made of something else.",
    "Give an index of other contracts a name of its own, so that it is read from its first block on.",
  ],
  overtaken: ["Another process moved the index on meanwhile.", "It goes on from there by itself."],
  store: ["The index's store does not answer.", "It goes on by itself once the database is back."],
}

/**
 * The error of an index. `detail` says which block, endpoint or contract it is about.
 *
 * @category errors
 * @since 0.1.0
 */
export class IndexError extends Schema.TaggedError<IndexError>()("IndexError", {
  reason: Obstacle,
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect()),
}) {
  get isRetryable(): boolean {
    return ["unreachable", "inconsistent", "overtaken", "store"].includes(this.reason)
  }
  override get message(): string {
    const [happened, todo] = said[this.reason]
    return [happened, this.detail, todo].filter((part) => part !== "").join(" ")
  }
}
