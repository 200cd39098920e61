import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import * as Parts from "../src/Parts.ts"

const Greeting: Parts.Kind<(name: string) => string> = Parts.kind("greeting")
const Number_: Parts.Kind<number> = Parts.kind("number")

const polite = Parts.part(Greeting, {
  name: "Polite",
  settings: Schema.Struct({ word: Schema.NonEmptyString }),
  make:
    ({ word }) =>
    (name: string) =>
      `${word}, ${name}`,
})
const seven = Parts.part(Number_, { name: "Polite", settings: Parts.NoSettings, make: () => 7 })

describe("Parts", () => {
  it.effect("resolves a name of its kind, with its settings", () =>
    Effect.gen(function* () {
      const parts = Parts.make([polite, seven])
      const greet = yield* parts.resolve(Greeting, { use: "Polite", with: { word: "Good day" } })
      assert.strictEqual(greet("Ada"), "Good day, Ada")
      assert.strictEqual(yield* parts.resolve(Number_, { use: "Polite" }), 7)
      assert.deepStrictEqual(parts.names(Greeting), ["Polite"])
    }),
  )

  it.effect("an embedder's part takes the place of ours", () =>
    Effect.gen(function* () {
      const theirs = Parts.part(Number_, { name: "Polite", settings: Parts.NoSettings, make: () => 8 })
      assert.strictEqual(yield* Parts.make([seven, theirs]).resolve(Number_, { use: "Polite" }), 8)
    }),
  )

  it.effect.each([
    { ref: { use: "Rude" }, why: "Known are: Polite." },
    { ref: { use: "Polite", with: { word: "" } }, why: "word" },
    { ref: { use: "Polite" }, why: "word" },
    { ref: { use: "Polite", with: { word: "Hello", wrod: "Hi" } }, why: "wrod" },
  ])("refuses $ref", ({ ref, why }) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Parts.make([polite]).resolve(Greeting, ref))
      assert.include(error.message, `The definition names the greeting "${ref.use}"`)
      assert.include(error.message, why)
    }),
  )

  it.effect("a part without settings takes none", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Parts.make([seven]).resolve(Number_, { use: "Polite", with: { word: "Hi" } }))
      assert.include(error.message, "word")
    }),
  )

  it.effect("says when there is no part of a kind at all", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Parts.make([]).resolve(Greeting, { use: "Polite" }))
      assert.include(error.message, "No part of this kind is registered.")
    }),
  )
})
