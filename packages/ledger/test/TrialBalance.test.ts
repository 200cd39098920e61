import { assert, describe, it } from "@effect/vitest"
import { Asset, AssetCode } from "@guildhall/core/Asset"
import * as Merkle from "@guildhall/core/Merkle"
import { Schema } from "effect"
import { AccountId } from "../src/Account.ts"
import * as Chain from "../src/Chain.ts"
import * as TrialBalance from "../src/TrialBalance.ts"

const USD = AssetCode.make("USD")
const EUR = AssetCode.make("EUR")
const id = (text: string) => AccountId.make(text)
const assetOf = (account: AccountId) => (account.endsWith("euro") ? EUR : USD)
const balances = new Map([
  [id("external:card"), -700n],
  [id("buyer:ann"), 500n],
  [id("buyer:bob"), 200n],
  [id("buyer:euro"), 0n],
])

describe("TrialBalance", () => {
  it("adds up debits and credits for each asset, in the assets' order", () => {
    const { accounts, totals } = TrialBalance.make(balances, assetOf)
    assert.strictEqual(accounts, 4)
    assert.deepStrictEqual(totals, [
      { asset: EUR, debits: 0n, credits: 0n },
      { asset: USD, debits: 700n, credits: 700n },
    ])
    assert.isUndefined(TrialBalance.firstUnequal({ root: "", accounts: 0, totals }))
    const torn = TrialBalance.make(new Map([[id("buyer:ann"), 5n]]), assetOf)
    assert.deepStrictEqual(TrialBalance.firstUnequal(torn), { asset: USD, debits: 0n, credits: 5n })
  })

  it("has the root of RFC 6962 over the sorted lines, which anyone can compute again", () => {
    const lines = ["buyer:ann 500", "buyer:bob 200", "buyer:euro 0", "external:card -700"]
    const root = Merkle.root(
      Chain.sha256,
      lines.map((line) => new TextEncoder().encode(line)),
    )
    const { root: made } = TrialBalance.make(balances, assetOf)
    assert.strictEqual(made, Buffer.from(root).toString("base64url"))
    const reversed = new Map([...balances].reverse())
    assert.strictEqual(TrialBalance.make(reversed, assetOf).root, made)
    const none = TrialBalance.make(new Map(), assetOf)
    assert.strictEqual(none.root, Buffer.from(Chain.sha256(new Uint8Array())).toString("base64url"))
    assert.deepStrictEqual(none.totals, [])
  })

  it.prop(
    "any other balance, and any account more or less, has another root",
    [Schema.Array(Schema.Int).pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(40))), Schema.Int],
    ([amounts, change]) => {
      const made = new Map(amounts.map((amount, at) => [id(`buyer:b${at}`), BigInt(amount)]))
      const { root } = TrialBalance.make(made, () => USD)
      const at = id(`buyer:b${Math.abs(change) % amounts.length}`)
      const other = new Map(made).set(at, (made.get(at) ?? 0n) + 1n)
      assert.notStrictEqual(TrialBalance.make(other, () => USD).root, root)
      const fewer = new Map(made)
      fewer.delete(at)
      assert.notStrictEqual(TrialBalance.make(fewer, () => USD).root, root)
    },
    { arbitrary: { seed: "trial-balance", runs: 200 } },
  )

  it("takes an asset of any scale and amounts of 78 digits", () => {
    const most = 10n ** 78n - 1n
    const { totals } = TrialBalance.make(
      new Map([
        [id("external:card"), -most],
        [id("buyer:ann"), most],
      ]),
      () => Asset.make({ code: USD, scale: 36 }).code,
    )
    assert.deepStrictEqual(totals, [{ asset: USD, debits: most, credits: most }])
  })
})
