import * as Result from "effect/Result"
import type { ModelId } from "@guildhall/core/Model"
import type { Conversation } from "@guildhall/protocol/conversation/Conversation"
import * as MultipartForm from "@guildhall/protocol/MultipartForm"
import type { Admitted } from "../Admit.ts"
import type * as InferenceEndpoint from "../InferenceEndpoint.ts"
import * as JsonSplice from "../JsonSplice.ts"
import type { Refusal } from "../Refusal.ts"
import * as Json from "./Json.ts"
import { MARKET, ofFlaw } from "./RequestBody.ts"

/** For whom a body is written: which model, by which of the provider's endpoints, and how long its context is. */
export interface Target {
  readonly model: ModelId
  readonly endpoint: InferenceEndpoint.InferenceEndpoint
  readonly contextLength: number
}

export interface Limits {
  /** The longest that one answer may get. */
  readonly outputTokens: number
  readonly promptBound: number
}

/** A body, and the conversation that was read where it had to be written in another dialect. */
interface Rewritten {
  readonly body: Buffer
  readonly conversation: Conversation | undefined
}

/**
 * The body for a provider. Where it speaks the endpoint that the request came in by, the body consists of splices of the
 * buyer's own bytes:
 *
 * - `model` becomes the canonical id, or is added where only `models` stood;
 * - what is meant for the market (`provider`, `models`, `usage`) goes;
 * - of Responses, `store` becomes false where it is not said;
 * - on a stream of Chat or Completions, `stream_options.include_usage` becomes true;
 * - a limit on the answer's tokens above the market's is lowered to it. Where there is none, the market's is added if
 *   prompt and answer are sure to fit the instance's context; where they might not, an engine would refuse the sum, and
 *   the context limits the answer anyhow.
 *
 * Where it speaks another dialect, the conversation is written anew in that one.
 */
export const make = (admitted: Admitted, target: Target, limits: Limits): Result.Result<Rewritten, Refusal> => {
  const { content, endpoint, touched } = admitted
  if (content._tag === "Form") {
    const isCanonical = touched.model === target.model
    const body = isCanonical ? admitted.body : Buffer.from(MultipartForm.replace(content.form, "model", target.model))
    return Result.succeed({ body, conversation: undefined })
  }
  const maxTokens = lowered(admitted, target, limits)
  if (target.endpoint !== endpoint) return translated(admitted, target, maxTokens)
  return Result.succeed({ body: spliced(admitted, target, maxTokens), conversation: undefined })
}

const lowered = ({ endpoint, touched }: Admitted, target: Target, limits: Limits): number | undefined => {
  if (endpoint.shape.limits.length === 0) return undefined
  if (touched.maxTokens !== undefined) return Math.min(touched.maxTokens, limits.outputTokens)
  return limits.promptBound + limits.outputTokens <= target.contextLength ? limits.outputTokens : undefined
}

const translated = ({ endpoint, content }: Admitted, target: Target, maxTokens: number | undefined) => {
  const from = endpoint.dialect
  const to = target.endpoint.dialect
  if (content._tag === "Form" || from === undefined || to === undefined) {
    return Result.fail(
      ofFlaw({ code: "unsupported_parameter", param: null, message: "No instance speaks this endpoint." }),
    )
  }
  return from.readRequest(content.text).pipe(
    Result.flatMap((conversation) =>
      Result.map(to.writeRequest(conversation, { model: target.model, maxTokens }), (text): Rewritten => ({
        body: Buffer.from(text),
        conversation,
      })),
    ),
    Result.mapError(ofFlaw),
  )
}

const spliced = (admitted: Admitted, target: Target, maxTokens: number | undefined): Buffer => {
  const { content, endpoint, touched } = admitted
  if (content._tag === "Form") return admitted.body
  const text = withoutMarket(content.text, content.members)
  const members = text === content.text ? content.members : JsonSplice.members(text)
  const edits: Array<JsonSplice.Edit> = []
  // One that names only `models` has no member of that name yet, or null.
  const isNamed = touched.model === target.model && Json.get(content.json, "model") === target.model
  if (!isNamed) edits.push(JsonSplice.set(text, members, "model", JSON.stringify(target.model)))
  if (endpoint.shape.streamUsage && touched.stream && !touched.includeUsage) edits.push(usageEdit(text, members))
  // Where it is left out, some servers keep the answer for a later request, which might go to another server.
  if (endpoint.name === "responses" && !members.some(({ key }) => key === "store")) {
    edits.push(JsonSplice.set(text, members, "store", "false"))
  }
  if (maxTokens !== undefined) edits.push(...limitEdits(text, members, endpoint.shape.limits, maxTokens))
  if (edits.length === 0 && text === content.text) return admitted.body
  return Buffer.from(JsonSplice.apply(text, edits))
}

/** Each limit that is above the market's is lowered; where none stands, the first is added. */
const limitEdits = (
  text: string,
  members: ReadonlyArray<JsonSplice.Member>,
  keys: ReadonlyArray<string>,
  maxTokens: number,
): ReadonlyArray<JsonSplice.Edit> => {
  const standing = members.filter(
    ({ key, valueEnd, valueStart }) => keys.includes(key) && text.slice(valueStart, valueEnd) !== "null",
  )
  const [first] = keys
  if (standing.length === 0 && first !== undefined) return [JsonSplice.set(text, members, first, String(maxTokens))]
  return standing
    .filter(({ valueEnd, valueStart }) => Number(text.slice(valueStart, valueEnd)) > maxTokens)
    .map(({ key }) => JsonSplice.set(text, members, key, String(maxTokens)))
}

const withoutMarket = (text: string, members: ReadonlyArray<JsonSplice.Member>): string => {
  let rest = text
  for (const key of MARKET) {
    if (!members.some((member) => member.key === key)) continue
    const edit = JsonSplice.remove(JsonSplice.members(rest), key)
    if (edit !== undefined) rest = JsonSplice.apply(rest, [edit])
  }
  return rest
}

const usageEdit = (text: string, members: ReadonlyArray<JsonSplice.Member>): JsonSplice.Edit => {
  const options = members.find((member) => member.key === "stream_options")
  if (options === undefined || text.charAt(options.valueStart) !== "{") {
    return JsonSplice.set(text, members, "stream_options", '{"include_usage":true}')
  }
  const inner = JsonSplice.members(text, options.valueStart)
  return JsonSplice.set(text, inner, "include_usage", "true", options.valueStart)
}
