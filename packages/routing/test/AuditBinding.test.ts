/** What an audit finds of an export that was altered: by accident, by one byte, or by whoever wrote it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result, Schema, Stream } from "effect"
import { Digest } from "effect/crypto"
import * as Parts from "@guildhall/core/Parts"
import * as Journal from "@guildhall/journal/Journal"
import * as Audit from "../src/Audit.ts"
import * as AuditFile from "../src/AuditFile.ts"
import * as HeldReceipts from "../src/HeldReceipts.ts"
import * as NamedPolicies from "../src/NamedPolicies.ts"
import * as LeastLoaded from "../src/policies/LeastLoaded.ts"
import * as Router from "../src/Router.ts"
import * as RoutingProof from "../src/RoutingProof.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"
import * as AuditedMarket from "./AuditedMarket.ts"

const router = Router.layer({ replica: "test", policy: LeastLoaded.leastLoaded, snapshotEvery: 200 })
const surroundings = Layer.merge(Journal.layerMemory, Digest.layerWebCrypto)
const parts = Parts.make([LeastLoaded.part])

/** The lines of an export, and the receipts that were given away for its requests. */
const market = Effect.gen(function* () {
  const entries = yield* AuditedMarket.serve("weavers", 40).pipe(Effect.provide(router))
  const lines = yield* AuditedMarket.exported
  const contents = Result.getOrThrow(AuditedMarket.read(lines))
  return { lines, contents, held: entries.map(({ receipt }) => receipt) }
})

/** The whole audit of some lines, as the command makes it: what is wrong with the file, or its report. */
const auditOf = Effect.fnUntraced(function* (lines: ReadonlyArray<string>) {
  const read = AuditedMarket.read(lines)
  if (Result.isFailure(read)) return read.failure
  return yield* Audit.run(read.success, yield* NamedPolicies.resolve(parts, read.success.head.policies))
})

type Line = Record<string, unknown>
const isLine = Schema.is(Schema.Record(Schema.String, Schema.Unknown))
const lineOf = (text: string): Line => {
  const line: unknown = JSON.parse(text)
  return isLine(line) ? line : assert.fail(text)
}

const idAt = ({ decisions }: AuditFile.Contents, at: number) => decisions[at]?.id ?? assert.fail("nothing is there")

/** The lines with each decision changed, and the end as whoever writes the file would write it. */
const rewritten = (
  lines: ReadonlyArray<string>,
  change: (line: Line, at: number) => ReadonlyArray<Line>,
): ReadonlyArray<string> => {
  let at = 0
  const changed = lines.flatMap((text) => {
    const line = lineOf(text)
    return line["_tag"] === "Decision" ? change(line, at++).map((one) => JSON.stringify(one)) : [text]
  })
  return AuditedMarket.resealed(changed)
}

const withHead = (lines: ReadonlyArray<string>, head: Line): ReadonlyArray<string> =>
  AuditedMarket.resealed(lines.with(0, JSON.stringify({ ...lineOf(lines[0] ?? ""), ...head })))

const proofOf = (line: Line): Line => (isLine(line["proof"]) ? line["proof"] : assert.fail("it has no proof"))
const isWrong = (outcome: string | Audit.Report): boolean => typeof outcome === "string" || !Audit.isSound(outcome)

