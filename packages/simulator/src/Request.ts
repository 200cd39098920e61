/**
 * What buyers ask for in a simulation.
 *
 * @since 0.1.0
 */
import type { Work } from "./Engine.ts"

/**
 * A request: when it comes, whose it is, and how much work it is. `key` of its work is also the affinity that the router
 * is told. Of its length, the router knows the prompt and `outputGuess`; the true length is known to engines only.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly id: number
  readonly atMs: number
  readonly tenant: string
  readonly work: Work
  readonly outputGuess: number
}

/**
 * What is wanted of each answer: its first token after at most `firstTokenMs`, and on average at most `tokenMs` for each
 * further one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Objective {
  readonly firstTokenMs: number
  readonly tokenMs: number
}

/**
 * How a request ended. `served` got all its tokens; `failed` was lost on an instance after its first token, or on each one
 * it was tried on; `refused` found no room in time. `provider` is the index of the one that served it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ended {
  readonly request: Request
  readonly outcome: "served" | "failed" | "refused"
  readonly provider: number
  readonly firstTokenMs: number
  readonly tokenMs: number
  readonly cachedTokens: number
  readonly attempts: number
  readonly endedAtMs: number
}

/**
 * Whether an answer kept the objective.
 *
 * @category rules
 * @since 0.1.0
 */
export const isGood = ({ firstTokenMs, outcome, tokenMs }: Ended, objective: Objective): boolean =>
  outcome === "served" && firstTokenMs <= objective.firstTokenMs && tokenMs <= objective.tokenMs
