import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Receipt from "../src/Receipt.ts"

describe("Receipt", () => {
  it.prop(
    "its bytes do not depend on the order in which it was made, and survive a wire",
    [Receipt.Receipt],
    ([receipt]) => {
      const text = JSON.stringify(Schema.encodeSync(Receipt.ReceiptJson)(receipt))
      const members = Object.entries(JSON.parse(text)).toReversed()
      const again = Schema.decodeUnknownSync(Receipt.ReceiptJson)(Object.fromEntries(members))
      assert.deepStrictEqual(Receipt.bytes(again), Receipt.bytes(receipt))
    },
    { arbitrary: { seed: "receipt-bytes", runs: 100 } },
  )

  it.prop(
    "another charge gives other bytes",
    [Receipt.Receipt],
    ([receipt]) => {
      const other = { ...receipt, charge: receipt.charge === 0n ? 1n : 0n }
      assert.notDeepEqual(Receipt.bytes(other), Receipt.bytes(receipt))
    },
    { arbitrary: { seed: "receipt-charge", runs: 50 } },
  )

  it("a batch signs its id, market, root, size and time, and nothing else", () => {
    const batch = { batchId: "b", market: "local", root: "00", size: 2, signedAtMs: 5 }
    const text = '{"batchId":"b","market":"local","root":"00","signedAtMs":5,"size":2}'
    assert.strictEqual(new TextDecoder().decode(Receipt.batchBytes(batch)), text)
    const signed = { ...batch, keyId: "k", signature: "s" }
    assert.deepStrictEqual(Receipt.batchBytes(signed), Receipt.batchBytes(batch))
  })
})
