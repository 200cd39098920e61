import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Anvil from "@guildhall/tools/Anvil"

layer(Anvil.layer({ chainId: 4_242, timestampS: 1_800_000_000 }))("Anvil", (it) => {
  it.effect("is a chain with a clock, accounts, and a past that can change", () =>
    Effect.gen(function* () {
      const anvil = yield* Anvil.Anvil
      assert.strictEqual(Number(yield* anvil.request("eth_chainId")), 4_242)
      const { address } = yield* anvil.account("alice")
      assert.strictEqual(BigInt(String(yield* anvil.request("eth_getBalance", [address, "latest"]))), 10n ** 22n)
      const before = yield* anvil.nowS
      yield* anvil.advance(7 * 86_400)
      assert.isAtLeast((yield* anvil.nowS) - before, 7 * 86_400)
      yield* anvil.mine(5)
      const at = yield* anvil.blockNumber
      const hashOf = Effect.map(anvil.request("eth_getBlockByNumber", [`0x${at.toString(16)}`, false]), (block) =>
        JSON.stringify((block as { readonly hash: string }).hash),
      )
      const hash = yield* hashOf
      yield* anvil.reorg(3)
      assert.strictEqual(yield* anvil.blockNumber, at)
      assert.notStrictEqual(yield* hashOf, hash)
    }),
  )
})
