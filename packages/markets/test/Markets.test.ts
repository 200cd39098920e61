import { assert, describe, it } from "@effect/vitest"
import * as MarketDefinition from "@guildhall/core/MarketDefinition"
import { Effect, Schema } from "effect"
import { Digest } from "effect/crypto"
import * as Markets from "../src/Markets.ts"

/** Books, holds and receipts name a definition by its digest: a released definition does not change under its name. */
const digests: Record<string, string> = {
  local: "80d6db72cdc26725caaed453fe45eef29b57b94483b6ed96a6f0c803afdc2da5",
}

describe("Markets", () => {
  it.effect.each(Markets.names)("%s is data, is accepted, and has the digest it was released with", (name) =>
    Effect.gen(function* () {
      const found = Markets.find(name)
      if (found === undefined) return assert.fail(`${name} is not found`)
      assert.strictEqual(found.name, name)
      const json: unknown = JSON.parse(JSON.stringify(Schema.encodeSync(MarketDefinition.MarketDefinitionJson)(found)))
      assert.deepStrictEqual(yield* MarketDefinition.decode(json), found)
      assert.strictEqual(yield* MarketDefinition.digest(found), digests[name])
    }).pipe(Effect.provide(Digest.layerWebCrypto)),
  )

  it("finds nothing under another name", () => {
    for (const name of ["", "Local", "toString", "__proto__"]) assert.isUndefined(Markets.find(name))
  })
})
