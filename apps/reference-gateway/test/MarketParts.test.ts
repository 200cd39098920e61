import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { PaymentScheme } from "@guildhall/ledger/PaymentScheme"
import { local } from "@guildhall/markets/local"
import { Members } from "@guildhall/registry/Members"
import { RegistryError } from "@guildhall/registry/RegistryError"
import * as MarketParts from "../src/MarketParts.ts"

const away = new RegistryError({
  code: "service_unavailable",
  detail: "The registry's store did not answer. Try again once the database is back.",
})

describe("a buyer whose key cannot be looked up", () => {
  it.effect("is told so in a buyer's words, and not what the database said", () =>
    Effect.gen(function* () {
      const parts = MarketParts.make(yield* Members, local)
      const [ref] = local.payments
      assert.isDefined(ref)
      if (ref === undefined) return
      const scheme = yield* parts.resolve(PaymentScheme, ref)
      const error = yield* Effect.flip(scheme.verify({ authorization: "Bearer sk-anything" }))
      assert.strictEqual(error.code, "service_unavailable")
      assert.strictEqual(
        error.message,
        "The API key cannot be looked up at the moment. Send the request again in a moment.",
      )
    }).pipe(Effect.provide(Layer.mock(Members, { authenticate: () => Effect.fail(away) }))),
  )
})
