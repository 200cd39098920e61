import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Digest } from "effect/crypto"
import { InstanceId } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import * as Receipt from "@guildhall/core/Receipt"
import { ReasonCode } from "@guildhall/core/Reason"
import { RequestId } from "@guildhall/core/Request"
import type { DirectorySegment } from "@guildhall/journal/Journal"
import type { RoutingDecision } from "@guildhall/journal/JournalEntry"
import * as SampleEntry from "@guildhall/journal/testing/SampleEntry"
import { Directory } from "../src/Directory.ts"
import * as DirectoryLog from "../src/DirectoryLog.ts"
import * as RoutingProof from "../src/RoutingProof.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"

const SALT = "5a".repeat(16)
const longest = ReasonCode.literals.reduce((a, b) => (b.length > a.length ? b : a))

const wide: RoutingDecision = {
  replica: "gateway-mcrz8k2q0zz",
  version: 2_000_000_000,
  policy: "InverseSquarePrice~1z141z3@12",
  seed: 4_294_967_295,
  model: "meta-llama/Llama-3.3-70B-Instruct",
  contextTokens: 1_000_000,
  preferences: { sort: "price", denyRetention: true },
  features: {
    buyer: { member: MemberId.make("mem_buyer"), class: "premium", rail: "ApiKey" },
    parameters: ["tools", "response_format"],
    inputs: ["image"],
    regions: ["eu-west"],
    affinity: "conversation-1",
    inputTokens: 900_000,
    outputTokens: 100_000,
  },
  attempts: ["a", "b", "c"].map((digit, at) => ({
    instance: InstanceId.make(`ins_${digit.repeat(32)}`),
    version: 2_000_000_000 + at * 99,
    reason: longest,
  })),
}
const head = { replica: wide.replica, sealed: 2_000_000_000, version: 2_000_000_999, hash: "f".repeat(64) }
const subject: RoutingProof.Subject = {
  id: RequestId.make(`req_${"1".repeat(32)}`),
  market: "local",
  definition: "d".repeat(64),
  reason: null,
}
const proof = RoutingProof.make(wide, head, SALT, subject)

describe("RoutingProof", () => {
  it("takes at most 300 bytes as JSON, for three attempts with features as for one", () => {
    assert.isAtMost(Buffer.byteLength(JSON.stringify(proof)), 300)
  })

  it("covers the decision in all its parts, and shows nothing of it without the salt", () => {
    assert.isTrue(RoutingProof.covers(proof, wide, RoutingProof.saltOf(SALT), subject))
    const { attempts } = wide
    const first = { ...wide.features?.buyer, member: MemberId.make("mem_other") }
    const others: ReadonlyArray<Partial<RoutingDecision>> = [
      { replica: "gateway-other" },
      { version: wide.version - 1 },
      { version: 2_000_001_000 },
      { policy: "LeastLoaded@1" },
      { seed: 1 },
      { model: "a/b" },
      { contextTokens: 1 },
      { endpoint: "messages" },
      { preferences: { sort: "price" } },
      { features: { ...wide.features, affinity: "conversation-2" } },
      { features: { ...wide.features, buyer: { class: "premium", rail: "ApiKey", member: first.member } } },
      { attempts: attempts.slice(1) },
      { attempts: attempts.toReversed() },
      { attempts: attempts.map(({ instance, version }) => ({ instance, version })) },
    ]
    for (const other of others) {
      assert.isFalse(
        RoutingProof.covers(proof, { ...wide, ...other }, RoutingProof.saltOf(SALT), subject),
        JSON.stringify(other),
      )
    }
    assert.isFalse(RoutingProof.covers(proof, wide, "00".repeat(16), subject))
    // An auditor gets the salt of the decision, with which nobody can guess at the request.
    assert.isFalse(RoutingProof.covers(proof, wide, SALT, subject))
    assert.match(RoutingProof.saltOf(SALT), /^[0-9a-f]{32}$/)
    // Another spelling of the same bytes.
    assert.isFalse(RoutingProof.covers(proof, wide, RoutingProof.saltOf(SALT).toUpperCase(), subject))
  })

  it("covers whose decision it is, and where the log stood", () => {
    const salt = RoutingProof.saltOf(SALT)
    const others: ReadonlyArray<Partial<RoutingProof.Subject>> = [
      { id: RequestId.make(`req_${"2".repeat(32)}`) },
      { market: "another" },
      { definition: "e".repeat(64) },
      { reason: "no_capacity" },
    ]
    for (const other of others) {
      assert.isFalse(RoutingProof.covers(proof, wide, salt, { ...subject, ...other }), JSON.stringify(other))
    }
    for (const moved of [{ sealed: 1 }, { version: proof.version + 1 }, { log: "e".repeat(64) }]) {
      assert.isFalse(RoutingProof.covers({ ...proof, ...moved }, wide, salt, subject), JSON.stringify(moved))
    }
  })

  it("is covered by the receipt's leaf, and a receipt without one has the bytes that it always had", () => {
    const bytes = (values: Partial<Receipt.Receipt>) =>
      Buffer.from(Receipt.bytes(SampleEntry.receipt({ id: plain.id, buyer: plain.buyer, ...values }))).toString()
    const plain = SampleEntry.receipt()
    assert.notInclude(bytes({}), "routing")
    assert.strictEqual(bytes({ routing: proof }).replace(`"routing":${JSON.stringify(sorted(proof))},`, ""), bytes({}))
    assert.notStrictEqual(bytes({ routing: proof }), bytes({ routing: { ...proof, seed: 1 } }))
  })
})

