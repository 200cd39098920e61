/**
 * The suite of `CloudAccounts`: one test for each of its numbered guarantees, with the same words. It looks into the store
 * behind the accounts, so it needs that as well.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import { ModelId } from "@guildhall/core/Model"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { ACCOUNTS_MAX, CloudAccounts, layer, type NewCloudAccount } from "../CloudAccounts.ts"
import { CloudAccountId, type CloudRow, CloudStore } from "../CloudStore.ts"
import * as SealKeys from "../SealKeys.ts"
import * as SampleDevice from "./SampleDevice.ts"

/** What the accounts under test come with. @category models @since 0.1.0 */
export type UnderTest = CloudAccounts | CloudStore

const OLD = `old:${"A".repeat(43)}`
const NEW = `new:${"E".repeat(43)}`

/**
 * The keys that the accounts under test seal with: an old one, and the newest.
 *
 * @category constants
 * @since 0.1.0
 */
export const keys: Layer.Layer<SealKeys.SealKeys, SealKeys.SealKeysError> = SealKeys.layer(
  Redacted.make(`${OLD},${NEW}`),
)

const newToken = () => Redacted.make(`tok-${randomBytes(24).toString("base64url")}`)
const model = { model: ModelId.make("acme/large"), serviceModel: "large-2026" }

const account = (values: Partial<NewCloudAccount> = {}): NewCloudAccount => ({
  memberId: SampleDevice.member(),
  name: "work",
  baseUrl: "https://api.example.com/v1",
  token: newToken(),
  models: [model],
  ...values,
})

/** What a row says, in a form that can be searched for a text. */
const textOf = (value: object | undefined): string =>
  Object.values(value ?? {})
    .map((one: unknown) => (one instanceof Uint8Array ? Buffer.from(one).toString("latin1") : JSON.stringify(one)))
    .join("\n")

const theRow = Effect.fnUntraced(function* (id: CloudAccountId) {
  const store = yield* CloudStore
  const row = yield* store.get(id)
  return row ?? assert.fail(`${id} is not in the store`)
})

const write = Effect.fnUntraced(function* (row: CloudRow) {
  const store = yield* CloudStore
  assert.isTrue(yield* store.replace({ ...row, revision: row.revision + 1 }))
})

/** Another process over the same store, with keys of its own. */
const withKeys = Effect.fnUntraced(function* (text: string) {
  const store = yield* CloudStore
  const built = yield* Layer.build(
    layer({ allowPrivate: false }).pipe(
      Layer.provide([Layer.succeed(CloudStore, store), SealKeys.layer(Redacted.make(text))]),
    ),
  )
  return Context.get(built, CloudAccounts)
})

const listing = Effect.gen(function* () {
  const accounts = yield* CloudAccounts
  const wanted = account()
  const token = Redacted.value(wanted.token)
  const made = yield* accounts.add(wanted)
  const [listed, ...others] = yield* accounts.list(wanted.memberId)
  assert.deepStrictEqual(others, [])
  assert.deepStrictEqual(listed, made)
  const { baseUrl, keyId, memberId, models, name, parked, tokenEnd } = made
  assert.deepStrictEqual(
    { baseUrl, keyId, memberId, models, name, parked, tokenEnd },
    {
      baseUrl: wanted.baseUrl,
      keyId: "new",
      memberId: wanted.memberId,
      models: wanted.models,
      name: "work",
      parked: null,
      tokenEnd: token.slice(-4),
    },
  )
  assert.deepStrictEqual(yield* accounts.list(SampleDevice.member()), [])
  for (const told of [made, listed, yield* theRow(made.id)]) {
    assert.notInclude(textOf(told), token.slice(0, 12))
    assert.notInclude(textOf(told), Buffer.from(token).toString("base64").slice(0, 12))
  }
})

const opening = Effect.gen(function* () {
  const accounts = yield* CloudAccounts
  const wanted = account()
  const { id } = yield* accounts.add(wanted)
  const opened = yield* accounts.open(id)
  assert.strictEqual(Redacted.value(opened.token), Redacted.value(wanted.token))
  assert.deepStrictEqual([opened.baseUrl, [...opened.models]], [wanted.baseUrl, [["acme/large", "large-2026"]]])
  assert.notInclude(String(opened.token), Redacted.value(wanted.token))
  const next = newToken()
  const changed = yield* accounts.setToken(id, wanted.memberId, next)
  assert.strictEqual(changed.tokenEnd, Redacted.value(next).slice(-4))
  assert.strictEqual(Redacted.value((yield* accounts.open(id)).token), Redacted.value(next))
  const nobody = yield* Conformance.refused(accounts.open(CloudAccountId.make("cld_none")))
  assert.strictEqual(nobody.code, "not_found")
})

