/**
 * What settling costs in gas: whole transactions on a real chain, in the steady state, with every address and amount fixed. So
 * the figures are the same on every machine, and a changed one is a changed contract.
 */
import { spawn } from "node:child_process"
import { setTimeout } from "node:timers/promises"
import * as RootVault from "@guildhall/chain-evm/abi/RootVault"
import * as Settlement from "@guildhall/chain-evm/abi/Settlement"
import * as Usd from "@guildhall/chain-evm/abi/Usd"
import * as SettlementCode from "@guildhall/chain-evm/bytecode/Settlement"
import * as UsdCode from "@guildhall/chain-evm/bytecode/Usd"
import {
  type Abi,
  type Address,
  type Hex,
  concat,
  encodeAbiParameters,
  encodeDeployData,
  encodeFunctionData,
  getAddress,
  keccak256,
  stringToHex,
  toHex,
} from "viem"
import { privateKeyToAccount } from "viem/accounts"
import { program } from "../Foundry.ts"

/** The figures by name, in gas. */
export interface Figures {
  readonly settle_per_request: number
  readonly settle_per_request_pulled: number
  readonly voucher: number
  readonly epoch_root: number
  readonly epoch_root_applied: number
  readonly claim: number
  readonly netted_per_provider_10: number
  readonly netted_per_provider_100: number
  readonly netted_per_provider_500: number
  readonly pay_per_recipient_200: number
}

const HOUR = 3_600
const CHALLENGE = 1_800
/** A fixed time, so that what is written into blocks is too. */
const START_S = 1_800_000_000 - (1_800_000_000 % HOUR)
const LEAVES = 1_024

/** A chain that does what it is told: transactions of any sender, one block each, at the times that are set. */
interface Chain {
  readonly request: (method: string, ...params: ReadonlyArray<unknown>) => Promise<unknown>
  readonly close: () => void
}

const startChain = async (): Promise<Chain> => {
  const args = ["--host", "127.0.0.1", "--port", "0", "--timestamp", `${START_S}`, "--hardfork", "cancun"]
  const child = spawn(program("anvil"), [...args, "--accounts", "0", "--auto-impersonate"], { stdio: "pipe" })
  const url = await new Promise<string>((resolve, reject) => {
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString()
      const port = /Listening on 127\.0\.0\.1:(\d+)/.exec(output)?.[1]
      if (port !== undefined) resolve(`http://127.0.0.1:${port}`)
    })
    child.once("exit", () => reject(new Error(`anvil ended before it listened:\n${output}`)))
  })
  const request = async (method: string, ...params: ReadonlyArray<unknown>): Promise<unknown> => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body })
    const answer: { readonly result?: unknown; readonly error?: unknown } = await response.json()
    if (answer.error !== undefined) throw new Error(`${method}: ${JSON.stringify(answer.error)}`)
    return answer.result
  }
  return { request, close: () => void child.kill("SIGKILL") }
}

/** An address that looks like any other: no zeros that would make calldata cheaper. */
const addressOf = (name: string): Address =>
  getAddress(`0x${keccak256(stringToHex(`guildhall gas ${name}`)).slice(26)}`)

const idOf = (name: string): Hex => keccak256(stringToHex(`guildhall gas id ${name}`))

const packed = (entries: ReadonlyArray<readonly [Address, bigint]>): Hex =>
  concat(entries.map(([account, amount]) => concat([account, toHex(amount, { size: 12 })])))

const pairHash = (a: Hex, b: Hex): Hex => keccak256(a < b ? concat([a, b]) : concat([b, a]))

/** The root over leaves whose number is a power of two, and the proof of the first. */
const treeOf = (leaves: ReadonlyArray<Hex>): { readonly root: Hex; readonly proof: ReadonlyArray<Hex> } => {
  const proof: Array<Hex> = []
  let level = leaves
  while (level.length > 1) {
    proof.push(level[1] ?? "0x")
    level = level.flatMap((left, at) => (at % 2 === 0 ? [pairHash(left, level[at + 1] ?? "0x")] : []))
  }
  return { root: level[0] ?? "0x", proof }
}

/** The market of the measurements: who sends what to the settlement, and what it cost. */
class Market {
  readonly operator = addressOf("operator")
  readonly funder = addressOf("funder")
  readonly signer = privateKeyToAccount(idOf("signer"))
  readonly chain: Chain
  token: Address = "0x"
  settlement: Address = "0x"
  vault: Address = "0x"

  constructor(chain: Chain) {
    this.chain = chain
  }

