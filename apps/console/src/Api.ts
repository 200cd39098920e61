/** The market's control lane, as its schemas have it, for the pages. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import { layerClient } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Problem } from "@guildhall/protocol/api/Problem"

/** Requests of these pages go to the market that served them, and nowhere it may send them on to. */
const INIT: RequestInit = { redirect: "error", credentials: "omit", cache: "no-store" }

const clientOf = (apiKey: Redacted.Redacted) =>
  HttpApiClient.make(ControlApi, { baseUrl: globalThis.location.origin }).pipe(
    Effect.provide(layerClient(apiKey)),
    Effect.provide(FetchHttpClient.layer),
    Effect.provideService(FetchHttpClient.RequestInit, INIT),
  )

/** The client of the control lane. */
export type Client = Effect.Success<ReturnType<typeof clientOf>>

/** A call's answer, or a letter. `code` is the market's. */
export type Answer<A> =
  | { readonly ok: true; readonly value: A }
  | { readonly ok: false; readonly letter: string; readonly code: string | undefined }

const letterOf = (cause: Cause.Cause<unknown>): { readonly letter: string; readonly code: string | undefined } => {
  const error = Cause.squash(cause)
  if (error instanceof Problem) return { letter: error.detail, code: error.code }
  if (Schema.isSchemaError(error)) {
    return {
      letter:
        "The market answered with something that this page does not know. Load the page again: it may be of another version.",
      code: undefined,
    }
  }
  return {
    letter: "The market does not answer. Check your connection; this page keeps trying.",
    code: undefined,
  }
}

/** Calls the market under a key. It never fails: what goes wrong is a letter. */
export const call = async <A>(
  apiKey: Redacted.Redacted,
  use: (client: Client) => Effect.Effect<A, unknown>,
): Promise<Answer<A>> => {
  const exit = await Effect.runPromiseExit(
    Effect.flatMap(clientOf(apiKey), use).pipe(Effect.provideService(FetchHttpClient.RequestInit, INIT)),
  )
  return Exit.isSuccess(exit) ? { ok: true, value: exit.value } : { ok: false, ...letterOf(exit.cause) }
}

/** For what anyone may ask. */
export const NO_KEY = Redacted.make("")
