/**
 * The suite of `Members`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import * as Conformance from "@guildhall/core/testing/Conformance"
import type { KeyTerms } from "@guildhall/core/KeyTerms"
import { KeyId, MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import { CACHE_MS, Members } from "../Members.ts"

const newId = () => MemberId.make(`mem_${randomBytes(8).toString("hex")}`)
const newSecret = () => Redacted.make(`sk-${randomBytes(32).toString("base64url")}`)
const terms = { name: "laptop", role: "buyer", dataCollection: "deny" } as const

const creating = Effect.gen(function* () {
  const members = yield* Members
  const made = yield* members.create({ name: "Ada" })
  assert.deepStrictEqual(yield* members.find(made.id), made)
  const id = newId()
  const named = yield* members.create({ id, name: "Grace" })
  assert.deepStrictEqual({ ...named, createdAtMs: 0 }, { id, name: "Grace", createdAtMs: 0 })
  assert.deepStrictEqual(yield* members.create({ id, name: "Mallory" }), named)
  assert.isUndefined(yield* members.find(newId()))
  const nameless = yield* Conformance.refused(members.create({ name: "" }))
  assert.strictEqual(nameless.code, "invalid_request")
})

const issuing = Effect.gen(function* () {
  const members = yield* Members
  const member = yield* members.create({ name: "Ada" })
  const first = yield* members.issueKey({ memberId: member.id, ...terms })
  const operator = { ...terms, role: "operator", dataCollection: "allow" } as const
  const second = yield* Conformance.answered(members.issueKey({ memberId: member.id, ...operator }))
  assert.match(Redacted.value(first.secret), /^sk-[A-Za-z0-9_-]{43}$/)
  assert.notStrictEqual(Redacted.value(first.secret), Redacted.value(second.secret))
  assert.deepStrictEqual(yield* members.authenticate(first.secret), first.key)
  assert.deepStrictEqual(yield* members.authenticate(second.secret), second.key)
  assert.deepStrictEqual(yield* members.authenticate(second.secret), second.key)
  const unknown = yield* Conformance.refused(members.issueKey({ memberId: newId(), ...terms }))
  assert.strictEqual(unknown.code, "not_found")
})

const refusing = Effect.gen(function* () {
  const members = yield* Members
  const member = yield* members.create({ name: "Ada" })
  const { secret } = yield* members.issueKey({ memberId: member.id, ...terms })
  const text = Redacted.value(secret)
  const flipped = `${text.slice(0, -1)}${text.endsWith("A") ? "E" : "A"}`
  for (const wrong of [
    "",
    "sk-",
    flipped,
    ` ${text}`,
    `${text}\n`,
    text.slice(0, -1),
    `${text}A`,
    "a".repeat(100_000),
  ]) {
    assert.isUndefined(yield* members.authenticate(Redacted.make(wrong)))
  }
  const unseen = newSecret()
  assert.isUndefined(yield* members.authenticate(unseen))
  yield* members.issueKey({ memberId: member.id, ...terms, secret: unseen })
  assert.isDefined(yield* members.authenticate(unseen))
})

const given = Effect.gen(function* () {
  const members = yield* Members
  const member = yield* members.create({ name: "Ada" })
  const other = yield* members.create({ name: "Mallory" })
  const secret = newSecret()
  const first = yield* members.issueKey({ memberId: member.id, ...terms, secret })
  const again = yield* members.issueKey({ memberId: member.id, ...terms, secret })
  assert.deepStrictEqual(again.key, first.key)
  assert.lengthOf(yield* members.keys(member.id), 1)
  const theirs = yield* Conformance.refused(members.issueKey({ memberId: other.id, ...terms, secret }))
  assert.strictEqual(theirs.code, "idempotency_conflict")
  const more = yield* Conformance.refused(members.issueKey({ memberId: member.id, ...terms, role: "operator", secret }))
  assert.strictEqual(more.code, "idempotency_conflict")
  const weak = yield* Conformance.refused(
    members.issueKey({ memberId: member.id, ...terms, secret: Redacted.make("sk-1") }),
  )
  assert.strictEqual(weak.code, "invalid_request")
  yield* members.revokeKey(first.key.id)
  const revived = yield* Conformance.refused(members.issueKey({ memberId: member.id, ...terms, secret }))
  assert.strictEqual(revived.code, "idempotency_conflict")
})

const revoking = Effect.gen(function* () {
  const members = yield* Members
  const member = yield* members.create({ name: "Ada" })
  const { key, secret } = yield* members.issueKey({ memberId: member.id, ...terms })
  assert.isDefined(yield* members.authenticate(secret))
  yield* TestClock.adjust(5)
  const revoked = yield* members.revokeKey(key.id)
  assert.isNotNull(revoked.revokedAtMs)
  assert.isUndefined(yield* members.authenticate(secret))
  yield* TestClock.adjust(CACHE_MS)
  assert.isUndefined(yield* members.authenticate(secret))
  assert.deepStrictEqual(yield* members.revokeKey(key.id), revoked)
  const unknown = yield* Conformance.refused(members.revokeKey(KeyId.make(`key_${randomBytes(8).toString("hex")}`)))
  assert.strictEqual(unknown.code, "not_found")
})

const listing = Effect.gen(function* () {
  const members = yield* Members
  const member = yield* members.create({ name: "Ada" })
  const first = yield* members.issueKey({ memberId: member.id, ...terms })
  const second = yield* members.issueKey({ memberId: member.id, ...terms })
  const revoked = yield* members.revokeKey(first.key.id)
  const keys = yield* members.keys(member.id)
  assert.deepStrictEqual(keys, [second.key, revoked])
  const listed = JSON.stringify(keys)
  assert.notInclude(listed, Redacted.value(first.secret))
  assert.notInclude(listed, Redacted.value(second.secret))
  assert.deepStrictEqual(yield* members.keys(newId()), [])
})

const restricting = Effect.gen(function* () {
  const members = yield* Members
  const member = yield* members.create({ name: "Ada" })
  const first: KeyTerms = {
    allowedModels: [ModelId.make("test/model")],
    allowedIps: ["192.0.2.0/24", "2001:db8::/32"],
    expiresAtMs: 1_800_000_000_000,
    keepAlive: false,
    limits: { requestsPerMinute: 7, centsPerDay: 100 },
  }
  const { key, secret } = yield* members.issueKey({ memberId: member.id, ...terms, terms: first })
  assert.deepStrictEqual(key.terms, first)
  assert.deepStrictEqual((yield* members.authenticate(secret))?.terms, first)
  const second: KeyTerms = { limits: { concurrentRequests: 2 } }
  const changed = yield* Conformance.answered(members.setTerms(key.id, second))
  assert.deepStrictEqual(changed, { ...key, terms: second })
  assert.deepStrictEqual(yield* members.authenticate(secret), changed)
  yield* TestClock.adjust(CACHE_MS)
  assert.deepStrictEqual(yield* members.authenticate(secret), changed)
  const plain = yield* members.issueKey({ memberId: member.id, ...terms })
  assert.deepStrictEqual(plain.key.terms, {})
  yield* members.revokeKey(key.id)
  const ended = yield* Conformance.answered(members.setTerms(key.id, {}))
  assert.isNotNull(ended.revokedAtMs)
  assert.isUndefined(yield* members.authenticate(secret))
  const unknown = yield* Conformance.refused(members.setTerms(KeyId.make(`key_${randomBytes(8).toString("hex")}`), {}))
  assert.strictEqual(unknown.code, "not_found")
})

/**
 * What members guarantee, in the order of the documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Conformance.Guarantee<Conformance.Proof<Members>>> = [
  {
    number: 1,
    test: "A member is found by its id; creating an id again answers the member that has it.",
    proof: creating,
  },
  {
    number: 2,
    test: "A key's secret is random, shown once, and authenticates the key that it was issued with.",
    proof: issuing,
  },
  { number: 3, test: "A text that is not the secret of a live key authenticates nothing.", proof: refusing },
  {
    number: 4,
    test: "A secret that was made elsewhere is taken once: again for the same member and role it answers the same key.",
    proof: given,
  },
  {
    number: 5,
    test: "A revoked key is refused at once by the process that revoked it, and by the others within a second.",
    proof: revoking,
  },
  {
    number: 6,
    test: "A member's keys are listed newest first, without their secrets, the revoked ones with the time of their end.",
    proof: listing,
  },
  {
    number: 7,
    test: "A key has the terms that it was issued with or was given last: by the process that gave them at once, by the others within a second. They may be given to a key that has ended, which they do not bring back.",
    proof: restricting,
  },
]

const port: Conformance.Port<Members> = { name: "Members", guarantees, clock: "virtual" }

/**
 * Proves members on a layer. A guarantee that a layer cannot keep is skipped with its reason, which is printed.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite: Conformance.Suite<Members> = Conformance.suite(port)

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks: Conformance.Breaks<Members> = Conformance.breaks(port)
