/**
 * How the answers of one endpoint are read as they pass: what they deliver, what they report, and when they are whole.
 *
 * @since 0.1.0
 */
import type { Usage } from "@guildhall/core/Usage"
import type { Tally } from "./Tally.ts"

/**
 * What one event of a stream was. `delivers`: it carries content, or says why there is none, so that what came before it
 * may be shown. `last`: nothing follows that belongs to the answer. `usage`: whether it reports usage beside something
 * else, or exists for nothing else. `error`: the provider says that it failed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Seen {
  readonly delivers: boolean
  readonly last: boolean
  readonly usage: "none" | "beside" | "only"
  readonly error?: unknown
}

/**
 * The usual events, made once: one is looked at for each token.
 *
 * @category constants
 * @since 0.1.0
 */
export const SILENT: Seen = { delivers: false, last: false, usage: "none" }
/** @category constants @since 0.1.0 */
export const CONTENT: Seen = { delivers: true, last: false, usage: "none" }
/** @category constants @since 0.1.0 */
export const LAST: Seen = { delivers: true, last: true, usage: "none" }

/**
 * The format of one endpoint's answers.
 *
 * - `event` reads one event of a stream into the tally; absent where the endpoint does not stream.
 * - `whole` reads a whole answer into the tally, parsed and as the text that it was; false where it is none.
 * - `endsWithDone`: a stream ends with the line `data: [DONE]`, and not with an event of its own.
 * - `usagePath`: where usage stands in a whole answer, and in an event that reports it.
 * - `writeUsage`: what stands there where a provider reports nothing and the buyer asked for it; absent where nobody can ask.
 * - `textTypes`: content types beside JSON in which a whole answer may come, unread.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnswerFormat {
  readonly event?: (event: object, tally: Tally) => Seen
  readonly whole: (answer: unknown, tally: Tally, text: string) => boolean
  readonly endsWithDone: boolean
  readonly usagePath: { readonly whole: ReadonlyArray<string>; readonly event: ReadonlyArray<string> }
  readonly writeUsage?: (usage: Usage) => object
  readonly textTypes: ReadonlyArray<string>
}