  /** Sends a transaction and answers its gas: 21,000, calldata, execution and refund together. */
  async send(
    from: Address,
    to: Address | undefined,
    data: Hex,
  ): Promise<{ readonly gas: number; readonly made: Address }> {
    await this.chain.request("anvil_setBalance", from, toHex(10n ** 24n))
    const hash = await this.chain.request("eth_sendTransaction", { from, to, data, gas: toHex(29_000_000) })
    let receipt = await this.chain.request("eth_getTransactionReceipt", hash)
    // The block is made a moment after the transaction was taken.
    while (receipt === null) {
      await setTimeout(1)
      receipt = await this.chain.request("eth_getTransactionReceipt", hash)
    }
    const { contractAddress, gasUsed, status } = receipt as Readonly<Record<string, Hex>>
    if (status !== "0x1") {
      const why = await this.chain
        .request("eth_call", { from, to, data, gas: toHex(29_000_000) }, "latest")
        .catch(String)
      throw new Error(`A transaction to ${to} failed: ${String(why)}`)
    }
    return { gas: Number(gasUsed), made: (contractAddress ?? "0x") as Address }
  }

  private async call(from: Address, to: Address, abi: Abi, functionName: string, args: ReadonlyArray<unknown>) {
    return (await this.send(from, to, encodeFunctionData({ abi, functionName, args: [...args] }))).gas
  }

  onToken(from: Address, functionName: string, ...args: ReadonlyArray<unknown>): Promise<number> {
    return this.call(from, this.token, Usd.abi, functionName, args)
  }

  onSettlement(from: Address, functionName: string, ...args: ReadonlyArray<unknown>): Promise<number> {
    return this.call(from, this.settlement, Settlement.abi, functionName, args)
  }

  claim(account: Address, cumulative: bigint, proof: ReadonlyArray<Hex>): Promise<number> {
    return this.call(account, this.vault, RootVault.abi, "claim", [this.token, account, cumulative, proof])
  }

  async advance(seconds: number): Promise<void> {
    await this.chain.request("evm_increaseTime", seconds)
    await this.chain.request("evm_mine")
  }

  async epoch(): Promise<number> {
    const data = encodeFunctionData({ abi: Settlement.abi, functionName: "currentEpoch" })
    return Number(await this.chain.request("eth_call", { to: this.settlement, data }, "latest"))
  }

  async deploy(): Promise<void> {
    const deployer = addressOf("deployer")
    const holders = {
      governor: addressOf("governor"),
      pauser: addressOf("pauser"),
      curator: addressOf("curator"),
      funder: this.funder,
      operator: this.operator,
      challenger: addressOf("challenger"),
    }
    const config = { epochLength: HOUR, challengeDelay: CHALLENGE, unfundDelay: 48 * HOUR, voucherEpochs: 24 }
    const terms = {
      fromEpoch: 0,
      providerBps: 9_000,
      treasury: addressOf("treasury"),
      voucherSigner: this.signer.address,
      shares: [],
    }
    this.token = (await this.send(deployer, undefined, UsdCode.creation)).made
    const args = [48 * HOUR, holders, config, terms] as const
    const creation = encodeDeployData({ abi: Settlement.abi, bytecode: SettlementCode.creation, args })
    this.settlement = (await this.send(deployer, undefined, creation)).made
    const data = encodeFunctionData({ abi: Settlement.abi, functionName: "rootVault" })
    const word = String(await this.chain.request("eth_call", { to: this.settlement, data }, "latest"))
    this.vault = getAddress(`0x${word.slice(26)}`)
    await this.onToken(deployer, "mint", this.funder, 10n ** 15n)
    await this.onToken(this.funder, "approve", this.settlement, 10n ** 15n)
    await this.onSettlement(this.funder, "fund", this.token, 10n ** 14n)
  }
}

/** The last of several: the first one fills slots that were empty. */
const steady = async (times: number, act: (round: number) => Promise<number>): Promise<number> => {
  let last = 0
  for (let round = 0; round < times; round++) last = await act(round)
  return last
}

const perRequest = (market: Market): Promise<number> =>
  steady(3, (round) =>
    market.onSettlement(
      market.operator,
      "settle",
      addressOf("provider"),
      market.token,
      123_456n,
      idOf(`request ${round}`),
    ),
  )

const pulled = async (market: Market): Promise<number> => {
  const payer = addressOf("payer")
  await market.onToken(payer, "mint", payer, 10n ** 12n)
  await market.onToken(payer, "approve", market.settlement, 10n ** 11n)
  return steady(3, (round) =>
    market.onSettlement(
      market.operator,
      "settleFrom",
      payer,
      addressOf("provider"),
      market.token,
      123_456n,
      idOf(`pulled ${round}`),
    ),
  )
}

