import { assert, describe, it } from "@effect/vitest"
import { Address, Hex, RootClaim } from "@guildhall/chain"
import { encodeFunctionData } from "viem/utils"
import { abi } from "../src/abi/RootVault.ts"

const at = (byte: number) => Address.fromBytes(new Uint8Array(20).fill(byte))

describe("RootClaim", () => {
  it("is the call that the contract's own interface makes", () => {
    for (const proof of [[], [Hex.word(7n)], [Hex.word(7n), Hex.word(8n), Hex.word(9n)]]) {
      const claim = { token: at(1), account: at(2), cumulative: 10n ** 30n, proof }
      const args = [claim.token, claim.account, claim.cumulative, proof] as never
      assert.strictEqual<string>(RootClaim.data(claim), encodeFunctionData({ abi, functionName: "claim", args }))
    }
  })
})
