import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Memory from "../src/backends/Memory.ts"
import * as OpenAICompatible from "../src/backends/OpenAICompatible.ts"
import * as EntryDoctor from "../src/EntryDoctor.ts"
import * as ScriptedServer from "./ScriptedServer.ts"
import * as Serving from "./Serving.ts"

const states = (results: ReadonlyArray<{ readonly name: string; readonly verdict: { readonly state: string } }>) =>
  Object.fromEntries(results.map(({ name, verdict }) => [name.replace("Entry: ", ""), verdict.state]))

describe("doctor, as the market will ask", () => {
  it.live("makes the checks of who enters against a server on this machine", () =>
    Effect.gen(function* () {
      const { url } = yield* ScriptedServer.make()
      const results = yield* EntryDoctor.examine({}).pipe(Effect.provide(OpenAICompatible.layer({ url })))
      assert.deepStrictEqual(states(results), {
        completion: "passed",
        streaming: "passed",
        context: "passed",
        concurrency: "passed",
        // A server that is asked over HTTP does not tell its weights.
        model: "warned",
      })
      assert.include(results.find(({ name }) => name === "Entry: model")?.verdict.fix, "--weights")
    }).pipe(Effect.scoped, Effect.provide(NodeHttpClient.layerUndici)),
  )

  it.live("says what a backend cannot do, and what to do about it", () =>
    Effect.gen(function* () {
      const liar = Memory.layer({ models: [{ id: Serving.MODEL, contextLength: 2_048 }], answer: () => [] })
      const results = yield* EntryDoctor.examine({ publicUrl: "https://127.0.0.1:8443" }).pipe(Effect.provide(liar))
      const found = states(results)
      assert.strictEqual(found["resolve"], "failed")
      assert.strictEqual(found["completion"], "passed")
      for (const { verdict } of results) {
        if (verdict.state === "failed") assert.isAbove(verdict.fix?.length ?? 0, 10)
      }
    }),
  )
})
