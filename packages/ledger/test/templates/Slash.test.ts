import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { MemberId } from "@guildhall/core/Member"
import { ids } from "../../src/Account.ts"
import * as Slash from "../../src/templates/Slash.ts"
import * as Sample from "./Sample.ts"

const from = ids.escrow("bond.dev_1")
const slash = (amount: bigint, finders: Slash.Slash["finders"] = []) =>
  Slash.posting({ case: "case-1", from, amount, finders })

describe("Slash", () => {
  it("goes to the insurance, less what its finders get", () => {
    assert.deepStrictEqual(Sample.legs(slash(100n, [{ member: Sample.finder, amount: 20n }])), [
      "escrow:bond.dev_1 -100",
      "accrual:slash:mem_finder 20",
      "insurance:pool 80",
    ])
    assert.deepStrictEqual(Sample.legs(slash(100n)), ["escrow:bond.dev_1 -100", "insurance:pool 100"])
  })

  it.prop(
    "gives finders a fifth at most, together",
    [Sample.Amount, Schema.Array(Sample.Amount).pipe(Schema.check(Schema.isMaxLength(4)))],
    ([amount, parts]) => {
      const finders = parts.map((part, at) => ({
        member: MemberId.make(`mem_${at}`),
        amount: part % (amount / 9n + 1n),
      }))
      const answer = slash(amount, finders)
      const sum = finders.reduce((all, each) => all + each.amount, 0n)
      if (finders.some((each) => each.amount === 0n)) return Sample.assertRefused(answer, "greater than 0")
      if (sum * 5n > amount) return Sample.assertRefused(answer, "over a fifth")
      Sample.assertZero(answer)
      assert.isTrue(Sample.moved(answer, "insurance:") * 5n >= amount * 4n)
    },
    { arbitrary: { seed: "slash-finders", runs: 300 } },
  )

  it("refuses what makes no sense", () => {
    Sample.assertRefused(slash(0n), "greater than 0")
    Sample.assertRefused(slash(100n, [{ member: Sample.finder, amount: 21n }]), "over a fifth")
    const twice = [1n, 1n].map((amount) => ({ member: Sample.finder, amount }))
    Sample.assertRefused(slash(100n, twice), "stands twice")
    Sample.assertRefused(Slash.posting({ case: "a:b", from, amount: 1n, finders: [] }), "case")
  })
})
