import { assert, describe, it } from "@effect/vitest"
import type { DirectoryEvent } from "@guildhall/core/DirectoryEvent"
import { InstanceId } from "@guildhall/core/Instance"
import { Effect } from "effect"
import { Digest } from "effect/crypto"
import { Directory } from "../src/Directory.ts"
import * as DirectoryLog from "../src/DirectoryLog.ts"
import * as Explain from "../src/Explain.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"
import { contentOf } from "./DirectoryContent.ts"

const make = (options: Partial<DirectoryLog.Options> = {}) => {
  const directory = new Directory()
  const log = new DirectoryLog.DirectoryLog(directory, { replica: "r", ...options })
  const apply = (event: DirectoryEvent) => log.record(event, directory.apply(event))
  return { directory, log, apply }
}

const started: DirectoryEvent = { _tag: "DispatchStarted", instanceId: InstanceId.make("ins_a") }
const ended: DirectoryEvent = { _tag: "DispatchEnded", instanceId: InstanceId.make("ins_a") }
const listed: DirectoryEvent = { _tag: "InstanceListed", instance: SampleMarket.instance({ name: "a" }) }
const kinds = (drafts: ReadonlyArray<DirectoryLog.Draft>) =>
  drafts.map(({ kind, version, toVersion }) => `${kind} ${version}-${toVersion}`)

describe("DirectoryLog", () => {
  it("cuts the log without a hole, with a snapshot every so often", () => {
    const { log, apply } = make({ snapshotEvery: 4 })
    for (const event of [listed, started, started, ended, started, ended]) apply(event)
    assert.deepStrictEqual(kinds(log.pending()), ["changes 0-4", "snapshot 4-4", "changes 4-6"])
    apply(ended)
    assert.deepStrictEqual(kinds(log.pending()), ["changes 0-4", "snapshot 4-4", "changes 4-6", "changes 6-7"])
  })

  it("forgets what the journal has, and only that", () => {
    const { log, apply } = make()
    apply(listed)
    const first = log.pending()
    apply(started)
    log.acknowledge(first, "hash")
    assert.deepStrictEqual(kinds(log.pending()), ["changes 1-2"])
    assert.strictEqual(log.acknowledged, 1)
    assert.strictEqual(log.hash, "hash")
  })

  it.effect("chains its segments by hash; a changed or a missing one is found", () =>
    Effect.gen(function* () {
      const { log, apply, directory } = make({ snapshotEvery: 3 })
      for (const event of [listed, started, started, ended]) apply(event)
      const segments = yield* DirectoryLog.chain("r", log.hash, log.pending())
      const previous = segments.map((segment) => DirectoryLog.parse(segment)?.previous)
      assert.deepStrictEqual(previous, ["-", ...segments.slice(0, -1).map((segment) => segment.hash)])
      assert.deepStrictEqual(contentOf(yield* Explain.rebuild(segments, 4)), contentOf(directory))
      assert.deepStrictEqual(contentOf(yield* Explain.rebuild(segments.slice(1), 4)), contentOf(directory))

      for (const [at, segment] of segments.entries()) {
        const changed = { ...segment, body: segment.body.replace(/[+-]0$/m, "?") }
        const other = { ...segment, version: segment.version + 1 }
        for (const wrong of changed.body === segment.body ? [other] : [changed, other]) {
          const error = yield* Effect.flip(Explain.rebuild(segments.with(at, wrong), 4))
          assert.strictEqual(error.reason, "Altered", `segment ${at}`)
        }
      }
      // The hash is made anew, as a forger would: the chain still tells.
      const [, snapshot, changes] = segments
      if (snapshot === undefined || changes === undefined) return assert.fail()
      const body = snapshot.body.replace(/ 2 \{/, " 0 {")
      const forged = { ...snapshot, body, hash: yield* DirectoryLog.hashOf({ ...snapshot, body }) }
      const error = yield* Effect.flip(Explain.rebuild([forged, changes], 4))
      assert.strictEqual(error.reason, "Altered")
      const gap = yield* Effect.flip(Explain.rebuild(segments.slice(0, 1), 4))
      assert.strictEqual(gap.reason, "Gap")
      assert.include(gap.message, "It reaches version 3, and the decision was made at 4.")
    }).pipe(Effect.provide(Digest.layerWebCrypto)),
  )

  it.effect("holds a bounded amount while the journal is away, and then says what is missing", () =>
    Effect.gen(function* () {
      const { log, apply, directory } = make({ bufferChars: 100_000, snapshotEvery: 1_000_000 })
      apply(listed)
      const flushed = log.pending()
      const [first] = yield* DirectoryLog.chain("r", log.hash, flushed)
      log.acknowledge(flushed, first?.hash ?? "")
      let most = 0
      for (let at = 0; at < 200_000; at++) {
        apply(at % 2 === 0 ? started : ended)
        if (at % 10_000 !== 0) continue
        most = Math.max(
          most,
          log.pending().reduce((sum, draft) => sum + draft.text.length, 0),
        )
      }
      assert.isBelow(most, 200_000)
      const drafts = log.pending()
      assert.strictEqual(drafts[0]?.kind, "snapshot")
      const segments = yield* DirectoryLog.chain("r", log.hash, drafts)
      const [snapshot] = segments
      if (snapshot === undefined || first === undefined) return assert.fail()
      assert.deepInclude(DirectoryLog.parse(snapshot), { previous: first.hash, gapAfter: 1 })
      assert.deepStrictEqual(contentOf(yield* Explain.rebuild(segments, directory.version)), contentOf(directory))
      const lost = yield* Effect.flip(Explain.rebuild([first], 500))
      assert.strictEqual(lost.reason, "Gap")
    }).pipe(Effect.provide(Digest.layerWebCrypto)),
  )

  it("a segment never has more than 8,192 changes", () => {
    const { log, apply } = make()
    apply(listed)
    for (let at = 0; at < 20_000; at++) apply(started)
    const sizes = log.pending().map(({ version, toVersion }) => toVersion - version)
    assert.deepStrictEqual(sizes, [8_192, 8_192, 20_001 - 2 * 8_192])
  })
})
