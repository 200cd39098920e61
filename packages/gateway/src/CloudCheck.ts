/**
 * Asks a service whether it takes a token and has some models, before the market takes them from a member.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { DeviceId } from "@guildhall/core/Device"
import { type Instance, InstanceId } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import { RegistryError } from "@guildhall/registry/RegistryError"
import * as Json from "./internal/Json.ts"
import * as Undici from "./transports/Undici.ts"

/**
 * What is asked about. `names` are the models by the service's own names; those of `chat` answer a conversation.
 *
 * @category models
 * @since 0.1.0
 */
export interface Question {
  readonly baseUrl: string
  readonly token: Redacted.Redacted
  readonly models: ReadonlyArray<{ readonly name: string; readonly isChat: boolean }>
}

/**
 * The service. `check` succeeds where the service takes the token and has every model: it lists them, or answers a request for
 * one token of those that it does not list. A list that it shows to anyone proves no token, so one token is asked for then.
 * No private address is called where the market allows none.
 *
 * @category services
 * @since 0.1.0
 */
export class CloudCheck extends Context.Service<
  CloudCheck,
  { readonly check: (question: Question) => Effect.Effect<void, RegistryError> }
>()("@guildhall/gateway/CloudCheck") {}

const CONNECT_MS = 5_000
const HEADERS_MS = 20_000
const BODY_MS = 20_000
/** The longest lists that are known have half a megabyte. */
const LIST_BYTES_MAX = 8 * 1024 * 1024
/** Models that are asked for one token at a time. */
const CONCURRENT = 4

/** A transport looks at nothing of an instance but where it is. */
const instanceAt = (url: string): Instance => ({
  id: InstanceId.make("ins_check"),
  deviceId: DeviceId.make(`dev_${"0".repeat(32)}`),
  memberId: MemberId.make("mem_check"),
  model: ModelId.make("check"),
  reach: { _tag: "Endpoint", url },
  price: [],
  contextLength: 1,
  concurrency: 1,
  state: "online",
})

interface Reply {
  readonly status: number
  readonly text: string
}

interface Asking {
  readonly baseUrl: string
  readonly path: string
  readonly token: Redacted.Redacted | undefined
  readonly body?: object
}

const unfit = (detail: string) => new RegistryError({ code: "cloud_service_unfit", detail })

/** Where the service has what OpenAI has under `/v1`. */
const pathAt = (baseUrl: string, path: string): string => {
  const prefix = URL.parse(baseUrl)?.pathname.replace(/\/+$/, "") ?? ""
  return prefix === "" || prefix.endsWith("/v1") ? `/v1${path}` : path
}

/** Asks the service. What it says in an error is not looked at: it may hold the token. */
const ask = (
  transport: ProviderTransport["Service"],
  { baseUrl, body, path, token }: Asking,
): Effect.Effect<Reply, RegistryError> =>
  Effect.callback<Reply, RegistryError>((resume) => {
    let status = 0
    const chunks: Array<Buffer> = []
    let bytes = 0
    const dispatch = transport.dispatch(
      {
        instance: instanceAt(baseUrl),
        method: body === undefined ? "GET" : "POST",
        path: pathAt(baseUrl, path),
        headers: {
          accept: "application/json",
          "accept-encoding": "identity",
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...(token === undefined ? {} : { authorization: `Bearer ${Redacted.value(token)}` }),
        },
        body: body === undefined ? new Uint8Array() : Buffer.from(JSON.stringify(body)),
        connectMs: CONNECT_MS,
        headersMs: HEADERS_MS,
      },
      {
        onStart: (found) => {
          status = found
        },
        onData: (chunk) => {
          bytes += chunk.byteLength
          if (bytes <= LIST_BYTES_MAX) chunks.push(Buffer.from(chunk))
          else dispatch.cancel("too long")
          return true
        },
        onEnd: () => resume(Effect.succeed({ status, text: Buffer.concat(chunks).toString("utf8") })),
        onError: ({ reason }) =>
          resume(
            Effect.fail(
              unfit(
                bytes > LIST_BYTES_MAX
                  ? `It answered ${path} with more than ${LIST_BYTES_MAX} bytes.`
                  : `No answer came from ${baseUrl}${path} (${reason}). Check base_url: it is public, and ends before ${path}.`,
              ),
            ),
          ),
      },
    )
    return Effect.sync(() => dispatch.cancel("nobody waits any more"))
  }).pipe(
    Effect.timeoutOrElse({
      duration: HEADERS_MS + BODY_MS,
      orElse: () => Effect.fail(unfit(`The answer of ${baseUrl}${path} took too long.`)),
    }),
  )

