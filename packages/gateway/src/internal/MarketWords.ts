import * as JsonSplice from "../JsonSplice.ts"

/**
 * What only the market says of an answer: its price, in `usage`, and how it was routed. A provider that says it too would
 * tell the buyer something that is not so.
 */
const PRICE = ["cost", "cost_details"]
const ROUTE = ["guildhall"]
/** Where `usage` stands besides at the top: in events that hold an answer as far as it is there. */
const ANSWERS = ["response", "message"]

const isPriced = (usage: unknown): boolean =>
  typeof usage === "object" && usage !== null && ("cost" in usage || "cost_details" in usage)

const isSaidOf = (answer: object): boolean => "guildhall" in answer || ("usage" in answer && isPriced(answer.usage))

/** Whether a provider says any of it. It is asked of every event, most of which have none of these members. */
export const isIn = (json: object): boolean => {
  if (isSaidOf(json)) return true
  const answer = "response" in json ? json.response : "message" in json ? json.message : undefined
  return typeof answer === "object" && answer !== null && isSaidOf(answer)
}

const isObjectAt = (text: string, { valueStart }: JsonSplice.Member): boolean => text.charAt(valueStart) === "{"

const edits = (text: string, from: number): ReadonlyArray<JsonSplice.Edit> => {
  const members = JsonSplice.members(text, from)
  return [
    ...JsonSplice.without(members, ROUTE),
    ...members
      .filter((member) => member.key === "usage" && isObjectAt(text, member))
      .flatMap(({ valueStart }) => JsonSplice.without(JsonSplice.members(text, valueStart), PRICE)),
  ]
}

/** The answer, or event, without it; nothing else of its text changes. */
export const without = (text: string): string => {
  const answers = JsonSplice.members(text).filter((member) => ANSWERS.includes(member.key) && isObjectAt(text, member))
  return JsonSplice.apply(text, [...edits(text, 0), ...answers.flatMap(({ valueStart }) => edits(text, valueStart))])
}
