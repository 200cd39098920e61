import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Member, Request } from "@guildhall/core"
import * as Ids from "../src/internal/Ids.ts"
import * as KeyLimits from "../src/KeyLimits.ts"
import { Refusal } from "../src/Refusal.ts"

const key = (n: number) => Member.KeyId.make(`key_${n}`)

describe("KeyLimits", () => {
  it("lets a minute's worth start, then as many as the minute refills", () => {
    const limits = KeyLimits.make({ requestsPerMinute: 60, concurrentRequests: 1_000 })
    const enter = (nowMs: number) => {
      const leave = limits.enter(key(1), nowMs)
      return leave instanceof Refusal ? leave.code : leave()
    }
    for (let i = 0; i < 60; i++) assert.isUndefined(enter(0))
    assert.strictEqual(enter(0), "rate_limited")
    assert.strictEqual(enter(999), "rate_limited")
    assert.isUndefined(enter(1_000))
    assert.strictEqual(enter(1_000), "rate_limited")
    for (let i = 0; i < 60; i++) assert.isUndefined(enter(10_000_000))
    assert.strictEqual(enter(10_000_000), "rate_limited")
    // A clock that goes back refills nothing and takes nothing.
    assert.strictEqual(enter(5_000_000), "rate_limited")
  })

  it("counts those in flight once, however often they leave", () => {
    const limits = KeyLimits.make({ requestsPerMinute: 1_000, concurrentRequests: 1 })
    const leave = limits.enter(key(1), 0)
    if (leave instanceof Refusal) return assert.fail(leave.code)
    assert.instanceOf(limits.enter(key(1), 0), Refusal)
    assert.isFunction(limits.enter(key(2), 0))
    leave()
    leave()
    assert.isFunction(limits.enter(key(1), 0))
    assert.instanceOf(limits.enter(key(1), 0), Refusal)
  })

  it("forgets idle keys rather than growing without end", () => {
    const limits = KeyLimits.make({ requestsPerMinute: 10, concurrentRequests: 10 })
    for (let n = 0; n < 100_500; n++) {
      const leave = limits.enter(key(n), 0)
      if (!(leave instanceof Refusal)) leave()
    }
    assert.isAtMost(limits.size(), 100_000)
  })
})

describe("the id of a request", () => {
  it("has the form that the schema asks for, and sorts by time", () => {
    const ids = Array.from({ length: 1_000 }, (_, at) => Ids.requestId(1_750_000_000_000 + at))
    for (const id of ids) assert.isTrue(Schema.is(Request.RequestId)(id), id)
    assert.deepStrictEqual([...ids].sort(), ids)
    assert.strictEqual(new Set(ids).size, ids.length)
    // Version 7, variant 10 (RFC 9562).
    assert.match(ids[0] ?? "", /^req_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/)
  })
})
