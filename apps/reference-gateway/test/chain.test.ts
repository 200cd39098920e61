/**
 * The chain for development as a process: with the market's start and stop, kill -9 of each, and what is left in the home.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import path from "node:path"
import { Effect } from "effect"
import { DEVELOPMENT_MNEMONIC } from "@guildhall/core/MarketChain"
import * as ChainProgram from "../src/embedded/ChainProgram.ts"
import * as ProcessTable from "../src/ProcessTable.ts"
import * as RunningMarket from "./RunningMarket.ts"
import { type MarketProcess, makeHome, runFile, until } from "./MarketProcess.ts"

const ready = "guildhall ready"

const makeStage = () => {
  const cleanups: Array<() => void> = []
  const home = makeHome()
  const file = (name: string) => path.join(home.home, "chain", name)
  const facts = (): { pid: number; port: number } => JSON.parse(readFileSync(file("anvil.json"), "utf8"))
  cleanups.push(home.remove, () => {
    for (const pid of ProcessTable.workingIn(path.join(home.home, "chain"), ["anvil"])) {
      ProcessTable.signal(pid, "SIGKILL")
    }
  })
  const call = async (method: string, ...params: ReadonlyArray<unknown>): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${facts().port}`, {
      method: "POST",
      headers: { "content-type": "application/json", origin: "http://elsewhere.example" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    })
    assert.isNull(response.headers.get("access-control-allow-origin"))
    const answer: { readonly result?: unknown } = await response.json()
    return answer.result
  }
  return {
    home,
    file,
    facts,
    call,
    start: (env: Readonly<Record<string, string>> = { GUILDHALL_CHAIN: "on" }): MarketProcess => {
      const market = runFile("StubMarket.ts", { GUILDHALL_HOME: home.home, GUILDHALL_PORT: "0", ...env })
      cleanups.push(() => market.child.kill("SIGKILL"))
      return market
    },
    /** One ether from the first account to an address. */
    send: async (to: string) => {
      const accounts = await call("eth_accounts")
      const from: unknown = Array.isArray(accounts) ? accounts[0] : undefined
      await call("eth_sendTransaction", { from, to, value: "0xde0b6b3a7640000" })
    },
    balance: (of: string) => call("eth_getBalance", of, "latest"),
    isGone: () => ProcessTable.identity(facts().pid) === undefined,
    [Symbol.dispose]: () => cleanups.toReversed().forEach((clean) => clean()),
  }
}

const someone = "0x00000000000000000000000000000000000000aa"
const one = "0xde0b6b3a7640000"

/** The port that a first chain takes where it is free: kept from these, for other tests have chains at the same time. */
const usual = createServer()

