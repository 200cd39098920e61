import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { SqlClient } from "effect/sql"
import * as Members from "../src/Members.ts"
import * as MembersSql from "../src/MembersSql.ts"
import * as MembersTest from "../src/testing/MembersTest.ts"

MembersTest.suite("memory", Members.layerMemory)
MembersTest.suite("SQL", MembersSql.layer.pipe(Layer.provide(TestDatabase.layer)))

type Service = Members.Members["Service"]
const broken = (change: (members: Service) => Partial<Service>) =>
  Layer.effect(
    Members.Members,
    Effect.map(Members.Members, (members) => Members.Members.of({ ...members, ...change(members) })),
  ).pipe(Layer.provide(Members.layerMemory))

MembersTest.breaks(
  "creating an id again renames the member",
  broken((members) => ({
    create: (member) => Effect.map(members.create(member), (made) => ({ ...made, ...member, id: made.id })),
  })),
  1,
)
MembersTest.breaks(
  "every key has the same secret",
  broken((members) => ({
    issueKey: (key) => members.issueKey({ ...key, secret: Redacted.make(`sk-${"A".repeat(43)}`) }),
  })),
  2,
)
MembersTest.breaks(
  "white space around a secret does not count",
  broken((members) => ({
    authenticate: (secret) => members.authenticate(Redacted.make(Redacted.value(secret).trim())),
  })),
  3,
)
MembersTest.breaks(
  "a given secret is replaced by a random one",
  broken((members) => ({
    issueKey: (key) => members.issueKey({ ...key, secret: undefined }),
  })),
  4,
)
MembersTest.breaks(
  "a revoked key lives on for a second",
  Layer.effect(
    Members.Members,
    Effect.gen(function* () {
      const members = yield* Members.Members
      const seen = new Map<string, Members.ApiKey | undefined>()
      return Members.Members.of({
        ...members,
        authenticate: Effect.fnUntraced(function* (secret) {
          const text = Redacted.value(secret)
          if (!seen.has(text)) seen.set(text, yield* members.authenticate(secret))
          return seen.get(text)
        }),
      })
    }),
  ).pipe(Layer.provide(Members.layerMemory)),
  5,
)
MembersTest.breaks(
  "keys are listed oldest first",
  broken((members) => ({ keys: (id) => Effect.map(members.keys(id), (keys) => keys.toReversed()) })),
  6,
)
MembersTest.breaks(
  "other terms count only once the old ones are forgotten",
  broken((members) => ({
    setTerms: (id, terms) => Effect.map(members.setTerms(id, {}), (key) => ({ ...key, terms })),
  })),
  7,
)

describe("MembersSql", () => {
  it.effect("another process refuses a revoked key within a second, and knows a new one as soon", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* MembersSql.make, yield* MembersSql.make]
      const member = yield* one.create({ name: "Ada" })
      const terms = { memberId: member.id, name: "laptop", role: "buyer", dataCollection: "deny" } as const
      const { key, secret } = yield* one.issueKey(terms)
      assert.deepStrictEqual(yield* other.authenticate(secret), key)
      const changed = yield* one.setTerms(key.id, { expiresAtMs: 1 })
      yield* TestClock.adjust(Members.CACHE_MS)
      assert.deepStrictEqual(yield* other.authenticate(secret), changed)
      yield* one.revokeKey(key.id)
      yield* TestClock.adjust(Members.CACHE_MS)
      assert.isUndefined(yield* other.authenticate(secret))
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("no table holds a secret", () =>
    Effect.gen(function* () {
      const members = yield* MembersSql.make
      const sql = yield* SqlClient.SqlClient
      const member = yield* members.create({ name: "Ada" })
      const { secret } = yield* members.issueKey({
        memberId: member.id,
        name: "laptop",
        role: "buyer",
        dataCollection: "deny",
      })
      const rows = yield* sql`SELECT row_to_json(k)::text AS row FROM registry_keys k`
      assert.lengthOf(rows, 1)
      assert.notInclude(JSON.stringify(rows), Redacted.value(secret).slice(3, 20))
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("two processes that issue the same secret at once get one key", () =>
    Effect.gen(function* () {
      const members = yield* MembersSql.make
      const member = yield* members.create({ name: "Ada" })
      const secret = Redacted.make(`sk-${"x".repeat(43)}`)
      const issue = members.issueKey({
        memberId: member.id,
        name: "dev",
        role: "buyer",
        dataCollection: "deny",
        secret,
      })
      const issued = yield* Effect.all(
        Array.from({ length: 8 }, () => issue),
        { concurrency: "unbounded" },
      )
      assert.lengthOf([...new Set(issued.map(({ key }) => key.id))], 1)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("a database that is away is `service_unavailable`, and is asked again", () =>
    Effect.gen(function* () {
      const members = yield* MembersSql.make
      const sql = yield* SqlClient.SqlClient
      const member = yield* members.create({ name: "Ada" })
      const { key, secret } = yield* members.issueKey({
        memberId: member.id,
        name: "laptop",
        role: "buyer",
        dataCollection: "deny",
      })
      yield* sql`ALTER TABLE registry_keys RENAME TO away`
      const error = yield* Effect.flip(members.authenticate(secret))
      assert.strictEqual(error.code, "service_unavailable")
      assert.isTrue(error.isRetryable)
      yield* sql`ALTER TABLE away RENAME TO registry_keys`
      assert.deepStrictEqual(yield* members.authenticate(secret), key)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )
})