const sorted = ({ decision, log, policy, replica, sealed, seed, version }: RoutingProof.RoutingProof) => ({
  decision,
  log,
  policy,
  replica,
  sealed,
  seed,
  version,
})

/** The log of a market that the journal takes in now and then, sometimes while more comes in. */
const grown = Effect.fnUntraced(function* (name: string) {
  const dice = SampleMarket.dice(name)
  const directory = new Directory()
  const log = new DirectoryLog.DirectoryLog(directory, { replica: "r", snapshotEvery: 50 })
  const segments: Array<DirectorySegment> = []
  const heads: Array<DirectoryLog.Head> = []
  const grow = (count: number): void => {
    for (let at = 0; at < count; at++) {
      const event = SampleMarket.event(dice)
      log.record(event, directory.apply(event))
      if (dice.below(3) === 0) heads.push(log.head())
    }
  }
  heads.push(log.head())
  for (let round = 0; round < 20; round++) {
    grow(dice.below(40))
    const drafts = log.pending()
    const chained = yield* DirectoryLog.chain("r", log.hash, drafts)
    grow(dice.below(5))
    log.acknowledge(drafts, chained.at(-1)?.hash ?? log.hash)
    segments.push(...chained)
    heads.push(log.head())
  }
  return { segments, heads: heads.filter(({ version }) => version <= (segments.at(-1)?.toVersion ?? 0)) }
})

/** The lines of the log after a version, up to another one. */
const changes = (segments: ReadonlyArray<DirectorySegment>, from: number, to: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const segment of segments) {
    if (segment.kind === "changes") lines.push(...(DirectoryLog.parse(segment)?.text.split("\n") ?? []))
  }
  return lines.slice(from, to)
}

describe("the head of a directory's log", () => {
  it.effect("is what the log leads to that the journal has later, and no other log leads to it", () =>
    Effect.gen(function* () {
      for (const name of ["weavers", "smiths", "masons"]) {
        const { heads, segments } = yield* grown(name)
        assert.isAbove(heads.length, 50)
        for (const head of heads) {
          const proof = RoutingProof.make(wide, head, SALT, subject)
          const lines = changes(segments, head.sealed, head.version)
          const ends = ["-", ...segments.filter(({ toVersion }) => toVersion === head.sealed).map(({ hash }) => hash)]
          const fitting = ends.filter((hash) => RoutingProof.fits(proof, hash, lines))
          assert.lengthOf(fitting, 1, `${name} at ${head.version}`)
          if (lines.length === 0) continue
          for (const other of [lines.slice(1), lines.with(0, "?"), [...lines, "?"]]) {
            if (other.join() === lines.join()) continue
            assert.isFalse(ends.some((hash) => RoutingProof.fits(proof, hash, other)))
          }
        }
      }
    }).pipe(Effect.provide(Digest.layerWebCrypto)),
  )
})
