/**
 * Finds the model servers that run on this machine, on the ports they usually listen on.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { ServedModel } from "../Backend.ts"
import * as OpenAICompatible from "./OpenAICompatible.ts"

/**
 * A server that answered, with the models it has.
 *
 * @category models
 * @since 0.1.0
 */
export interface Found {
  readonly name: string
  readonly url: string
  readonly models: ReadonlyArray<ServedModel>
}

/**
 * Where the common servers listen.
 *
 * @category constants
 * @since 0.1.0
 */
export const USUAL: ReadonlyArray<{ readonly name: string; readonly url: string }> = [
  { name: "Ollama", url: "http://127.0.0.1:11434" },
  { name: "llama.cpp", url: "http://127.0.0.1:8080" },
  { name: "vLLM", url: "http://127.0.0.1:8000" },
  { name: "LM Studio", url: "http://127.0.0.1:1234" },
]

/** A server on the same machine answers at once or is not there. */
const TIMEOUT_MS = 500

/**
 * Asks all places at the same time and gives those that answer with a model. Takes half a second at most and never fails.
 *
 * @category getters
 * @since 0.1.0
 */
export const find = Effect.fnUntraced(function* (places: typeof USUAL = USUAL) {
  const found = yield* Effect.forEach(
    places,
    ({ name, url }) =>
      OpenAICompatible.list({ url }).pipe(
        Effect.timeout(TIMEOUT_MS),
        Effect.map((models): ReadonlyArray<Found> => (models.length > 0 ? [{ name, url, models }] : [])),
        Effect.orElseSucceed((): ReadonlyArray<Found> => []),
      ),
    { concurrency: "unbounded" },
  )
  return found.flat()
})
