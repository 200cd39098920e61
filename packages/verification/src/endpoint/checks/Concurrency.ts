/**
 * Whether an instance serves as many requests at a time as it declared, or as many as the market tries.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Verdict } from "@guildhall/core/EntryVerification"
import { type Check, doesNotApply, failed, passed } from "../Check.ts"
import type { Answer } from "../EndpointProbe.ts"
import * as Prompting from "../Prompting.ts"
import * as TokenAsk from "../TokenAsk.ts"

const TOKENS = 16
/** Answers that are made sooner than this need not overlap. */
const QUICK_MS = 250

interface Span {
  readonly fromMs: number
  readonly toMs: number
}

/** From its first piece to its end. All were asked at once. */
const spanOf = (answer: Extract<Answer, { readonly _tag: "Complete" }>): Span => ({
  fromMs: answer.pieces[0]?.atMs ?? answer.tookMs,
  toMs: answer.tookMs,
})

const overlaps = (spans: ReadonlyArray<Span>): number =>
  Math.max(
    0,
    ...spans.map(({ fromMs }) => spans.filter((other) => other.fromMs <= fromMs && fromMs < other.toMs).length),
  )

/**
 * The verdict on the answers to requests that were sent at once. It fails where one was turned away or broke off, and where
 * slow answers came one after the other.
 *
 * @category rules
 * @since 0.1.0
 */
export const judge = (declared: number, answers: ReadonlyArray<Answer>): Verdict => {
  const sent = answers.length
  const fix = `Start the model server with ${declared} slots, or declare what it has with --concurrency.`
  const whole = answers.flatMap((answer) => (answer._tag === "Complete" && answer.status === 200 ? [answer] : []))
  const bad = answers.find((answer) => answer._tag === "Broken" || answer.status !== 200)
  if (bad !== undefined) {
    const why = bad._tag === "Broken" ? bad.detail : `status ${bad.status}: ${TokenAsk.said(bad)}`
    return failed(
      "entry_concurrency_low",
      `Of ${sent} requests at a time it served ${whole.length}, and declared ${declared}. The first other one: ${why}`,
      fix,
    )
  }
  const spans = whole.map(spanOf)
  const least = Math.min(...spans.map(({ fromMs, toMs }) => toMs - fromMs))
  if (sent > 1 && least > QUICK_MS && overlaps(spans) === 1) {
    return failed(
      "entry_concurrency_low",
      `It answered ${sent} requests one after the other, and declared ${declared} at a time.`,
      fix,
    )
  }
  const rest = sent < declared ? ` Of the ${declared} declared, no more are tried.` : ""
  return passed(`It served ${sent} ${sent === 1 ? "request" : "requests"} at a time.${rest}`)
}

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = {
  name: "concurrency",
  run: Effect.fn("Concurrency.check")(function* ({ instance, settings }) {
    const endpoint = Prompting.endpointOf(instance)
    if (endpoint === undefined) return doesNotApply(TokenAsk.WORDLESS)
    const sent = Math.min(instance.concurrency, settings.parallelMax)
    const one = Effect.gen(function* () {
      const wish = { prompt: yield* TokenAsk.prompt, outputTokens: TOKENS, stream: true }
      return yield* TokenAsk.ask(instance, endpoint, wish)
    })
    const answers = yield* Effect.all(
      Array.from({ length: sent }, () => one),
      { concurrency: "unbounded" },
    )
    return judge(instance.concurrency, answers)
  }),
}
