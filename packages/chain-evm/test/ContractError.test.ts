import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Address } from "@guildhall/chain/Address"
import type { ChainError } from "@guildhall/chain/ChainError"
import * as Hex from "@guildhall/chain/Hex"
import { InsuranceVault } from "@guildhall/chain/InsuranceVault"
import { Settlement } from "@guildhall/chain/Settlement"
import { StakeBook } from "@guildhall/chain/StakeBook"
import { ChainTestbed } from "@guildhall/chain/testing"
import { encodeErrorResult, encodeFunctionData, parseAbi } from "viem/utils"
import * as Abi from "../src/abi/index.ts"
import * as ContractError from "../src/ContractError.ts"
import * as EvmSettlement from "../src/EvmSettlement.ts"
import * as EvmStakeBook from "../src/EvmStakeBook.ts"
import { Sender } from "../src/Sender.ts"
import { Reverted, SenderError } from "../src/SenderError.ts"
import * as Token from "../src/Token.ts"
import * as Anvil from "@guildhall/tools/Anvil"
import * as EvmTestbed from "./EvmTestbed.ts"
import * as Refusals from "./Refusals.ts"
import * as SenderTrial from "./SenderTrial.ts"

const someone = Address.make("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")

describe("ContractError", () => {
  it("reads errors of contracts, of libraries, of tokens and of Solidity itself", () => {
    const text = parseAbi(["error Error(string reason)", "error Panic(uint256 code)"])
    const unready = encodeErrorResult({ abi: Abi.Staking.abi, errorName: "CooldownNotOver", args: [1_700_000_000] })
    assert.deepStrictEqual(ContractError.decode(unready, "Staking"), {
      rule: "CooldownNotOver",
      figures: { readyAt: 1_700_000_000 },
    })
    assert.deepStrictEqual(ContractError.decode(unready, "ProviderBond").figures, { cooldownEnd: 1_700_000_000 })
    const large = {
      abi: Abi.Settlement.abi,
      errorName: "SafeCastOverflowedUintDowncast",
      args: [96, 1n << 96n],
    } as const
    assert.strictEqual(ContractError.decode(encodeErrorResult(large)).rule, "SafeCastOverflowedUintDowncast")
    const old = encodeErrorResult({ abi: text, errorName: "Error", args: ["ERC20: transfer amount exceeds balance"] })
    assert.deepStrictEqual(ContractError.decode(old).figures, { reason: "ERC20: transfer amount exceeds balance" })
    const panic = encodeErrorResult({ abi: text, errorName: "Panic", args: [0x11n] })
    assert.deepStrictEqual(ContractError.decode(panic), { rule: "Panic", figures: { code: 0x11n } })
    const expired = encodeErrorResult({ abi: Abi.Usd.abi, errorName: "ERC2612ExpiredSignature", args: [5n] })
    assert.deepStrictEqual(ContractError.decode(expired).figures, { deadline: 5n })
  })

  it("says roles and states in words", () => {
    const role = Hex.Bytes32.make(`0x${Buffer.from("curator").toString("hex").padEnd(64, "0")}`)
    const missing = {
      abi: Abi.Staking.abi,
      errorName: "MissingRole",
      args: [role as `0x${string}`, someone as `0x${string}`],
    } as const
    assert.deepStrictEqual(ContractError.decode(encodeErrorResult(missing)).figures, {
      role: "curator",
      caller: someone,
    })
    const state = {
      abi: Abi.ProviderBond.abi,
      errorName: "WrongDeviceState",
      args: [role as `0x${string}`, 3],
    } as const
    assert.deepStrictEqual(ContractError.decode(encodeErrorResult(state)).figures, { device: role, state: "Unbonding" })
  })

  it("stays calm with what nobody knows", () => {
    assert.deepStrictEqual(ContractError.decode("0x"), { rule: "Reverted", figures: {} })
    assert.deepStrictEqual(ContractError.decode("0x12345678abcd"), {
      rule: "UnknownError",
      figures: { selector: "0x12345678" },
    })
    // A known name with arguments that are cut off.
    assert.strictEqual(ContractError.decode("0xe450d38c00").rule, "UnknownError")
    assert.strictEqual(ContractError.decode("0x12").rule, "UnknownError")
    const { reason } = ContractError.refusal("Staking", { data: null, detail: "execution reverted" })
    assert.strictEqual(reason._tag === "Refused" && reason.rule, "Reverted")
  })

  it("says that a key is used up where the chain was the first to refuse", () => {
    const data = encodeErrorResult({ abi: Abi.Staking.abi, errorName: "ZeroAmount" })
    const reverted = (isSent: boolean) =>
      ContractError.toChainError("Staking")(
        new SenderError({ reason: new Reverted({ data, detail: "transaction 0xab reverted.", isSent }) }),
      ).message
    assert.strictEqual(reverted(false), "Staking refused: ZeroAmount.")
    assert.match(reverted(true), /ZeroAmount\. It was found only in the chain: transaction 0xab reverted\. .*new key/)
  })
})

