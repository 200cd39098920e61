/**
 * A receipt against what the device that served has signed: its commitment and its usage log.
 */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { ModelId } from "@guildhall/core/Model"
import * as SampleEntry from "@guildhall/journal/testing/SampleEntry"
import { SignedCommitment } from "@guildhall/protocol/provider/SignedCommitment"
import { UsageLine, UsageReport } from "@guildhall/protocol/provider/UsageLog"
import * as Attestations from "@guildhall/registry/Attestations"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import * as SampleLog from "@guildhall/registry/testing/SampleLog"
import * as ReceiptStatements from "@guildhall/verification/ReceiptStatements"

const device = SampleDevice.make()
const statement = SampleLog.commitment(device, 3)
const lines = SampleLog.lines(6)
const at = (number: number) => lines[number - 1] ?? assert.fail("there is such a line")

/** The receipt of the request in the fifth line, written when the market held the head of the third. */
const receipt = {
  ...SampleEntry.receipt(),
  id: at(5).ticket.ticket.requestId,
  model: ModelId.make("guildhall/demo"),
  commitment: Attestations.digest(statement),
  usageHead: { number: 3, hash: at(3).hash },
}

const commitmentText = (made: SignedCommitment) => Schema.encodeSync(Schema.fromJsonString(SignedCommitment))(made)
const report = (kept: ReadonlyArray<UsageLine>, by = device) =>
  Schema.encodeSync(Schema.fromJsonString(UsageReport))({
    lines: [...kept],
    head: SampleLog.head(by, kept.at(-1) ?? SampleLog.START),
  })
const encodeLine = Schema.encodeSync(UsageLine)
const logFile = (kept: ReadonlyArray<UsageLine>, acknowledged = 0) =>
  [
    { base: { number: (kept[0]?.number ?? 1) - 1, hash: kept[0]?.previous } },
    ...kept.map((line) => ({ line: encodeLine(line) })),
    { acknowledged },
  ]
    .map((row) => `${JSON.stringify(row)}\n`)
    .join("")

const check = (statements: ReceiptStatements.Statements, of = receipt) => {
  const [found, ...more] = ReceiptStatements.checks(of, statements).toReversed()
  return { found: found ?? assert.fail("nothing was checked"), more }
}
const fails = (statements: ReceiptStatements.Statements, words: string, of = receipt) => {
  const { found } = check(statements, of)
  assert.isFalse(found.holds, found.detail)
  assert.include(found.detail, words)
}

describe("the commitment of a receipt", () => {
  const commitment = commitmentText(statement)
  it("holds where the device signed it, the receipt names it, and it is for the receipt's model", () => {
    const { found } = check({ commitment })
    assert.isTrue(found.holds, found.detail)
    assert.include(found.detail, `weights ${"a".repeat(64)}`)
  })

  it("does not hold where anything was changed", () => {
    fails({ commitment: "{}" }, "not a signed commitment")
    fails({ commitment: commitmentText(SampleLog.commitment(device, 4)) }, "not the commitment that the receipt names")
    fails({ commitment: commitment.replace("sample", "simple") }, "not the commitment that the receipt names")
    const forged = { ...statement, signature: SampleDevice.make().signBytes(new Uint8Array(1)) }
    fails({ commitment: commitmentText(forged) }, "did not sign it")
    fails({ commitment }, "does not commit to org/other", { ...receipt, model: ModelId.make("org/other") })
    const { commitment: _, ...unnamed } = receipt
    assert.isFalse(ReceiptStatements.checks(unnamed, { commitment })[0]?.holds)
  })
})

describe("the usage log of a receipt", () => {
  const commitment = commitmentText(statement)
  it("holds where the head that is named stands in it, and the request", () => {
    for (const usage of [report(lines), report(lines.slice(3)), report(lines.slice(2, 5)), logFile(lines, 4)]) {
      const { found, more } = check({ commitment, usage })
      assert.isTrue(found.holds, found.detail)
      assert.include(found.detail, "The line 5 logs 10 inputToken, 5 outputToken")
      assert.lengthOf(more, 1)
    }
    assert.include(check({ commitment, usage: report(lines) }).found.detail, "signed by the device")
    assert.include(check({ usage: report(lines) }).found.detail, "give the commitment")
    assert.include(check({ usage: logFile(lines) }).found.detail, "not signed")
  })

  it("does not hold where it was changed, is another, or lacks the head or the request", () => {
    fails({ usage: "it broke" }, "not a usage log")
    fails({ commitment, usage: report(lines, SampleDevice.make()) }, "did not sign the head")
    fails({ usage: report([...lines.slice(0, 2), ...SampleLog.lines(4, at(2), 9)]) }, "it is another log")
    fails({ usage: report(lines.slice(4)) }, "does not reach the line 3")
    fails({ usage: report(lines.slice(0, 4)) }, "no line of this request")
    const raised = lines.map((line) => (line.number === 5 ? { ...line, usage: { outputToken: 900 } } : line))
    fails({ usage: report(raised) }, "The log was changed")
    fails({ usage: report([...lines.slice(0, 3), ...lines.slice(4)]) }, "The log was changed")
    const { usageHead: _, ...unnamed } = receipt
    assert.isFalse(ReceiptStatements.checks(unnamed, { usage: report(lines) })[0]?.holds)
  })
})
