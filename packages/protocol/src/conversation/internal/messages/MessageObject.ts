/** The parts of an answer of Messages that its whole form and its stream share. */
import type { Finish } from "../../Answer.ts"
import * as Finishes from "../Finishes.ts"

/** A text that ended the answer is named only where one did; a refusal has details of its own. */
export const stop = (finish: Finish | undefined, stopSequence: string | undefined, refusal: string) => {
  // What the model would not say is a text here, so only the reason tells that it was a refusal.
  const reason = refusal !== "" && finish === "stop" ? "contentFilter" : finish
  return {
    stop_reason: reason === undefined ? null : Finishes.writeMessages(reason),
    stop_sequence: reason === "stopSequence" ? (stopSequence ?? null) : null,
    stop_details:
      reason === "contentFilter"
        ? { type: "refusal", category: null, explanation: refusal === "" ? null : refusal }
        : null,
  }
}

export const head = (id: string, model: string) => ({
  id: `msg_${id}`,
  type: "message",
  role: "assistant",
  model,
  container: null,
  diagnostics: null,
})

/** Models call these tools themselves; programs that do so are not offered. */
export const caller = { type: "direct" }
