import { assert, describe, it } from "@effect/vitest"
import { KeyId, MemberId } from "@guildhall/core/Member"
import { Effect, Redacted } from "effect"
import { ids } from "../src/Account.ts"
import * as ApiKeyScheme from "../src/ApiKeyScheme.ts"
import { type Payer, PaymentError, type PaymentScheme } from "../src/PaymentScheme.ts"
import * as PaymentSchemeTest from "../src/testing/PaymentSchemeTest.ts"

const secret = "sk-guildhall-0123456789abcdef"
const memberId = MemberId.make("mem_1")
const payer: Payer = {
  memberId,
  keyId: KeyId.make("key_1"),
  account: ids.buyer(memberId),
  fundingSource: "card",
  role: "buyer",
  dataCollection: "deny",
}

const scheme = ApiKeyScheme.make({
  lookup: (key) => Effect.succeed(Redacted.value(key) === secret ? payer : undefined),
})
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

const trial = (change: Partial<PaymentScheme> = {}): PaymentSchemeTest.Trial => ({
  scheme: { ...scheme, ...change },
  valid: { headers: bearer(secret), payer },
  foreign: [
    { authorization: undefined },
    { authorization: "" },
    { authorization: `Basic ${secret}` },
    { authorization: `Payment ${secret}` },
    { authorization: "Bearer" },
    { "x-payment": secret },
  ],
  wrong: [
    bearer(`${secret}0`),
    bearer(secret.slice(0, -1)),
    bearer(secret.toUpperCase()),
    bearer("sk-unknown"),
    bearer(secret.repeat(100)),
    bearer("\u00e9\u0000"),
    { "x-api-key": `${secret}0` },
  ],
  secrets: [secret, secret.slice(0, -1), "mem_1", "key_1"],
})

PaymentSchemeTest.suite("api key", () => trial())
PaymentSchemeTest.suite("api key in the header of Anthropic's clients", () => ({
  ...trial(),
  valid: { headers: { "x-api-key": secret }, payer },
}))

const refused = (detail: string) => new PaymentError({ code: "invalid_api_key", detail })

PaymentSchemeTest.breaks(
  "another payer each time",
  () => {
    let times = 0
    return trial({
      verify: () => Effect.sync(() => ({ _tag: "Payer", payer: { ...payer, keyId: KeyId.make(`key_${++times}`) } })),
    })
  },
  1,
)
PaymentSchemeTest.breaks(
  "refuses what is another scheme's",
  () =>
    trial({
      verify: (headers) =>
        headers["authorization"]?.startsWith("Bearer ") === false
          ? Effect.fail(refused("no key"))
          : scheme.verify(headers),
    }),
  2,
)
PaymentSchemeTest.breaks("takes any key", () => trial({ verify: () => Effect.succeed({ _tag: "Payer", payer }) }), 3)
PaymentSchemeTest.breaks(
  "tells how close a key is",
  () =>
    trial({
      verify: (headers) =>
        Effect.mapError(scheme.verify(headers), (error) =>
          headers["authorization"]?.startsWith(`Bearer ${secret}`) === true ? refused("Its end is wrong.") : error,
        ),
    }),
  3,
)
PaymentSchemeTest.breaks(
  "shows the key in its refusal",
  () => trial({ verify: () => Effect.fail(refused(`It is not ${secret}.`)) }),
  3,
)
PaymentSchemeTest.breaks("says nothing of how to pay", () => trial({ challenge: () => Effect.succeed([]) }), 4)
PaymentSchemeTest.breaks(
  "shows a secret in its challenge",
  () => trial({ challenge: () => Effect.succeed([`Bearer realm="${secret}"`]) }),
  4,
)
PaymentSchemeTest.breaks(
  "settles twice",
  () => {
    let count = 0
    const settle = () => Effect.sync(() => ({ "payment-receipt": `${++count > 0}` }))
    return { ...trial({ settle }), effects: Effect.sync(() => count) }
  },
  5,
)

describe("ApiKeyScheme", () => {
  it.effect("does not look up what is too long to be a key", () =>
    Effect.gen(function* () {
      let lookups = 0
      const counting = ApiKeyScheme.make({ lookup: () => Effect.sync(() => (lookups++, undefined)) })
      yield* Effect.flip(counting.verify(bearer("x".repeat(201))))
      assert.strictEqual(lookups, 0)
      yield* Effect.flip(counting.verify(bearer("x".repeat(200))))
      assert.strictEqual(lookups, 1)
    }),
  )

  it.effect("a store that does not answer is no refusal of the key", () =>
    Effect.gen(function* () {
      const away = new PaymentError({ code: "service_unavailable", detail: "Ask again." })
      const error = yield* Effect.flip(ApiKeyScheme.make({ lookup: () => Effect.fail(away) }).verify(bearer(secret)))
      assert.strictEqual(error.code, "service_unavailable")
      assert.isTrue(error.isRetryable)
    }),
  )
})
