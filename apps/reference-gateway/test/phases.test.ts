/**
 * A market on a chain through its phases: first stake and settlement alone; then bonds, which the provider's devices take on one by one
 * while requests go on; and at the end the market is gone, and the provider is paid by the chain all the same.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { createPublicClient, createWalletClient, encodeAbiParameters, http, keccak256, parseAbi } from "viem"
import { privateKeyToAccount } from "viem/accounts"
import { foundry } from "viem/chains"
import { AssetCode } from "@guildhall/core/Asset"
import * as DevAccounts from "@guildhall/chain-evm/DevAccounts"
import { DEVELOPMENT_ID, DEVELOPMENT_MNEMONIC } from "@guildhall/core/MarketChain"
import { local } from "@guildhall/markets/local"
import * as Redacted from "effect/Redacted"
import { ROLE } from "../src/DevContracts.ts"
import * as Chain from "../src/embedded/Chain.ts"
import * as MarketContracts from "./MarketContracts.ts"
import * as PairedAgent from "./PairedAgent.ts"
import * as TestProgram from "@guildhall/tools/TestProgram"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

const MODEL = "org/scripted"
const EPOCH_MS = 60_000
const GUILD = { code: AssetCode.make("GUILD"), scale: 18 }

type Hex = `0x${string}`
interface Proof {
  readonly account: Hex
  readonly cumulative: string
  readonly leaf: Hex
  readonly proof: ReadonlyArray<Hex>
  readonly call: { readonly to: Hex; readonly data: Hex }
}
interface ProofView {
  readonly epoch: number
  readonly chainId: number
  readonly contract: Hex
  readonly token: Hex
  readonly root: Hex
  readonly proofs: ReadonlyArray<Proof>
}

const makeStage = async () => {
  const cleanups: Array<() => Promise<unknown> | unknown> = []
  const folder = mkdtempSync(path.join(tmpdir(), "guildhall-chain-"))
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }))
  const scope = await Effect.runPromise(Scope.make())
  cleanups.push(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  const chain = await Effect.runPromise(
    Scope.provide(Chain.make({ home: folder, chainId: DEVELOPMENT_ID, mnemonic: DEVELOPMENT_MNEMONIC }), scope),
  )
  const contracts = await MarketContracts.start(chain.rpcUrl)
  cleanups.push(contracts.close)
  return {
    chain,
    contracts,
    cleanups,
    close: async () => {
      for (const clean of cleanups.toReversed()) await clean()
    },
  }
}

/** Binds a paired device to the provider's wallet, as its owner does: before the agent runs. */
const bind = async (market: RunningMarket.RunningMarket, home: string) => {
  const args = ["wallet", "bind", "--home", home, "--market", market.url, "--json"]
  const child = spawn(
    process.execPath,
    ["--conditions=@guildhall/source", TestProgram.of(TestProgram.agent), ...args],
    {
      env: {
        PATH: process.env["PATH"],
        GUILDHALL_WALLET_KEY: Redacted.value(DevAccounts.key(MarketContracts.provider.key)),
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  )
  let output = ""
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
  const [code] = await once(child, "exit")
  assert.strictEqual(code, 0, output)
  assert.include(output, MarketContracts.provider.address)
}

/** Requests one after the other, until it is stopped; what failed is kept. */
const traffic = (market: RunningMarket.RunningMarket) => {
  const failures: Array<string> = []
  let served = 0
  let isOn = true
  const ask = async () => {
    while (isOn) {
      await market
        .client()
        .chat.completions.create({ model: MODEL, messages: [{ role: "user", content: "tokens=40" }], max_tokens: 60 })
        .then(
          () => (served += 1),
          (error: unknown) => failures.push(String(error)),
        )
      await pause(100)
    }
  }
  const going = Promise.all([ask(), ask()])
  return {
    failures,
    served: () => served,
    stop: async () => {
      isOn = false
      await going
    },
  }
}

const publicKeyOf = async (market: RunningMarket.RunningMarket, device: string) => {
  const { body } = await market.call("/v1/operator/instances")
  const { data } = body as { data: ReadonlyArray<{ instance: { deviceId: string; devicePublicKey: string } }> }
  const found = data.find(({ instance }) => instance.deviceId === device)
  return Uint8Array.from(Buffer.from(found?.instance.devicePublicKey ?? "", "base64url"))
}

describe("S14 · the phases of a market on a chain", () => {
  it("S5, S7, S14 · stake and settlement first, bonds later device by device without a failed request, claims without the market", async () => {
    const stage = await makeStage()
    const { chain, cleanups, contracts } = stage
    let said = () => ""
    try {
      // The first epoch with bonds begins in a minute or two.
      const fromEpoch = Math.floor((Date.now() + EPOCH_MS) / EPOCH_MS) + 1
      const home = RunningMarket.makeHome()
      const market = await RunningMarket.start({
        home,
        environment: {
          GUILDHALL_AGENT: "off",
          GUILDHALL_CHAIN_RPC: chain.rpcUrl,
          GUILDHALL_CHAIN_KEY: Redacted.value(DevAccounts.key(ROLE.operator)),
          GUILDHALL_MARKET: RunningMarket.writeDefinition(home, {
            ...RunningMarket.calm,
            assets: [...local.assets, GUILD],
            stakeAsset: GUILD.code,
            wallets: { chainId: chain.chainId },
            routing: { use: "filter", with: { filter: { use: "Bonded" }, policy: { use: "LeastLoaded" } } },
            chain: {
              id: chain.chainId,
              contracts: {
                staking: contracts.contracts.staking,
                bond: contracts.contracts.bond,
                settlement: contracts.contracts.settlement,
              },
              tokens: {
                [local.chargeAsset]: { address: contracts.tokens.usd, decimals: 6 },
                [GUILD.code]: { address: contracts.tokens.stake, decimals: 18 },
              },
              stake: { tiersFromEpoch: 0 },
              settlement: {
                asset: local.chargeAsset,
                kind: "root",
                epochMs: EPOCH_MS,
                sources: { development: { afterMs: 0 } },
              },
              bonds: { fromEpoch, allFromEpoch: fromEpoch + 1 },
            },
          }),
        },
      })
      cleanups.push(market.close)
      said = market.output
      assert.notInclude(market.output(), Redacted.value(DevAccounts.key(ROLE.operator)).slice(2))
      const { secret: key } = await RunningMarket.issueKey(market, { name: "provider", role: "provider" })

      /** A paired device, bound to the wallet, with an engine of its own. */
      const join = async () => {
        const engine = await ScriptedEngine.start(MODEL)
        cleanups.push(engine.close)
        const paired = await PairedAgent.pair(market, key)
        await bind(market, paired.home)
        const agent = await RunningMarket.startAgent(market, {
          key,
          backend: engine.url,
          model: MODEL,
          home: paired.home,
        })
        cleanups.push(() => agent.kill("SIGKILL"))
        return { engine, device: paired.device.id }
      }
      const [first, second] = [await join(), await join()]
      await RunningMarket.listed(market, MODEL, 2, 60_000)
      assert.isBelow(Math.floor(Date.now() / EPOCH_MS), fromEpoch, "the machine is too slow for this test's times")

      // Phase 1. Stake counts, bonds do not.
      await contracts.stake(10_000n)
      const requests = traffic(market)
      cleanups.push(requests.stop)
      // Phase 2. Bonds count. A device that is new serves only with one.
      await pause(Math.max(0, fromEpoch * EPOCH_MS + 500 - Date.now()))
      const third = await join()
      await RunningMarket.listed(market, MODEL, 3, 60_000)
      const seenOfThird = third.engine.counts.seen
      await contracts.bond(await publicKeyOf(market, first.device))
      await pause(3_000)
      await contracts.bond(await publicKeyOf(market, second.device))

      // Phase 3. All need one. The two go on, the third still has none.
      await pause(Math.max(0, (fromEpoch + 1) * EPOCH_MS + 2_000 - Date.now()))
      const before = [first, second].map(({ engine }) => engine.counts.seen)
      await pause(3_000)
      await requests.stop()
      assert.deepStrictEqual(requests.failures, [])
      assert.isAbove(requests.served(), 100)
      for (const [index, { engine }] of [first, second].entries()) {
        assert.isAbove(engine.counts.seen, before[index] ?? 0, `device ${index + 1} serves with its bond`)
      }
      assert.strictEqual(third.engine.counts.seen, seenOfThird, "the new device serves nothing without a bond")

      // Settlement went on all the while.
      const view = await RunningMarket.until(
        "an epoch with all that was earned before bonds",
        async () => {
          const { body, status } = await market.call("/v1/settlements/latest/proof", { key })
          return status === 200 && (body as ProofView).epoch >= fromEpoch - 1 ? (body as ProofView) : undefined
        },
        90_000,
      )
      const [proof] = view.proofs
      assert.isDefined(proof)
      if (proof === undefined) return
      assert.strictEqual<string>(proof.account, MarketContracts.provider.address)
      assert.isAbove(Number(proof.cumulative), 0)

      // The market is gone. Its provider has the answer, a wallet, and the chain.
      await market.kill("SIGINT")
      await paidWithoutTheMarket(chain.rpcUrl, view, proof)
    } catch (error) {
      throw new Error(`The market said:\n${said()}`, { cause: error })
    } finally {
      await stage.close()
    }
  }, 420_000)
})

/** With viem alone: checks the proof by hand and against the chain, and lets a stranger send the claim. */
const paidWithoutTheMarket = async (rpcUrl: string, view: ProofView, proof: Proof) => {
  const reads = createPublicClient({ chain: foundry, transport: http(rpcUrl), pollingInterval: 50 })
  const amount = BigInt(proof.cumulative)
  const words = encodeAbiParameters(
    [{ type: "uint256" }, { type: "address" }, { type: "address" }, { type: "address" }, { type: "uint256" }],
    [BigInt(view.chainId), view.contract, view.token, proof.account, amount],
  )
  const leaf = keccak256(keccak256(words))
  assert.strictEqual(leaf, proof.leaf)
  const root = proof.proof.reduce<Hex>(
    (a, b) => keccak256(a < b ? `0x${a.slice(2)}${b.slice(2)}` : `0x${b.slice(2)}${a.slice(2)}`),
    leaf,
  )
  assert.strictEqual(root, view.root)
  const vault = parseAbi([
    "function rootOf(address token) view returns (bytes32)",
    "function claimedOf(address account, address token) view returns (uint128)",
  ])
  const at = { address: view.contract, abi: vault } as const
  assert.strictEqual(await reads.readContract({ ...at, functionName: "rootOf", args: [view.token] }), root)

  const erc20 = parseAbi(["function balanceOf(address account) view returns (uint256)"])
  const balance = () =>
    reads.readContract({ address: view.token, abi: erc20, functionName: "balanceOf", args: [proof.account] })
  const had = await balance()
  const account = privateKeyToAccount(Redacted.value(DevAccounts.key(MarketContracts.stranger.key)) as Hex)
  const wallet = createWalletClient({ account, chain: foundry, transport: http(rpcUrl) })
  const claim = async () =>
    reads.waitForTransactionReceipt({
      hash: await wallet.sendTransaction({ to: proof.call.to, data: proof.call.data }),
    })
  assert.strictEqual((await claim()).status, "success")
  assert.strictEqual((await balance()) - had, amount)
  const claimed = { ...at, functionName: "claimedOf", args: [proof.account, view.token] } as const
  assert.strictEqual(await reads.readContract(claimed), amount)
  // Sent once more it pays nothing more.
  await claim()
  assert.strictEqual((await balance()) - had, amount)
}
