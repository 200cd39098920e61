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
  const { canPrompt } = yield* TerminalCapabilities
  if (!canPrompt || json) {
    const todo = `Say that you mean it with --yes. ${otherwise}`.trimEnd()
    return yield* Problem.of("NotConfirmed", "There is no terminal to ask at. Nothing was sent.", todo)
  }
  const isMeant = yield* Effect.catchTag(Prompt.run(Prompt.Confirm({ message, initial: false })), "QuitError", () =>
    Effect.succeed(false),
  )
  if (!isMeant) return yield* Problem.of("NotConfirmed", "You said no, and nothing was sent.")
})
