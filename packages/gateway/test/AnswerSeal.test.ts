import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterAll } from "vitest"
import * as AnswerSeal from "../src/AnswerSeal.ts"
import * as Test from "./TestIdempotency.ts"

const root = mkdtempSync(path.join(tmpdir(), "guildhall-answers-"))
afterAll(() => rmSync(root, { recursive: true }))

let files = 0
const fresh = () => path.join(root, `${files++}`, "keys", "secrets")
const at = (file: string) =>
  Effect.scoped(
    Effect.map(
      Layer.build(Layer.fresh(AnswerSeal.layerFile({ file })).pipe(Layer.provide(NodeFileSystem.layer))),
      (context) => Context.get(context, AnswerSeal.AnswerSeal),
    ),
  )

const key = Redacted.make("key-1")
const { memberId } = Test.payer("mem_1")
const about = (seal: AnswerSeal.AnswerSeal["Service"]) => ({
  slot: seal.slot(memberId, key),
  request: Test.requestId(),
  key,
})

describe("AnswerSeal: secrets in a file", () => {
  it.effect("are made once, for their owner only, however many processes start at once", () =>
    Effect.gen(function* () {
      const file = fresh()
      const seals = yield* Effect.forEach([1, 2, 3, 4, 5], () => at(file), { concurrency: "unbounded" })
      const [first] = seals
      if (first === undefined) return assert.fail("there is none")
      for (const seal of seals) assert.strictEqual(seal.slot(memberId, key), first.slot(memberId, key))
      assert.deepStrictEqual(readdirSync(path.dirname(file)), ["secrets"])
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      assert.match(readFileSync(file, "utf8"), /^[A-Za-z0-9_-]{43}\n$/)
    }),
  )

  it.effect("open what was sealed before a line was added, and seal with the new one", () =>
    Effect.gen(function* () {
      const file = fresh()
      const before = yield* at(file)
      const what = about(before)
      const old = yield* before.seal(what, Buffer.from("old"))
      appendFileSync(file, `${"B".repeat(43)}\n`)
      const after = yield* at(file)
      assert.strictEqual(after.slot(memberId, key), what.slot)
      assert.strictEqual((yield* after.open(what, old))?.toString(), "old")
      const sealed = yield* after.seal(what, Buffer.from("new"))
      assert.notStrictEqual(sealed.keyId, old.keyId)
      assert.isUndefined(yield* before.open(what, sealed))
    }),
  )

  it.effect("that are none are refused, and not shown", () =>
    Effect.gen(function* () {
      const file = fresh()
      yield* at(file)
      writeFileSync(file, "my-password\n")
      const error = yield* Effect.flip(at(file))
      assert.strictEqual(error.reason, "Invalid")
      assert.notInclude(error.message, "my-password")
      writeFileSync(file, "")
      assert.strictEqual((yield* Effect.flip(at(file))).reason, "Invalid")
    }),
  )
})

describe("AnswerSeal", () => {
  it.effect("seals large answers whole, and never twice alike", () =>
    Effect.gen(function* () {
      const seal = yield* AnswerSeal.make([Test.SECRET])
      const what = about(seal)
      for (const size of [0, 1, 512 * 1024, 512 * 1024 + 1, 3_000_000]) {
        const answer = Buffer.alloc(size, "ab")
        const sealed = yield* seal.seal(what, answer)
        assert.isTrue((yield* seal.open(what, sealed))?.equals(answer), `${size}`)
        const again = yield* seal.seal(what, answer)
        assert.isFalse(again.bytes.equals(sealed.bytes))
      }
    }),
  )

  it.effect("tells requests apart by every byte, their path and their slot", () =>
    Effect.gen(function* () {
      const seal = yield* AnswerSeal.make([Test.SECRET])
      const prints = [
        seal.fingerprint("s", "/a", Buffer.from("b")),
        seal.fingerprint("s", "/a", Buffer.from("b ")),
        seal.fingerprint("s", "/ab", Buffer.from("")),
        seal.fingerprint("t", "/a", Buffer.from("b")),
      ]
      assert.lengthOf([...new Set(prints)], prints.length)
      assert.strictEqual(seal.fingerprint("s", "/a", Buffer.from("b")), prints[0])
    }),
  )
})
