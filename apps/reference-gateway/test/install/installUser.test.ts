/**
 * `install.sh` as somebody without rights: what it leaves, what it takes away, and what it does where a download is not what it
 * should be. A stand-in for npm puts the packages of this repository where npm would put them.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { globSync, lstatSync, readFileSync, readdirSync } from "node:fs"
import path from "node:path"
import { local } from "@guildhall/markets/local"
import * as InstallScript from "./InstallScript.ts"

const root = path.resolve(import.meta.dirname, "../../../..")
/** What `doctor` asks of a market. */
const TERMS = "/v1/market"
const terms = Buffer.from(JSON.stringify({ name: local.name, deviceClasses: local.deviceClasses }))
const files = new Map<string, Uint8Array>()
let market: Awaited<ReturnType<typeof InstallScript.healthyMarket>>
let script: string
let place: string

beforeAll(async () => {
  const { bytes, sha256 } = await InstallScript.archive
  place = `/install/agent-${sha256}.tgz`
  files.set(place, bytes)
  files.set(TERMS, terms)
  market = await InstallScript.healthyMarket(files)
  script = await InstallScript.scriptOf(market.url)
})
afterAll(() => market.close())

const NPM = `
case "$1" in
  --version) echo 11.0.0 ;;
  config) echo https://npm.example/ ;;
  ci)
    mkdir node_modules node_modules/@guildhall
    for one in '${root}'/node_modules/*; do ln -s "$one" node_modules/; done
    rm -rf node_modules/@guildhall && mkdir node_modules/@guildhall
    for one in agent core protocol verification; do ln -s ../../packages/$one node_modules/@guildhall/$one; done ;;
esac`

/** A machine whose person has a systemd. */
const machine = (commands: Readonly<Record<string, string>> = {}): InstallScript.Machine =>
  InstallScript.machine({
    npm: NPM,
    systemctl: 'echo "$*" >> "$HOME/systemctl.log"; exit 0',
    ...commands,
  })

const left = (home: string): ReadonlyArray<string> =>
  globSync("**/{*,.*}", { cwd: home, exclude: (name) => name === "versions" || name === "systemctl.log" }).sort()

