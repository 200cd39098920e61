import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Request } from "@guildhall/core"
import * as Ids from "../src/internal/Ids.ts"

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
