/**
 * Accounts in a cloud as instances: the suite of transports over a real socket, and what may pass in either direction.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { type Instance, Model } from "@guildhall/core"
import type { ProviderRequest } from "@guildhall/protocol/ProviderTransport"
import { ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import { ProviderTransportTest } from "@guildhall/protocol/testing"
import { ScriptedProvider } from "@guildhall/protocol/testing/ScriptedProvider"
import * as TransportProbe from "@guildhall/protocol/testing/TransportProbe"
import * as CloudAccounts from "@guildhall/registry/CloudAccounts"
import * as CloudStore from "@guildhall/registry/CloudStore"
import * as SealKeys from "@guildhall/registry/SealKeys"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import { Scrubber } from "../src/internal/Scrubber.ts"
import * as CloudTransport from "../src/transports/Cloud.ts"
import * as CloudService from "../src/testing/CloudService.ts"
import * as ScriptedHttp from "./ScriptedHttp.ts"
import * as TestLane from "./TestLane.ts"

const TOKEN = "sk-canary/0123456789abcdef-end"

const accounts = CloudAccounts.layer({ allowPrivate: true }).pipe(
  Layer.provideMerge(CloudStore.layerMemory),
  Layer.provide(SealKeys.layer(Redacted.make(`a:${"A".repeat(43)}`))),
)

const instanceOf = ({ id, memberId }: CloudAccounts.CloudAccount, model: string): Instance.Instance => {
  const { devicePublicKey: _key, ...keyless } = TestLane.instance("cloud", "", {
    reach: { _tag: "Cloud", account: id },
  })
  return { ...keyless, memberId, model: Model.ModelId.make(model) }
}

/** An account at a URL, with one model. */
const add = Effect.fnUntraced(function* (baseUrl: string, model = "guildhall/demo", serviceModel = model) {
  const { add } = yield* CloudAccounts.CloudAccounts
  const account = yield* add({
    memberId: SampleDevice.member(),
    name: "work",
    baseUrl,
    token: Redacted.make(TOKEN),
    models: [{ model: Model.ModelId.make(model), serviceModel }],
  })
  return { account, instance: instanceOf(account, model) }
})

/** A service on a real socket that does what a test tells it to, as the account of a member. */
const scripted = Layer.effect(
  ScriptedProvider,
  Effect.gen(function* () {
    const service = yield* CloudAccounts.CloudAccounts
    const account = (url: string) =>
      add(url).pipe(
        Effect.provideService(CloudAccounts.CloudAccounts, service),
        Effect.map(({ instance }) => instance),
        Effect.orDie,
      )
    return ScriptedProvider.of({
      unreachable: account("http://127.0.0.1:1"),
      serve: (script) => Effect.flatMap(ScriptedHttp.listen(script), account),
    })
  }),
)

// The suite's providers know each other by headers that mean nothing to a service.
const underTest = Layer.merge(
  CloudTransport.layerWith({ requestHeaders: ["x-suite"], responseHeaders: ["x-from"] }),
  scripted,
).pipe(Layer.provide(accounts))

ProviderTransportTest.suite("cloud", underTest)
ProviderTransportTest.breaks(
  "a byte is changed",
  Layer.effect(
    ProviderTransport,
    Effect.map(ProviderTransport, (transport) =>
      ProviderTransport.of({
        ...transport,
        dispatch: (request, sink) =>
          transport.dispatch(request, {
            onStart: (status, headers) => sink.onStart(status, headers),
            onData: (chunk) => sink.onData(chunk.map((byte, at) => (at === 50 ? byte ^ 1 : byte))),
            onEnd: () => sink.onEnd(),
            onError: (error) => sink.onError(error),
          }),
      }),
    ),
  ).pipe(Layer.provideMerge(underTest)),
  2,
)

const withService = Effect.acquireRelease(
  Effect.promise(async () => {
    const service = await CloudService.start()
    service.tokens.add(TOKEN)
    return service
  }),
  (service) => Effect.sync(service.close),
)

