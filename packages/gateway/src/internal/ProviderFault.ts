import type { ReasonCode } from "@guildhall/core/Reason"
import * as Dialects from "@guildhall/protocol/conversation/Dialects"
import type { TransportError } from "@guildhall/protocol/ProviderTransport"
import type { InferenceEndpoint } from "../InferenceEndpoint.ts"
import * as Json from "./Json.ts"

/** What the end of a transport means to the buyer. */
export const ofTransport = (error: TransportError): ReasonCode => {
  switch (error.reason) {
    case "Unreachable":
      return "provider_unreachable"
    case "ConnectTimeout":
      return "provider_connect_timeout"
    case "HeadersTimeout":
      return "provider_headers_timeout"
    case "ClosedEarly":
    case "Cancelled":
      return "provider_closed_early"
  }
}

/**
 * Statuses that blame the provider's own set-up (its ticket check, its models, its queue) rather than the buyer's
 * request. They are tried elsewhere like a 5xx, and never shown: a buyer who is told 401 would doubt its own key.
 */
const NOT_THE_BUYERS = new Set([401, 402, 403, 404, 405, 407, 408, 409, 425, 429])

/** Statuses by which a server says that it has too much to do; 529 is Anthropic's. */
const BUSY = new Set([429, 503, 529])
/** Clients take a longer wait for a mistake, and another provider may have room before that. */
const RETRY_S_MAX = 60

/**
 * After how many seconds a provider wants to be asked again, where it says so. A date is compared with the one of the
 * answer, so that clocks need not agree.
 */
export const retryAfter = (headers: Readonly<Record<string, string>>): number | undefined => {
  const text = headers["retry-after"]?.trim() ?? ""
  const seconds = /^\d+(?:\.\d+)?$/.test(text)
    ? Number(text)
    : (Date.parse(text) - Date.parse(headers["date"] ?? "")) / 1_000
  return Number.isNaN(seconds) ? undefined : Math.min(RETRY_S_MAX, Math.max(1, Math.ceil(seconds)))
}

/** Longer messages of providers are cut. */
const MESSAGE_MAX = 1000
const PARAM_MAX = 200

/** What a provider's error says, where it says it the way OpenAI does or nearly so. */
export const message = (error: unknown): string | undefined => {
  const text = typeof error === "string" ? error : Json.get(error, "message")
  return typeof text === "string" && text !== "" ? text.slice(0, MESSAGE_MAX) : undefined
}

/** Whether it is an error as clients of a dialect read it. */
const isErrorOf = (dialect: InferenceEndpoint["errors"], body: unknown): boolean => {
  const error = Json.get(body, "error")
  const isAnthropic = Json.get(body, "type") === "error" && typeof Json.get(error, "type") === "string"
  return typeof Json.get(error, "message") === "string" && isAnthropic === (dialect === Dialects.messages)
}

/** An answer that is not the one asked for. */
export interface Refused {
  readonly status: number
  /** After how many seconds the provider wants to be asked again. */
  readonly retryAfterS: number | undefined
}

/**
 * What an answer means that is not the one asked for: a status that is not 2xx, or a body of another type. `spoken` is the
 * dialect of its errors where that is the buyer's; elsewhere what it says is told in the buyer's words.
 */
export const ofAnswer = (
  { retryAfterS, status }: Refused,
  text: string,
  spoken: InferenceEndpoint["errors"] | undefined,
): {
  readonly reason: ReasonCode
  readonly retry: boolean
  readonly retryAfterS?: number | undefined
  readonly detail?: string | undefined
  readonly param?: string | undefined
  readonly raw?: { readonly status: number; readonly body: string | undefined } | undefined
} => {
  const body = Json.parse(text)
  const error = Json.get(body, "error")
  if (status < 300) {
    return {
      reason: error === undefined || error === null ? "provider_invalid_response" : "provider_error",
      retry: true,
    }
  }
  if (BUSY.has(status)) return { reason: "provider_busy", retry: true, retryAfterS }
  if (status < 400 || status > 499 || NOT_THE_BUYERS.has(status)) return { reason: "provider_error", retry: true }
  const param = Json.get(error, "param")
  return {
    reason: "invalid_request",
    retry: false,
    detail: message(error) ?? message(Json.get(body, "detail")) ?? message(body),
    param: typeof param === "string" ? param.slice(0, PARAM_MAX) : undefined,
    raw: { status, body: spoken !== undefined && isErrorOf(spoken, body) ? text : undefined },
  }
}
