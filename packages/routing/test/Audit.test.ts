import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result } from "effect"
import { Digest } from "effect/crypto"
import * as Parts from "@guildhall/core/Parts"
import * as Journal from "@guildhall/journal/Journal"
import type { DirectorySegment } from "@guildhall/journal/Journal"
import * as Audit from "../src/Audit.ts"
import * as AuditFile from "../src/AuditFile.ts"
import * as combinators from "../src/combinators/index.ts"
import * as DirectoryLog from "../src/DirectoryLog.ts"
import * as HealthFloor from "../src/filters/HealthFloor.ts"
import * as HeldReceipts from "../src/HeldReceipts.ts"
import * as NamedPolicies from "../src/NamedPolicies.ts"
import * as policies from "../src/policies/index.ts"
import { leastLoaded } from "../src/policies/LeastLoaded.ts"
import * as Router from "../src/Router.ts"
import { RoutingPolicy } from "../src/RoutingPolicy.ts"
import * as RoutingProof from "../src/RoutingProof.ts"
import * as AuditedMarket from "./AuditedMarket.ts"

const router = Router.layer({ replica: "test", policy: leastLoaded, snapshotEvery: 200 })
const surroundings = Layer.merge(Journal.layerMemory, Digest.layerWebCrypto)

const ours = new Map([[NamedPolicies.nameOf(leastLoaded), leastLoaded]])

/** Two starts of a gateway, exported. */
const market = Effect.gen(function* () {
  const first = yield* AuditedMarket.serve("weavers", 300).pipe(Effect.provide(router))
  const second = yield* AuditedMarket.serve("smiths", 100, 300).pipe(Effect.provide(router))
  const contents = Result.getOrThrow(AuditedMarket.read(yield* AuditedMarket.exported))
  return { entries: [...first, ...second], contents }
})

const [replicaOf, segmentsOf] = [
  ({ segments }: AuditFile.Contents): string => [...segments.keys()][0] ?? "",
  ({ segments }: AuditFile.Contents): ReadonlyArray<DirectorySegment> => [...segments.values()][0] ?? [],
]

const withSegments = (contents: AuditFile.Contents, segments: ReadonlyArray<DirectorySegment>): AuditFile.Contents => ({
  ...contents,
  segments: new Map([...contents.segments, [replicaOf(contents), segments]]),
})

/** The same log with other bodies, and every hash made anew, as whoever has the database could do it. */
const rechained = Effect.fnUntraced(function* (segments: ReadonlyArray<DirectorySegment>) {
  const drafts = segments.map((segment) => ({
    ...segment,
    text: DirectoryLog.parse(segment)?.text ?? "",
    gapAfter: undefined,
  }))
  return yield* DirectoryLog.chain(segments[0]?.replica ?? "", "-", drafts)
})

