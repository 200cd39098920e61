import { assert, describe, it } from "@effect/vitest"
import { USD } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import { AccountId, AccountKind, ids } from "../src/Account.ts"
import * as Opening from "../src/Opening.ts"

const member = MemberId.make("mem_1")

/** Every account that the market's rules name, with its kind, floor and ceiling. */
const expected: ReadonlyArray<readonly [AccountId, AccountKind, bigint | null, bigint | null]> = [
  [ids.buyer(member), "buyer", 0n, null],
  [ids.accrual("card", member), "accrual", 0n, null],
  [ids.payable("Stripe", member), "payable", 0n, null],
  [ids.receivable(member), "receivable", null, 0n],
  [ids.pool("boost"), "pool", 0n, null],
  [ids.escrow("b1"), "escrow", 0n, null],
  [ids.insurance, "insurance", 0n, null],
  [ids.clearing(2, USD.code), "clearing", null, null],
  [ids.exchange(USD.code), "exchange", null, null],
  [ids.rounding(USD.code), "rounding", 0n, null],
  [ids.platformFees, "platform", 0n, null],
  [ids.platformLoss, "platform", null, null],
  [ids.external("card"), "external", null, null],
  [ids.chain(8453, "Settlement", "USDC.funded"), "chain", null, null],
  [AccountId.make("treasury:cold"), "platform", 0n, null],
]

describe("Opening", () => {
  it.each(expected)("opens %s as its id says", (id, kind, floor, ceiling) => {
    assert.deepStrictEqual(Opening.of(id, USD), { id, kind, asset: USD, floor, ceiling })
  })

  it("knows every kind", () => {
    assert.deepStrictEqual(new Set(expected.map(([, kind]) => kind)), new Set(AccountKind.literals))
  })
})
