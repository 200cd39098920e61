/**
 * What devices have signed of themselves, over both stores.
 */
import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Device } from "@guildhall/core"
import { createHash } from "node:crypto"
import { Attestations, AttestationsSql } from "../src/index.ts"
import * as SignedPositions from "../src/internal/SignedPositions.ts"
import * as SampleDevice from "../src/testing/SampleDevice.ts"
import * as SampleLog from "../src/testing/SampleLog.ts"

const idOf = ({ publicKey }: SampleDevice.SampleDevice) => {
  const hash = createHash("sha256").update(Buffer.from(publicKey, "base64url")).digest("hex")
  return Device.DeviceId.make(`dev_${hash.slice(0, 32)}`)
}

/** A device with ways to say things. */
const make = Effect.gen(function* () {
  const attestations = yield* Attestations.Attestations
  const device = SampleDevice.make()
  const id = idOf(device)
  const report = (lines: ReturnType<typeof SampleLog.lines>, at = lines.at(-1) ?? SampleLog.START) =>
    attestations.report(id, { device: device.publicKey, ...SampleLog.head(device, at) }, lines)
  return { attestations, device, id, report }
})

const suite = (name: string, layer: Layer.Layer<Attestations.Attestations, unknown>) =>
  describe(`attestations in ${name}`, () => {
    it.effect("what a key did not sign is refused, and changes nothing", () =>
      Effect.gen(function* () {
        const { attestations, device, id, report } = yield* make
        const other = SampleDevice.make()
        const forged = { ...SampleLog.commitment(other, 1), device: device.publicKey }
        assert.strictEqual((yield* Effect.flip(attestations.commit(id, forged))).code, "invalid_signature")
        const lines = SampleLog.lines(3)
        const last = lines[2] ?? assert.fail("there are three")
        const head = { device: device.publicKey, ...SampleLog.head(other, last) }
        assert.strictEqual((yield* Effect.flip(attestations.report(id, head, lines))).code, "invalid_signature")
        const raised = { device: device.publicKey, ...SampleLog.head(device, last), number: 4 }
        assert.strictEqual((yield* Effect.flip(attestations.report(id, raised, []))).code, "invalid_signature")
        assert.deepStrictEqual(yield* attestations.held(id), {})
        assert.strictEqual((yield* report(lines))._tag, "New")
      }).pipe(Effect.provide(layer)),
    )

    it.effect("a second commitment under one number is forked, and the first stays", () =>
      Effect.gen(function* () {
        const { attestations, device, id } = yield* make
        const first = SampleLog.commitment(device, 1)
        assert.deepStrictEqual(yield* attestations.commit(id, first), { _tag: "New", isGap: false })
        assert.deepStrictEqual(yield* attestations.commit(id, first), { _tag: "Known" })
        yield* TestClock.setTime(5_000)
        const forked = yield* attestations.commit(id, SampleLog.commitment(device, 1, "org/other"))
        assert.deepStrictEqual(forked, { _tag: "Forked", former: first })
        const held = yield* attestations.held(id)
        assert.deepStrictEqual(held, {
          commitment: { digest: Attestations.digest(first), statement: first },
          forkedAtMs: 5_000,
        })
        assert.deepStrictEqual(yield* attestations.forked([id]), new Map([[id, 5_000]]))
        const next = SampleLog.commitment(device, 2, "org/other")
        assert.strictEqual((yield* attestations.commit(id, next))._tag, "New")
        assert.deepStrictEqual(yield* attestations.commit(id, first), { _tag: "Known" })
        assert.deepStrictEqual((yield* attestations.held(id)).commitment?.statement, next)
      }).pipe(Effect.provide(layer)),
    )

    it.effect("of two contradicting statements at once exactly one is forked", () =>
      Effect.gen(function* () {
        const { attestations, device, id, report } = yield* make
        const models = ["org/a", "org/b", "org/c", "org/d"]
        const taken = yield* Effect.forEach(
          models,
          (model) => attestations.commit(id, SampleLog.commitment(device, 1, model)),
          { concurrency: "unbounded" },
        )
        assert.deepStrictEqual(taken.map(({ _tag }) => _tag).sort(), ["Forked", "Forked", "Forked", "New"])
        const heads = yield* Effect.forEach([1, 2, 3], (tokens) => report(SampleLog.lines(2, undefined, tokens)), {
          concurrency: "unbounded",
        })
        assert.deepStrictEqual(heads.map(({ _tag }) => _tag).sort(), ["Forked", "Forked", "New"])
      }).pipe(Effect.provide(layer)),
    )

    it.effect("heads go on from each other, may come again, and leave gaps that are told", () =>
      Effect.gen(function* () {
        const { attestations, device, id, report } = yield* make
        assert.strictEqual((yield* report([]))._tag, "New")
        assert.strictEqual((yield* report([]))._tag, "Known")
        const lines = SampleLog.lines(10)
        assert.deepStrictEqual(yield* report(lines.slice(0, 4)), { _tag: "New", isGap: false })
        assert.deepStrictEqual(yield* report(lines.slice(0, 4)), { _tag: "Known" })
        // What was not acknowledged comes again, with more after it.
        assert.deepStrictEqual(yield* report(lines.slice(2, 7)), { _tag: "New", isGap: false })
        // All is acknowledged: the head alone.
        assert.deepStrictEqual(yield* report([], lines[6]), { _tag: "Known" })
        assert.deepStrictEqual(yield* report(lines.slice(7, 8)), { _tag: "New", isGap: false })
        assert.deepStrictEqual(yield* report(lines.slice(9)), { _tag: "New", isGap: true })
        const last = lines[9] ?? assert.fail("there are ten")
        const head = { device: device.publicKey, ...SampleLog.head(device, last) }
        assert.deepStrictEqual(yield* attestations.held(id), { head })
      }).pipe(Effect.provide(layer)),
    )

    it.effect("a log that forks is found at the head, between heads, and at where the lines begin", () =>
      Effect.gen(function* () {
        const lines = SampleLog.lines(10)
        const at = (number: number) => lines[number - 1] ?? assert.fail("there is such a line")
        const forks: ReadonlyArray<readonly [number, ReturnType<typeof SampleLog.lines>]> = [
          // Other lines altogether, with a head below, at, and beyond the one that is held.
          [4, SampleLog.lines(4, undefined, 9)],
          [8, SampleLog.lines(8, undefined, 9)],
          [8, SampleLog.lines(12, undefined, 9)],
          // As far as the fourth line the same, as from an old copy of the home.
          [8, SampleLog.lines(6, at(4), 9)],
          [8, SampleLog.lines(4, at(4), 9)],
          // It begins where another line stood.
          [8, SampleLog.lines(2, { number: 8, hash: "b".repeat(64) })],
        ]
        for (const [number, other] of forks) {
          const { attestations, device, id, report } = yield* make
          yield* report(lines.slice(0, 4))
          yield* report(lines.slice(4, 8))
          const taken = yield* report(other)
          const former = { device: device.publicKey, ...SampleLog.head(device, at(number)) }
          assert.deepStrictEqual(taken, { _tag: "Forked", former })
          const held = yield* attestations.held(id)
          assert.strictEqual(held.head?.number, 8)
          assert.isDefined(held.forkedAtMs)
          assert.strictEqual((yield* report(lines.slice(8)))._tag, "New")
        }
      }).pipe(Effect.provide(layer)),
    )

    it.effect("what is older and says nothing of what is held is behind, and changes nothing", () =>
      Effect.gen(function* () {
        const { attestations, device, id, report } = yield* make
        const lines = SampleLog.lines(10)
        yield* report(lines)
        const before = yield* attestations.held(id)
        assert.deepStrictEqual(yield* report(lines.slice(0, 4)), { _tag: "Behind" })
        assert.deepStrictEqual(yield* report(SampleLog.lines(4, undefined, 9)), { _tag: "Behind" })
        assert.deepStrictEqual(yield* attestations.held(id), before)
        yield* attestations.commit(id, SampleLog.commitment(device, 7))
        assert.deepStrictEqual(yield* attestations.commit(id, SampleLog.commitment(device, 3)), { _tag: "Behind" })
      }).pipe(Effect.provide(layer)),
    )

    it.effect("who asks for changes hears the last of each kind", () =>
      Effect.gen(function* () {
        const { attestations, device, id, report } = yield* make
        const lines = SampleLog.lines(3)
        yield* report(lines)
        const first = yield* attestations.changes(0)
        const named = (devices: typeof first.devices) => devices.find(({ deviceId }) => deviceId === id)
        const usageHead = { number: 3, hash: lines[2]?.hash ?? "" }
        assert.deepStrictEqual(named(first.devices), { deviceId: id, usageHead })
        const statement = SampleLog.commitment(device, 1)
        yield* attestations.commit(id, statement)
        const second = yield* attestations.changes(first.cursor)
        const commitment = Attestations.digest(statement)
        assert.deepStrictEqual(named(second.devices), { deviceId: id, commitment, usageHead })
      }).pipe(Effect.provide(layer)),
    )

    it.effect("of a device at most 64 heads are kept", () =>
      Effect.gen(function* () {
        const { report } = yield* make
        const lines = SampleLog.lines(70)
        for (const line of lines) yield* report([line])
        // The seventh is the oldest of those that are kept; of the sixth nothing is known any more.
        const other = SampleLog.lines(1, lines[4], 9)
        assert.deepStrictEqual(yield* report(other), { _tag: "Behind" })
        assert.strictEqual((yield* report(SampleLog.lines(1, lines[5], 9)))._tag, "Forked")
      }).pipe(Effect.provide(layer)),
    )
  })

suite("memory", Attestations.layerMemory)
suite("SQL", AttestationsSql.layer.pipe(Layer.provide(TestDatabase.layer)))

describe("the rule", () => {
  it("a position that is held may not be said to be another, whatever comes with it", () => {
    const held = [
      { number: 9, hash: "i" },
      { number: 4, hash: "d" },
    ]
    const judge = (number: number, hash: string, ...says: ReadonlyArray<readonly [number, string]>) =>
      SignedPositions.judge(held, { number, hash }, new Map([...says, [number, hash]]))._tag
    assert.strictEqual(judge(9, "i"), "Known")
    assert.strictEqual(judge(4, "d"), "Known")
    assert.strictEqual(judge(9, "x"), "Forked")
    assert.strictEqual(judge(12, "l", [4, "x"]), "Forked")
    assert.strictEqual(judge(12, "l", [9, "i"]), "New")
    assert.strictEqual(judge(6, "f", [4, "d"]), "Behind")
  })
})
