/**
 * Money through the chain for development, in a market of two processes: a buyer pays by a transfer from a wallet, spends it, and the
 * provider has its part in its own wallet.
 */
import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { spawn } from "node:child_process"
import * as Redacted from "effect/Redacted"
import { createTestClient, createWalletClient, http, parseAbi, publicActions } from "viem"
import { privateKeyToAccount } from "viem/accounts"
import { foundry } from "viem/chains"
import * as DevAccounts from "@guildhall/chain-evm/DevAccounts"
import { local } from "@guildhall/markets/local"
import * as ChainParts from "../src/ChainParts.ts"
import * as DevChain from "../src/DevChain.ts"
import * as PairedAgent from "./PairedAgent.ts"
import * as TestProgram from "@guildhall/tools/TestProgram"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

type Hex = `0x${string}`

const MODEL = "org/scripted"
const DOLLAR = 10n ** 12n
/** The least that the token carries. */
const UNIT = 10n ** 6n
const erc20 = parseAbi([
  "function transfer(address to, uint256 amount) returns (bool)",
  "function balanceOf(address account) view returns (uint256)",
])
const keyOf = (index: number) => Redacted.value(DevAccounts.key(index)) as Hex
const provider = { key: keyOf(7), wallet: DevAccounts.address(7) as Hex }
const buyersWallet = privateKeyToAccount(keyOf(8))

/** What `--chain` gives to `local`, with payouts that a test can wait for. */
const definition = () => {
  const { assets, chain, funding, payouts, stakeAsset, topUps, wallets } = DevChain.defined(local, { chain: "on" })
  if (chain === undefined || stakeAsset === undefined || wallets === undefined) throw new Error("There is no chain.")
  const soon = payouts.map((ref) => ({ ...ref, with: { ...ref.with, everyMs: 2_000 } }))
  return { ...RunningMarket.calm, assets, chain, funding, payouts: soon, stakeAsset, topUps, wallets }
}

interface Deposit {
  readonly address: Hex
  readonly token: Hex
  readonly rail: string
  readonly decimals: number
}

const bind = async (market: RunningMarket.RunningMarket, home: string) => {
  const args = ["wallet", "bind", "--home", home, "--market", market.url, "--json"]
  const child = spawn(
    process.execPath,
    ["--conditions=@guildhall/source", TestProgram.of(TestProgram.agent), ...args],
    {
      env: { PATH: process.env["PATH"], GUILDHALL_WALLET_KEY: provider.key },
      stdio: ["ignore", "pipe", "inherit"],
    },
  )
  const [code] = await once(child, "exit")
  assert.strictEqual(code, 0)
}

describe("money through the market's chain", () => {
  it(
    "a buyer tops up by a transfer, spends it, and the provider is paid in a batch",
    { timeout: 240_000 },
    async () => {
      const home = RunningMarket.makeHome()
      const market = await RunningMarket.start({
        home,
        args: ["--workers", "2", "--chain"],
        environment: {
          GUILDHALL_AGENT: "off",
          GUILDHALL_MARKET: RunningMarket.writeDefinition(home, definition()),
        },
      })
      const engine = await ScriptedEngine.start(MODEL)
      const cleanups: Array<() => Promise<unknown>> = [market.close, engine.close]
      try {
        const rpcUrl = /^chain +(\S+)/m.exec(market.output())?.[1] ?? ""
        const chain = createTestClient({ mode: "anvil", chain: foundry, transport: http(rpcUrl) }).extend(publicActions)
        const earning = await RunningMarket.issueKey(market, { name: "provider", role: "provider" })
        const paired = await PairedAgent.pair(market, earning.secret)
        await bind(market, paired.home)
        const { secret: key } = earning
        const agent = await RunningMarket.startAgent(market, {
          key,
          backend: engine.url,
          model: MODEL,
          home: paired.home,
        })
        cleanups.push(() => agent.kill("SIGKILL"))

        const buyer = await RunningMarket.issueKey(market, { name: "buyer", role: "buyer" })
        const asked = await Promise.all(
          Array.from({ length: 8 }, () => market.call("/v1/deposits", { key: buyer.secret })),
        )
        const [deposit] = asked.flatMap(({ body }) => (body as { data: ReadonlyArray<Deposit> }).data)
        assert.isDefined(deposit)
        if (deposit === undefined) return
        // Whichever process answers, and however often it is asked.
        for (const { body } of asked) assert.deepStrictEqual(body, { data: [deposit] })
        assert.deepInclude(deposit, { rail: ChainParts.DEPOSIT, decimals: 6 })

        const wallet = createWalletClient({ account: buyersWallet, chain: foundry, transport: http(rpcUrl) })
        await wallet.writeContract({
          address: deposit.token,
          abi: erc20,
          functionName: "transfer",
          args: [deposit.address, 25_000_000n],
        })
        await chain.mine({ blocks: 2 })
        const funds = `buyer:transfer:${buyer.member}`
        await RunningMarket.until("the transfer is credited", async () =>
          (await RunningMarket.accounts(market)).get(funds) === 25n * DOLLAR ? true : undefined,
        )

        await RunningMarket.listed(market, MODEL, 1, 60_000)
        const client = market.client(buyer.secret)
        const message = { role: "user", content: "tokens=50" } as const
        // A machine that is busy refuses one now and then, and nothing is charged for it.
        const ask = () =>
          client.chat.completions.create({ model: MODEL, messages: [message], max_tokens: 60 }).catch(() => undefined)
        for (let served = 0; served < 4; served++) await RunningMarket.until("an answer", ask, 30_000)

        const balance = () =>
          chain.readContract({ address: deposit.token, abi: erc20, functionName: "balanceOf", args: [provider.wallet] })
        const before = 10_000_000_000n
        const arrived = await RunningMarket.until(
          "the provider has money in its wallet",
          async () => {
            const more = (await balance()) - before
            return more > 0n ? more : undefined
          },
          60_000,
        )
        await chain.mine({ blocks: 2 })
        const paid = await RunningMarket.until(
          "the books say that it was paid",
          async () => {
            const accounts = await RunningMarket.accounts(market)
            const out = accounts.get(`external:${ChainParts.PAYOUT}`) ?? 0n
            const left = accounts.get(`accrual:transfer:${earning.member}`) ?? 0n
            return out >= arrived * UNIT && left === 0n && out === ((await balance()) - before) * UNIT ? out : undefined
          },
          60_000,
        )
        // Nine tenths of what the buyer spent, but for what is less than the token's smallest unit.
        const accounts = await RunningMarket.accounts(market)
        const spent = 25n * DOLLAR - (accounts.get(funds) ?? 0n)
        assert.isAbove(Number(spent), 0)
        const rest = accounts.get(`payable:${ChainParts.PAYOUT}:${earning.member}`) ?? 0n
        assert.isTrue(rest < UNIT)
        assert.strictEqual(paid + rest, (spent * 9n) / 10n)

        await agent.kill("SIGTERM")
        assert.strictEqual(await market.kill("SIGINT"), 0)
        const { code, output } = await RunningMarket.guildhall(home, ["ledger", "verify"])
        assert.strictEqual(code, 0, output)
      } catch (error) {
        throw new Error(`The market said:\n${market.output()}`, { cause: error })
      } finally {
        for (const clean of cleanups.toReversed()) await clean()
      }
    },
  )
})
