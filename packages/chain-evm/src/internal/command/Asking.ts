/** Whether a person means it: asked at a terminal, said with `--yes` elsewhere. */
import * as Effect from "effect/Effect"
import * as Prompt from "effect/cli/Prompt"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as Problem from "./Problem.ts"

/** Goes on where it is meant, and fails where it is not. `otherwise` says what else there is to do. */
export const sure = Effect.fnUntraced(function* (
  message: string,
  { json, yes }: { readonly json: boolean; readonly yes: boolean },
  otherwise = "",
) {
  if (yes) return
  const refused = (why: string) =>
    Problem.of("NotConfirmed", `${why} Nothing was sent.`, `Say that you mean it with --yes. ${otherwise}`.trimEnd())
  const { canPrompt } = yield* TerminalCapabilities
  if (!canPrompt || json) return yield* refused("There is no terminal to ask at.")
  const isMeant = yield* Effect.catchTag(Prompt.run(Prompt.Confirm({ message, initial: false })), "QuitError", () =>
    Effect.succeed(false),
  )
  if (!isMeant) return yield* refused("You said no.")
})
