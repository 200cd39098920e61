import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { AccountId, ids } from "../src/Account.ts"
import * as Pool from "../src/Pool.ts"
import type { Posting } from "../src/Posting.ts"
import * as Sample from "./templates/Sample.ts"

const remainderTo = ids.platformFees
const pool = ids.pool("boost")

const claim = (name: number | string, amount: bigint) => ({
  account: AccountId.make(`accrual:card:mem_${name}`),
  amount,
})

const Weights = Schema.Array(
  Schema.Struct({
    of: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 9 }))),
    amount: Sample.Amount,
  }),
)

const sum = (parts: ReadonlyArray<{ readonly amount: bigint }>) => parts.reduce((all, { amount }) => all + amount, 0n)

const epoch = (claims: Pool.Epoch["claims"], cap: bigint, funded = cap): Pool.Epoch => ({
  pool,
  epoch: "7",
  cap,
  funded,
  claims,
  remainderTo,
})

const postings = (given: Pool.Epoch): ReadonlyArray<Posting> => Result.getOrThrow(Pool.postings("boost", given))

describe("Pool", () => {
  it.prop(
    "pays no more than its cap and what it has; all of it where claims are scaled; nobody more than was claimed",
    [Weights, Sample.Room, Sample.Room],
    ([weights, cap, funded]) => {
      const claims = weights.map(({ amount, of }) => claim(of, amount))
      const shares = Pool.share({ cap, funded, claims })
      const there = cap < funded ? cap : funded
      const paid = sum(shares.payments) + shares.remainder
      assert.strictEqual(paid, shares.paid)
      assert.isTrue(paid <= there && shares.remainder >= 0n)
      assert.strictEqual(shares.isScaled, sum(claims) > there)
      assert.strictEqual(paid, shares.isScaled ? there : sum(claims))
      assert.isTrue(shares.remainder === 0n || shares.remainder < BigInt(new Set(claims.map((c) => c.account)).size))
      for (const { account, amount } of shares.payments) {
        const asked = sum(claims.filter((each) => each.account === account))
        assert.isTrue(amount > 0n && amount <= asked)
        if (shares.isScaled) assert.strictEqual(amount, (asked * there) / sum(claims))
      }
    },
    { arbitrary: { seed: "pool-cap", runs: 500 } },
  )

  it.prop(
    "pays the same in whatever order the claims come",
    [Weights, Sample.Room],
    ([weights, cap]) => {
      const claims = weights.map(({ amount, of }) => claim(of, amount))
      const turned = [...claims.slice(claims.length / 2), ...claims.slice(0, claims.length / 2)].reverse()
      assert.deepStrictEqual(postings(epoch(claims, cap)), postings(epoch(turned, cap)))
    },
    { arbitrary: { seed: "pool-order", runs: 300 } },
  )

  it("is one posting for each pool and epoch, from the pool to each account", () => {
    const [posting, ...more] = postings(epoch([claim("b", 7n), claim("a", 5n)], 10n))
    assert.strictEqual(more.length, 0)
    assert.deepStrictEqual(posting, {
      idempotencyKey: "boost:pool:boost:7",
      kind: "boost",
      legs: [
        { account: pool, amount: -10n },
        { account: claim("a", 1n).account, amount: 4n },
        { account: claim("b", 1n).account, amount: 5n },
        { account: remainderTo, amount: 1n },
      ],
      attachments: [],
      links: { epoch: "7" },
    })
  })

  it("pays many accounts by several postings of at most 100 legs, each under a key of its own", () => {
    const claims = Array.from({ length: 250 }, (_, at) => claim(at, BigInt(1_000 + at)))
    const all = postings(epoch(claims, 100_001n))
    assert.deepStrictEqual(
      all.map(({ idempotencyKey, legs }) => `${idempotencyKey} ${legs.length}`),
      ["boost:pool:boost:7 100", "boost:pool:boost:7#1 100", "boost:pool:boost:7#2 54"],
    )
    const legs = all.flatMap((posting) => posting.legs)
    assert.strictEqual(sum(legs), 0n)
    assert.strictEqual(sum(legs.filter(({ account }) => account === pool)), -100_001n)
  })

  it("attaches only to the first of them", () => {
    const claims = Array.from({ length: 100 }, (_, at) => claim(at, 1n))
    const given = { attachments: [{ kind: "epoch", body: {} }], definition: "d" }
    const all = Result.getOrThrow(Pool.postings("bounty", epoch(claims, 1_000n), given))
    assert.deepStrictEqual(
      all.map(({ attachments, links }) => `${attachments.length} ${links?.definition}`),
      ["1 d", "0 d"],
    )
  })

  it("pays nothing where there are no claims, or nothing to pay from", () => {
    assert.deepStrictEqual(postings(epoch([], 10n)), [])
    assert.deepStrictEqual(postings(epoch([claim("a", 5n)], 10n, 0n)), [])
  })

  it.each([
    [{ ...epoch([claim("a", 0n)], 10n) }, "greater than 0"],
    [{ ...epoch([claim("a", -1n)], 10n) }, "greater than 0"],
    [{ ...epoch([], -1n) }, "cap"],
    [{ ...epoch([], 1n), remainderTo: pool }, "to itself"],
    [{ ...epoch([{ account: remainderTo, amount: 1n }], 1n) }, "has the remainder"],
    [epoch([{ account: pool, amount: 1n }], 1n), "is the pool"],
    [{ ...epoch([], 1n), pool: ids.platformFees }, "is no pool"],
    [
      epoch(
        Array.from({ length: 9_901 }, (_, at) => claim(at, 1n)),
        10_000n,
      ),
      "9900 is the most",
    ],
  ])("refuses what makes no sense: %#", (given, why) => {
    const answer = Pool.postings("boost", given)
    assert.isTrue(Result.isFailure(answer))
    if (Result.isFailure(answer)) assert.include(answer.failure.message, why)
  })
})