/** Sends a request as the lane does. */
const ask = Effect.fnUntraced(function* (instance: Instance.Instance, change: Partial<ProviderRequest> = {}) {
  const transport = yield* ProviderTransport
  return yield* Effect.callback<{
    readonly status: number
    readonly headers: Readonly<Record<string, string>>
    readonly text: string
    readonly error: string | undefined
  }>((resume) => {
    let status = 0
    let headers: Readonly<Record<string, string>> = {}
    let text = ""
    const over = (error: string | undefined) => resume(Effect.succeed({ status, headers, text, error }))
    transport.dispatch(
      {
        instance,
        method: "POST",
        path: "/v1/chat/completions",
        headers: {
          "content-type": "application/json",
          accept: "application/json",
          "accept-encoding": "identity",
          "x-request-id": "req_secret",
          "guildhall-ticket": "ticket-secret",
          traceparent: "00-secret",
        },
        body: new TextEncoder().encode('{"seed":12345678901234567890,"model":"acme/large","messages":[]}'),
        connectMs: 1_000,
        headersMs: 2_000,
        ...change,
      },
      {
        onStart: (found, said) => {
          status = found
          headers = said
        },
        onData: (chunk) => {
          text += Buffer.from(chunk).toString()
          return true
        },
        onEnd: () => over(undefined),
        onError: ({ detail, reason }) => over(`${reason}: ${detail}`),
      },
    )
  })
})

const health = { method: "GET", path: "/healthz", body: new Uint8Array(), headers: {} } as const