describe("install.sh · as a user", () => {
  it("writes below the home alone, waits for a code, changes nothing the second time, and goes without a trace", async () => {
    using ours = machine()
    const first = await InstallScript.run(ours, script, ["cpu", "--yes", "--", "--port", "0"])
    assert.strictEqual(first.code, 0, first.output)
    assert.match(first.output, /✓ Market[^]+Installed, and not paired yet\. Make a code at the market/)
    const at = (file: string) => path.join(ours.home, file)
    const unit = readFileSync(at(".config/systemd/user/guildhall-agent.service"), "utf8")
    assert.include(unit, `--home ${ours.home}/.local/state/guildhall-agent --port 0\n`)
    assert.strictEqual(lstatSync(at(".local/state/guildhall-agent")).mode & 0o777, 0o700)
    assert.notInclude(first.output, "daemon-reload")
    const help = await InstallScript.run(
      { ...ours, home: ours.home },
      `exec '${at(".local/bin/guildhall-agent")}' --version`,
      [],
    )
    assert.strictEqual(help.code, 0, help.output)

    const before = left(ours.home)
    const times = before.map((file) => lstatSync(at(file)).mtimeMs)
    files.delete(place)
    // The agent's own options are kept, and nothing is fetched again.
    const second = await InstallScript.run(ours, script, ["cpu", "--yes"])
    files.set(place, (await InstallScript.archive).bytes)
    assert.strictEqual(second.code, 0, second.output)
    assert.deepStrictEqual(left(ours.home), before)
    const folder = at(".local/share/guildhall-agent")
    assert.deepStrictEqual(
      before.filter((file, index) => lstatSync(at(file)).mtimeMs !== times[index] && at(file) !== folder),
      [],
    )

    const own = readFileSync(path.join(folder, "install.sh"), "utf8")
    assert.match(own, /curl -fsSL http:\/\/\S+\/install\.sh/)
    assert.notInclude(own, "%%MARKET%%")
    const again = await InstallScript.run(ours, own, ["cpu", "--yes"])
    assert.strictEqual(again.code, 2, again.output)
    const dry = await InstallScript.run(ours, own, ["--uninstall", "--purge", "--dry-run"])
    assert.strictEqual(dry.code, 0, dry.output)
    assert.deepStrictEqual(left(ours.home), before)
    const refused = await InstallScript.run(ours, own, ["--uninstall", "--purge"])
    assert.strictEqual(refused.code, 5, refused.output)
    const away = await InstallScript.run(ours, own, ["--uninstall", "--purge", "--yes"])
    assert.strictEqual(away.code, 0, away.output)
    assert.deepStrictEqual(
      readdirSync(ours.home).filter((name) => name !== "systemctl.log"),
      [],
    )
    assert.match((await InstallScript.run(ours, own, ["--uninstall"])).output, /There is nothing to take away/)
  }, 60_000)

  it("leaves nothing where the agent is not what it should be, is gone, or npm fails", async () => {
    const { bytes } = await InstallScript.archive
    files.set(place, Buffer.concat([bytes, Buffer.from("x")]))
    using spoiled = machine()
    const wrong = await InstallScript.run(spoiled, script, ["cpu", "--yes"])
    files.set(place, bytes)
    assert.strictEqual(wrong.code, 4, wrong.output)
    assert.match(wrong.output, /The agent is not what it should be\.\n.*SHA-256.*\n.*do not go on/)
    assert.notInclude(readdirSync(spoiled.home).join(), ".local")

    const renewed = script.replace(/AGENT_SHA256='[0-9a-f]+'/, `AGENT_SHA256='${"0".repeat(64)}'`)
    using old = machine()
    const gone = await InstallScript.run(old, renewed, ["cpu", "--yes"])
    assert.strictEqual(gone.code, 1, gone.output)
    assert.notInclude(readdirSync(old.home).join(), ".local")

    using broken = machine({
      npm: `case "$1" in ci) echo "npm error ENOSPC"; exit 1 ;; esac ${NPM.replace(/\n {2}ci\)[^]+/, "\nesac")}`.replace(
        "esac \ncase",
        "esac\ncase",
      ),
    })
    const failed = await InstallScript.run(broken, script, ["cpu", "--yes"])
    assert.strictEqual(failed.code, 1, failed.output)
    assert.match(failed.output, /npm error ENOSPC[^]+npm could not install what the agent needs/)
    assert.notInclude(readdirSync(broken.home).join(), ".local")
  }, 60_000)

  it("names the agent's letter where the machine cannot serve: installed, and not started", async () => {
    using ours = machine()
    files.delete(TERMS)
    const { code, output } = await InstallScript.run(ours, script, ["cpu", "--yes", "--code", "123456"])
    files.set(TERMS, terms)
    assert.strictEqual(code, 3, output)
    assert.match(output, /✗ Market[^]+neither paired nor started/)
    assert.notMatch(readFileSync(path.join(ours.home, "systemctl.log"), "utf8"), /start|enable/)
  }, 60_000)

  it("keeps to one market", async () => {
    using ours = machine()
    const { code } = await InstallScript.run(ours, script, ["cpu", "--yes"])
    assert.strictEqual(code, 0)
    const state = path.join(ours.home, ".local/state/guildhall-agent")
    await InstallScript.run(ours, `echo '{"market":"https://other.example"}' > ${state}/market.json`, [])
    const other = await InstallScript.run(ours, script, ["cpu", "--yes"])
    assert.strictEqual(other.code, 2, other.output)
    assert.match(other.output, /belongs to another market\.\n.*other\.example/)
  }, 60_000)
})
