import type { Inspection } from "./Inspection.ts"
import { get, isAbsent } from "./Json.ts"
import * as Touching from "./Touching.ts"

/** Members that point at what a server kept. A market keeps no conversation, and its next instance is another one. */
const KEPT = ["previous_response_id", "conversation", "prompt"] as const

/** Refuses what only a server that remembers can serve. */
export const refuseState = (inspection: Inspection, body: unknown): void => {
  const input = get(body, "input")
  for (const param of KEPT) {
    if (isAbsent(get(body, param))) continue
    inspection.unsupported(
      param,
      `\`${param}\` needs a server that remembers. Send the whole conversation in \`input\`.`,
    )
  }
  for (const param of ["background", "store"] as const) {
    if (!Touching.flag(inspection, body, param)) continue
    inspection.unsupported(param, `\`${param}\` needs a server that remembers. Leave it out or set it to false.`)
  }
  if (!Array.isArray(input)) return
  const index = input.findIndex((item) => get(item, "type") === "item_reference")
  if (index !== -1) {
    inspection.unsupported(`input[${index}].type`, "`item_reference` needs a server that remembers. Send the item.")
  }
}
