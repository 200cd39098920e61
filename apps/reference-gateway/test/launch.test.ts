/**
 * The market as processes: start and start again, Ctrl-C, kill -9 of each and of all, and every refusal to start.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import path from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import * as ProcessTable from "../src/ProcessTable.ts"
import { type MarketProcess, makeHome, runFile, until } from "./MarketProcess.ts"

const isRoot = process.getuid?.() === 0
const ready = "guildhall ready"

/** Homes and markets of one test; leaving the test ends and removes them all. */
const makeStage = () => {
  const cleanups: Array<() => void> = []
  return {
    newHome: () => {
      const home = makeHome()
      cleanups.push(home.remove)
      return home
    },
    start: (home: string, env: Readonly<Record<string, string>> = {}): MarketProcess => {
      const market = runFile("StubMarket.ts", { GUILDHALL_HOME: home, GUILDHALL_PORT: "0", ...env })
      cleanups.push(() => market.child.kill("SIGKILL"))
      return market
    },
    onLeave: (clean: () => void) => cleanups.push(clean),
    [Symbol.dispose]: () => cleanups.toReversed().forEach((clean) => clean()),
  }
}

/** Runs statements on a home's database as any client would. */
const query = (url: string, ...statements: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    let rows: ReadonlyArray<object> = []
    for (const statement of statements) rows = yield* sql.unsafe(statement)
    return rows
  }).pipe(
    Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 }), { local: true }),
    Effect.runPromise,
  )

const makeNotes = ["CREATE TABLE notes (n int)", "INSERT INTO notes VALUES (1)"]

const countNotes = async (url: string) => {
  const [row] = await query(url, "SELECT count(*)::int AS n FROM notes")
  return row !== undefined && "n" in row ? row.n : undefined
}

const answers = async (market: MarketProcess) => {
  const url = /guildhall ready (\S+)/.exec(market.output())?.[1] ?? ""
  return (await fetch(url)).ok
}

describe("start and stop", () => {
  it("the second start goes on with the same data and the same keys", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    const first = stage.start(home.home)
    await first.says(ready)
    assert.isTrue(await answers(first))
    await query(home.url(), ...makeNotes)
    const file = path.join(home.home, "dev.json")
    assert.strictEqual(statSync(file).mode & 0o777, 0o600)
    const before = JSON.parse(readFileSync(file, "utf8"))
    assert.strictEqual(before.pid, first.pid)
    assert.strictEqual(await first.endBy("SIGINT"), 0)

    const second = stage.start(home.home)
    await second.says(ready)
    assert.strictEqual(await countNotes(home.url()), 1)
    const after = JSON.parse(readFileSync(file, "utf8"))
    assert.deepStrictEqual([after.buyerKey, after.pid], [before.buyerKey, second.pid])
    await second.endBy("SIGTERM")
  })

  it("Ctrl-C drains the gateway first, ends everything within 5 s and leaves no process", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    const market = stage.start(home.home, { STUB_DRAIN_MS: "1000", STUB_AGENT: "on" })
    await market.says("agent | provider")
    const agent = Number(/provider (\d+)/.exec(market.output())?.[1])
    const postmaster = home.postmaster()
    const began = performance.now()
    market.child.kill("SIGINT")
    // npm and the launcher pass the same Ctrl-C on: it must not count as a second one.
    market.child.kill("SIGINT")
    await market.says("drains")
    assert.isDefined(ProcessTable.identity(postmaster))
    assert.strictEqual(await market.ends(), 0)
    assert.isBelow(performance.now() - began, 5_000)
    assert.isUndefined(ProcessTable.identity(postmaster))
    assert.isUndefined(ProcessTable.identity(agent))
    assert.isTrue(home.isDeserted())
    assert.isFalse(existsSync(path.join(home.data(), "postmaster.pid")))
  })

  it("a second Ctrl-C ends everything at once, and the next start recovers", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    const market = stage.start(home.home, { STUB_DRAIN_MS: "60000" })
    await market.says(ready)
    market.child.kill("SIGINT")
    await market.says("drains")
    await pause(800)
    const began = performance.now()
    assert.strictEqual(await market.endBy("SIGINT"), 130)
    await until("the database is gone", home.isDeserted)
    assert.isBelow(performance.now() - began, 2_000)
    const next = stage.start(home.home)
    await next.says(ready)
    await next.endBy("SIGINT")
  })

  it("who stops it with SIGTERM leaves it more time than a person at a terminal", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    const market = stage.start(home.home, { STUB_DRAIN_MS: "5000" })
    await market.says(ready)
    assert.strictEqual(await market.endBy("SIGTERM"), 0)
    assert.isTrue(home.isDeserted())
  })

  it("a gateway that hangs while it drains is ended within 5 s", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    const market = stage.start(home.home, { STUB_DRAIN_MS: "60000" })
    await market.says(ready)
    const began = performance.now()
    assert.strictEqual(await market.endBy("SIGINT"), 130)
    // 4.6 s, and some patience with a busy machine.
    assert.isBelow(performance.now() - began, 5_500)
    await until("the database is gone", home.isDeserted)
  })

  it("Ctrl-C while the database is being made leaves nothing, and the next start begins anew", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    const market = stage.start(home.home)
    await market.says("Making the database")
    assert.strictEqual(await market.endBy("SIGINT"), 0)
    const left = readdirSync(path.join(home.home, "postgres"))
    assert.isEmpty(left.filter((name) => name.startsWith("data")))
    const next = stage.start(home.home)
    await next.says(ready)
    await next.endBy("SIGINT")
  })
})

