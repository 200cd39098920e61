import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Address } from "@guildhall/chain/Address"
import { anvil } from "../src/chains/anvil.ts"
import * as FirstBlock from "../src/internal/FirstBlock.ts"
import { Rpc } from "../src/Rpc.ts"
import { RpcError, Unreachable } from "../src/RpcError.ts"

const address = (digit: string) => Address.make(`0x${digit.repeat(40)}`)

/** A chain of 1,000,000 blocks, on which these were created, and whose endpoints forget what was before a block. */
const found = (born: Readonly<Record<string, number>>, remembered = 0) => {
  let asked = 0
  const rpc = Rpc.of({
    chain: anvil,
    head: Effect.succeed(1_000_000n),
    request: (method, [account, at]) =>
      Effect.suspend(() => {
        asked += 1
        const block = Number(at)
        return block < remembered
          ? Effect.fail(new RpcError({ reason: new Unreachable({ method, faults: [] }) }))
          : Effect.succeed(block >= (born[String(account)] ?? Number.POSITIVE_INFINITY) ? "0x60" : "0x")
      }),
    broadcast: () => Effect.die("nothing is sent"),
    endpoints: Effect.succeed([]),
  })
  const accounts = Object.keys(born).map((text) => Address.make(text))
  return Effect.map(Effect.provideService(FirstBlock.find(accounts), Rpc, rpc), (block) => ({ block, asked }))
}

describe("FirstBlock", () => {
  it.effect("finds the block of the first one, whichever it is, with few questions", () =>
    Effect.gen(function* () {
      const { asked, block } = yield* found({
        [address("1")]: 700_003,
        [address("2")]: 700_001,
        [address("3")]: 900_000,
      })
      assert.strictEqual(block, 700_001)
      assert.isBelow(asked, 60)
      assert.strictEqual((yield* found({ [address("1")]: 0 })).block, 0)
      assert.strictEqual((yield* found({ [address("1")]: 1_000_000 })).block, 1_000_000)
    }),
  )

  it.effect("answers nothing that is not proven: an index that began too late would miss what was before", () =>
    Effect.gen(function* () {
      const born = { [address("1")]: 700_003, [address("2")]: 700_001 }
      assert.strictEqual((yield* found(born, 700_000)).block, 700_001)
      assert.isUndefined((yield* found(born, 700_001)).block)
      assert.isUndefined((yield* found(born, 999_999)).block)
    }),
  )
})
