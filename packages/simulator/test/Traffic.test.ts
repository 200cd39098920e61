import { assert, describe, it } from "@effect/vitest"
import * as Chance from "../src/Chance.ts"
import * as Trace from "../src/Trace.ts"
import * as Traffic from "../src/Traffic.ts"

const count = 20_000
const generated = Traffic.single({ seed: "quantiles", speed: 1, count })

const shareBelow = (values: ReadonlyArray<number>, value: number): number =>
  values.filter((each) => each <= value).length / values.length

describe("Traffic", () => {
  it("draws lengths with the quantiles that it states", () => {
    const inputs = generated.map(({ work }) => work.inputTokens)
    const outputs = generated.map(({ work }) => work.outputTokens)
    for (const share of [0.1, 0.25, 0.5, 0.75, 0.9, 0.99]) {
      const [input, output] = [Traffic.inputTokens, Traffic.outputTokens].map((each) => Traffic.quantile(each, share))
      assert.approximately(shareBelow(inputs, input ?? 0), share, 0.012, `prompts at ${share}`)
      assert.approximately(shareBelow(outputs, output ?? 0), share, 0.012, `answers at ${share}`)
    }
    const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / count
    assert.approximately(mean(inputs) / Traffic.means.inputTokens, 1, 0.03)
    assert.approximately(mean(outputs) / Traffic.means.outputTokens, 1, 0.03)
  })

  it("lets requests come at the rate of each twelfth of the hour", () => {
    for (const [slot, rate] of Traffic.ratesPerSecond.entries()) {
      const inSlot = generated.filter(({ atMs }) => Math.floor(atMs / 300_000) === slot).length
      assert.approximately(inSlot / 300 / rate, 1, 0.12, `slot ${slot}`)
    }
  })

  it("passes the hour as many times as fast as it is told", () => {
    const fast = Traffic.single({ seed: "quantiles", speed: 10, count })
    assert.approximately((generated.at(-1)?.atMs ?? 0) / (fast.at(-1)?.atMs ?? 1), 10, 1e-9)
  })

  it("gives a half of what comes to one prefix from the moment on that it is told", () => {
    const options = { seed: "hot", speed: 1, count, prefixes: 100, exponent: 0.9, hotFrom: 0.5, hotShare: 0.5 }
    const keys = Traffic.prefixed(options).map(({ work }) => work.key)
    const shareOf = (part: ReadonlyArray<string | undefined>) =>
      part.filter((key) => key === "prefix-100").length / part.length
    assert.strictEqual(shareOf(keys.slice(0, count / 2)), 0)
    assert.approximately(shareOf(keys.slice(count / 2)), 0.5, 0.02)
  })
})

describe("Chance", () => {
  it("draws by Zipf's law", () => {
    const chance = Chance.make("zipf")
    const draw = Chance.zipf(100, 1)
    const counts = Array.from({ length: 100 }, () => 0)
    for (let at = 0; at < 100_000; at++) {
      const drawn = draw(chance)
      counts[drawn] = (counts[drawn] ?? 0) + 1
    }
    assert.approximately((counts[0] ?? 0) / (counts[9] ?? 1), 10, 1)
    assert.approximately((counts[0] ?? 0) / 100_000, 1 / 5.187, 0.01)
  })

  it("draws evenly, and seeds that are safe integers", () => {
    const chance = Chance.make("even")
    const counts = Array.from({ length: 10 }, () => 0)
    for (let at = 0; at < 100_000; at++) {
      const drawn = chance.below(10)
      counts[drawn] = (counts[drawn] ?? 0) + 1
      assert.isTrue(Number.isSafeInteger(chance.seed()))
    }
    const chi2 = counts.reduce((sum, each) => sum + (each - 10_000) ** 2 / 10_000, 0)
    assert.isBelow(chi2, 27.9, "beyond this one even row in a thousand goes")
  })
})

describe("Trace", () => {
  const text = (rows: ReadonlyArray<Trace.Row>): string =>
    rows
      .map(({ atMs, inputTokens, outputTokens }) => {
        const part = (ms: number, size: number, digits: number) => String(Math.floor(ms / size)).padStart(digits, "0")
        const clock = `${part(atMs, 3_600_000, 2)}:${part(atMs % 3_600_000, 60_000, 2)}`
        return `2020-01-01 ${clock}:${((atMs % 60_000) / 1_000).toFixed(7).padStart(10, "0")},${inputTokens},${outputTokens}`
      })
      .join("\r\n")
  const rowsOf = (seed: string): ReadonlyArray<Trace.Row> =>
    Traffic.single({ seed, speed: 1, count: 19_366 }).map(({ atMs, work }) => ({ atMs, ...work }))

  it("reads a file of the trace's form, and leaves out what is of another", () => {
    const rows = Trace.read(
      `TIMESTAMP,ContextTokens,GeneratedTokens\n${text(rowsOf("read").slice(0, 100))}\nnonsense\n`,
    )
    assert.strictEqual(rows.length, 100)
    assert.deepStrictEqual(
      rows.map(({ inputTokens }) => inputTokens),
      rowsOf("read")
        .slice(0, 100)
        .map(({ inputTokens }) => inputTokens),
    )
    assert.strictEqual(rows[0]?.atMs, 0)
    assert.strictEqual(Trace.replay(rows, 2)[50]?.atMs, (rows[50]?.atMs ?? 0) / 2)
  })

  it("finds what the generator makes close to it, and what is a little longer far", () => {
    const fit = Trace.fit(rowsOf("another seed"), "this seed")
    for (const each of [fit.input, fit.output, fit.gap]) assert.isBelow(each, Trace.distanceMax)
    const longer = rowsOf("another seed").map((row) => ({ ...row, inputTokens: Math.round(row.inputTokens * 1.3) }))
    assert.isAbove(Trace.fit(longer, "this seed").input, Trace.distanceMax)
  })
})