const moving = Effect.gen(function* () {
  const accounts = yield* CloudAccounts
  const mine = yield* accounts.add(account())
  const theirs = yield* accounts.add(account({ memberId: SampleDevice.member() }))
  const row = yield* theRow(mine.id)
  const other = yield* theRow(theirs.id)
  const flipped = Uint8Array.from(row.sealed, (byte, at) => (at === row.sealed.length - 1 ? byte ^ 1 : byte))
  const changes: ReadonlyArray<readonly [string, CloudRow]> = [
    ["another's token", { ...other, sealed: row.sealed, keyId: row.keyId }],
    ["another member", { ...row, memberId: SampleDevice.member() }],
    ["another URL", { ...row, baseUrl: "https://evil.example.com/v1" }],
    ["a changed byte", { ...row, sealed: flipped }],
    ["another key", { ...row, keyId: "old" }],
    ["a key that nobody has", { ...row, keyId: "none" }],
    ["nothing", { ...row, sealed: new Uint8Array() }],
  ]
  for (const [what, changed] of changes) {
    const { revision } = yield* theRow(changed.id)
    yield* write({ ...changed, revision })
    const refused = yield* Conformance.refused(accounts.open(changed.id))
    assert.strictEqual(refused.code, "internal_error", what)
    const original = changed.id === row.id ? row : other
    yield* write({ ...original, revision: revision + 1 })
    yield* Conformance.answered(accounts.open(changed.id))
  }
})

const naming = Effect.gen(function* () {
  const accounts = yield* CloudAccounts
  const memberId = SampleDevice.member()
  const names = Array.from({ length: ACCOUNTS_MAX - 1 }, (_, at) => `account ${at}`)
  yield* accounts.add(account({ memberId }))
  const again = yield* Conformance.refused(accounts.add(account({ memberId })))
  assert.strictEqual(again.code, "invalid_request")
  yield* Conformance.answered(accounts.add(account()))
  yield* Effect.forEach(names, (name) => accounts.add(account({ memberId, name })), { discard: true })
  const full = yield* Conformance.refused(accounts.add(account({ memberId, name: "one more" })))
  assert.strictEqual(full.code, "too_many_instances")
  assert.lengthOf(yield* accounts.list(memberId), ACCOUNTS_MAX)
})

const owning = Effect.gen(function* () {
  const accounts = yield* CloudAccounts
  const wanted = account()
  const { id } = yield* accounts.add(wanted)
  const stranger = SampleDevice.member()
  const changed = yield* Conformance.refused(accounts.setToken(id, stranger, newToken()))
  assert.strictEqual(changed.code, "not_found")
  const removed = yield* Conformance.refused(accounts.remove(id, stranger))
  assert.strictEqual(removed.code, "not_found")
  assert.strictEqual(Redacted.value((yield* accounts.open(id)).token), Redacted.value(wanted.token))
  yield* accounts.remove(id, wanted.memberId)
  const gone = yield* Conformance.refused(accounts.open(id))
  assert.strictEqual(gone.code, "not_found")
  assert.deepStrictEqual(yield* accounts.list(wanted.memberId), [])
})

const refusing = Effect.gen(function* () {
  const accounts = yield* CloudAccounts
  const memberId = SampleDevice.member()
  const urls = [
    "http://api.example.com/v1",
    "https://127.0.0.1/v1",
    "https://169.254.169.254/latest",
    "https://[::ffff:10.0.0.1]/v1",
    "https://2130706433/",
    "https://localhost/v1",
    "https://user:pass@api.example.com/v1",
    "ftp://api.example.com",
    "nothing",
  ]
  for (const baseUrl of urls) {
    const refused = yield* Conformance.refused(accounts.add(account({ memberId, baseUrl })))
    assert.strictEqual(refused.code, "invalid_endpoint", baseUrl)
  }
  const tokens = ["", "short", "a token with spaces in it", "line\nbreak-line-break", "é".repeat(20), "x".repeat(4_097)]
  for (const text of tokens) {
    const refused = yield* Conformance.refused(accounts.add(account({ memberId, token: Redacted.make(text) })))
    assert.strictEqual(refused.code, "invalid_request")
    if (text !== "") assert.notInclude(refused.message, text)
  }
  const unwanted = [{ name: "" }, { name: "n".repeat(101) }, { models: [] }, { models: [model, model] }]
  for (const values of unwanted) {
    const refused = yield* Conformance.refused(accounts.add(account({ memberId, ...values })))
    assert.strictEqual(refused.code, "invalid_request")
  }
  assert.deepStrictEqual(yield* accounts.list(memberId), [])
})

