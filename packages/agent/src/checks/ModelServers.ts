/**
 * Whether something runs here that has a model.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Discover from "../backends/Discover.ts"
import type { Check, Verdict } from "./Check.ts"

const run = Effect.map(Discover.find(), (found): Verdict => {
  const servers = found.map(({ models, name, url }) => {
    const first = models[0]?.id ?? "no model"
    return `${name} at ${url} with ${models.length === 1 ? first : `${first} and ${models.length - 1} more`}`
  })
  return servers.length > 0
    ? { state: "passed", detail: `${servers.join("; ")}.` }
    : {
        state: "warned",
        detail:
          "No server with a model runs here on the usual ports; without one, only the demo model would be served.",
        fix: "Start Ollama, llama.cpp, vLLM or LM Studio, or serve a file or a model of the hub with --model.",
      }
})

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = { name: "Models", run: () => run }
