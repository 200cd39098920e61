import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { StakeBook } from "@guildhall/chain/StakeBook"
import * as Chain from "../src/Chain.ts"
import { anvil } from "../src/chains/anvil.ts"
import { base } from "../src/chains/base.ts"
import { baseSepolia } from "../src/chains/baseSepolia.ts"
import { space } from "../src/chains/space.ts"
import { tempo } from "../src/chains/tempo.ts"
import * as Development from "../src/Development.ts"
import * as EvmStakeBook from "../src/EvmStakeBook.ts"
import { Sender } from "../src/Sender.ts"
import * as Anvil from "@guildhall/tools/Anvil"
import { harbour } from "./chains/harbour.ts"
import * as DeployTrial from "./DeployTrial.ts"
import * as SenderTrial from "./SenderTrial.ts"

const all = [anvil, base, baseSepolia, space, tempo]

describe("Chain", () => {
  it("has a file for each, as the recipe says, and each has a row in it", () => {
    const folder = path.join(import.meta.dirname, "../src/chains")
    const files = readdirSync(folder).filter((file) => file !== "index.ts")
    assert.lengthOf(files, all.length)
    const recipe = readFileSync(path.join(import.meta.dirname, "../../../docs/adding-a-chain.md"), "utf8")
    for (const { id, name } of all) assert.match(recipe, new RegExp(`\\| ${name}[^|]*\\| ${id} \\|`))
    assert.lengthOf(new Set(all.map(({ id }) => id)), all.length)
  })

  it("prints in the recipe the file that the test adds", () => {
    const recipe = path.join(import.meta.dirname, "../../../docs/adding-a-chain.md")
    assert.isTrue(existsSync(recipe))
    const block = /```ts\n([\s\S]*?)```/.exec(readFileSync(recipe, "utf8"))?.[1] ?? ""
    const printed = block.replaceAll(/^ {3}/gm, "").trim()
    const file = readFileSync(path.join(import.meta.dirname, "chains/harbour.ts"), "utf8").trim()
    assert.strictEqual(printed, file)
  })

  it("refuses facts that contradict each other, and says which", () => {
    const { fees, finalityDepth } = harbour
    const wrong: ReadonlyArray<readonly [Partial<Chain.Definition>, string]> = [
      [{ id: 0 }, "above zero"],
      [{ id: 1.5 }, "whole number"],
      [{ blockTimeMs: 0 }, "milliseconds"],
      [{ confirmations: 0 }, "one confirmation"],
      [{ confirmations: finalityDepth + 1 }, "less deep"],
      [{ finalityDepth: 5_000 }, "4,096"],
      [{ fees: { ...fees, maxFeeCapWei: 0n } }, "below the least tip"],
      [{ tokens: [{ symbol: "X", address: "0x12", decimals: 6, permits: [] }] }, "no address"],
      [
        { tokens: [{ symbol: "X", address: "0x833589FCD6eDb6E08f4c7C32D4f71b54bdA02913", decimals: 6, permits: [] }] },
        "checksum",
      ],
    ]
    const { explorerUrl: _, ...facts } = harbour
    for (const [change, words] of wrong) assert.throws(() => Chain.make({ ...facts, ...change }), words)
  })
})

const fresh = Layer.provideMerge(SenderTrial.layer({}, harbour), Anvil.layer({ chainId: harbour.id }))

layer(fresh, { excludeTestServices: true })("A chain that was added", (it) => {
  it.effect("has the contracts, and the ports answer on it, with nothing but its file", () =>
    Effect.gen(function* () {
      const alice = yield* SenderTrial.address("alice")
      const { contracts, tokens } = yield* Development.deploy(alice, yield* DeployTrial.options)
      assert.strictEqual(contracts.chainId, 4_242)
      yield* Development.mint({ idempotencyKey: "mint", by: alice, token: tokens.stake, to: alice, amount: 500n })
      const standing = yield* Effect.gen(function* () {
        const stakes = yield* StakeBook
        yield* stakes.act({ _tag: "Stake", by: alice, idempotencyKey: "stake", amount: 500n })
        return yield* stakes.standing(alice)
      }).pipe(Effect.provide(EvmStakeBook.layer({ address: contracts.staking })))
      assert.strictEqual(standing.active, 500n)
      const sender = yield* Sender
      const { versions } = (yield* sender.find("mint")) ?? assert.fail("it was not sent")
      assert.strictEqual(versions[0]?.price.style, "legacy")
    }),
  )
})