describe("an export that proves nothing", () => {
  it.effect("is wrong where no decision has a proof", () =>
    Effect.gen(function* () {
      const { lines } = yield* market
      const blank = yield* auditOf(rewritten(lines, (line) => [{ ...line, proof: null, salt: null }]))
      if (typeof blank === "string") return assert.fail(blank)
      assert.deepInclude(blank.counts, { decisions: 40, differing: 0, proved: 0, brokenProofs: 0, unproved: 40 })
      assert.isFalse(Audit.isSound(blank))
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("is wrong where a proof was moved beyond the log, or within it, and where its salt was taken", () =>
    Effect.gen(function* () {
      const { lines } = yield* market
      for (const moved of [{ version: 999_999 }, { sealed: 999_999 }, { sealed: 1 }, { sealed: -1 }]) {
        for (const which of [7, undefined]) {
          const found = yield* auditOf(
            rewritten(lines, (line, at) => [
              which === undefined || at === which ? { ...line, proof: { ...proofOf(line), ...moved } } : line,
            ]),
          )
          assert.isTrue(isWrong(found), `${JSON.stringify(moved)} ${which}`)
        }
      }
      const unsalted = yield* auditOf(rewritten(lines, (line, at) => [at === 7 ? { ...line, salt: null } : line]))
      assert.isTrue(isWrong(unsalted), "no salt")
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("is wrong where the proofs were made anew, for a part of the log that is not there", () =>
    Effect.gen(function* () {
      const { contents } = yield* market
      const of = (decided: AuditFile.Decided) => AuditFile.subjectOf(contents.head, decided)
      const forged = (stated: { readonly version?: number; readonly sealed?: number }, only?: number) => ({
        ...contents,
        decisions: contents.decisions.map((decided, at) => {
          const { decision, proof, salt } = decided
          const subject = of(decided)
          if (proof === null || salt === null || subject === undefined || (only !== undefined && at !== only)) {
            return decided
          }
          const moved = { ...proof, ...stated }
          return { ...decided, proof: { ...moved, decision: RoutingProof.commit(moved, decision, salt, subject) } }
        }),
      })
      const ours = yield* NamedPolicies.resolve(parts, contents.head.policies)
      const beyond = yield* Audit.run(forged({ version: 999_999 }), ours)
      assert.deepInclude(beyond.counts, { proved: 0, brokenProofs: 0, beyondProof: 40 })
      assert.isFalse(Audit.isSound(beyond), "all of them")
      // The log has the version, and no segment that ends there.
      const ends = new Set([...contents.segments.values()].flat().map(({ toVersion }) => toVersion))
      const inside = Array.from({ length: 50 }, (_, at) => at + 1).find((version) => !ends.has(version))
      const within = yield* Audit.run(forged({ sealed: inside ?? 0 }, 9), ours)
      assert.deepStrictEqual(within.proofs, [{ request: idAt(contents, 9), of: "log" }])
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("is refused where a request is in it twice, or is not of its period", () =>
    Effect.gen(function* () {
      const { contents, lines } = yield* market
      const [first] = contents.decisions
      const twice = yield* auditOf(rewritten(lines, (line, at) => (at === 3 ? [line, line] : [line])))
      assert.match(String(twice), /^Line \d+ is the second decision of req_\w+\./)
      const same = yield* auditOf(rewritten(lines, (line) => [{ ...line, id: first?.id }]))
      assert.match(String(same), /^Line 3 is the second decision of req_\w+\./)
      const START = AuditedMarket.START_MS
      for (const period of [
        { fromMs: START + 1 },
        { toMs: START + 1 },
        { fromMs: 0, toMs: 1 },
        { fromMs: START + 9, toMs: START },
      ]) {
        const outside = yield* auditOf(withHead(lines, period))
        assert.match(String(outside), /^Line \d+ is (the decision of req_\w+, which|a head whose period)/)
      }
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("is wrong where it names another market, or a decision another definition, reason or request", () =>
    Effect.gen(function* () {
      const { lines } = yield* market
      const elsewhere = yield* auditOf(withHead(lines, { market: "another" }))
      if (typeof elsewhere === "string") return assert.fail(elsewhere)
      assert.strictEqual(elsewhere.counts.brokenProofs, 40)
      const id = `req_${AuditedMarket.START_MS.toString(16).padStart(12, "0")}${"8".repeat(20)}`
      for (const other of [
        { definition: "1".repeat(64) },
        { definition: null },
        { reason: "internal_error" },
        { id },
      ]) {
        const found = yield* auditOf(rewritten(lines, (line, at) => [at === 5 ? { ...line, ...other } : line]))
        if (typeof found === "string") return assert.fail(found)
        assert.strictEqual(found.proofs[0]?.of, "decision", JSON.stringify(other))
      }
      const otherwise = yield* auditOf(withHead(lines, { definition: "f".repeat(64) }))
      if (typeof otherwise === "string") return assert.fail(otherwise)
      assert.deepStrictEqual(otherwise.definitions, [{ definition: "0".repeat(64), decisions: 40, isHead: false }])
    }).pipe(Effect.provide(surroundings)),
  )
})

describe("receipts that somebody holds", () => {
  it.effect("are compared, or it is told why none of them was", () =>
    Effect.gen(function* () {
      const { contents, held } = yield* market
      const honest = HeldReceipts.compare(contents, held)
      assert.deepInclude(honest, { given: 40, compared: 40, elsewhere: 0, outside: 0, unproved: 0, otherwise: [] })
      assert.isTrue(HeldReceipts.isSound(honest))

      // The head names another market, and all proofs are gone.
      const blinded = {
        head: { ...contents.head, market: "another" },
        decisions: contents.decisions.map((one) => ({ ...one, proof: null, salt: null })),
      }
      const blind = HeldReceipts.compare(blinded, held)
      assert.isFalse(HeldReceipts.isSound(blind))
      assert.deepStrictEqual(new Set(blind.otherwise.map(({ is }) => is)), new Set(["elsewhere"]))
      const others = { head: blinded.head, decisions: [] }
      const none = HeldReceipts.compare(others, held)
      assert.deepInclude(none, { given: 40, compared: 0, elsewhere: 40, otherwise: [] })
      assert.isFalse(HeldReceipts.isSound(none))

      const later = { ...contents.head, fromMs: contents.head.toMs, toMs: contents.head.toMs + 1 }
      const outside = HeldReceipts.compare({ head: later, decisions: [] }, held)
      assert.deepInclude(outside, { compared: 0, outside: 40, otherwise: [] })
      assert.isFalse(HeldReceipts.isSound(outside))

      const unproved = contents.decisions.map((one) => ({ ...one, proof: null, salt: null }))
      const bare = HeldReceipts.compare({ ...contents, decisions: unproved }, held)
      assert.deepStrictEqual(new Set(bare.otherwise.map(({ is }) => is)), new Set(["unproved"]))
      const shorter = HeldReceipts.compare({ ...contents, decisions: contents.decisions.slice(1) }, held)
      assert.deepStrictEqual(shorter.otherwise, [{ request: idAt(contents, 0), is: "absent" }])
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("bind what the receipt says besides its proof: definition and reason", () =>
    Effect.gen(function* () {
      const { contents, held } = yield* market
      for (const change of [{ definition: "1".repeat(64) }, { reason: "internal_error" as const }]) {
        const decisions = contents.decisions.map((one, at) => (at === 4 ? { ...one, ...change } : one))
        const { otherwise } = HeldReceipts.compare({ ...contents, decisions }, held)
        assert.deepStrictEqual(otherwise, [{ request: idAt(contents, 4), is: "other" }])
      }
    }).pipe(Effect.provide(surroundings)),
  )
})

describe("one byte of an export", () => {
  const POSITIONS = 400

  /** The file with one bit of it turned, at a position that is drawn. */
  const flipped = (file: Buffer, dice: SampleMarket.Dice) => {
    const at = dice.below(file.length)
    const turned = Buffer.from(file)
    turned[at] = (turned[at] ?? 0) ^ (1 << dice.below(8))
    return { at, lines: turned.toString("utf8").split("\n") }
  }

  it.effect(`is found wherever it was altered, of ${POSITIONS} positions`, () =>
    Effect.gen(function* () {
      const { lines } = yield* market
      const file = Buffer.from(`${lines.join("\n")}\n`)
      const dice = SampleMarket.dice("one bit")
      for (let round = 0; round < POSITIONS; round++) {
        const { at, lines: altered } = flipped(file, dice)
        assert.isTrue(isWrong(yield* auditOf(altered)), `${at}: ${file.subarray(Math.max(0, at - 40), at + 20)}`)
      }
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect(`is found even where its writer made the digest anew, but for what docs/routing.md lists`, () =>
    Effect.gen(function* () {
      const { lines } = yield* market
      const file = Buffer.from(`${lines.join("\n")}\n`)
      const dice = SampleMarket.dice("one bit, sealed")
      const honest = yield* auditOf(lines)
      if (typeof honest === "string") return assert.fail(honest)
      const passed: Array<string> = []
      for (let round = 0; round < POSITIONS; round++) {
        const { at, lines: altered } = flipped(file, dice)
        const outcome = yield* auditOf(AuditedMarket.resealed(altered))
        if (!isWrong(outcome))
          passed.push(
            file
              .subarray(0, at + 1)
              .toString()
              .split("\n")
              .at(-1) ?? "",
          )
      }
      // Only where the file says when it begins and ends, and what the market's definition was when it was written.
      const harmless = /"(definition":"[^"]*|fromMs":\d+|toMs":\d+)$|^\{"_tag":"End"|^$/
      for (const before of passed) {
        assert.isTrue(
          before.startsWith('{"_tag":"Head"') || before.startsWith('{"_tag":"End"') || before === "",
          before,
        )
        assert.match(before, harmless)
      }
    }).pipe(Effect.provide(surroundings)),
  )
})

describe("a file that is too much", () => {
  const megabyte = "x".repeat(1_000_000)

  it.effect("is refused with a letter where a line does not end", () =>
    Effect.gen(function* () {
      const lines = Stream.fromIterable(Array.from({ length: 600 }, () => megabyte))
      const wrong = yield* Effect.flip(AuditFile.read(lines))
      assert.match(wrong, /^Line 1 is longer than \d+ characters\./)
    }),
  )

  it.effect("is refused with a letter where there is more in it than can be held", () =>
    Effect.gen(function* () {
      const { contents, lines } = yield* market
      const text = Stream.fromIterable(lines.map((line) => `${line}\n`))
      const wrong = (more: Partial<AuditFile.Limits>) =>
        Effect.flip(AuditFile.read(text, undefined, { ...AuditFile.limits, ...more }))
      const longest = Math.max(...lines.map(({ length }) => length))
      const chars = [...contents.segments.values()].flat().reduce((sum, { body }) => sum + body.length, 0)
      assert.match(yield* wrong({ lineChars: longest - 1 }), /^Line \d+ is longer than \d+ characters\./)
      assert.match(yield* wrong({ logChars: chars - 1 }), /^Line \d+ is a part of the log beyond .* characters\./)
      assert.match(yield* wrong({ segments: 1 }), /^Line \d+ is a part of the log beyond 1 stretches/)
      assert.match(yield* wrong({ decisions: 39 }), /^Line \d+ is the decision after 39\. Export a shorter period\.$/)
      const exact = { lineChars: longest, logChars: chars, segments: 2_000, decisions: 40 }
      yield* AuditFile.read(text, undefined, exact)
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("is read however it is cut into pieces", () =>
    Effect.gen(function* () {
      const { contents, lines } = yield* market
      const text = `${lines.join("\r\n")}\r\n`
      for (const size of [1, 7, 1_000, text.length]) {
        const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, at) =>
          text.slice(at * size, (at + 1) * size),
        )
        const read = yield* AuditFile.read(Stream.fromIterable(pieces))
        assert.deepStrictEqual(read, contents)
      }
    }).pipe(Effect.provide(surroundings)),
  )
})
