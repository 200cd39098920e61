/**
 * A market whose chain cannot be reached when it starts: it serves, and takes up its chain when that answers. It has no staking, as a
 * market that only settles; its deposits have a key of their own.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import * as Redacted from "effect/Redacted"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { createTestClient, createWalletClient, http, parseAbi } from "viem"
import { HDKey, privateKeyToAccount } from "viem/accounts"
import { foundry } from "viem/chains"
import * as DevAccounts from "@guildhall/chain-evm/DevAccounts"
import { DEVELOPMENT_ID, DEVELOPMENT_MNEMONIC } from "@guildhall/core/MarketChain"
import { local } from "@guildhall/markets/local"
import * as ChainParts from "../src/ChainParts.ts"
import { ROLE } from "../src/DevContracts.ts"
import * as Chain from "../src/embedded/Chain.ts"
import * as CutNetwork from "./CutNetwork.ts"
import * as MarketContracts from "./MarketContracts.ts"
import * as RunningMarket from "./RunningMarket.ts"

type Hex = `0x${string}`

const erc20 = parseAbi(["function mint(address to, uint256 amount)"])
const wallet = HDKey.fromMasterSeed(new Uint8Array(64).fill(9)).derive("m/44'/60'/0'/0")

describe("a chain that is away at a start", () => {
  it(
    "does not keep the market from serving, and is taken up later with all that happened",
    { timeout: 240_000 },
    async () => {
      const cleanups: Array<() => Promise<unknown> | unknown> = []
      let said = () => ""
      try {
        const folder = mkdtempSync(path.join(tmpdir(), "guildhall-chain-"))
        cleanups.push(() => rmSync(folder, { recursive: true, force: true }))
        const scope = await Effect.runPromise(Scope.make())
        cleanups.push(() => Effect.runPromise(Scope.close(scope, Exit.void)))
        const options = { home: folder, chainId: DEVELOPMENT_ID, mnemonic: DEVELOPMENT_MNEMONIC }
        const { rpcUrl } = await Effect.runPromise(Scope.provide(Chain.make(options), scope))
        const { close, contracts, tokens } = await MarketContracts.start(rpcUrl)
        cleanups.push(close)
        const network = await CutNetwork.start(Number(new URL(rpcUrl).port))
        cleanups.push(network.close)
        network.open(false)

        const home = RunningMarket.makeHome()
        const market = await RunningMarket.start({
          home,
          environment: {
            GUILDHALL_AGENT: "off",
            GUILDHALL_CHAIN_RPC: network.url,
            GUILDHALL_CHAIN_KEY: Redacted.value(DevAccounts.key(ROLE.operator)),
            GUILDHALL_DEPOSIT_KEY: wallet.publicExtendedKey,
            GUILDHALL_MARKET: RunningMarket.writeDefinition(home, {
              ...RunningMarket.calm,
              funding: ["usdc", ...local.funding],
              topUps: [{ use: ChainParts.DEPOSIT, with: { source: "usdc" } }, ...local.topUps],
              payouts: [{ use: ChainParts.PAYOUT, with: { sources: { usdc: { afterMs: 0 } }, everyMs: 60_000 } }],
              wallets: { chainId: DEVELOPMENT_ID },
              chain: {
                id: DEVELOPMENT_ID,
                contracts: { settlement: contracts.settlement },
                tokens: { [local.chargeAsset]: { address: tokens.usd, decimals: 6 } },
                settlement: {
                  asset: local.chargeAsset,
                  kind: "root",
                  epochMs: 60_000,
                  sources: { development: { afterMs: 0 } },
                },
              },
            }),
          },
        })
        cleanups.push(market.close)
        said = market.output
        assert.include(market.output(), "The market goes on without its chain, and takes it up when it answers.")
        assert.strictEqual((await market.call("/v1/market")).status, 200)
        const buyer = await RunningMarket.issueKey(market, { name: "buyer", role: "buyer" })
        const { body } = await market.call("/v1/deposits", { key: buyer.secret })
        const { data } = body as { data: ReadonlyArray<{ readonly address: Hex }> }
        const [address] = data.map((deposit) => deposit.address)
        assert.isDefined(address)
        if (address === undefined) return

        // Paid while the market sees nothing of the chain.
        const account = privateKeyToAccount(Redacted.value(DevAccounts.key(0)) as Hex)
        const payer = createWalletClient({ account, chain: foundry, transport: http(rpcUrl) })
        const mint = { address: tokens.usd as Hex, abi: erc20, functionName: "mint" } as const
        await payer.writeContract({ ...mint, args: [address, 3_000_000n] })
        await createTestClient({ mode: "anvil", chain: foundry, transport: http(rpcUrl) }).mine({ blocks: 2 })
        network.open(true)
        await RunningMarket.until(
          "the chain is taken up",
          () => (market.output().includes("The market's chain is reached.") ? true : undefined),
          30_000,
        )
        await RunningMarket.until(
          "the deposit is credited",
          async () => (await RunningMarket.accounts(market)).get(`buyer:usdc:${buyer.member}`),
          30_000,
        )
        for (const loop of ["ChainIndex", "Deposits", "Standing", "Epochs", "Payouts", "PayoutBatches"]) {
          const rounds = new RegExp(`guildhall_steward_rounds(_total)?\\{[^}]*loop="${loop}"[^}]*outcome="ok"`)
          await RunningMarket.until(`a round of ${loop}`, async () => {
            const { body } = await market.call("/metrics")
            return rounds.test(String(body)) ? true : undefined
          })
        }
      } catch (error) {
        throw new Error(`The market said:\n${said()}`, { cause: error })
      } finally {
        for (const clean of cleanups.toReversed()) await clean()
      }
    },
  )
})
