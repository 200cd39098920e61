import { assert, describe, layer } from "@effect/vitest"
import type { Address } from "@guildhall/chain/Address"
import * as Entries from "@guildhall/chain/Entries"
import { AssetCode } from "@guildhall/core/Asset"
import * as Ledger from "@guildhall/ledger/Ledger"
import * as LedgerStoreMemory from "@guildhall/ledger/LedgerStoreMemory"
import { Effect, Layer } from "effect"
import { type Abi as AbiType, encodeFunctionData, keccak256, stringToHex } from "viem"
import * as Abi from "../src/abi/index.ts"
import * as ChannelTokens from "../src/ChannelTokens.ts"
import * as Development from "../src/Development.ts"
import * as EventDecoder from "../src/EventDecoder.ts"
import * as Indexer from "../src/Indexer.ts"
import * as IndexStoreSql from "../src/IndexStoreSql.ts"
import * as MirrorFeed from "../src/MirrorFeed.ts"
import * as MirrorReconciliation from "../src/MirrorReconciliation.ts"
import { Rpc } from "../src/Rpc.ts"
import { Sender } from "../src/Sender.ts"
import { bytes } from "../src/internal/Viem.ts"
import * as Token from "../src/Token.ts"
import * as Anvil from "@guildhall/tools/Anvil"
import * as RailScene from "./RailScene.ts"
import * as SenderTrial from "./SenderTrial.ts"

const DAY_S = 86_400
const id = (name: string) => keccak256(stringToHex(name))
const whole = 10n ** 18n

/** A whole market, read and mirrored, and how to act in it. */
const scene = Effect.gen(function* () {
  const { contracts, deployer, roles, tokens } = yield* RailScene.market
  const rpc = yield* Rpc
  const sender = yield* Sender
  const store = yield* IndexStoreSql.make({ name: "market", subject: "test" })
  const deployed: ReadonlyArray<EventDecoder.Deployed> = [
    { contract: "Staking", address: contracts.staking },
    { contract: "ProviderBond", address: contracts.bond },
    { contract: "Settlement", address: contracts.settlement },
    { contract: "RootVault", address: contracts.rootVault },
    { contract: "InsurancePool", address: contracts.insurance },
    { contract: "ValidatorRegistry", address: contracts.validators },
    { contract: "Channel", address: contracts.channel },
  ]
  const watches = Effect.succeed([{ addresses: deployed.map(({ address }) => address) }])
  const index = Indexer.make({ name: "market", rpc, store, firstBlock: contracts.fromBlock, watches })
  const options: MirrorFeed.Options = {
    chainId: rpc.chain.id,
    store,
    decode: EventDecoder.make(deployed),
    tokens: new Map([
      [tokens.usd, { code: AssetCode.make("USDC"), scale: 6 }],
      [tokens.stake, { code: AssetCode.make("GLD"), scale: 18 }],
    ]),
    own: {
      Staking: tokens.stake,
      ProviderBond: tokens.stake,
      InsurancePool: tokens.stake,
      ValidatorRegistry: tokens.stake,
    },
    channels: yield* ChannelTokens.makeSql(rpc.chain.id),
  }
  const subjects: ReadonlyArray<MirrorReconciliation.Subject> = [
    { contract: "Staking", address: contracts.staking, tokens: [tokens.stake] },
    { contract: "ProviderBond", address: contracts.bond, tokens: [tokens.stake] },
    { contract: "Settlement", address: contracts.settlement, tokens: [tokens.usd, tokens.stake] },
    { contract: "RootVault", address: contracts.rootVault, tokens: [tokens.usd] },
    { contract: "InsurancePool", address: contracts.insurance, tokens: [tokens.stake] },
    { contract: "ValidatorRegistry", address: contracts.validators, tokens: [tokens.stake] },
    { contract: "Channel", address: contracts.channel, tokens: [tokens.usd] },
  ]
  let count = 0
  const act = Effect.fnUntraced(function* (
    by: Address,
    to: Address,
    abi: AbiType,
    functionName: string,
    args: ReadonlyArray<unknown>,
  ) {
    count += 1
    const data = encodeFunctionData({ abi, functionName, args: [...args] })
    return yield* sender.send({ idempotencyKey: `act ${count}`, by, to, data })
  })
  /** Gives an account tokens, which a contract may take. */
  const give = Effect.fnUntraced(function* (token: Address, account: Address, amount: bigint, spender: Address) {
    count += 1
    yield* Development.mint({ idempotencyKey: `mint ${count}`, by: deployer, token, to: account, amount })
    yield* act(account, token, Token.abi, "approve", [spender, amount])
  })
  const reader = MirrorFeed.make(options)
  const compare = Effect.gen(function* () {
    const anvil = yield* Anvil.Anvil
    yield* anvil.mine(3)
    yield* index.catchUp
    yield* MirrorFeed.read(options, reader)
    return yield* MirrorReconciliation.reconcile(options, rpc, subjects)
  })
  return { contracts, roles, tokens, act, give, compare, deployer, options, index, store }
})

const live = Layer.mergeAll(RailScene.live, Ledger.layer.pipe(Layer.provide(LedgerStoreMemory.layer)))

