/** How readers take the settings by which words are drawn. */
import type { Inspection } from "../../internal/Inspection.ts"
import * as Members from "./Members.ts"

/** Those that every dialect names alike. */
export const read = (inspection: Inspection, body: unknown) => ({
  temperature: Members.number(inspection, body, "temperature"),
  topP: Members.number(inspection, body, "top_p"),
  topK: Members.number(inspection, body, "top_k"),
})

/** Those with the penalties, which Messages does not have. */
export const readWithPenalties = (inspection: Inspection, body: unknown) => ({
  ...read(inspection, body),
  frequencyPenalty: Members.number(inspection, body, "frequency_penalty", 0),
  presencePenalty: Members.number(inspection, body, "presence_penalty", 0),
})
