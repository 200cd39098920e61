import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { PaymentScheme } from "@guildhall/ledger/PaymentScheme"
import * as MarketDefinition from "@guildhall/core/MarketDefinition"
import { local } from "@guildhall/markets/local"
import { Members } from "@guildhall/registry/Members"
import { RegistryError } from "@guildhall/registry/RegistryError"
import * as ChainParts from "../src/ChainParts.ts"
import * as Definition from "../src/Definition.ts"
import * as MarketParts from "../src/MarketParts.ts"

const away = new RegistryError({
  code: "service_unavailable",
  detail: "The registry's store did not answer. Try again once the database is back.",
})

describe("a buyer whose key cannot be looked up", () => {
  it.effect("is told so in a buyer's words, and not what the database said", () =>
    Effect.gen(function* () {
      const parts = MarketParts.make(yield* Members, local, ChainParts.checking)
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

describe("what a definition names", () => {
  it.effect("is there, in each definition that comes with Guildhall", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* MarketParts.problems(local), [])
      assert.deepStrictEqual(yield* Definition.load({ market: "local", chain: "off" }), local)
    }),
  )

  it.effect("is refused before anything is made, with all that is wrong, where it stands", () =>
    Effect.gen(function* () {
      const wrong: MarketDefinition.MarketDefinition = {
        ...local,
        routing: { use: "cap", with: { by: "member", percent: 20, policy: { use: "Cheapest" } } },
        payments: [{ use: "ApiKey" }, { use: "Barter" }],
        topUps: [{ use: "Development", with: { limit: 7 } }],
        payouts: [{ use: "Pigeon" }],
      }
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(path.join(tmpdir(), "guildhall-definition-"))),
        (made) => Effect.sync(() => rmSync(made, { recursive: true })),
      )
      const file = path.join(directory, "market.json")
      writeFileSync(file, JSON.stringify(Schema.encodeSync(MarketDefinition.MarketDefinitionJson)(wrong)))
      const { message } = yield* Effect.flip(Definition.load({ market: file, chain: "off" }))
      for (const told of [
        `The market definition ${file} cannot be used.`,
        'routing: The definition names the routing policy "Cheapest", which cannot be used. Known are: ',
        'payments[1]: The definition names the payment scheme "Barter", which cannot be used. Known are: ApiKey.',
        'topUps[0]: The definition names the payment rail "Development", which cannot be used.',
        'payouts[0]: The definition names the payout rail "Pigeon", which cannot be used. Known are: EvmPayout.',
      ]) {
        assert.include(message, told)
      }
    }),
  )
})
