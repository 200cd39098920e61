import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as HoldContext from "../src/HoldContext.ts"
import { JournalEntryJson } from "../src/JournalEntry.ts"
import * as SampleEntry from "../src/testing/SampleEntry.ts"

describe("HoldContext", () => {
  it("has all that the receipt of an expired hold says, in half of its bytes", () => {
    const { receipt, salts } = SampleEntry.ended()
    const json = HoldContext.encode({ ...receipt, salts })
    const entry = Result.getOrThrow(HoldContext.entryOf(JSON.parse(JSON.stringify(json))))
    if (entry._tag !== "RequestEnded") return assert.fail(`it is ${entry._tag}`)
    const { asset, buyer, definitionDigest, id, keyId, market, model, requestCommitment, startedAtMs } = receipt
    const known = { asset, buyer, definitionDigest, id, keyId, market, model, requestCommitment, startedAtMs }
    const nothing = {
      outcome: "recovered",
      reason: "hold_expired",
      charge: 0n,
      usage: {},
      split: [],
      attempts: 0,
    } as const
    assert.deepInclude(entry.receipt, { ...known, ...nothing, revision: 0, endedAtMs: startedAtMs })
    assert.deepStrictEqual([entry.id, entry.salts], [`${id}:0`, salts])
    const whole = JSON.stringify(Schema.encodeSync(JournalEntryJson)(entry))
    assert.isBelow(JSON.stringify(json).length * 2, whole.length)
  })

  it("may be a whole entry; what is neither is refused", () => {
    const entry = SampleEntry.ended()
    const json = Schema.encodeSync(JournalEntryJson)(entry)
    assert.deepStrictEqual(Result.getOrThrow(HoldContext.entryOf(json)), entry)
    for (const wrong of [null, [], ["req_1"], {}, 7]) assert.isTrue(Result.isFailure(HoldContext.entryOf(wrong)))
  })
})
