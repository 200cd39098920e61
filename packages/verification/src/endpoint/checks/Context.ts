/**
 * Whether an instance takes a prompt as long as it declared. A short prompt tells first how many tokens a word is to it; then one
 * prompt fills nine tenths of the declared context, or of the longest prompt that the market pays for: so the cost has a bound,
 * and what is declared beyond it is believed until a buyer uses it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Verdict } from "@guildhall/core/EntryVerification"
import type { Instance } from "@guildhall/core/Instance"
import { type Check, doesNotApply, failed, isHordeWorker, passed } from "../Check.ts"
import type { Answer } from "../EndpointProbe.ts"
import * as Prompting from "../Prompting.ts"
import * as TokenAsk from "../TokenAsk.ts"

const SAMPLE_WORDS = 32
/** A word is at most so many tokens, whatever an instance says. */
const TOKENS_PER_WORD_MAX = 16
const FILL = 0.9
/** An engine that counts fewer tokens than this part of those that it should have seen has cut the prompt. */
const LEAST = 0.7
/** Long prompts take long to read. */
const LIMIT_MS = 120_000

const WORDS = ["the", "house", "and", "a", "river", "was", "old", "but", "we", "went", "there", "again"]

/** A text of so many words. */
const text = (words: number): string =>
  `Read this, and say yes. ${Array.from({ length: words }, (_, at) => WORDS[at % WORDS.length] ?? "the").join(" ")}`

/**
 * How long the prompt is: in words, by what the sample of 32 words came to in tokens; and how many tokens that should be.
 *
 * @category rules
 * @since 0.1.0
 */
export const plan = (options: {
  readonly declared: number
  readonly promptTokensMax: number
  readonly sampleTokens: number
}): { readonly words: number; readonly tokens: number } => {
  const perWord = Math.min(TOKENS_PER_WORD_MAX, Math.max(1, options.sampleTokens / SAMPLE_WORDS))
  const tokens = Math.floor(Math.min(options.declared, options.promptTokensMax) * FILL)
  return { words: Math.max(1, Math.floor(tokens / perWord)), tokens }
}

/**
 * The verdict on the long prompt.
 *
 * @category rules
 * @since 0.1.0
 */
export const judge = (
  endpoint: Prompting.TextEndpoint,
  answer: Answer,
  told: { readonly declared: number; readonly tokens: number; readonly sampleTokens: number; readonly words: number },
): Verdict => {
  const { declared, sampleTokens, tokens, words } = told
  const what = `A prompt of about ${tokens} tokens`
  const fix = `Start the model server with a context of ${declared} tokens, or declare the one that it has with --context.`
  if (answer._tag === "Complete" && answer.status >= 400 && answer.status < 500) {
    const detail = `${what} is refused, and a context of ${declared} is declared: ${TokenAsk.said(answer)}`
    return failed("entry_context_short", detail, fix)
  }
  const problem = TokenAsk.unanswered(answer, what)
  if (problem !== undefined || answer._tag === "Broken") return problem ?? doesNotApply(what)
  const counted = Prompting.usage(endpoint, answer.body)?.inputToken ?? 0
  const expected = Math.max(1, (sampleTokens / SAMPLE_WORDS) * words)
  if (counted < expected * LEAST) {
    const detail = `${what} was taken as ${counted}: the rest was cut off. A context of ${declared} is declared.`
    return failed("entry_context_short", detail, fix)
  }
  const rest = tokens < Math.floor(declared * FILL) ? ` Of the ${declared} declared, no more are tried.` : ""
  return passed(`It took a prompt of ${counted} tokens.${rest}`)
}

const ask = (instance: Instance, endpoint: Prompting.TextEndpoint, words: number) =>
  TokenAsk.ask(instance, endpoint, {
    prompt: text(words),
    outputTokens: endpoint === "responses" ? 16 : 1,
    stream: false,
    limitMs: LIMIT_MS,
  })

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = {
  name: "context",
  run: Effect.fn("Context.check")(function* ({ instance, settings }) {
    const endpoint = Prompting.endpointOf(instance)
    if (endpoint === undefined) return doesNotApply(TokenAsk.WORDLESS)
    if (isHordeWorker(instance)) return doesNotApply("A worker of AI Horde tells nobody how many tokens a prompt was.")
    const { contextLength: declared } = instance
    const sample = yield* ask(instance, endpoint, SAMPLE_WORDS)
    const problem = TokenAsk.unanswered(sample, "A short prompt")
    if (problem !== undefined || sample._tag === "Broken") return problem ?? doesNotApply("")
    const sampleTokens = Prompting.usage(endpoint, sample.body)?.inputToken ?? 0
    if (sampleTokens <= 0) {
      return failed(
        "entry_no_completion",
        "A short prompt was answered without `usage`, so no longer one can be measured.",
        "Use a model server that counts its tokens.",
      )
    }
    const { tokens, words } = plan({ declared, promptTokensMax: settings.promptTokensMax, sampleTokens })
    // The sample was as long as this already.
    if (words <= SAMPLE_WORDS) return passed(`It took a prompt of ${sampleTokens} tokens, of ${declared} declared.`)
    return judge(endpoint, yield* ask(instance, endpoint, words), { declared, tokens, sampleTokens, words })
  }),
}