const parking = Effect.gen(function* () {
  const accounts = yield* CloudAccounts
  const wanted = account()
  const { id } = yield* accounts.add(wanted)
  const parked = { code: "cloud_payment_due", sinceMs: 0, untilMs: 60_000 } as const
  const shown = Effect.gen(function* () {
    const [listed] = yield* accounts.list(wanted.memberId)
    const { parked } = yield* accounts.open(id)
    assert.deepStrictEqual(listed?.parked ?? null, parked)
    assert.strictEqual((yield* accounts.parked).has(id), parked !== null)
    return parked
  })
  assert.isNull(yield* shown)
  yield* accounts.park(id, parked)
  assert.deepStrictEqual(yield* shown, parked)
  yield* accounts.park(id, { code: "cloud_rate_limited", sinceMs: 0, untilMs: 5_000 })
  assert.deepStrictEqual(yield* shown, parked)
  yield* TestClock.adjust(60_000)
  assert.isNull(yield* shown)
  yield* accounts.park(id, { ...parked, untilMs: 1_000_000 })
  assert.isNotNull(yield* shown)
  yield* accounts.setToken(id, wanted.memberId, newToken())
  assert.isNull(yield* shown)
  yield* accounts.park(CloudAccountId.make("cld_none"), parked)
  // A refusal of a former token, which comes late, is none of the one that took its place.
  const former = yield* accounts.open(id)
  yield* accounts.setToken(id, wanted.memberId, newToken())
  yield* accounts.park(id, { ...parked, untilMs: 2_000_000 }, former)
  assert.isNull(yield* shown)
  yield* accounts.park(id, { ...parked, untilMs: 2_000_000 }, yield* accounts.open(id))
  assert.isNotNull(yield* shown)
})

const resealing = Effect.gen(function* () {
  const accounts = yield* CloudAccounts
  const before = yield* withKeys(`${NEW},${OLD}`)
  const wanted = Array.from({ length: 5 }, (_, at) => account({ name: `account ${at}` }))
  const made = yield* Effect.forEach(wanted, (one) => before.add(one))
  const [first, second, third] = made
  if (first === undefined || second === undefined || third === undefined) return assert.fail("too few accounts")
  assert.isTrue(made.every(({ keyId }) => keyId === "old"))
  // One was done before it stopped, one was given a new token meanwhile, one cannot be read.
  const next = newToken()
  yield* accounts.setToken(first.id, first.memberId, next)
  const whole = yield* theRow(third.id)
  yield* write({ ...whole, sealed: Uint8Array.from(whole.sealed).fill(0, 20) })
  const done = yield* accounts.reseal
  assert.strictEqual(done.keyId, "new")
  assert.deepInclude(done.unreadable, third.id)
  const after = yield* withKeys(NEW).pipe(Effect.catch(() => Effect.succeed(undefined)))
  assert.isUndefined(after, "the unreadable one is still under the old key")
  const store = yield* CloudStore
  yield* store.remove(third.id)
  const newest = yield* Conformance.answered(withKeys(NEW))
  for (const [at, { id }] of made.entries()) {
    if (id === third.id) continue
    const { token } = yield* newest.open(id)
    const last = id === first.id ? next : wanted[at]?.token
    assert.strictEqual(Redacted.value(token), last === undefined ? "" : Redacted.value(last))
  }
  assert.deepStrictEqual(yield* accounts.reseal, { keyId: "new", resealed: 0, unreadable: [] })
}).pipe(Effect.scoped)

/**
 * What accounts guarantee, in the order of the documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Conformance.Guarantee<Conformance.Proof<UnderTest>>> = [
  {
    number: 1,
    test: "A member's accounts are listed with the last four characters of their tokens and the ids of their keys, and with no more of a token.",
    proof: listing,
  },
  {
    number: 2,
    test: "An account opens with the token that it was given last, and with the models and the URL that it was added with.",
    proof: opening,
  },
  {
    number: 3,
    test: "A token opens only in its own account, of its own member, at its own URL: a row that was moved or changed is refused.",
    proof: moving,
  },
  {
    number: 4,
    test: "A name is one account's among its member's, and a member has at most fifty of them.",
    proof: naming,
  },
  {
    number: 5,
    test: "An account is changed and removed by its member only, and is `not_found` for others. A removed one opens no more.",
    proof: owning,
  },
  {
    number: 6,
    test: "A URL that the market may not call, and a token that could not be sent, are refused and not kept.",
    proof: refusing,
  },
  {
    number: 7,
    test: "A parked account says why and until when, to whoever asks; it ends with its time, or with a new token.",
    proof: parking,
  },
  {
    number: 8,
    test: "Sealing again puts each token under the newest key, goes on where it stopped, and never undoes a change made meanwhile.",
    proof: resealing,
  },
]

const port: Conformance.Port<UnderTest> = { name: "CloudAccounts", guarantees, clock: "virtual" }

/**
 * Proves accounts on a layer, which seals with {@link keys} and allows no private addresses. A guarantee that a layer cannot
 * keep is skipped with its reason, which is printed.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite: Conformance.Suite<UnderTest> = Conformance.suite(port)

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks: Conformance.Breaks<UnderTest> = Conformance.breaks(port)