const voucher = async (market: Market): Promise<number> => {
  const provider = addressOf("provider")
  const epoch = await market.epoch()
  return steady(3, async (round) => {
    const message = { provider, token: market.token, epoch, cumulative: BigInt(round + 1) * 1_234_567n }
    const signature = await market.signer.signTypedData({
      domain: { name: "Guildhall Settlement", version: "1", chainId: 31_337, verifyingContract: market.settlement },
      types: {
        Voucher: [
          { name: "provider", type: "address" },
          { name: "token", type: "address" },
          { name: "epoch", type: "uint48" },
          { name: "cumulative", type: "uint128" },
        ],
      },
      primaryType: "Voucher",
      message,
    })
    return market.onSettlement(provider, "redeem", message, signature)
  })
}

const leafOf = (market: Market, account: Address, cumulative: bigint): Hex => {
  const types = [
    { type: "uint256" },
    { type: "address" },
    { type: "address" },
    { type: "address" },
    { type: "uint128" },
  ] as const
  return keccak256(keccak256(encodeAbiParameters(types, [31_337n, market.vault, market.token, account, cumulative])))
}

const KINDS = { root: 1, batch: 2 } as const

const propose = async (market: Market, kind: keyof typeof KINDS, commitment: Hex, gross: bigint) => {
  await market.advance(HOUR)
  const epoch = (await market.epoch()) - 1
  const gas = await market.onSettlement(
    market.operator,
    "proposeEpoch",
    market.token,
    epoch,
    KINDS[kind],
    commitment,
    gross,
    0n,
  )
  await market.advance(CHALLENGE)
  return { epoch, gas }
}

/** What it costs to post a root, to apply it when its delay is over, and to claim from it. */
const root = async (
  market: Market,
): Promise<{ readonly posted: number; readonly applied: number; readonly claim: number }> => {
  const accounts = Array.from({ length: LEAVES }, (_, at) => addressOf(`leaf ${at}`))
  const [claimant] = accounts
  if (claimant === undefined) throw new Error("A tree needs leaves.")
  let posted = 0
  let applied = 0
  const claim = await steady(3, async (round) => {
    const cumulative = BigInt(round + 1) * 900_000n
    const { proof, root: commitment } = treeOf(accounts.map((account) => leafOf(market, account, cumulative)))
    const { epoch, gas } = await propose(market, "root", commitment, 1_000_000n * BigInt(LEAVES))
    posted = gas
    applied = await market.onSettlement(market.operator, "applyRoot", market.token, epoch)
    return market.claim(claimant, cumulative, proof)
  })
  return { posted, applied, claim }
}

/** Proposal and application together, divided by the providers. */
const netted = async (market: Market, providers: number): Promise<number> => {
  const entries = Array.from({ length: providers }, (_, at) => [addressOf(`netted ${at}`), 900_123n] as const)
  const data = packed(entries)
  const gross = (BigInt(providers) * 900_123n * 10_000n + 8_999n) / 9_000n
  const gas = await steady(3, async () => {
    const proposed = await propose(market, "batch", keccak256(data), gross)
    const applied = await market.onSettlement(market.operator, "applyBatch", market.token, proposed.epoch, data)
    return proposed.gas + applied
  })
  return Math.round(gas / providers)
}

/** Tokens sent to 200 that have some already. */
const payMany = async (market: Market): Promise<number> => {
  const data = packed(Array.from({ length: 200 }, (_, at) => [addressOf(`paid ${at}`), 55_555n] as const))
  const gas = await steady(2, (round) =>
    market.onSettlement(market.operator, "payMany", market.token, idOf(`batch ${round}`), data),
  )
  return Math.round(gas / 200)
}

/** Measures all of it. */
export const measure = async (progress: (text: string) => void = () => undefined): Promise<Figures> => {
  const chain = await startChain()
  try {
    const market = new Market(chain)
    await market.deploy()
    progress("requests and vouchers")
    const settle_per_request = await perRequest(market)
    const settle_per_request_pulled = await pulled(market)
    const redeemed = await voucher(market)
    progress(`a root over ${LEAVES} leaves, and claims`)
    const ofRoot = await root(market)
    progress("netted batches of 10, 100 and 500")
    return {
      settle_per_request,
      settle_per_request_pulled,
      voucher: redeemed,
      epoch_root: ofRoot.posted,
      epoch_root_applied: ofRoot.applied,
      claim: ofRoot.claim,
      netted_per_provider_10: await netted(market, 10),
      netted_per_provider_100: await netted(market, 100),
      netted_per_provider_500: await netted(market, 500),
      pay_per_recipient_200: await payMany(market),
    }
  } finally {
    chain.close()
  }
}