describe("Audit", () => {
  it.effect("makes every decision again and finds nothing where nothing was changed", () =>
    Effect.gen(function* () {
      const { contents, entries } = yield* market
      assert.strictEqual(contents.decisions.length, entries.length)
      const report = yield* Audit.run(contents, ours)
      const attempts = entries.reduce((sum, { decision }) => sum + Math.max(1, decision?.attempts.length ?? 0), 0)
      assert.isAbove(attempts, entries.length)
      assert.deepInclude(report.counts, {
        replicas: 2,
        decisions: 400,
        attempts,
        differing: 0,
        beyondLog: 0,
        proved: 400,
        brokenProofs: 0,
        beyondProof: 0,
        altered: 0,
        gaps: 0,
      })
      assert.isAbove(segmentsOf(contents).filter(({ kind }) => kind === "snapshot").length, 1)
      assert.isTrue(Audit.isSound(report))
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("makes the decisions of every policy and combinator again, bit for bit, by its reference form alone", () =>
    Effect.gen(function* () {
      const made = [...Object.values(policies), ...Object.values(combinators), HealthFloor]
      const all = Parts.make(made.map(({ part }) => part))
      const names = Object.values(policies).map(({ part }) => part.name)
      const [policy, other] = [{ use: "LeastLoaded" }, { use: "InverseSquarePrice" }]
      const filter = { use: "filter", with: { filter: { use: "HealthFloor", with: { bps: 5_000 } }, policy } }
      const combined = [
        { use: "tieBreak", with: { policy, by: { use: "Healthiest" } } },
        filter,
        { use: "orElse", with: { first: filter, second: other } },
        {
          use: "weighted",
          with: {
            policies: [
              { policy, weight: 3 },
              { policy: other, weight: 1 },
            ],
          },
        },
        { use: "partitionBy", with: { by: "member", policy: other } },
        { use: "cap", with: { by: "member", percent: 25, policy } },
        { use: "pooled", with: { by: "member", machines: 2, policy } },
      ]
      assert.sameMembers(
        combined.map(({ use }) => use),
        Object.values(combinators).map(({ part }) => part.name),
      )
      for (const ref of [...names.map((use) => ({ use })), ...combined]) {
        const resolved = yield* all.resolve(RoutingPolicy, ref)
        const replica = Router.layer({ replica: "test", policy: resolved, snapshotEvery: 200 })
        const report = yield* Effect.gen(function* () {
          yield* AuditedMarket.serve(ref.use, 120).pipe(Effect.provide(replica))
          return yield* Audit.run(
            Result.getOrThrow(AuditedMarket.read(yield* AuditedMarket.exported)),
            new Map([[NamedPolicies.nameOf(resolved), resolved]]),
          )
        }).pipe(Effect.provide(Layer.fresh(surroundings)))
        const { beyondLog, otherPolicy, proved } = report.counts
        assert.deepStrictEqual(report.differences, [], ref.use)
        assert.deepStrictEqual(
          { beyondLog, otherPolicy, proved },
          { beyondLog: 0, otherPolicy: 0, proved: 120 },
          ref.use,
        )
      }
    }).pipe(Effect.provide(Digest.layerWebCrypto)),
  )

  it.effect(
    "finds a decision that was altered: what should have been chosen, and that the receipt is of another one",
    () =>
      Effect.gen(function* () {
        const { contents } = yield* market
        const at = contents.decisions.findIndex(({ decision }) => decision.attempts.length === 2)
        const honest = contents.decisions[at]
        const [first, second] = honest?.decision.attempts ?? []
        if (honest === undefined || first === undefined || second === undefined) return assert.fail()
        const attempts = [{ ...first, instance: second.instance }, second]
        const altered = { ...honest, decision: { ...honest.decision, attempts } }
        const report = yield* Audit.run({ ...contents, decisions: contents.decisions.with(at, altered) }, ours)
        assert.isFalse(Audit.isSound(report))
        const [difference] = report.differences
        assert.deepInclude(difference, {
          request: honest.id,
          attempt: 1,
          chosen: second.instance,
          expected: first.instance,
        })
        assert.match(difference?.because ?? "", /^it is number \d+, for: .*; the first is there for: /)
        assert.deepStrictEqual(report.proofs, [{ request: honest.id, of: "decision" }])

        const none = { ...honest, decision: { ...honest.decision, attempts: [] }, reason: "no_capacity" as const }
        const denied = yield* Audit.run({ ...contents, decisions: [none] }, ours)
        assert.deepInclude(denied.differences[0], { chosen: null, expected: first.instance, attempt: 1 })
      }).pipe(Effect.provide(surroundings)),
  )

  it.effect("finds a segment that was altered, taken out, or put together anew", () =>
    Effect.gen(function* () {
      const { contents } = yield* market
      const segments = segmentsOf(contents)
      const at = segments.findIndex(({ body, kind, version }) => version > 0 && kind === "changes" && /\n\+/.test(body))
      const honest = segments[at]
      if (honest === undefined) return assert.fail()
      const altered = { ...honest, body: honest.body.replace(/\n\+/, "\n-") }

      const plain = yield* Audit.run(withSegments(contents, segments.with(at, altered)), ours)
      assert.isFalse(Audit.isSound(plain))
      assert.deepInclude(plain.findings[0], { kind: "Altered", from: honest.version, to: honest.toVersion })
      assert.include(plain.findings[0]?.detail, "does not fit its hash")
      assert.isAbove(plain.counts.brokenProofs, 0)

      const without = yield* Audit.run(withSegments(contents, segments.toSpliced(at, 1)), ours)
      const missing = without.findings.find(({ kind }) => kind === "Missing")
      assert.deepInclude(missing, { from: honest.version, to: honest.toVersion })
      assert.isAbove(without.counts.beyondLog, 0)
      assert.isFalse(Audit.isSound(without))

      // Whoever can rewrite the whole chain cannot rewrite the receipts that buyers hold.
      const forged = yield* rechained(segments.with(at, altered))
      const report = yield* Audit.run(withSegments(contents, forged), ours)
      assert.notInclude(report.findings.map(({ detail }) => detail).join(), "hash", JSON.stringify(report.findings))
      assert.isAbove(report.counts.brokenProofs, 0)
      assert.isTrue(report.proofs.every((proof) => proof.of === "log"))
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect(
    "finds by the receipts that others hold what was written anew in the export as well, or left out of it",
    () =>
      Effect.gen(function* () {
        const { contents, entries } = yield* market
        const held = entries.map(({ receipt }) => receipt)
        assert.deepInclude(HeldReceipts.compare(contents, held), { compared: 400, otherwise: [] })

        const [honest, another, ...others] = contents.decisions
        if (honest?.proof == null || honest.salt === null || another === undefined) return assert.fail()
        const subject = AuditFile.subjectOf(contents.head, honest) ?? assert.fail("it was refused")
        const decision = { ...honest.decision, features: { affinity: "never said" } }
        const forged = {
          ...honest,
          decision,
          proof: { ...honest.proof, decision: RoutingProof.commit(honest.proof, decision, honest.salt, subject) },
        }
        const rewritten = { ...contents, decisions: [forged, ...others] }
        assert.isTrue(Audit.isSound(yield* Audit.run(rewritten, ours)))
        const { otherwise } = HeldReceipts.compare(rewritten, held)
        assert.sameDeepMembers(
          [...otherwise],
          [
            { request: honest.id, is: "other" },
            { request: another.id, is: "absent" },
          ],
        )
        const [receipt] = held
        if (receipt === undefined) return assert.fail()
        const elsewhere = HeldReceipts.compare(contents, [{ ...receipt, market: "another" }])
        assert.deepStrictEqual(elsewhere.otherwise, [{ request: receipt.id, is: "elsewhere" }])
      }).pipe(Effect.provide(surroundings)),
  )

  it.effect("tells what it could not make again, and does not call it wrong: another policy, an open end", () =>
    Effect.gen(function* () {
      const { contents } = yield* market
      const later = yield* Audit.run(contents, new Map())
      assert.deepInclude(later.counts, { attempts: 0, otherPolicy: 400, differing: 0 })
      assert.deepStrictEqual(later.otherPolicies, [`LeastLoaded@${leastLoaded.version}`])
      // Where nothing at all could be made again, nothing is proved.
      assert.isFalse(Audit.isSound(later))

      const cut = yield* Audit.run(withSegments(contents, segmentsOf(contents).slice(0, -3)), ours)
      assert.isAbove(cut.counts.beyondLog, 0)
      assert.strictEqual(cut.counts.brokenProofs, 0)
      assert.isTrue(Audit.isSound(cut))
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("refuses a file that was cut off, or is none", () =>
    Effect.gen(function* () {
      yield* AuditedMarket.serve("weavers", 30).pipe(Effect.provide(router))
      const lines = yield* AuditedMarket.exported
      const wrong = (text: ReadonlyArray<string>) => Result.getOrThrow(Result.flip(AuditedMarket.read(text)))
      assert.match(wrong(lines.slice(0, -1)), /^It was cut off after line \d+/)
      assert.match(wrong(lines.toSpliced(5, 1)), /says that there are \d+ segments and 30 decisions/)
      assert.match(wrong(lines.slice(1)), /^Line 1 is a head where there should be none|^Line 1/)
      assert.match(wrong(["{}"]), /^Line 1 is none of an export/)
      assert.match(wrong([]), /^It was cut off after line 0/)
    }).pipe(Effect.provide(surroundings)),
  )
})
