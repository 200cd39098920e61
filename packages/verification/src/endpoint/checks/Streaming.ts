/**
 * Whether an instance sends its answer while it makes it: more than one event, and the first of them before the end.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Verdict } from "@guildhall/core/EntryVerification"
import { type Check, doesNotApply, failed, isHordeWorker, passed } from "../Check.ts"
import type { Answer } from "../EndpointProbe.ts"
import * as Prompting from "../Prompting.ts"
import * as TokenAsk from "../TokenAsk.ts"

const TOKENS = 24
/** An answer that is made sooner than this may well come in one piece. */
const QUICK_MS = 400

const FIX =
  "Turn off what gathers answers on the way, such as `proxy_buffering` of nginx or compression, and use a model server that streams."

/**
 * The verdict.
 *
 * @category rules
 * @since 0.1.0
 */
export const judge = (endpoint: Prompting.TextEndpoint, answer: Answer): Verdict => {
  const what = `A streamed request at /v1/${endpoint}`
  const problem = TokenAsk.unanswered(answer, what)
  if (problem !== undefined || answer._tag === "Broken") return problem ?? doesNotApply(what)
  const type = answer.headers["content-type"] ?? "no type"
  if (!type.toLowerCase().startsWith("text/event-stream")) {
    return failed("entry_no_stream", `${what} was answered as ${type}, and not as events.`, FIX)
  }
  const { count, firstEnd } = Prompting.events(answer.body)
  if (count < 2) {
    return failed("entry_no_stream", `${what} was answered with ${count} ${count === 1 ? "event" : "events"}.`, FIX)
  }
  const firstMs = answer.pieces.find(({ end }) => end >= firstEnd)?.atMs ?? answer.tookMs
  const lastMs = answer.pieces.at(-1)?.atMs ?? answer.tookMs
  if (answer.tookMs > QUICK_MS && lastMs - firstMs < answer.tookMs / 20) {
    return failed(
      "entry_no_stream",
      `${what} showed nothing for ${Math.round(firstMs)} ms, and then all ${count} events at once.`,
      FIX,
    )
  }
  return passed(
    `Of ${count} events the first came after ${Math.ceil(firstMs)} ms, the last after ${Math.ceil(lastMs)} ms.`,
  )
}

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = {
  name: "streaming",
  run: Effect.fn("Streaming.check")(function* ({ instance }) {
    const endpoint = Prompting.endpointOf(instance)
    if (endpoint === undefined) return doesNotApply(TokenAsk.WORDLESS)
    if (isHordeWorker(instance)) return doesNotApply("A worker of AI Horde hands an answer in as a whole.")
    const wish = { prompt: yield* TokenAsk.prompt, outputTokens: TOKENS, stream: true }
    return judge(endpoint, yield* TokenAsk.ask(instance, endpoint, wish))
  }),
}