describe.concurrent("kill -9", () => {
  it("of the gateway: its database and provider end too, and nothing acknowledged is lost", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    const market = stage.start(home.home, { STUB_AGENT: "on" })
    await market.says("agent | provider")
    const agent = Number(/provider (\d+)/.exec(market.output())?.[1])
    await query(home.url(), ...makeNotes)
    await market.endBy("SIGKILL")
    await until("the database is gone", home.isDeserted)
    await until("the provider is gone", () => ProcessTable.identity(agent) === undefined)
    const next = stage.start(home.home)
    await next.says(ready)
    assert.strictEqual(await countNotes(home.url()), 1)
    await next.endBy("SIGINT")
  })

  it("of the gateway: a start that comes at once waits for nothing and wins", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    const market = stage.start(home.home)
    await market.says(ready)
    await query(home.url(), ...makeNotes)
    const next = (await market.endBy("SIGKILL"), stage.start(home.home))
    await next.says(ready)
    assert.strictEqual(await countNotes(home.url()), 1)
    await next.endBy("SIGINT")
  })

  it("of the database: it is started again under the same address while the gateway goes on", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    const market = stage.start(home.home)
    await market.says(ready)
    const url = home.url()
    await query(url, ...makeNotes)
    const first = home.postmaster()
    process.kill(first, "SIGKILL")
    await market.says("starting it again")
    await until("it answers again", () =>
      countNotes(url).then(
        (count) => count === 1,
        () => false,
      ),
    )
    assert.notStrictEqual(home.postmaster(), first)
    assert.isTrue(await answers(market))
    await market.endBy("SIGINT")
  })

  it("of all at once: the next start recovers", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    const market = stage.start(home.home)
    await market.says(ready)
    await query(home.url(), ...makeNotes)
    const all = [market.pid, ...home.servers()]
    for (const pid of all) ProcessTable.signal(pid, "SIGKILL")
    const next = stage.start(home.home)
    await next.says(ready)
    assert.strictEqual(await countNotes(home.url()), 1)
    await next.endBy("SIGINT")
  })

  it("of the gateway and the keeper: the next start stops the orphan first", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    const market = stage.start(home.home)
    await market.says(ready)
    const orphan = home.postmaster()
    const listed = spawnSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" }).stdout
    const keeper = listed.split("\n").find((line) => line.includes(`kill -INT ${orphan} `))
    process.kill(Number.parseInt(keeper ?? "", 10), "SIGKILL")
    await market.endBy("SIGKILL")
    assert.isDefined(ProcessTable.identity(orphan))
    const next = stage.start(home.home)
    await next.says(ready)
    assert.include(next.output(), `process ${orphan}) is stopped first`)
    assert.isUndefined(ProcessTable.identity(orphan))
    await next.endBy("SIGINT")
  })
})

/** A refused start: one letter, exit code 1, no stack trace, nothing left running. */
const refused = async (market: MarketProcess, ...words: ReadonlyArray<string>) => {
  const code = await market.ends()
  const output = market.output()
  assert.strictEqual(code, 1, output)
  for (const word of words) assert.include(output, word)
  assert.notMatch(output, /\n\s+at /)
}

describe.concurrent("kill -9 of a first start", () => {
  it("while it makes the database: the next one begins anew", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    const market = stage.start(home.home)
    await market.says("Making the database")
    await market.endBy("SIGKILL")
    const next = stage.start(home.home)
    await next.says(ready)
    await next.endBy("SIGINT")
  })
})

