import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Schema } from "effect"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Signature from "effect/crypto/Signature"
import { TestClock } from "effect/testing"
import { createServer, type IncomingHttpHeaders } from "node:http"
import type { AddressInfo } from "node:net"
import { KeyRing } from "@guildhall/core"
import { Devices, Notifier } from "@guildhall/registry"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import * as Mail from "../src/Mail.ts"
import * as WarningDelivery from "../src/WarningDelivery.ts"
import * as Webhook from "../src/Webhook.ts"

interface Call {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A provider's server: it answers with what `status` says, and keeps what it is sent. Without an answer it hangs. */
const hook = Effect.acquireRelease(
  Effect.promise(async () => {
    const calls: Array<Call> = []
    const state: { status: number | undefined } = { status: 204 }
    const server = createServer((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        calls.push({ path: request.url ?? "", headers: request.headers, body: Buffer.concat(chunks).toString() })
        if (state.status === undefined) return
        response.writeHead(state.status, state.status === 302 ? { location: "/elsewhere" } : {})
        // Far more than anybody reads of it.
        response.end("x".repeat(1_000_000))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    // It listens on a port, so its address is one.
    const { port } = server.address() as AddressInfo
    return { server, calls, state, url: `http://127.0.0.1:${port}/hook?token=x` }
  }),
  ({ server }) =>
    Effect.sync(() => {
      server.closeAllConnections()
      server.close()
    }),
)

const Crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))
const ring = KeyRing.layerMemory.pipe(Layer.provide(Crypto), Layer.orDie)
const Live = Notifier.layerMemory.pipe(
  Layer.provideMerge(Layer.merge(Devices.layerMemory({ allowPrivate: true }), ring)),
  Layer.provideMerge(Logger.layer([])),
)

describe("Webhook", () => {
  it.live("signs id, time and body with a published key of its own purpose", () =>
    Effect.gen(function* () {
      const { calls, url } = yield* hook
      const post = yield* Webhook.make({ allowPrivate: true })
      yield* post(url, "wrn_1", '{"a":1}')
      const [call] = calls
      const headers = call?.headers ?? {}
      const at = Number(headers[Webhook.HEADERS.timestamp])
      const [keyId = "", value = ""] = String(headers[Webhook.HEADERS.signature]).split(".")
      assert.deepStrictEqual(
        [call?.path, call?.body, headers[Webhook.HEADERS.id]],
        ["/hook?token=x", '{"a":1}', "wrn_1"],
      )
      const keys = yield* KeyRing.KeyRing.use((one) => one.list)
      const isSigned = (body: string) =>
        KeyRing.verifyPublished(keys, "warning", Webhook.signedBytes("wrn_1", at, body), { keyId, value }).pipe(
          Effect.provide(Crypto),
        )
      assert.deepStrictEqual([yield* isSigned('{"a":1}'), yield* isSigned('{"a":2}')], [true, false])
    }).pipe(Effect.provide(Live), Effect.scoped),
  )

  it.live("counts 2xx alone, follows no redirect, and waits no longer than its limit", () =>
    Effect.gen(function* () {
      const { calls, state, url } = yield* hook
      const post = yield* Webhook.make({ allowPrivate: true, limitMs: 200 })
      for (const status of [302, 404, 500]) {
        state.status = status
        const error = yield* Effect.flip(post(url, "wrn_1", "{}"))
        assert.deepInclude(error, { reason: "Refused", isRetryable: true })
      }
      assert.deepStrictEqual(
        calls.map(({ path }) => path),
        Array.from({ length: 3 }, () => "/hook?token=x"),
      )
      state.status = undefined
      assert.deepInclude(yield* Effect.flip(post(url, "wrn_1", "{}")), { reason: "Unreachable" })
      const gone = yield* Effect.flip(post("http://127.0.0.1:1/", "wrn_1", "{}"))
      assert.deepInclude(gone, { reason: "Unreachable", isRetryable: true })
    }).pipe(Effect.provide(Live), Effect.scoped),
  )

  it.live("calls no private address, however it is written, and whatever a name leads to when it connects", () =>
    Effect.gen(function* () {
      const { calls, url } = yield* hook
      const { port } = new URL(url)
      const strict = yield* Webhook.make({ allowPrivate: false })
      const urls = [
        `https://127.0.0.1:${port}/`,
        `https://2130706433:${port}/`,
        `https://[::ffff:127.0.0.1]:${port}/`,
        `https://localhost:${port}/`,
        "https://169.254.169.254/",
        url,
        "ftp://example.com/",
      ]
      for (const one of urls) {
        const error = yield* Effect.flip(strict(one, "wrn_1", "{}"))
        assert.deepInclude(error, { _tag: "WebhookError", reason: "NotPublic", isRetryable: false }, one)
      }
      assert.lengthOf(calls, 0)
    }).pipe(Effect.provide(Live), Effect.scoped),
  )
})

const Body = Schema.fromJsonString(
  Schema.Struct({ id: Schema.String, topic: Schema.String, detail: Schema.String, deadline_ms: Schema.Int }),
)

describe("WarningDelivery", () => {
  const member = SampleDevice.member()
  const warning = (key: string) => ({
    key,
    memberId: member,
    topic: "penalty" as const,
    code: "offline" as const,
    subject: "ins_1",
    detail: `Something is about to be taken: ${key}.`,
    deadlineMs: 9,
  })

  it.effect("waits longer after each try, and gives up after a day", () =>
    Effect.sync(() => {
      let [tries, sum] = [0, 0]
      for (;;) {
        const pause = WarningDelivery.pauseMs(tries++)
        if (pause === undefined) break
        sum += pause
      }
      assert.isAtLeast(sum, 20 * 3_600_000)
      assert.isAtMost(sum, 30 * 3_600_000)
    }),
  )

  it.live("sends by webhook and e-mail, each until it was taken, and records the first", () =>
    Effect.gen(function* () {
      const notifier = yield* Notifier.Notifier
      const { calls, state, url } = yield* hook
      const sent: Array<Mail.Message> = []
      yield* notifier.addresses.set(member, { webhookUrl: url, email: "ann@example.com" })
      const { id } = yield* notifier.warn(warning("a"))
      const round = yield* Effect.provide(
        WarningDelivery.make({ allowPrivate: true, market: "local" }),
        Mail.layerMemory(sent),
      )
      state.status = 503
      yield* round
      const found = yield* notifier.find("a")
      assert.deepInclude(found, { waysLeft: ["webhook"] })
      assert.strictEqual(found?.delivery?.way, "email")
      assert.deepInclude(sent[0], { to: "ann@example.com", id })
      assert.include(sent[0]?.text, "Something is about to be taken: a.")
      // It is not due before its pause is over.
      yield* round
      assert.lengthOf(calls, 1)
      yield* notifier.warn(warning("b"))
      state.status = 200
      yield* round
      assert.lengthOf(sent, 2)
      const body = yield* Schema.decodeUnknownEffect(Body)(calls[1]?.body)
      assert.deepInclude(body, { topic: "penalty", detail: "Something is about to be taken: b.", deadline_ms: 9 })
    }).pipe(Effect.provide(Live), Effect.scoped),
  )

  it.live("lets nobody wait for more than one try of a server that hangs", () =>
    Effect.gen(function* () {
      const notifier = yield* Notifier.Notifier
      const other = SampleDevice.member()
      const [hanging, well] = [yield* hook, yield* hook]
      hanging.state.status = undefined
      yield* notifier.addresses.set(member, { webhookUrl: hanging.url })
      yield* notifier.addresses.set(other, { webhookUrl: well.url })
      for (let at = 0; at < 40; at++) yield* notifier.warn(warning(`hangs ${at}`))
      yield* notifier.warn({ ...warning("well"), memberId: other })
      yield* yield* WarningDelivery.make({ allowPrivate: true, market: "local", limitMs: 100 })
      assert.deepStrictEqual([hanging.calls.length, well.calls.length], [1, 1])
      assert.strictEqual((yield* notifier.find("well"))?.delivery?.way, "webhook")
    }).pipe(Effect.provide(Live), Effect.scoped),
  )

  it.effect("sends no mail where there is no mail service, and leaves it for one", () =>
    Effect.gen(function* () {
      const notifier = yield* Notifier.Notifier
      yield* notifier.addresses.set(member, { email: "ann@example.com" })
      yield* notifier.warn(warning("c"))
      const round = yield* WarningDelivery.make({ allowPrivate: true, market: "local" })
      yield* round
      yield* TestClock.adjust("1 hour")
      yield* round
      assert.deepInclude(yield* notifier.find("c"), { delivery: null, waysLeft: ["email"] })
    }).pipe(Effect.provide(Live)),
  )
})