const isOf = <A, R>(effect: Effect.Effect<A, ChainError, R>) => Effect.map(Effect.flip(effect), ({ reason }) => reason)

const approvalsOf = (by: Address) =>
  Effect.flatMap(Anvil.Anvil, (anvil) => Effect.map(anvil.request("eth_getTransactionCount", [by, "latest"]), Number))

/** Makes the block only when so many transactions wait for it. */
const byHand = Effect.fnUntraced(function* <A, E, R, B>(
  count: number,
  acts: Effect.Effect<A, E, R>,
  make: Effect.Effect<B>,
) {
  const anvil = yield* Anvil.Anvil
  const made = Effect.andThen(SenderTrial.pooled(count), make)
  yield* anvil.request("evm_setAutomine", [false])
  const [answer] = yield* Effect.all([acts, made], { concurrency: "unbounded" }).pipe(
    Effect.ensuring(anvil.request("evm_setAutomine", [true])),
  )
  return answer
})

layer(EvmTestbed.layer, { timeout: "60 seconds", excludeTestServices: true })("The ports on a chain", (it) => {
  it.effect(
    "refuse what the chain in memory refuses, by the same rule and with the same figures",
    () =>
      Effect.gen(function* () {
        const memory = ChainTestbed.layerMemory({ genesisS: 0, insurance: { epochLengthS: 86_400 } })
        const inMemory = yield* Refusals.all.pipe(Effect.provide(memory))
        assert.deepStrictEqual(yield* Refusals.all, inMemory)
        assert.isAbove(new Set(inMemory).size, 50)
      }),
    60_000,
  )

  it.effect("pay nothing for a refusal: nothing is sent, and nothing granted", () =>
    Effect.gen(function* () {
      const testbed = yield* ChainTestbed.ChainTestbed
      const book = yield* StakeBook
      const anvil = yield* Anvil.Anvil
      const by = yield* testbed.account
      yield* testbed.fund(by, book.terms.token, 10n)
      const before = yield* anvil.request("eth_getBalance", [by, "latest"])
      yield* Effect.flip(book.act({ _tag: "Stake", by, idempotencyKey: "poor", amount: 11n }))
      yield* Effect.flip(book.act({ _tag: "Stake", by, idempotencyKey: "zero", amount: 0n }))
      const pauser = testbed.roles["pauser"] ?? by
      yield* book.act({ _tag: "Pause", by: pauser, idempotencyKey: "pause" })
      const paused = yield* isOf(book.act({ _tag: "Stake", by, idempotencyKey: "paused", amount: 1n }))
      assert.strictEqual(paused._tag === "Refused" && paused.rule, "IsPaused")
      yield* book.act({ _tag: "Unpause", by: pauser, idempotencyKey: "unpause" })
      assert.strictEqual(yield* anvil.request("eth_getBalance", [by, "latest"]), before)
      assert.strictEqual(yield* approvalsOf(by), 0)
      // A key that was refused is free.
      yield* book.act({ _tag: "Stake", by, idempotencyKey: "paused", amount: 2n })
      assert.strictEqual((yield* book.standing(by)).active, 2n)
    }),
  )

  it.effect("grant what an act takes and no more, also for many acts of one account at once", () =>
    Effect.gen(function* () {
      const testbed = yield* ChainTestbed.ChainTestbed
      const book = yield* StakeBook
      const sender = yield* Sender
      const by = yield* testbed.account
      const { token } = book.terms
      yield* testbed.fund(by, token, 1_000n)
      const acts = Array.from({ length: 6 }, (_, at) => ({
        _tag: "Stake" as const,
        by,
        idempotencyKey: `at once ${at}`,
        amount: BigInt(at + 1),
      }))
      yield* Effect.forEach(acts, book.act, { concurrency: "unbounded" })
      assert.strictEqual((yield* book.standing(by)).active, 21n)
      const spender = testbed.contracts.Staking
      const args = [by as `0x${string}`, spender as `0x${string}`] as const
      const data = encodeFunctionData({ abi: Token.abi, functionName: "allowance", args })
      const anvil = yield* Anvil.Anvil
      const left = yield* anvil.request("eth_call", [{ to: token, data }, "latest"])
      assert.strictEqual(BigInt(String(left)), 0n)
      // A process that died between the grant and the act finds its grant, and grants nothing again.
      const grant = encodeFunctionData({
        abi: Token.abi,
        functionName: "approve",
        args: [spender as `0x${string}`, 50n],
      })
      yield* sender.send({ idempotencyKey: "grant 1 of died", by, to: token, data: grant })
      const before = yield* approvalsOf(by)
      yield* book.act({ _tag: "Stake", by, idempotencyKey: "died", amount: 50n })
      assert.strictEqual((yield* approvalsOf(by)) - before, 1)
      // What was granted under the key was used up by somebody else: it is granted again.
      yield* sender.send({ idempotencyKey: "grant 1 of robbed", by, to: token, data: grant })
      yield* book.act({ _tag: "Stake", by, idempotencyKey: "robber", amount: 50n })
      yield* book.act({ _tag: "Stake", by, idempotencyKey: "robbed", amount: 50n })
      assert.strictEqual((yield* book.standing(by)).active, 171n)
    }),
  )

  it.effect("hand an owner without a key here the calls to sign", () =>
    Effect.gen(function* () {
      const testbed = yield* ChainTestbed.ChainTestbed
      const book = yield* StakeBook
      const anvil = yield* Anvil.Anvil
      const owner = Address.make((yield* anvil.account("an owner elsewhere")).address)
      const { token } = book.terms
      const stake = { _tag: "Stake", by: owner, idempotencyKey: "elsewhere", amount: 70n } as const
      const poor = yield* isOf(book.act(stake))
      assert.strictEqual(poor._tag === "Refused" && poor.rule, "ERC20InsufficientBalance")
      yield* testbed.fund(owner, token, 70n)
      const reason = yield* isOf(book.act(stake))
      if (reason._tag !== "NoSigner") return assert.fail(reason.message)
      assert.strictEqual(reason.account, owner)
      const calls = reason.calls ?? []
      assert.deepStrictEqual(
        calls.map(({ to }) => to),
        [token, testbed.contracts.Staking],
      )
      for (const { to, data } of calls) assert.include(reason.message, `to ${to}, data ${data}`)
      for (const { to, data } of calls) yield* EvmTestbed.impersonate(owner, to, data)
      assert.strictEqual((yield* book.standing(owner)).active, 70n)
    }),
  )

  it.effect("read the rule of what was refused only when it was included", () =>
    Effect.gen(function* () {
      const testbed = yield* ChainTestbed.ChainTestbed
      const settlement = yield* Settlement
      const anvil = yield* Anvil.Anvil
      const token = yield* testbed.token
      const by = testbed.roles["operator"] ?? assert.fail()
      const funder = yield* testbed.account
      const provider = yield* testbed.account
      yield* testbed.fund(funder, token, 10n)
      yield* settlement.act({ _tag: "Fund", by: funder, idempotencyKey: "fund race", token, amount: 10n })
      // Both look fine while no block is made, and only one can be paid.
      const settle = (name: string, id: bigint) =>
        settlement.act({
          _tag: "Settle",
          by,
          idempotencyKey: name,
          provider,
          token,
          amount: 8n,
          requestId: Hex.word(id),
        })
      const race = Effect.all([Effect.result(settle("first", 71n)), Effect.result(settle("second", 72n))], {
        concurrency: "unbounded",
      })
      const results = yield* byHand(2, race, anvil.mine(1))
      const failed = results.flatMap((result) => (result._tag === "Failure" ? [result.failure] : []))
      assert.strictEqual(failed.length, 1)
      const [error] = failed
      assert.match(
        error?.message ?? "",
        /Settlement refused: NotEnoughFunded\. asked 8, funded 2\. It was found only in the chain: .*new key/,
      )
      assert.strictEqual((yield* settlement.credit(token, provider)).owed, 7n)
    }),
  )

  it.effect("have gas for what a contract writes only in a later second", () =>
    Effect.gen(function* () {
      const testbed = yield* ChainTestbed.ChainTestbed
      const vault = yield* InsuranceVault
      const anvil = yield* Anvil.Anvil
      const by = yield* testbed.account
      const { token } = vault.terms
      yield* testbed.fund(by, token, 100n)
      const args = [testbed.contracts.InsurancePool as `0x${string}`, 100n] as const
      yield* EvmTestbed.impersonate(by, token, encodeFunctionData({ abi: Token.abi, functionName: "approve", args }))
      yield* vault.act({ _tag: "Deposit", by, idempotencyKey: "this second", amount: 1n })
      // Estimated where this second's checkpoint is there already, and included where it needs one of its own.
      const later = vault.act({ _tag: "Deposit", by, idempotencyKey: "a later second", amount: 1n })
      yield* byHand(1, later, anvil.advance(5))
      const { free } = yield* vault.totals
      assert.strictEqual(free, 2n)
    }),
  )

  it.effect("know a foreign contract before they do anything", () =>
    Effect.gen(function* () {
      const { contracts, stake } = yield* EvmTestbed.Market
      const at = { stakes: EvmStakeBook.layer, settlements: EvmSettlement.layer }
      for (const address of [someone, stake, contracts.channel]) {
        const stakes = yield* isOf(Effect.scoped(Layer.build(at.stakes({ address }))))
        assert.deepInclude(stakes, { _tag: "ForeignContract", contract: "Staking", address })
        const settlements = yield* isOf(Effect.scoped(Layer.build(at.settlements({ address }))))
        assert.deepInclude(settlements, { _tag: "ForeignContract", contract: "Settlement", address })
      }
    }),
  )
})
