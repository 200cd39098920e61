import * as Fs from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as AgentHome from "../src/AgentHome.ts"
import * as BigramModel from "../src/demo/BigramModel.ts"
import * as DemoModel from "../src/demo/DemoModel.ts"
import { DemoText } from "../src/demo/DemoText.ts"
import * as AgentProcess from "./AgentProcess.ts"

const ensured = (directory: string) =>
  Effect.provide(DemoModel.ensure, AgentHome.layer({ directory }).pipe(Layer.provide(NodeServices.layer)), {
    local: true,
  })

describe("the demo model", () => {
  it("is the same each time, small, and has the digest that the source names", () => {
    const bytes = DemoModel.build()
    assert.deepStrictEqual(bytes, DemoModel.build())
    assert.strictEqual(DemoModel.digestOf(bytes), DemoModel.DIGEST)
    assert.isBelow(bytes.length, 5_000_000)
    assert.strictEqual(Buffer.from(bytes.subarray(0, 4)).toString(), "GGUF")
  })

  it("counts which word follows which", () => {
    const { pieces, counts } = BigramModel.count("A cat sat. A dog sat.\n\nA dog ran.")
    const id = (piece: string) => pieces.indexOf(piece)
    const follows = (from: string, to: string) => counts[id(from)]?.[id(to)]
    assert.strictEqual(follows("▁A", "▁dog"), 2)
    assert.strictEqual(follows("▁A", "▁cat"), 1)
    assert.strictEqual(follows("<s>", "▁A"), 3)
    assert.strictEqual(follows(".", "</s>"), 2)
    assert.strictEqual(follows(".", "▁A"), 1)
    assert.strictEqual(follows("▁sat", "."), 2)
    assert.strictEqual(follows("▁cat", "▁dog"), 0)
  })

  it("refuses a text with more words than it can hold", () => {
    const words = Array.from({ length: 1_100 }, (_, at) => at.toString(26).replace(/[0-9]/g, "z") + "q".repeat(at % 40))
    assert.throws(() => BigramModel.count(words.join(" ")), RangeError)
  })

  it("is made from sentences", () => {
    assert.isAbove(DemoText.split(/\s+/).length, 1_500)
    assert.match(DemoText.trim(), /\.$/)
  })

  it.live("is built where it is missing or damaged, and kept otherwise", () =>
    Effect.gen(function* () {
      const directory = yield* AgentProcess.temporaryHome
      const first = yield* ensured(directory)
      assert.strictEqual(first.digest, DemoModel.DIGEST)
      const made = Fs.statSync(first.path)
      assert.strictEqual((yield* ensured(directory)).path, first.path)
      assert.strictEqual(Fs.statSync(first.path).ino, made.ino)
      Fs.truncateSync(first.path, 1_000)
      yield* ensured(directory)
      assert.strictEqual(DemoModel.digestOf(Fs.readFileSync(first.path)), DemoModel.DIGEST)
    }),
  )
})
