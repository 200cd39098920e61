import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { ModelId } from "@guildhall/core/Model"
import * as CloudAccounts from "../src/CloudAccounts.ts"
import * as CloudStore from "../src/CloudStore.ts"
import * as CloudStoreSql from "../src/CloudStoreSql.ts"
import * as SealKeys from "../src/SealKeys.ts"
import * as CloudAccountsTest from "../src/testing/CloudAccountsTest.ts"
import * as SampleDevice from "../src/testing/SampleDevice.ts"

const over = <E>(store: Layer.Layer<CloudStore.CloudStore, E>) =>
  CloudAccounts.layer({ allowPrivate: false }).pipe(Layer.provide(CloudAccountsTest.keys), Layer.provideMerge(store))

CloudAccountsTest.suite("memory", over(CloudStore.layerMemory))
CloudAccountsTest.suite("SQL", over(CloudStoreSql.layer.pipe(Layer.provide(TestDatabase.layer))))

type Accounts = CloudAccounts.CloudAccounts["Service"]
const broken = (change: (accounts: Accounts) => Partial<Accounts>) =>
  Layer.effect(
    CloudAccounts.CloudAccounts,
    Effect.map(CloudAccounts.CloudAccounts, (accounts) =>
      CloudAccounts.CloudAccounts.of({ ...accounts, ...change(accounts) }),
    ),
  ).pipe(Layer.provideMerge(over(CloudStore.layerMemory)))

type Keys = SealKeys.SealKeys["Service"]
const withKeys = (change: (keys: Keys) => Partial<Keys>) =>
  CloudAccounts.layer({ allowPrivate: false }).pipe(
    Layer.provide(
      Layer.effect(
        SealKeys.SealKeys,
        Effect.map(SealKeys.SealKeys, (keys) => SealKeys.SealKeys.of({ ...keys, ...change(keys) })),
      ).pipe(Layer.provide(CloudAccountsTest.keys)),
    ),
    Layer.provideMerge(CloudStore.layerMemory),
  )

CloudAccountsTest.breaks(
  "the whole token is shown",
  broken((accounts) => {
    const tokens = new Map<string, string>()
    return {
      add: (account) =>
        Effect.map(accounts.add(account), (made) => {
          tokens.set(made.id, Redacted.value(account.token))
          return { ...made, tokenEnd: Redacted.value(account.token) }
        }),
    }
  }),
  1,
)
CloudAccountsTest.breaks(
  "a token is stored as it is",
  withKeys(() => ({
    seal: (_, secret) => Effect.succeed({ keyId: "new", bytes: Buffer.from(Redacted.value(secret)) }),
    open: (_, { bytes }) => Effect.succeed(Redacted.make(Buffer.from(bytes).toString())),
  })),
  1,
)
CloudAccountsTest.breaks(
  "the first token stays",
  broken((accounts) => ({
    setToken: (id, member) => Effect.flatMap(accounts.open(id), ({ token }) => accounts.setToken(id, member, token)),
  })),
  2,
)
CloudAccountsTest.breaks(
  "a token is bound to nothing",
  withKeys((keys) => ({
    seal: (_, secret) => keys.seal("", secret),
    open: (_, sealed) => keys.open("", sealed),
  })),
  3,
)
CloudAccountsTest.breaks(
  "a name is anyone's",
  broken((accounts) => {
    let number = 0
    return { add: (account) => accounts.add({ ...account, name: `${++number}` }) }
  }),
  4,
)
CloudAccountsTest.breaks(
  "anyone removes an account",
  Layer.effect(
    CloudAccounts.CloudAccounts,
    Effect.gen(function* () {
      const accounts = yield* CloudAccounts.CloudAccounts
      const store = yield* CloudStore.CloudStore
      return CloudAccounts.CloudAccounts.of({ ...accounts, remove: (id) => store.remove(id) })
    }),
  ).pipe(Layer.provideMerge(over(CloudStore.layerMemory))),
  5,
)
CloudAccountsTest.breaks(
  "private addresses are called",
  CloudAccounts.layer({ allowPrivate: true }).pipe(
    Layer.provide(CloudAccountsTest.keys),
    Layer.provideMerge(CloudStore.layerMemory),
  ),
  6,
)
CloudAccountsTest.breaks(
  "an account is parked for ever",
  broken((accounts) => ({ park: (id, parked) => accounts.park(id, { ...parked, untilMs: Number.MAX_SAFE_INTEGER }) })),
  7,
)
CloudAccountsTest.breaks(
  "what was sealed before stays as it was",
  broken(() => ({ reseal: Effect.succeed({ keyId: "new", resealed: 5, unreadable: [] }) })),
  8,
)

const account = (token: string): CloudAccounts.NewCloudAccount => ({
  memberId: SampleDevice.member(),
  name: "work",
  baseUrl: "https://api.example.com/v1",
  token: Redacted.make(token),
  models: [{ model: ModelId.make("acme/large"), serviceModel: "large" }],
})
const SECRET = "tok-canary-0123456789abcdef"
const A = `a:${"A".repeat(43)}`
const B = `b:${"E".repeat(43)}`

/** A process of its own over the store in context. */
const start = (text: string | undefined) =>
  CloudAccounts.make({ allowPrivate: false }).pipe(
    Effect.provide(SealKeys.layer(text === undefined ? undefined : Redacted.make(text))),
  )

