import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Canonical from "@guildhall/core/Canonical"
import { DeviceId } from "@guildhall/core/Device"
import { ReceiptJson } from "@guildhall/core/Receipt"
import { JournalEntryJson } from "@guildhall/journal/JournalEntry"
import * as SampleEntry from "@guildhall/journal/testing/SampleEntry"
import * as Receipt from "../src/Receipt.ts"

const every = {
  device: DeviceId.make(`dev_${"1".repeat(32)}`),
  reason: "client_closed_request",
  unattested: true,
  commitment: "c".repeat(64),
  usageHead: { number: 7, hash: "a".repeat(64) },
  usage: {
    request: 1,
    inputToken: 10,
    cachedInputToken: 2,
    outputToken: 5,
    image: 1,
    audioSecond: 3,
    deviceHour: 1,
  },
  routing: {
    replica: "gateway-1",
    sealed: 5,
    version: 7,
    log: "e".repeat(64),
    policy: "LeastLoaded@1",
    seed: 42,
    decision: "f".repeat(64),
  },
} as const

describe("the JSON of a receipt", () => {
  for (const [name, values] of [
    ["usual", {}],
    ["full", every],
    ["empty", { usage: {}, split: [], charge: 0n, price: [], usageSource: "none" }],
  ] as const) {
    it(`is what the schema encodes, and canonical as it is written: ${name}`, () => {
      const entry = SampleEntry.ended(values)
      const json = Receipt.entryJson(entry)
      assert.deepStrictEqual<unknown>(json, Schema.encodeSync(JournalEntryJson)(entry))
      const canonical = Canonical.stringify(Schema.encodeSync(ReceiptJson)(entry.receipt) as Canonical.Json)
      assert.include(JSON.stringify(json), `"receipt":${canonical},"salts"`)
    })
  }
})
