/**
 * Whether an instance answers a request for one token, and counts it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Verdict } from "@guildhall/core/EntryVerification"
import { type Check, doesNotApply, failed, isHordeWorker, passed } from "../Check.ts"
import type { Answer } from "../EndpointProbe.ts"
import * as Prompting from "../Prompting.ts"
import * as TokenAsk from "../TokenAsk.ts"

/** The responses API takes no fewer than sixteen. */
const tokens = (endpoint: Prompting.TextEndpoint): number => (endpoint === "responses" ? 16 : 1)

/**
 * The verdict.
 *
 * @category rules
 * @since 0.1.0
 */
export const judge = (endpoint: Prompting.TextEndpoint, answer: Answer): Verdict => {
  const what = `A request for one token at /v1/${endpoint}`
  const problem = TokenAsk.unanswered(answer, what)
  if (problem !== undefined || answer._tag === "Broken") return problem ?? doesNotApply(what)
  const usage = Prompting.usage(endpoint, answer.body)
  const input = usage?.inputToken ?? 0
  if (input > 0) return passed(`It answered one token after ${Math.ceil(answer.tookMs)} ms.`)
  return failed(
    "entry_no_completion",
    `${what} was answered without \`usage\`: ${TokenAsk.said(answer)}`,
    "Use a model server that answers in OpenAI's shape and counts its tokens.",
  )
}

/**
 * The verdict on a worker of AI Horde: its generation became an answer of OpenAI's on the market's side, where nobody counted
 * its tokens.
 *
 * @category rules
 * @since 0.1.0
 */
export const judgeWorker = (endpoint: Prompting.TextEndpoint, answer: Answer): Verdict => {
  const what = `A request for one token at /v1/${endpoint}`
  const problem = TokenAsk.unanswered(answer, what)
  if (problem !== undefined || answer._tag === "Broken") return problem ?? doesNotApply(what)
  const fix = "Look whether the worker's model server generates text by itself, and start the worker again."
  return Prompting.hasText(answer.body)
    ? passed(`It generated a text after ${Math.ceil(answer.tookMs)} ms.`)
    : failed("entry_no_completion", `${what} was answered with no text: ${TokenAsk.said(answer)}`, fix)
}

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = {
  name: "completion",
  run: Effect.fn("Completion.check")(function* ({ instance }) {
    const endpoint = Prompting.endpointOf(instance)
    if (endpoint === undefined) return doesNotApply(TokenAsk.WORDLESS)
    const wish = { prompt: yield* TokenAsk.prompt, outputTokens: tokens(endpoint), stream: false }
    const answer = yield* TokenAsk.ask(instance, endpoint, wish)
    return isHordeWorker(instance) ? judgeWorker(endpoint, answer) : judge(endpoint, answer)
  }),
}
