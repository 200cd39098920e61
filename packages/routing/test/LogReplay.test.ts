import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Digest } from "effect/crypto"
import { InstanceId } from "@guildhall/core/Instance"
import type { DirectoryEvent } from "@guildhall/core/DirectoryEvent"
import type { DirectorySegment } from "@guildhall/journal/Journal"
import { Directory } from "../src/Directory.ts"
import * as DirectoryLog from "../src/DirectoryLog.ts"
import * as LogReplay from "../src/LogReplay.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"
import { contentOf } from "./DirectoryContent.ts"

const instanceId = InstanceId.make("ins_a")
const started: DirectoryEvent = { _tag: "DispatchStarted", instanceId }
const listed: DirectoryEvent = { _tag: "InstanceListed", instance: SampleMarket.instance({ name: "a" }) }

/** What is in flight at each of the versions, as the walk shows it. */
const seenAt = Effect.fnUntraced(function* (
  segments: ReadonlyArray<DirectorySegment>,
  versions: ReadonlyArray<number>,
) {
  const seen: Array<readonly [number, number | undefined]> = []
  const visits = versions.map((version) => ({
    version,
    see: (directory: Directory | undefined) => void seen.push([version, directory?.candidate(instanceId)?.inFlight]),
  }))
  return { findings: yield* LogReplay.walk(segments, { visits }), seen }
})

describe("LogReplay.walk", () => {
  it.effect("shows every version of a market as it was, in one pass, whatever the order of segments and visits", () =>
    Effect.gen(function* () {
      for (const name of ["weavers", "smiths"]) {
        const dice = SampleMarket.dice(name)
        const directory = new Directory()
        const log = new DirectoryLog.DirectoryLog(directory, { replica: "r", snapshotEvery: 64 })
        const contents = [contentOf(directory)]
        for (let at = 0; at < 400; at++) {
          const event = SampleMarket.event(dice)
          log.record(event, directory.apply(event))
          contents.push(contentOf(directory))
          if (dice.below(30) === 0) log.pending()
        }
        const segments = yield* DirectoryLog.chain("r", "-", log.pending())
        let count = 0
        const visits = contents.map((content, version) => ({
          version,
          see: (at: Directory | undefined) => {
            assert.deepStrictEqual(at === undefined ? undefined : contentOf(at), content, `${name}, ${version}`)
            count++
          },
        }))
        const given = { visits: visits.toReversed() }
        assert.deepStrictEqual(yield* LogReplay.walk(segments.toReversed(), given), [])
        assert.strictEqual(count, 401)
      }
    }).pipe(Effect.provide(Digest.layerWebCrypto)),
  )

  it.effect("tells a gap that the log tells, and goes on after it; what lies in it is not seen", () =>
    Effect.gen(function* () {
      const directory = new Directory()
      const log = new DirectoryLog.DirectoryLog(directory, { replica: "r", bufferChars: 1_000 })
      const apply = (event: DirectoryEvent) => log.record(event, directory.apply(event))
      apply(listed)
      const first = yield* DirectoryLog.chain("r", "-", log.pending())
      log.acknowledge(log.pending(), first.at(-1)?.hash ?? "")
      for (let at = 0; at < 8_192; at++) apply(started)
      const later = yield* DirectoryLog.chain("r", log.hash, log.pending())
      apply(started)
      const last = yield* DirectoryLog.chain("r", later.at(-1)?.hash ?? "", log.pending().slice(later.length))
      const { findings, seen } = yield* seenAt([...first, ...later, ...last], [1, 5, 8_193, 8_194, 8_195])
      assert.deepStrictEqual(
        findings.map(({ from, kind, to }) => [kind, from, to]),
        [["Gap", 1, 8_193]],
      )
      assert.include(findings[0]?.detail, "The journal was away")
      assert.deepStrictEqual(seen, [
        [1, 0],
        [5, undefined],
        [8_193, 8_192],
        [8_194, 8_193],
        [8_195, undefined],
      ])
    }).pipe(Effect.provide(Digest.layerWebCrypto)),
  )

  it.effect("finds a snapshot that shows something else than the changes before it, however well it is chained", () =>
    Effect.gen(function* () {
      const directory = new Directory()
      const log = new DirectoryLog.DirectoryLog(directory, { replica: "r", snapshotEvery: 3 })
      for (const event of [listed, started, started, started]) log.record(event, directory.apply(event))
      const drafts = log.pending().map((draft) => ({ ...draft, text: draft.text.replace(/^l0 2 /m, "l0 0 ") }))
      const { findings, seen } = yield* seenAt(yield* DirectoryLog.chain("r", "-", drafts), [3, 4])
      assert.deepInclude(findings[0], { kind: "Altered", from: 3, to: 3 })
      assert.include(findings[0]?.detail, "does not show what the changes before it come to")
      // From there on it is the published log that is followed.
      assert.deepStrictEqual(seen, [
        [3, 2],
        [4, 1],
      ])
    }).pipe(Effect.provide(Digest.layerWebCrypto)),
  )
})
