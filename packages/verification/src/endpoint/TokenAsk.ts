/**
 * Asks an instance for a few tokens, as a buyer would, and reads how it did.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { Verdict } from "@guildhall/core/EntryVerification"
import type { Instance } from "@guildhall/core/Instance"
import { failed } from "./Check.ts"
import { broken } from "./checks/Reach.ts"
import { type Answer, EndpointProbe } from "./EndpointProbe.ts"
import * as Prompting from "./Prompting.ts"

const LIMIT_MS = 30_000
/** A token is an event of a few hundred bytes; engines that send much beside it exist. */
const BYTES_BASE = 64 * 1024
const BYTES_PER_TOKEN = 4 * 1024
const TEXT_MAX = 300

/**
 * What an instance says nothing to by words.
 *
 * @category constants
 * @since 0.1.0
 */
export const WORDLESS = "It serves nothing that is made of tokens."

/** A prompt by chance. @category constructors @since 0.1.0 */
export const prompt: Effect.Effect<string> = Effect.map(
  Random.nextIntBetween(0, Prompting.PROMPTS.length - 1),
  (at) => Prompting.PROMPTS[at] ?? Prompting.PROMPTS[0],
)

/**
 * Asks once. `limitMs` is 30 seconds where it is not given.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ask = Effect.fn("TokenAsk.ask")(function* (
  instance: Instance,
  endpoint: Prompting.TextEndpoint,
  wish: Prompting.Wish & { readonly limitMs?: number | undefined },
) {
  const probe = yield* EndpointProbe
  const bytesMax = BYTES_BASE + BYTES_PER_TOKEN * wish.outputTokens
  return yield* probe.ask({
    instance,
    method: "POST",
    ...Prompting.request(instance, endpoint, wish),
    isStream: wish.stream,
    limitMs: wish.limitMs ?? LIMIT_MS,
    bytesMax,
  })
})

/**
 * What an answer said in words, for people: its first characters.
 *
 * @category getters
 * @since 0.1.0
 */
export const said = ({ body }: { readonly body: Uint8Array }): string =>
  new TextDecoder().decode(body.subarray(0, TEXT_MAX)).replace(/\s+/g, " ").trim()

/**
 * Why an answer is none: it broke off, or has not the status 200.
 *
 * @category rules
 * @since 0.1.0
 */
export const unanswered = (answer: Answer, what: string): Verdict | undefined => {
  if (answer._tag === "Broken") return broken(answer, what)
  if (answer.status === 200) return undefined
  return failed(
    "entry_no_completion",
    `${what}: it answers with status ${answer.status}: ${said(answer)}`,
    "Ask the model server on this machine the same, and look at the agent's log.",
  )
}
