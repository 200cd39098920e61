import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Target from "../src/rules/Target.ts"
import * as Warning from "../src/rules/Warning.ts"

const Time = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 10_000 })))

describe("Warning", () => {
  it.prop(
    "nothing is taken before delivery and grace, and from then on it may be",
    [Time, Time, Time],
    ([atMs, graceMs, nowMs]) => {
      const delivery = { atMs, way: "beat" as const }
      assert.strictEqual(Warning.mayPenalise(delivery, graceMs, nowMs), nowMs >= atMs + graceMs)
      if (Warning.mayPenalise(delivery, graceMs, nowMs)) {
        assert.isTrue(Warning.mayPenalise(delivery, graceMs, nowMs + 1))
        assert.isTrue(Warning.mayPenalise({ ...delivery, way: "email" }, graceMs, nowMs))
      }
      assert.isFalse(Warning.mayPenalise(undefined, graceMs, nowMs))
    },
    { arbitrary: { seed: "warning", runs: 500 } },
  )

  it("takes a time of grace that is none for one that never ends", () => {
    for (const graceMs of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.isFalse(Warning.mayPenalise({ atMs: 0, way: "beat" }, graceMs, Number.MAX_SAFE_INTEGER))
    }
  })
})

describe("Target", () => {
  const targets = { latencyMs: 100, uptimeBps: 9_950 }

  it("S13 · the targets are met below 100 ms and from 99.5 % on", () => {
    const at = (latencyMs: number, uptimeBps: number) => Target.standing(targets, { latencyMs, uptimeBps })
    assert.deepStrictEqual(at(99, 9_950), { latency: true, uptime: true })
    assert.deepStrictEqual(at(100, 9_949), { latency: false, uptime: false })
  })

  it("says nothing where there is no target, or nothing was measured", () => {
    const unknown = { latency: undefined, uptime: undefined }
    assert.deepStrictEqual(Target.standing(undefined, { latencyMs: 1, uptimeBps: 10_000 }), unknown)
    assert.deepStrictEqual(Target.standing(targets, { latencyMs: undefined, uptimeBps: undefined }), unknown)
    assert.isUndefined(Target.uptimeBps(0, 0))
    assert.strictEqual(Target.uptimeBps(1_990, 10), 9_950)
    assert.strictEqual(Target.uptimeBps(1_989, 11), 9_945)
  })
})
