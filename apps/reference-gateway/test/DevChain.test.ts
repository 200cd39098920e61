import { assert, describe, it } from "@effect/vitest"
import { local } from "@guildhall/markets/local"
import { Redacted } from "effect"
import * as DevChain from "../src/DevChain.ts"

const defined = DevChain.defined(local, { chain: "on" })
if (defined.chain === undefined) throw new Error("The market has no chain to try.")
const elsewhere = { chain: { ...defined.chain, id: 84_532 } }
const rpc = Redacted.make("http://127.0.0.1:1")

describe("DevChain", () => {
  it("is for a market of the development chain, or of none", () => {
    assert.isUndefined(DevChain.problemOf({ chain: "on", chainRpc: undefined }, defined))
    assert.isUndefined(DevChain.problemOf({ chain: "on", chainRpc: undefined }, local))
    assert.isUndefined(DevChain.problemOf({ chain: "off", chainRpc: rpc }, elsewhere))
  })

  it("is not started beside another one, and not for a market of another one", () => {
    const beside = DevChain.problemOf({ chain: "on", chainRpc: rpc }, defined)
    assert.include(beside?.message, "GUILDHALL_CHAIN_RPC names another one")
    const foreign = DevChain.problemOf({ chain: "on", chainRpc: undefined }, elsewhere)
    assert.include(foreign?.message, "The market is on chain 84532")
  })
})