describe("the chain for development", { timeout: 120_000 }, () => {
  beforeAll(
    () =>
      new Promise<void>((resolve) => {
        // Where somebody else has it already, nobody here gets it either.
        usual.once("error", () => resolve())
        usual.listen(8_545, "127.0.0.1", resolve)
      }),
  )
  afterAll(() => void usual.close())

  it("starts and stops with the market, keeps what happened on it, and says no private key", async () => {
    using stage = makeStage()
    const first = stage.start()
    await first.says(ready)
    assert.match(first.output(), /chain {9}http:\/\/127\.0\.0\.1:\d+ \(id 31337, for development\)/)
    const settlement = /settlement {4}(0x[0-9a-fA-F]{40}), claims at 0x/.exec(first.output())?.[1]
    assert.isAbove(String(await stage.call("eth_getCode", settlement, "latest")).length, 1_000)
    assert.include(first.output(), DEVELOPMENT_MNEMONIC)
    // The test has the usual port.
    assert.match(first.output(), /Port 8545 is taken, so the chain is on port \d+/)
    assert.strictEqual(await stage.call("eth_chainId"), "0x7a69")
    await stage.send(someone)
    assert.strictEqual(await stage.balance(someone), one)
    // Whoever looks at it from another terminal names nothing.
    const environment = { GUILDHALL_MARKET: "local" }
    const checked = await RunningMarket.guildhall(stage.home.home, ["chain", "check"], environment)
    assert.strictEqual(checked.code, 0, checked.output)
    assert.include(checked.output, "7 contracts are ours")
    const shown = await RunningMarket.guildhall(stage.home.home, ["market", "show"], environment)
    assert.strictEqual(JSON.parse(shown.output).chain.contracts.settlement, settlement)
    const { port } = stage.facts()
    const began = performance.now()
    assert.strictEqual(await first.endBy("SIGINT"), 0)
    assert.isBelow(performance.now() - began, 5_000)
    assert.isTrue(stage.isGone())

    const second = stage.start()
    await second.says(ready)
    assert.strictEqual(await stage.balance(someone), one)
    assert.strictEqual(stage.facts().port, port)
    // The same contracts: nothing is deployed twice.
    assert.include(second.output(), `settlement    ${settlement}`)
    assert.strictEqual(await second.endBy("SIGTERM"), 0)
    // The first account's key, as anvil prints it unless it is told not to.
    const key = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
    const said = first.output() + second.output() + readFileSync(stage.file("anvil.log"), "utf8")
    assert.notInclude(said, key)
    assert.strictEqual(statSync(path.dirname(stage.file("state.json"))).mode & 0o777, 0o700)
  })

  it("is not there unless it is asked for", async () => {
    using stage = makeStage()
    const market = stage.start({})
    await market.says(ready)
    assert.isFalse(existsSync(stage.file("anvil.json")))
    assert.notInclude(market.output(), "chain")
    await market.endBy("SIGINT")
  })

  it.effect("a machine without the program is told how to do without", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ChainProgram.find("plan9-vax"))
      assert.include(error.message, "plan9-vax")
      assert.include(error.message, "GUILDHALL_CHAIN_RPC")
      assert.isTrue(existsSync(yield* ChainProgram.find()))
    }),
  )

  it("kill -9 of the gateway: the chain ends too and has written what happened", async () => {
    using stage = makeStage()
    const market = stage.start()
    await market.says(ready)
    await stage.send(someone)
    await market.endBy("SIGKILL")
    await until("the chain is gone", stage.isGone)
    const next = stage.start()
    await next.says(ready)
    assert.strictEqual(await stage.balance(someone), one)
    await next.endBy("SIGINT")
  })

  it("kill -9 of the chain: it is started again at the same address while the gateway goes on", async () => {
    using stage = makeStage()
    const market = stage.start()
    await market.says(ready)
    const { pid, port } = stage.facts()
    ProcessTable.signal(pid, "SIGKILL")
    await market.says("starting it again")
    await until("it answers again", () =>
      stage.call("eth_chainId").then(
        (id) => id === "0x7a69" && stage.facts().pid !== pid,
        () => false,
      ),
    )
    assert.strictEqual(stage.facts().port, port)
    await market.endBy("SIGINT")
  })

  it("kill -9 of the gateway and the keeper: the next start stops the orphan first", async () => {
    using stage = makeStage()
    const market = stage.start()
    await market.says(ready)
    const { pid } = stage.facts()
    // A keeper ends with its market by a signal of its own; frozen, it says nothing.
    const keepers = ProcessTable.workingIn("/", ["sh"]).filter((one) =>
      ProcessTable.commandLine(one).includes(`kill -TERM ${pid} `),
    )
    assert.lengthOf(keepers, 1)
    for (const keeper of keepers) ProcessTable.signal(keeper, "SIGKILL")
    await market.endBy("SIGKILL")
    assert.isFalse(stage.isGone())
    const next = stage.start()
    await next.says(ready)
    assert.include(next.output(), `process ${pid}) is stopped first`)
    assert.isUndefined(ProcessTable.identity(pid))
    await next.endBy("SIGINT")
  })

  it("a state that was cut off goes on from its last start; without one, a letter says what to do", async () => {
    using stage = makeStage()
    const first = stage.start()
    await first.says(ready)
    await stage.send(someone)
    await first.endBy("SIGINT")
    const second = stage.start()
    await second.says(ready)
    await second.endBy("SIGINT")
    const whole = readFileSync(stage.file("state.json"), "utf8")
    writeFileSync(stage.file("state.json"), whole.slice(0, whole.length / 2))
    const third = stage.start()
    await third.says(ready)
    assert.include(third.output(), "cut off while it was written")
    assert.strictEqual(await stage.balance(someone), one)
    await third.endBy("SIGINT")
    // JSON, and no state: what an editor or another program left there.
    writeFileSync(stage.file("state.json"), "{}")
    writeFileSync(stage.file("state.last.json"), "{")
    const fourth = stage.start()
    assert.strictEqual(await fourth.ends(), 1)
    assert.include(fourth.output(), "The chain's state in")
    assert.include(fourth.output(), "remove this one as a whole")
  })
})
