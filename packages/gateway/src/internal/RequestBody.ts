import { isUtf8 } from "node:buffer"
import * as Result from "effect/Result"
import * as Endpoint from "@guildhall/core/Endpoint"
import type { Instance } from "@guildhall/core/Instance"
import * as MultipartForm from "@guildhall/protocol/MultipartForm"
import type { Flaw, Touched } from "@guildhall/protocol/openai/Touched"
import type { InferenceEndpoint } from "../InferenceEndpoint.ts"
import * as JsonSplice from "../JsonSplice.ts"
import { Refusal } from "../Refusal.ts"
import * as Json from "./Json.ts"

/** A body of JSON: its text, what it says, and its top-level members in their order. */
export interface JsonBody {
  readonly _tag: "Json"
  readonly text: string
  readonly json: unknown
  readonly members: ReadonlyArray<JsonSplice.Member>
}

/** A body of form fields, one of them a file. */
export interface FormBody {
  readonly _tag: "Form"
  readonly form: MultipartForm.MultipartForm
}

export type RequestBody = JsonBody | FormBody

/** Members by which a client talks to the market, and not to the provider. */
export const MARKET = ["provider", "models", "usage"] as const

export interface Parsed {
  readonly content: RequestBody
  readonly touched: Touched
}

const isJson = (contentType: string | undefined): boolean =>
  contentType !== undefined && /^application\/(?:[a-z.+-]+\+)?json\s*(?:;|$)/i.test(contentType)

const isForm = (contentType: string | undefined): contentType is string =>
  contentType !== undefined && /^multipart\/form-data\s*;/i.test(contentType)

export const ofFlaw = ({ code, message, param }: Flaw): Refusal =>
  new Refusal({ code, detail: message, param: param ?? undefined })

const invalidJson = (detail: string) => Result.fail(new Refusal({ code: "invalid_json", detail }))

/** What is wrong with the headers of a request to this endpoint, if anything. */
export const unreadable = (
  endpoint: InferenceEndpoint,
  headers: { readonly "content-type"?: string | undefined; readonly "content-encoding"?: string | undefined },
): Refusal | undefined => {
  const type = headers["content-type"]
  if (endpoint.shape.body === "form" ? !isForm(type) : !isJson(type)) {
    const detail =
      endpoint.shape.body === "form"
        ? "The body must be a form with a file. Send the header `content-type: multipart/form-data; boundary=…`."
        : "The body must be JSON. Send the header `content-type: application/json`."
    return new Refusal({ code: "unsupported_media_type", detail })
  }
  if (/^(?:identity)?$/i.test(headers["content-encoding"]?.trim() ?? "")) return undefined
  return new Refusal({
    code: "unsupported_media_type",
    detail: "The body is compressed, which is not read here. Send it without `content-encoding`.",
  })
}

/** A member that the market reads or writes must stand once, or gateway and provider could read different ones. */
const twiceIn = (members: ReadonlyArray<JsonSplice.Member>, once: ReadonlyArray<string>): string | undefined => {
  for (let at = 1; at < members.length; at++) {
    const key = members[at]?.key ?? ""
    if (members.findIndex((member) => member.key === key) !== at && (once.includes(key) || isMarket(key))) return key
  }
  return undefined
}

/**
 * Once V8 has parsed an object with the key `\`, it may read an escaped key of one character as that one
 * (nodejs/node#63785): an `n` that is written so would reach the provider and not the meter. No client writes it so.
 */
const escapedIn = (text: string, members: ReadonlyArray<JsonSplice.Member>): string | undefined => {
  for (const { key, keyStart } of members) if (key.length === 1 && text[keyStart + 1] === "\\") return key
  return undefined
}

const isMarket = (key: string): boolean => MARKET.some((name) => name === key)

const parseForm = (endpoint: InferenceEndpoint, body: Buffer, type: string): Result.Result<Parsed, Refusal> =>
  MultipartForm.parse(body, type).pipe(
    Result.flatMap((form) =>
      Result.map(endpoint.shape.touch(form), (touched): Parsed => ({ content: { _tag: "Form", form }, touched })),
    ),
    Result.mapError(ofFlaw),
  )

/** Reads a body as far as the market must. */
export const parse = (
  endpoint: InferenceEndpoint,
  body: Buffer,
  contentType: string | undefined,
): Result.Result<Parsed, Refusal> => {
  if (endpoint.shape.body === "form") return parseForm(endpoint, body, contentType ?? "")
  if (body.length === 0)
    return invalidJson("The body is empty. Send a JSON object with `model` and what it shall answer.")
  if (!isUtf8(body)) return invalidJson("The body is not UTF-8. Send JSON in UTF-8.")
  const text = body.toString("utf8")
  const json = Json.parse(text)
  if (json === undefined)
    return invalidJson("The body is not valid JSON. Check it for a missing quote, comma or bracket.")
  const touched = endpoint.shape.touch(json)
  if (Result.isFailure(touched)) return Result.fail(ofFlaw(touched.failure))
  const members = JsonSplice.members(text)
  const escaped = escapedIn(text, members)
  if (escaped !== undefined) {
    const detail = "A member's name is one character, written with an escape. Send it as it is, or leave it out."
    return Result.fail(new Refusal({ code: "invalid_request", detail, param: escaped }))
  }
  const twice = twiceIn(members, endpoint.shape.once)
  if (twice !== undefined) {
    const detail = `\`${twice}\` stands twice. Send it once.`
    return Result.fail(new Refusal({ code: "invalid_request", detail, param: twice }))
  }
  return Result.succeed({ content: { _tag: "Json", text, json, members }, touched: touched.success })
}

/** Which endpoint of an instance serves a request that came in by another: its own, or another dialect. */
export const spokenBy = (own: Endpoint.Endpoint, instance: Instance): Endpoint.Endpoint => {
  const endpoints: ReadonlyArray<Endpoint.Endpoint> = instance.endpoints ?? Endpoint.standard
  return endpoints.includes(own) ? own : (Endpoint.dialects.find((dialect) => endpoints.includes(dialect)) ?? own)
}
