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

  describe("made of others", () => {
    const twice = Parts.composed(Number_, {
      name: "Twice",
      settings: Schema.Struct({ of: Parts.PartRef }),
      make: ({ of }, parts) => Effect.map(parts.resolve(Number_, of), (number) => 2 * number),
    })
    const nested = (depth: number): Parts.PartRef =>
      depth === 1 ? { use: "Polite" } : { use: "Twice", with: { of: nested(depth - 1) } }

    it.effect("are made with those that their settings name, 16 levels deep at most", () =>
      Effect.gen(function* () {
        const parts = Parts.make([seven, twice])
        assert.strictEqual(yield* parts.resolve(Number_, nested(2)), 14)
        assert.strictEqual(yield* parts.resolve(Number_, nested(16)), 7 * 2 ** 15)
        const error = yield* Effect.flip(parts.resolve(Number_, nested(17)))
        assert.include(error.message, "at most 16 levels deep")
      }),
    )

    it.effect("say once what is wrong, of the part that it is wrong with", () =>
      Effect.gen(function* () {
        const ref = { use: "Twice", with: { of: { use: "Twice", with: { of: { use: "Nobody" } } } } }
        const error = yield* Effect.flip(Parts.make([seven, twice]).resolve(Number_, ref))
        assert.strictEqual(
          error.message,
          'The definition names the number "Nobody", which cannot be used. Known are: Polite, Twice.',
        )
      }),
    )
  })
})