describe("MirrorFeed", () => {
  layer(live, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("posts what the contracts did, and the books say what the contracts say, bucket by bucket", () =>
      Effect.gen(function* () {
        const { act, compare, contracts, give, roles, tokens } = yield* scene
        const anvil = yield* Anvil.Anvil
        const { operator, funder, curator, registrar } = roles
        const { settlement, staking, bond, insurance, validators, channel } = contracts
        const agrees = Effect.gen(function* () {
          const report = yield* compare
          assert.deepStrictEqual(report.differences.map(MirrorReconciliation.describe), [])
          return report.agreed
        })

        yield* give(tokens.usd, funder, 100_000_000n, settlement)
        yield* act(funder, settlement, Abi.Settlement.abi, "fund", [tokens.usd, 90_000_000n])
        yield* act(funder, settlement, Abi.Settlement.abi, "fundBoost", [tokens.usd, 9_000_000n])
        for (let at = 0; at < 5; at++) {
          const args = [operator, tokens.usd, BigInt(1_000_001 + at), id(`request ${at}`)]
          yield* act(operator, settlement, Abi.Settlement.abi, "settle", args)
        }
        yield* act(operator, settlement, Abi.Settlement.abi, "claim", [tokens.usd])
        const packed = Entries.pack([
          { account: operator, amount: 5n },
          { account: funder, amount: 7n },
        ])
        yield* act(operator, settlement, Abi.Settlement.abi, "payMany", [tokens.usd, id("batch"), packed])
        assert.isAbove(yield* agrees, 20)

        yield* give(tokens.stake, operator, 1_000_000n * whole, staking)
        yield* act(operator, staking, Abi.Staking.abi, "stake", [5_000n * whole])
        yield* act(operator, staking, Abi.Staking.abi, "fundRewards", [100n * whole])
        yield* act(operator, staking, Abi.Staking.abi, "requestUnstake", [1_000n * whole])
        yield* act(operator, staking, Abi.Staking.abi, "cancelUnstake", [])
        yield* act(operator, staking, Abi.Staking.abi, "requestUnstake", [2_000n * whole])
        yield* act(operator, tokens.stake, Token.abi, "approve", [bond, 100_000n * whole])
        yield* act(curator, bond, Abi.ProviderBond.abi, "appendClass", [77, 500n * whole])
        yield* act(operator, bond, Abi.ProviderBond.abi, "bond", [id("device"), 77, 600n * whole])
        yield* act(operator, bond, Abi.ProviderBond.abi, "topUp", [id("device"), 1n])
        yield* act(operator, tokens.stake, Token.abi, "approve", [insurance, 100n * whole])
        yield* act(operator, insurance, Abi.InsurancePool.abi, "deposit", [99n * whole])
        yield* act(operator, tokens.stake, Token.abi, "approve", [validators, 100_000n * whole])
        yield* act(operator, validators, Abi.ValidatorRegistry.abi, "fundRewards", [50n * whole])
        yield* give(tokens.usd, operator, 10_000_000n, channel)
        const open = [funder, tokens.usd, 4_000_000n, id("salt"), `0x${"0".repeat(40)}`]
        yield* act(operator, channel, Abi.Channel.abi, "open", open)
        yield* agrees

        const epoch = BigInt(Math.floor((yield* anvil.nowS) / DAY_S))
        yield* anvil.advance(2 * DAY_S)
        const entries = Entries.pack([{ account: funder, amount: 900_000n }])
        const propose = [tokens.usd, epoch, 2, keccak256(bytes(entries)), 1_000_000n, 0n]
        yield* act(operator, settlement, Abi.Settlement.abi, "proposeEpoch", propose)
        yield* agrees
        yield* anvil.advance(8 * DAY_S)
        yield* act(operator, settlement, Abi.Settlement.abi, "applyBatch", [tokens.usd, epoch, entries])
        const root = [tokens.usd, epoch + 1n, 1, id("root"), 1_000_000n, 500_000n]
        yield* act(operator, settlement, Abi.Settlement.abi, "proposeEpoch", root)
        yield* anvil.advance(8 * DAY_S)
        yield* act(operator, settlement, Abi.Settlement.abi, "applyRoot", [tokens.usd, epoch + 1n])
        yield* act(operator, staking, Abi.Staking.abi, "withdraw", [])
        yield* act(operator, staking, Abi.Staking.abi, "claimRewards", [])
        yield* act(registrar, bond, Abi.ProviderBond.abi, "deregister", [id("device")])
        yield* anvil.advance(8 * DAY_S)
        yield* act(operator, bond, Abi.ProviderBond.abi, "withdraw", [id("device")])
        yield* agrees

        // A fork takes back what was credited, and the sender does it again.
        yield* SenderTrial.survived([operator, registrar], anvil.reorg(4))
        yield* agrees
      }),
    )

    it.effect("tells tokens that were sent past the functions from those that are missing", () =>
      Effect.gen(function* () {
        const { compare, contracts, deployer, tokens } = yield* scene
        const gift = { idempotencyKey: "gift", by: deployer, token: tokens.stake, to: contracts.staking, amount: 3n }
        yield* Development.mint(gift)
        const report = yield* compare
        assert.deepStrictEqual(
          report.differences.map(({ books, chain, contract, problem }) => [problem, contract, chain - books]),
          [["surplus", "Staking", 3n]],
        )
        assert.include(report.differences.map(MirrorReconciliation.describe).join(), "nobody is owed them")
      }),
    )
  })
})
