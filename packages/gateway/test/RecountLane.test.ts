/**
 * Exact counts on a running lane: the real tokenizer, thread and catalogue, and a provider that reports what it likes.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { afterAll, afterEach, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Recount from "../src/Recount.ts"
import * as TokenCatalogue from "../src/TokenCatalogue.ts"
import * as CountingThread from "../src/tokens/CountingThread.ts"
import * as Upstream from "./ScriptedUpstream.ts"
import * as TestLane from "./TestLane.ts"
import * as TestTokenizer from "./TestTokenizer.ts"

const root = mkdtempSync(path.join(tmpdir(), "guildhall-recount-"))
const folder = path.join(root, "catalogue")
const catalogue = TokenCatalogue.layer({ folder }).pipe(
  Layer.provide(Layer.merge(NodeServices.layer, NodeCrypto.layer)),
)
const recount = Recount.layer({ seed: "a seed" }).pipe(
  Layer.provide(Layer.merge(catalogue, CountingThread.layer({ folder }))),
)

beforeAll(async () => {
  const file = path.join(root, "model.gguf")
  writeFileSync(file, TestTokenizer.gguf())
  const add = Effect.flatMap(Effect.service(TokenCatalogue.TokenCatalogue), (catalogue) =>
    catalogue.add(TestLane.MODEL, file),
  )
  await Effect.runPromise(Effect.provide(add, catalogue))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))
afterEach(TestLane.closeAll)

const WORDS = Array.from({ length: 40 }, () => "hello")
/** The words, and the spaces between them. */
const WRITTEN = 2 * WORDS.length - 1
/** `<s>`, `<|user|>`, the message, `</s>`, `<|assistant|>`. */
const READ = 5

/** The provider's report: so many times what it was. */
const usage = (factor: number) => ({
  prompt: Math.floor(factor * READ),
  completion: Math.floor(factor * WRITTEN),
})

const lane = (script: Upstream.Script, percent: number) =>
  TestLane.withUpstream(script, { recount, definition: { recount: { percent } } })

const spent = (input: number, output: number): bigint =>
  BigInt(input) * TestLane.INPUT_UNIT + BigInt(output) * TestLane.OUTPUT_UNIT

describe("a provider that reports too many tokens", () => {
  for (const [name, script] of [
    [
      "in a stream",
      Upstream.stream(
        WORDS.map((word, at) => (at === 0 ? word : ` ${word}`)),
        usage(2),
      ),
    ],
    ["in one piece", Upstream.whole(WORDS.join(" "), usage(2))],
  ] as const) {
    it(`is paid for those that it wrote, ${name}`, async () => {
      const { lane: running } = await lane(script, 100)
      await running.chat({ stream: name === "in a stream" })
      await running.idle()
      await running.run(running.recount.drain)
      const { earned, fees, spent: left } = await running.books()
      const output = WRITTEN + 2 + Math.ceil((3 * WRITTEN) / 100)
      assert.strictEqual(left, spent(READ + 1, output))
      assert.strictEqual(earned + fees, left)
      const kinds = (await running.entries()).map(({ kind }) => kind)
      assert.deepStrictEqual(kinds, ["request.ended", "request.recounted"])
    })
  }

  it("is not found out where the sample is empty and its reports are possible", async () => {
    const { lane: running } = await lane(Upstream.whole(WORDS.join(" "), usage(2)), 0)
    await running.chat({})
    await running.idle()
    await running.run(running.recount.drain)
    assert.strictEqual((await running.books()).spent, spent(2 * READ, 2 * WRITTEN))
  })

  it("is counted where its reports are not possible, even if the sample is empty", async () => {
    const { lane: running } = await lane(Upstream.whole(WORDS.join(" "), usage(100)), 0)
    await running.chat({})
    await running.idle()
    await running.run(running.recount.drain)
    assert.strictEqual((await running.books()).spent, spent(READ + 1, WRITTEN + 2 + Math.ceil((3 * WRITTEN) / 100)))
  })
})

describe("an honest provider", () => {
  it("is paid what it reported, and one that reports too little no more", async () => {
    for (const factor of [1, 0.5]) {
      const { lane: running } = await lane(Upstream.whole(WORDS.join(" "), usage(factor)), 100)
      await running.chat({})
      const before = await running.books()
      await running.run(running.recount.drain)
      assert.deepStrictEqual(await running.books(), before)
      const standing = running.recount.standing(TestLane.instance("i0", "").id)
      assert.deepStrictEqual(standing, { counted: 1, lowered: 0, higher: factor === 1 ? 0 : 1 })
    }
  })
})