const REFUSALS: Readonly<Record<number, readonly [ReasonCode, string]>> = {
  401: ["cloud_token_refused", "Check the token, and that it may be used from here."],
  402: ["cloud_payment_due", "Pay there, and send this again."],
  403: ["cloud_token_refused", "It may not do this there. Give it the right to list models and to use them."],
  429: ["cloud_rate_limited", "Send this again in a minute, or raise the account's limits there."],
}

/** What a status says of the account, where it says something. */
const refusal = ({ status }: Reply): RegistryError | undefined => {
  const [code, detail] = REFUSALS[status] ?? []
  return code === undefined || detail === undefined ? undefined : new RegistryError({ code, detail })
}

const namesIn = (text: string): ReadonlySet<string> => {
  const data = Json.get(Json.parse(text), "data")
  const ids = Array.isArray(data) ? data.map((one: unknown) => Json.get(one, "id")) : []
  return new Set(ids.filter((id) => typeof id === "string"))
}

/**
 * Makes the check. Its sockets live as long as the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Pick<Undici.Options, "allowPrivate">,
): Effect.fn.Return<CloudCheck["Service"], never, Scope.Scope> {
  const transport = yield* Undici.make({ ...options, connectionsPerOrigin: CONCURRENT, keepAliveMs: 1_000 })

  /** The models that the service lists, and whether only who has the token sees them. */
  const list = Effect.fnUntraced(function* ({ baseUrl, token }: Question) {
    const reply = yield* ask(transport, { baseUrl, path: "/models", token })
    const refused = refusal(reply)
    if (refused !== undefined) return yield* refused
    // It has no such list, and may have the models all the same.
    if (reply.status === 404 || reply.status === 405) return { names: new Set<string>(), isProof: false }
    if (reply.status !== 200) return yield* unfit(`It answered ${reply.status} when it was asked for its models.`)
    const { status } = yield* ask(transport, { baseUrl, path: "/models", token: undefined })
    return { names: namesIn(reply.text), isProof: status === 401 || status === 403 }
  })

  /** Asks for one token. Newer models of some services know the limit under another name, and need more to think. */
  const tryOut = Effect.fnUntraced(function* ({ baseUrl, token }: Question, name: string) {
    const path = "/chat/completions"
    const messages = [{ role: "user", content: "Say hi." }]
    let reply = yield* ask(transport, { baseUrl, path, token, body: { model: name, messages, max_tokens: 1 } })
    if (reply.status === 400) {
      const body = { model: name, messages, max_completion_tokens: 16 }
      reply = yield* ask(transport, { baseUrl, path, token, body })
    }
    const refused = refusal(reply)
    if (refused !== undefined) return yield* refused
    if (reply.status !== 200) {
      return yield* unfit(
        `It does not list "${name}", or shows its list to anyone, and answered ${reply.status} to a request for one token of it. Check service_model.`,
      )
    }
  })

  return CloudCheck.of({
    check: Effect.fn("CloudCheck.check")(function* (question) {
      const { isProof, names } = yield* list(question)
      const unlisted = question.models.filter(({ name }) => !names.has(name))
      const silent = unlisted.find(({ isChat }) => !isChat)
      if (silent !== undefined && names.size > 0) {
        return yield* unfit(`It does not list "${silent.name}". Check service_model.`)
      }
      const first = question.models.find(({ isChat }) => isChat)
      const tried = new Set(unlisted.flatMap(({ isChat, name }) => (isChat ? [name] : [])))
      if (!isProof && first !== undefined) tried.add(first.name)
      yield* Effect.forEach(tried, (name) => tryOut(question, name), { concurrency: CONCURRENT, discard: true })
    }),
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Pick<Undici.Options, "allowPrivate">): Layer.Layer<CloudCheck> =>
  Layer.effect(CloudCheck, make(options))
