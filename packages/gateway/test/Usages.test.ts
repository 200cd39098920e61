import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Faults from "../src/testing/Faults.ts"
import * as Plan from "../src/testing/FaultPlan.ts"
import * as Speech from "../src/testing/Speech.ts"
import * as FaultLane from "./FaultLane.ts"

/** Ten tokens by the lane's own estimate. */
const words = Array.from({ length: 10 }, () => "word")
const outputBytes = words.join("").length
/** What a prompt of this length may come to, and the tokens of an answer that leave no bytes. */
const TEMPLATE_TOKENS = 512 + 32
const SILENT_TOKENS = 8

/** Reports of which something can be taken: what is billed for output. */
const usable: Readonly<Record<string, number>> = { "far too much": outputBytes + SILENT_TOKENS, nothing: 0 }

const cases = Speech.dialects.flatMap((dialect) =>
  Faults.usages.flatMap(({ name, usage }) => [true, false].map((stream) => ({ dialect, name, usage, stream }))),
)

describe("a provider that reports wrong usage", () => {
  let lane: FaultLane.FaultLane
  beforeAll(async () => {
    lane = await FaultLane.start()
  })
  afterAll(async () => {
    await lane.books()
    await lane.close()
    console.log(`figures: ${cases.length} cases of wrong usage`)
  })

  it.each(cases)("of $name is billed what was delivered, $dialect (stream: $stream)", async (given) => {
    const { dialect, name, stream, usage } = given
    const said = Speech.of(dialect, { words, usage })
    const plan = stream ? Plan.stream(said.stream) : Plan.whole(200, said.whole)
    const { ask, model } = await lane.provide({ always: plan }, { dialect })
    const { status, text } = await ask({ stream }).answer
    assert.strictEqual(status, 200, text)
    const hidden = dialect === "chat/completions" || dialect === "completions" ? said.usage : ""
    assert.strictEqual(text, stream ? said.stream.replace(hidden, "") : said.whole)
    await lane.idle()
    const entries = await lane.ended()
    const { charge, usage: billed } = entries.find(({ receipt }) => receipt.model === model)?.receipt ?? {}
    const bytes = Buffer.byteLength(JSON.stringify({ ...Speech.request(dialect, { model }), stream }))
    assert.isAtMost(billed?.inputToken ?? Infinity, bytes + TEMPLATE_TOKENS)
    assert.strictEqual(billed?.outputToken, usable[name] ?? words.length)
    assert.isTrue((charge ?? -1n) >= 0n)
  })
})