describe("keys at the start", () => {
  it.effect("without accounts a market needs no key, and takes no account without one", () =>
    Effect.gen(function* () {
      const accounts = yield* start(undefined)
      const refused = yield* Effect.flip(accounts.add(account(SECRET)))
      assert.strictEqual(refused.code, "service_unavailable")
      assert.include(refused.message, "GUILDHALL_SEAL_KEYS")
    }).pipe(Effect.provide(CloudStore.layerMemory)),
  )

  it.effect("a key that is missing, wrong or none is a letter that names the variable and no key", () =>
    Effect.gen(function* () {
      const accounts = yield* start(A)
      yield* accounts.add(account(SECRET))
      const cases = [
        [undefined, "Missing"],
        [B, "Missing"],
        [`a:${"E".repeat(43)}`, "Wrong"],
        ["nonsense", "Invalid"],
        [`${A},${A}`, "Invalid"],
        [`a:${"A".repeat(42)}B`, "Invalid"],
      ] as const
      for (const [text, reason] of cases) {
        const error = yield* Effect.flip(start(text))
        assert.strictEqual(error._tag === "SealKeysError" ? error.reason : error._tag, reason, text)
        assert.include(error.message, "GUILDHALL_SEAL_KEYS")
        assert.notInclude(error.message, "A".repeat(42))
        assert.notInclude(error.message, SECRET)
      }
      yield* start(`${A},${B}`)
    }).pipe(Effect.provide(CloudStore.layerMemory)),
  )

  it.effect("one row that was changed does not keep the market from starting", () =>
    Effect.gen(function* () {
      const accounts = yield* start(A)
      const store = yield* CloudStore.CloudStore
      const { id } = yield* accounts.add(account(SECRET))
      yield* accounts.add(account(SECRET))
      const row = yield* store.get(id)
      if (row === undefined) return assert.fail("no row")
      yield* store.replace({ ...row, baseUrl: "https://evil.example.com", revision: row.revision + 1 })
      const again = yield* start(A)
      assert.strictEqual((yield* Effect.flip(again.open(id))).code, "internal_error")
    }).pipe(Effect.provide(CloudStore.layerMemory)),
  )
})

it.effect("sealing again goes on where it was stopped", () =>
  Effect.gen(function* () {
    const store = yield* CloudStore.CloudStore
    const before = yield* start(A)
    const made = yield* Effect.forEach(
      Array.from({ length: 5 }, (_, at) => `${SECRET}-${at}`),
      (token) => before.add(account(token)),
    )
    let left = 2
    const dying = CloudStore.CloudStore.of({
      ...store,
      replace: (row) => (left-- > 0 ? store.replace(row) : Effect.interrupt),
    })
    const both = `${A},${B}`
    const stopped = yield* start(both).pipe(Effect.provideService(CloudStore.CloudStore, dying))
    yield* Effect.exit(stopped.reseal)
    assert.lengthOf(yield* store.notUnder("b", "", 10), 3)
    const after = yield* start(both)
    assert.deepStrictEqual(yield* after.reseal, { keyId: "b", resealed: 3, unreadable: [] })
    const newest = yield* start(B)
    for (const [at, { id }] of made.entries()) {
      assert.strictEqual(Redacted.value((yield* newest.open(id)).token), `${SECRET}-${at}`)
    }
  }).pipe(Effect.provide(CloudStore.layerMemory)),
)

describe("CloudStoreSql", () => {
  it.effect("the database holds nothing of a token but its end", () =>
    Effect.gen(function* () {
      const accounts = yield* start(A).pipe(Effect.provide(CloudStoreSql.layer))
      const sql = yield* SqlClient.SqlClient
      yield* accounts.add(account(SECRET))
      const rows = yield* sql`SELECT row_to_json(c)::text AS row, encode(sealed, 'escape') AS bytes
        FROM registry_cloud_accounts c`
      assert.lengthOf(rows, 1)
      const hex = Buffer.from(SECRET.slice(0, 8)).toString("hex")
      for (const text of [SECRET.slice(0, 8), SECRET.slice(-5), hex]) assert.notInclude(JSON.stringify(rows), text)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("of two that add the same name at once one is refused", () =>
    Effect.gen(function* () {
      const accounts = yield* start(A).pipe(Effect.provide(CloudStoreSql.layer))
      const wanted = account(SECRET)
      const tries = yield* Effect.all(
        Array.from({ length: 4 }, () => Effect.result(accounts.add(wanted))),
        { concurrency: 4 },
      )
      assert.strictEqual(tries.filter(({ _tag }) => _tag === "Success").length, 1)
      assert.lengthOf(yield* accounts.list(wanted.memberId), 1)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("two rotations at once, and a change of token in between, leave every token readable", () =>
    Effect.gen(function* () {
      const before = yield* start(A).pipe(Effect.provide(CloudStoreSql.layer))
      const made = yield* Effect.forEach(
        Array.from({ length: 12 }, (_, at) => `${SECRET}-${at}`),
        (token) => before.add(account(token)),
      )
      const both = yield* start(`${A},${B}`).pipe(Effect.provide(CloudStoreSql.layer))
      const [first] = made
      if (first === undefined) return assert.fail("no account")
      const changing = both.setToken(first.id, first.memberId, Redacted.make(`${SECRET}-changed`))
      const [one, other] = yield* Effect.all([both.reseal, both.reseal, changing], { concurrency: 3 })
      assert.isAtLeast(one.resealed + other.resealed, 11)
      const after = yield* start(B).pipe(Effect.provide(CloudStoreSql.layer))
      for (const [at, { id }] of made.entries()) {
        const { token } = yield* after.open(id)
        assert.strictEqual(Redacted.value(token), at === 0 ? `${SECRET}-changed` : `${SECRET}-${at}`)
      }
    }).pipe(Effect.provide(TestDatabase.layer)),
  )
})
