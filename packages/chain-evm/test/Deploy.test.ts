import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { Address } from "@guildhall/chain/Address"
import type { ChainError } from "@guildhall/chain/ChainError"
import { base } from "../src/chains/base.ts"
import { space } from "../src/chains/space.ts"
import * as ContractCheck from "../src/ContractCheck.ts"
import * as Deploy from "../src/Deploy.ts"
import * as Development from "../src/Development.ts"
import { Rpc } from "../src/Rpc.ts"
import { Sender } from "../src/Sender.ts"
import * as SenderStore from "../src/SenderStore.ts"
import * as Token from "../src/Token.ts"
import * as Anvil from "@guildhall/tools/Anvil"
import * as DeployTrial from "./DeployTrial.ts"
import * as SenderTrial from "./SenderTrial.ts"

const reasonOf = <A, R>(effect: Effect.Effect<A, ChainError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

const alice = SenderTrial.address("alice")

const all = Effect.gen(function* () {
  return yield* Development.deploy(yield* alice, yield* DeployTrial.options)
})

layer(SenderTrial.layer().pipe(Layer.provideMerge(Anvil.layer())), { excludeTestServices: true })("Deploy", (it) => {
  it.effect("puts a market on a chain in a moment, once, wherever it is asked from", () =>
    Effect.gen(function* () {
      const anvil = yield* Anvil.Anvil
      const first = yield* all
      const blocks = yield* anvil.blockNumber
      assert.deepStrictEqual(yield* all, first)
      assert.strictEqual(yield* anvil.blockNumber, blocks)
      assert.isAbove(first.contracts.fromBlock, 0)
      // Another process with a store of its own finds them as well.
      const again = yield* all.pipe(
        Effect.provide(SenderTrial.sender().pipe(Layer.provide(Layer.fresh(SenderStore.layerMemory)))),
      )
      assert.deepStrictEqual(again, { ...first, contracts: { ...first.contracts, fromBlock: 0 } })
      assert.strictEqual(yield* anvil.blockNumber, blocks)
      const other = yield* Development.deploy(yield* alice, { ...(yield* DeployTrial.options), salt: "another" })
      assert.notStrictEqual(other.contracts.settlement, first.contracts.settlement)
    }),
  )

  it.effect("funds a settlement once under a key", () =>
    Effect.gen(function* () {
      const { contracts, tokens } = yield* all
      const by = yield* SenderTrial.address("alice")
      const { settlement } = contracts
      const asked = { idempotencyKey: "first money", by, token: tokens.usd, settlement, funded: 900n, boost: 100n }
      yield* Development.fund(asked)
      yield* Development.fund(asked)
      assert.strictEqual(yield* Token.balance(tokens.usd, settlement), 1_000n)
    }),
  )

  it.effect("knows our contracts from nothing, from others, and from ours that were made for something else", () =>
    Effect.gen(function* () {
      const anvil = yield* Anvil.Anvil
      const { contracts, tokens } = yield* all
      const { chainId, fromBlock: _, rootVault, ...at } = contracts
      const pair = { stake: tokens.stake, bond: tokens.stake }
      assert.strictEqual(yield* Deploy.check({ chainId, ...at }, pair), rootVault)
      const nobody = Address.make(`0x${"11".repeat(20)}`)
      const wrong: ReadonlyArray<readonly [string, Effect.Effect<unknown, ChainError, Rpc>]> = [
        ["nothing there", ContractCheck.check("Staking", nobody)],
        ["another of ours", ContractCheck.check("Staking", at.bond)],
        ["a token", ContractCheck.check("InsurancePool", tokens.usd)],
        ["another token", ContractCheck.check("Staking", at.staking, { token: tokens.usd })],
        ["another insurance", ContractCheck.check("ProviderBond", at.bond, { insurance: nobody })],
        ["bonds of another market", Deploy.check({ chainId, ...at, insurance: at.staking }, pair)],
      ]
      for (const [what, effect] of wrong) {
        const reason = yield* reasonOf(effect)
        assert.strictEqual(reason._tag, "ForeignContract", what)
      }
      // The same code with one byte changed.
      const code = String(yield* anvil.request("eth_getCode", [at.channel, "latest"]))
      const at40 = code.slice(0, 40) + (code[40] === "0" ? "1" : "0") + code.slice(41)
      yield* anvil.request("anvil_setCode", [nobody, at40])
      assert.strictEqual((yield* reasonOf(ContractCheck.check("Channel", nobody)))._tag, "ForeignContract")
      const elsewhere = yield* reasonOf(Deploy.check({ ...at, chainId: 8_453 }, pair))
      assert.deepInclude(elsewhere, { _tag: "WrongChain", expected: 8_453, found: 31_337 })
    }),
  )

  it.effect("says which settings the contracts do not take, before anything is sent", () =>
    Effect.gen(function* () {
      const sender = yield* Sender
      const by = yield* SenderTrial.address("alice")
      const tokens = yield* Development.tokens(by)
      const good = Development.settings(tokens, { ...(yield* DeployTrial.options), salt: "bad" })
      const { roles } = good
      const before = yield* SenderTrial.nonceOf(by)
      const bad = [
        [{ ...good, staking: { ...good.staking, minActiveS: 8 * 86_400 } }, "MinActiveTooLong"],
        [{ ...good, staking: { ...good.staking, apyBps: 10_001 } }, "ApyTooHigh"],
        [{ ...good, roleDelayS: 3_600 }, "RoleDelayTooShort"],
        [{ ...good, roles: { ...roles, challenger: roles.operator } }, "RolesNotApart"],
        [{ ...good, settlement: { ...good.settlement, providerBps: 10_001 } }, "BadTerms"],
      ] as const
      for (const [settings, rule] of bad) {
        const { code, message } = yield* Effect.flip(
          Effect.asVoid(Deploy.deploy(by, { ...settings, salt: `bad ${rule}` })),
        ).pipe(Effect.map((error) => ({ code: error.reason._tag, message: error.message })))
        assert.strictEqual(code, "InvalidInput")
        assert.include(message, rule)
      }
      // Contracts that were fine are there, and one more try with good settings adds the others.
      assert.isAtLeast(yield* SenderTrial.nonceOf(by), before)
      assert.isUndefined(yield* sender.find("deploy:nothing"))
      yield* Deploy.deploy(by, good)
    }),
  )

  it.effect("goes on where another process, of which nobody knows, has sent a creation that is included instead", () =>
    Effect.gen(function* () {
      const anvil = yield* Anvil.Anvil
      const by = yield* SenderTrial.address("bob")
      const tokens = yield* Development.tokens(yield* alice)
      const settings = Development.settings(tokens, { ...(yield* DeployTrial.options), salt: "twice" })
      const nonce = yield* SenderTrial.nonceOf(by)
      const pending = Effect.map(anvil.request("eth_getTransactionCount", [by, "pending"]), Number)
      const anew = Effect.suspend(() => Effect.provide(Deploy.deploy(by, settings), Layer.fresh(SenderTrial.layer())))
      yield* anvil.request("evm_setAutomine", [false])
      const first = yield* Effect.forkChild(anew)
      yield* SenderTrial.until(Effect.map(pending, (count) => count === nonce + 1))
      yield* Fiber.interrupt(first)
      const second = yield* Effect.forkChild(anew)
      yield* anvil.request("evm_setIntervalMining", [1])
      const { settlement } = yield* Fiber.join(second)
      assert.strictEqual(settlement, Deploy.addresses(settings).settlement)
      assert.strictEqual(yield* SenderTrial.nonceOf(by), nonce + 6)
      yield* anvil.request("evm_setIntervalMining", [0])
      yield* anvil.request("evm_setAutomine", [true])
    }),
  )

  it.effect("takes a token as it is, or says why it cannot be used", () =>
    Effect.gen(function* () {
      const anvil = yield* Anvil.Anvil
      const by = yield* SenderTrial.address("alice")
      const { stake, usd } = yield* Development.tokens(by)
      yield* Development.mint({ idempotencyKey: "some", by, token: usd, to: by, amount: 1_000n })
      const found = yield* Token.check(usd, { decimals: 6, holder: by })
      assert.deepStrictEqual(found, { address: usd, symbol: "USDC", decimals: 6, isWhole: true })
      assert.isNull((yield* Token.check(stake, { decimals: 18, holder: by })).isWhole)
      assert.include((yield* reasonOf(Token.check(usd, { decimals: 18 }))).message, "6 decimals, not 18")
      for (const address of [by, SenderTrial.nobody]) {
        assert.include((yield* reasonOf(Token.check(address, { decimals: 6 }))).message, "no token")
      }
      const fee = yield* DeployTrial.feeToken(by)
      yield* anvil.mine(1)
      assert.include((yield* reasonOf(Token.check(fee, { decimals: 18, holder: by }))).message, "keeps a part")
    }),
  )

  it.effect("makes no play money on a chain where money is real", () =>
    Effect.gen(function* () {
      const by = yield* SenderTrial.address("alice")
      for (const chain of [base, space]) {
        const rpc = { ...(yield* Rpc), chain }
        const reason = yield* reasonOf(Effect.provideService(Development.tokens(by), Rpc, rpc))
        assert.strictEqual(reason._tag, "InvalidInput")
      }
    }),
  )
})