describe.concurrent("kill -9 of the launcher", () => {
  it("the market stops as with Ctrl-C, because nobody is left to press it", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    const launcher = spawn("sleep", ["1000"])
    stage.onLeave(() => launcher.kill("SIGKILL"))
    const market = stage.start(home.home, { GUILDHALL_EXIT_WITH: String(launcher.pid) })
    await market.says(ready)
    launcher.kill("SIGKILL")
    assert.strictEqual(await market.ends(), 0)
    assert.include(market.output(), "drained")
    assert.isTrue(home.isDeserted())
  })
})

describe.concurrent("kill -9 of the provider", () => {
  it("it is started again", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    const market = stage.start(home.home, { STUB_AGENT: "on" })
    await market.says("agent | provider")
    process.kill(Number(/provider (\d+)/.exec(market.output())?.[1]), "SIGKILL")
    await market.says("agent | provider", 2)
    await market.endBy("SIGINT")
  })
})

describe.concurrent("refusals", () => {
  it("a second start on one home names the first one's process and address", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    const first = stage.start(home.home)
    await first.says(ready)
    const url = /guildhall ready (\S+)/.exec(first.output())?.[1] ?? "?"
    await refused(stage.start(home.home), `process ${first.pid}`, url, "GUILDHALL_HOME")
    assert.isTrue(await answers(first))
    await first.endBy("SIGINT")
  })

  it("a port in use", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    const server = createServer().listen(0, "127.0.0.1")
    await once(server, "listening")
    const address = server.address()
    const port = String(typeof address === "object" && address !== null ? address.port : 0)
    await refused(stage.start(home.home, { GUILDHALL_PORT: port }), `Port ${port}`, "in use", "GUILDHALL_PORT=")
    assert.isFalse(existsSync(path.join(home.home, "postgres")))
    server.close()
  })

  it("a wrong setting names the variable, the value and what is allowed", async () => {
    using stage = makeStage()
    await refused(stage.start("unused", { GUILDHALL_PORT: "80a" }), "GUILDHALL_PORT", '"80a"', "0 to 65535")
  })

  it("a number of processes that cannot be", async () => {
    using stage = makeStage()
    for (const count of ["0", "65"]) {
      const market = runFile("../src/main.ts", {}, ["start", "--workers", count])
      stage.onLeave(() => market.child.kill("SIGKILL"))
      await refused(market, `--workers: "${count}"`, "a whole number from 1 to 64")
      assert.notInclude(market.output(), "Schema")
    }
  })

  it("a market that is not there, before anything is made", async () => {
    using stage = makeStage()
    for (const name of ["elsewhere", "/does/not/exist.json"]) {
      const home = stage.newHome()
      await refused(stage.start(home.home, { GUILDHALL_MARKET: name }), name, "GUILDHALL_MARKET")
      assert.isFalse(existsSync(home.home))
    }
  })

  it("an unreachable DATABASE_URL, without showing its password", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    const market = stage.start(home.home, { DATABASE_URL: "postgres://me:hunter2@127.0.0.1:1/db" })
    await refused(market, "127.0.0.1:1/db", "ECONNREFUSED", "DATABASE_URL")
    assert.notInclude(market.output(), "hunter2")
  })

  it("a home that cannot be made", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    writeFileSync(home.home, "a file is in the way")
    await refused(stage.start(home.home), "The home", "(EEXIST)", "GUILDHALL_HOME")
  })

  it.skipIf(process.platform !== "linux")("a home where the system makes no folders, at once", async () => {
    using stage = makeStage()
    await refused(stage.start("/proc/x"), "The home /proc/x", "(ENOENT)", "GUILDHALL_HOME")
  })

  it.skipIf(!isRoot)("a full disk", async () => {
    using stage = makeStage()
    const home = stage.newHome()
    mkdirSync(home.home)
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=40m", "tmpfs", home.home])
    if (mounted.status !== 0) return
    stage.onLeave(() => spawnSync("umount", [home.home]))
    await refused(stage.start(home.home), "full", "Free some space")
  })
})

describe.concurrent("as root", () => {
  it.skipIf(!isRoot)(
    "a home that the database's user cannot reach keeps its data elsewhere",

    async () => {
      using stage = makeStage()
      const home = stage.newHome()
      chmodSync(home.parent, 0o700)
      const first = stage.start(home.home)
      await first.says(ready)
      assert.include(first.output(), "does not run as root")
      assert.isFalse(home.data().startsWith(home.parent))
      await query(home.url(), ...makeNotes)
      await first.endBy("SIGKILL")
      const second = stage.start(home.home)
      await second.says(ready)
      assert.strictEqual(await countNotes(home.url()), 1)
      await second.endBy("SIGINT")
      assert.isTrue(home.isDeserted())
    },
  )
})
