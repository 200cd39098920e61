/** How readers take the form that an answer must have. */
import type { Inspection } from "../../internal/Inspection.ts"
import type { ResponseFormat } from "../Conversation.ts"
import * as Members from "./Members.ts"

/** A schema with its name, as OpenAI's dialects write it, wherever each has it. */
export const readSchema = (inspection: Inspection, value: unknown, at: string): ResponseFormat => ({
  type: "schema",
  name: Members.text(inspection, value, "name", at),
  description: Members.text(inspection, value, "description", at),
  schema: Members.object(inspection, value, "schema", at) ?? {},
  strict: Members.flag(inspection, value, "strict", at),
})
