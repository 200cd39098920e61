import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { AssetCode } from "../src/Asset.ts"
import { DeviceId, DevicePublicKey } from "../src/Device.ts"
import { DirectoryEvent } from "../src/DirectoryEvent.ts"
import * as Epoch from "../src/Epoch.ts"
import { Instance, InstanceId } from "../src/Instance.ts"
import { KeyId, Member, MemberId } from "../src/Member.ts"
import { ModelId } from "../src/Model.ts"
import * as Reason from "../src/Reason.ts"
import { RequestId } from "../src/Request.ts"
import { Usage } from "../src/Usage.ts"

const accepts = (schema: Schema.ConstraintDecoder<unknown>, value: unknown) =>
  Result.isSuccess(Schema.decodeUnknownResult(schema)(value))

describe("ids", () => {
  const hex = "0123456789abcdef".repeat(2)
  it.each([
    { name: "AssetCode", schema: AssetCode, good: ["USD", "USDC.E"], bad: ["usd", "U", "$", "USD ", "A".repeat(17)] },
    {
      name: "MemberId",
      schema: MemberId,
      good: ["mem_a-Z_9"],
      bad: ["mem_", "key_a", "mem_a b", `mem_${"a".repeat(65)}`],
    },
    { name: "KeyId", schema: KeyId, good: ["key_1"], bad: ["key_", "mem_1", "key_é"] },
    { name: "DeviceId", schema: DeviceId, good: [`dev_${hex}`], bad: [`dev_${hex}0`, `dev_${hex.toUpperCase()}`] },
    {
      name: "DevicePublicKey",
      schema: DevicePublicKey,
      good: ["A".repeat(43)],
      bad: ["A".repeat(44), `${"A".repeat(42)}=`],
    },
    { name: "InstanceId", schema: InstanceId, good: ["ins_x"], bad: ["ins_", "ins_x\n", "x"] },
    { name: "RequestId", schema: RequestId, good: [`req_${hex}`], bad: ["req_1", `req_${hex}\n`, hex] },
    {
      name: "ModelId",
      schema: ModelId,
      good: ["meta-llama/Llama-3.1-8B-Instruct", "qwen2.5:0.5b"],
      bad: ["", " a", "/etc/passwd", "a\nb", "a b", "a".repeat(201), "-rf"],
    },
  ])("$name", ({ schema, good, bad }) => {
    for (const text of good) assert.isTrue(accepts(schema, text), text)
    for (const text of bad) assert.isFalse(accepts(schema, text), text)
  })
})

describe("nouns", () => {
  it.prop(
    "an instance and what happens to it survive a wire",
    [Instance, DirectoryEvent, Usage, Member],
    ([instance, event, usage, member]) => {
      const survives = <T, E>(schema: Schema.Codec<T, E>, value: T) => {
        const json = Schema.toCodecJson(schema)
        const text = JSON.stringify(Schema.encodeSync(json)(value))
        const again = Schema.decodeUnknownSync(json)(JSON.parse(text))
        assert.strictEqual(JSON.stringify(Schema.encodeSync(json)(again)), text)
      }
      survives(Instance, instance)
      survives(DirectoryEvent, event)
      survives(Usage, usage)
      survives(Member, member)
    },
    { arbitrary: { seed: "nouns-wire", runs: 100 } },
  )

  it("a usage counts whole units within limits", () => {
    for (const wrong of [{ inputToken: -1 }, { outputToken: 1.5 }, { image: 1e13 }, { inputToken: "1" }]) {
      assert.isTrue(Result.isFailure(Schema.decodeUnknownResult(Usage)(wrong)), JSON.stringify(wrong))
    }
  })
})

describe("Epoch", () => {
  const Instant = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: -1e13, maximum: 1e13 })))
  const Length = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 1e10 })))
  it.prop(
    "every instant falls into exactly one epoch, and epochs follow each other",
    [Instant, Length],
    ([instantMs, lengthMs]) => {
      const options = { lengthMs, definitionDigest: "d" }
      const epoch = Epoch.at(instantMs, options)
      assert.isTrue(epoch.startMs <= instantMs && instantMs < epoch.endMs)
      const next = Epoch.at(epoch.endMs, options)
      assert.strictEqual(next.number, epoch.number + 1)
      assert.strictEqual(next.startMs, epoch.endMs)
    },
    { arbitrary: { seed: "epoch-follows" } },
  )
})

describe("Reason", () => {
  it("every code has a status of an error, and a sentence", () => {
    for (const [code, { status, sentence }] of Object.entries(Reason.reasons)) {
      assert.match(code, /^[a-z]+(_[a-z]+)*$/)
      assert.isTrue(status >= 400 && status < 600, code)
      assert.match(sentence, /^[A-Z].*\.$/, code)
    }
  })
  it("what the buyer must change cannot be retried", () => {
    for (const code of ["invalid_json", "insufficient_funds", "invalid_api_key", "context_too_long"] as const) {
      assert.isFalse(Reason.describe(code).isRetryable, code)
    }
  })
})