describe("what passes", () => {
  const cloud = CloudTransport.layerWith({}).pipe(Layer.provideMerge(accounts))

  it.live("the token and the service's own name of the model go there, what is the market's does not", () =>
    Effect.gen(function* () {
      const service = yield* withService
      const { instance } = yield* add(service.url, "acme/large", "large-2026")
      const answer = yield* ask(instance)
      assert.strictEqual(answer.status, 200, answer.text)
      const [asked] = service.asked
      if (asked === undefined) return assert.fail("nothing was asked")
      assert.strictEqual(asked.path, "/openai/v1/chat/completions")
      assert.strictEqual(asked.headers.authorization, `Bearer ${TOKEN}`)
      assert.strictEqual(asked.body, '{"seed":12345678901234567890,"model":"large-2026","messages":[]}')
      assert.deepStrictEqual(
        Object.keys(asked.headers)
          .filter((name) => !["host", "connection", "content-length"].includes(name))
          .sort(),
        ["accept", "accept-encoding", "authorization", "content-type"],
      )
      assert.notInclude(JSON.stringify(asked.headers), "secret")
    }).pipe(Effect.scoped, Effect.provide(cloud)),
  )

  it.live("a form is sent with the service's own name as well", () =>
    Effect.gen(function* () {
      const service = yield* withService
      service.answer = (_, response) => CloudService.json(response, 200, { text: "hi" })
      const { instance } = yield* add(service.url, "acme/ear", "ear-1")
      const form = '--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nacme/ear\r\n--x--\r\n'
      yield* ask(instance, {
        path: "/v1/audio/transcriptions",
        headers: { "content-type": "multipart/form-data; boundary=x" },
        body: new TextEncoder().encode(form),
      })
      assert.strictEqual(service.asked[0]?.body, form.replace("acme/ear", "ear-1"))
    }).pipe(Effect.scoped, Effect.provide(cloud)),
  )

  it.live("a base URL is what OpenAI's clients take as such, with a version of its own or without any", () =>
    Effect.gen(function* () {
      const service = yield* withService
      service.answer = (_, response) => CloudService.json(response, 200, {})
      const origin = service.url.replace("/openai/v1", "")
      for (const base of [origin, `${origin}/v1`, `${origin}/v1beta/openai`, `${origin}/api/v1/`]) {
        const { instance } = yield* add(base)
        yield* ask(instance, { body: new TextEncoder().encode("{}") })
      }
      assert.deepStrictEqual(
        service.asked.map(({ path }) => path),
        ["/v1/chat/completions", "/v1/chat/completions", "/v1beta/openai/chat/completions", "/api/v1/chat/completions"],
      )
    }).pipe(Effect.scoped, Effect.provide(cloud)),
  )

  it.live("what a service says of the account does not come back", () =>
    Effect.gen(function* () {
      const service = yield* withService
      const { instance } = yield* add(service.url, "acme/large", "large-2026")
      const stranger = yield* ask({ ...instance, memberId: SampleDevice.member() })
      assert.match(stranger.error ?? "", /^Unreachable: The account is another member's/)
      assert.lengthOf(service.asked, 0)
      const { headers } = yield* ask(instance)
      assert.deepStrictEqual(
        Object.keys(headers).filter((name) => !["date", "content-length"].includes(name)),
        ["content-type"],
      )
    }).pipe(Effect.scoped, Effect.provide(cloud)),
  )

  it.live("a token that the service echoes, in an error or in the middle of a stream, is masked", () =>
    Effect.gen(function* () {
      const service = yield* withService
      const { instance } = yield* add(service.url, "acme/large", "large-2026")
      service.answer = (asked, response) =>
        CloudService.json(
          response,
          400,
          { error: { message: `What is ${asked.headers.authorization}?` } },
          { "content-type": `application/json; key="${TOKEN}"` },
        )
      const refused = yield* ask(instance)
      assert.strictEqual(refused.status, 400)
      assert.notInclude(JSON.stringify(refused.headers), TOKEN)
      assert.notInclude(refused.text, TOKEN)
      assert.strictEqual(JSON.parse(refused.text).error.message, `What is Bearer ${"*".repeat(TOKEN.length)}?`)
      const escaped = TOKEN.replaceAll("/", "\\/")
      service.answer = (_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        const text = `data: one ${TOKEN} two\n\ndata: "${escaped}"\n\ndata: ${TOKEN.slice(0, 9)}`
        const pieces = text.match(/[^]{1,7}/g) ?? []
        const next = () => {
          const piece = pieces.shift()
          if (piece === undefined) return void response.end()
          response.write(piece, () => setImmediate(next))
        }
        next()
      }
      const { text } = yield* ask(instance)
      const masked = "*".repeat(TOKEN.length)
      assert.strictEqual(text, `data: one ${masked} two\n\ndata: "${masked}*"\n\ndata: ${TOKEN.slice(0, 9)}`)
    }).pipe(Effect.scoped, Effect.provide(cloud)),
  )
})

it("a secret is masked however the bytes are cut, and nothing else is changed", () => {
  const secret = "aab/aabc"
  const texts = ["aaaab/aabcaab/aabc", "aab/aabaab/aabc", "xaab/aab", "aab/", "", "aab\\/aabc!", "aab/aab/aabc"]
  for (const text of texts) {
    const wanted = text.replaceAll("aab\\/aabc", "*".repeat(9)).replaceAll(secret, "*".repeat(8))
    for (let one = 0; one <= text.length; one++) {
      for (let two = one; two <= text.length; two++) {
        const scrubber = new Scrubber(secret)
        const pieces = [text.slice(0, one), text.slice(one, two), text.slice(two)]
        const passed = pieces.map((piece) => scrubber.push(Buffer.from(piece)).toString())
        assert.strictEqual(passed.join("") + (scrubber.rest()?.toString() ?? ""), wanted, `${text} at ${one}, ${two}`)
      }
    }
  }
})

describe("accounts", () => {
  const cloud = CloudTransport.layerWith({}).pipe(Layer.provideMerge(accounts))

  it.live("a new token is used within a second, and a removed account is not", () =>
    Effect.gen(function* () {
      const service = yield* withService
      const service2 = yield* CloudAccounts.CloudAccounts
      const { account, instance } = yield* add(service.url, "acme/large", "large-2026")
      assert.strictEqual((yield* ask(instance)).status, 200)
      const next = "sk-another-0123456789"
      service.tokens.add(next)
      yield* service2.setToken(account.id, account.memberId, Redacted.make(next))
      yield* Effect.sleep(1_050)
      yield* ask(instance)
      assert.strictEqual(service.asked.at(-1)?.headers.authorization, `Bearer ${next}`)
      yield* service2.remove(account.id, account.memberId)
      yield* Effect.sleep(1_050)
      const gone = yield* ask(instance)
      assert.match(gone.error ?? "", /^Unreachable: The account is not there/)
      assert.lengthOf(service.asked, 2)
    }).pipe(Effect.scoped, Effect.provide(cloud)),
  )

  it.live("many requests at once open an account once", () => {
    let opened = 0
    const counting = Layer.effect(
      CloudAccounts.CloudAccounts,
      Effect.map(CloudAccounts.CloudAccounts, (service) =>
        CloudAccounts.CloudAccounts.of({
          ...service,
          open: (id) => Effect.suspend(() => (opened++, Effect.delay(service.open(id), 20))),
        }),
      ),
    ).pipe(Layer.provide(accounts))
    return Effect.gen(function* () {
      const service = yield* withService
      const { instance } = yield* add(service.url, "acme/large", "large-2026")
      const answers = yield* Effect.all(
        Array.from({ length: 20 }, () => ask(instance)),
        { concurrency: "unbounded" },
      )
      assert.isTrue(answers.every(({ status }) => status === 200))
      assert.strictEqual(opened, 1)
    }).pipe(Effect.scoped, Effect.provide(CloudTransport.layerWith({}).pipe(Layer.provideMerge(counting))))
  })

  it.live("a service that refuses the account is asked no more for a while, and the member is told why", () =>
    Effect.gen(function* () {
      const registry = yield* CloudAccounts.CloudAccounts
      const cases = [
        [401, {}, "cloud_token_refused", 600_000],
        [402, {}, "cloud_payment_due", 600_000],
        [429, { "retry-after": "7" }, "cloud_rate_limited", 7_000],
        [429, {}, "cloud_rate_limited", 20_000],
      ] as const
      for (const [status, headers, code, forMs] of cases) {
        const service = yield* withService
        const { account, instance } = yield* add(service.url, "acme/large", "large-2026")
        service.answer = (_, response) => CloudService.json(response, status, { error: { message: "no" } }, headers)
        assert.strictEqual((yield* ask(instance)).status, status)
        const again = yield* ask(instance)
        assert.strictEqual(again.error, "Unreachable: The account is left alone for the moment.")
        assert.strictEqual((yield* ask(instance, health)).error, again.error)
        assert.lengthOf(service.asked, 1)
        yield* Effect.sleep(20)
        const [listed] = yield* registry.list(account.memberId)
        assert.strictEqual(listed?.parked?.code, code)
        assert.strictEqual((listed?.parked?.untilMs ?? 0) - (listed?.parked?.sinceMs ?? 0), forMs)
        assert.isTrue((yield* registry.parked).has(account.id))
        // With another token it is asked again at once.
        service.answer = undefined
        yield* registry.setToken(account.id, account.memberId, Redacted.make(TOKEN))
        assert.strictEqual((yield* ask(instance)).status, 200)
      }
    }).pipe(Effect.scoped, Effect.provide(cloud)),
  )

  it.live("a health check asks for the list of models with the token, and knows a service that has none", () =>
    Effect.gen(function* () {
      const service = yield* withService
      const { instance } = yield* add(service.url, "acme/large", "large-2026")
      assert.strictEqual((yield* ask(instance, health)).status, 200)
      assert.strictEqual(service.asked[0]?.path, "/openai/v1/models")
      assert.strictEqual(service.asked[0]?.headers.authorization, `Bearer ${TOKEN}`)
      service.models = undefined
      assert.strictEqual((yield* ask(instance, health)).status, 200)
      service.answer = (_, response) => CloudService.json(response, 500, {})
      assert.strictEqual((yield* ask(instance, health)).status, 500)
      service.answer = undefined
      service.models = []
      service.tokens.clear()
      assert.strictEqual((yield* ask(instance, health)).status, 401)
      assert.match((yield* ask(instance)).error ?? "", /left alone/)
    }).pipe(Effect.scoped, Effect.provide(cloud)),
  )

  it.live("a model that the account does not have is not asked for, and a redirect is not followed", () =>
    Effect.gen(function* () {
      const service = yield* withService
      const other = yield* withService
      const { account, instance } = yield* add(service.url, "acme/large", "large-2026")
      const missing = yield* ask(instanceOf(account, "acme/none"))
      assert.match(missing.error ?? "", /does not have acme\/none/)
      service.answer = (_, response) => response.writeHead(307, { location: `${other.url}/chat/completions` }).end()
      assert.strictEqual((yield* ask(instance)).status, 307)
      assert.lengthOf(other.asked, 0)
    }).pipe(Effect.scoped, Effect.provide(cloud)),
  )

  it.live("no private address is called where the market allows none, whatever the account says", () =>
    Effect.gen(function* () {
      const service = yield* withService
      const { instance } = yield* add(service.url, "acme/large", "large-2026")
      assert.match((yield* ask(instance)).error ?? "", /^Unreachable: .*not on the public internet/)
      assert.lengthOf(service.asked, 0)
    }).pipe(
      Effect.scoped,
      Effect.provide(CloudTransport.layerWith({ allowPrivate: false }).pipe(Layer.provideMerge(accounts))),
    ),
  )

  it.live("who cancels while the account is being opened is told so, and the service is not asked", () => {
    const slow = Layer.effect(
      CloudAccounts.CloudAccounts,
      Effect.map(CloudAccounts.CloudAccounts, (service) =>
        CloudAccounts.CloudAccounts.of({ ...service, open: (id) => Effect.delay(service.open(id), 100) }),
      ),
    ).pipe(Layer.provide(accounts))
    return Effect.gen(function* () {
      const service = yield* withService
      const { instance } = yield* add(service.url, "acme/large", "large-2026")
      const hearing = yield* TransportProbe.send(instance)
      hearing.dispatch.cancel("changed my mind")
      yield* TransportProbe.over(hearing)
      assert.strictEqual(TransportProbe.errorOf(hearing), "Cancelled")
      const late = yield* ask(instance, { connectMs: 30 })
      assert.match(late.error ?? "", /^ConnectTimeout/)
      yield* Effect.sleep(150)
      assert.lengthOf(service.asked, 0)
    }).pipe(Effect.scoped, Effect.provide(CloudTransport.layerWith({}).pipe(Layer.provideMerge(slow))))
  })
})
