/**
 * What `install.sh` says and refuses before it changes anything, by each shell of this machine.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { local } from "@guildhall/markets/local"
import * as InstallScript from "./InstallScript.ts"

let market: Awaited<ReturnType<typeof InstallScript.healthyMarket>>
let script: string

beforeAll(async () => {
  market = await InstallScript.healthyMarket()
  script = await InstallScript.scriptOf(market.url)
})
afterAll(() => market.close())

const NVIDIA = (memory: string) => `echo '${memory}, 550.54.14, NVIDIA GeForce RTX 4090'`

/** Runs it on a fresh machine with such commands, and answers what it said; nothing may have been left there. */
const told = async (
  args: ReadonlyArray<string>,
  commands: Readonly<Record<string, string>> = {},
  options: { readonly hidden?: ReadonlyArray<string>; readonly script?: string } = {},
): Promise<InstallScript.Ended> => {
  using machine = InstallScript.machine(commands)
  for (const name of options.hidden ?? []) machine.hide(name)
  const ended = await InstallScript.run(machine, options.script ?? script, args)
  assert.deepStrictEqual(readdirSync(machine.home), [], ended.output)
  return ended
}

const stops = async (code: number, words: RegExp, ...run: Parameters<typeof told>): Promise<void> => {
  const ended = await told(...run)
  assert.strictEqual(ended.code, code, ended.output)
  assert.match(ended.output, words)
  // A letter: what happened, and a line with what to do.
  assert.match(ended.output, /Stopped: .+\.?\n( {2}.+\n)+$/)
}

describe("install.sh · the text", () => {
  it("has a value in every place, in quotes that a hostile value cannot leave", async () => {
    assert.notMatch(script.replace('case "$AGENT_SHA256" in\n      %%*)', ""), /%%[A-Z0-9_]+%%(?!\|)/)
    assert.match(script, /^ {2}NODE_SHA512_linux_x64='[0-9a-f]{128}'$/m)
    assert.match(script, /^ {2}AGENT_SHA256='[0-9a-f]{64}'$/m)
    const hostile = await InstallScript.scriptOf(market.url, { node: { command: "echo 'a'; $(touch x) `touch y`" } })
    const ended = await told(["node", "--yes", "--dry-run"], {}, { script: hostile })
    assert.strictEqual(ended.code, 0, ended.output)
  })

  it.each(InstallScript.shells)("is read by %s", async (shell, flags) => {
    const parsed = spawnSync(shell, [...flags, "-n"], { input: script })
    assert.strictEqual(parsed.status, 0, parsed.stderr.toString())
    using machine = InstallScript.machine()
    const ended = await InstallScript.run(machine, script, ["cpu", "--dry-run"], { shell: [shell, flags] })
    assert.strictEqual(ended.code, 0, ended.output)
    assert.match(ended.output, /Nothing was changed: this was a dry run\.\n$/)
    assert.deepStrictEqual(readdirSync(machine.home), [])
  })

  it.each(InstallScript.shells)(
    "runs nothing in %s when the download is cut, wherever that is",
    (shell, flags) => {
      const home = mkdtempSync(path.join(tmpdir(), "guildhall-cut-"))
      try {
        // Whatever it runs leaves its name.
        const bin = path.join(home, "bin")
        const names = [...InstallScript.TOOLS, "useradd", "systemctl", "wget", "node", "npm"]
        spawnSync("mkdir", [bin])
        for (const name of names) {
          writeFileSync(path.join(bin, name), `#!${shell} ${flags.join(" ")}\necho ${name} >> '${home}/ran'\n`, {
            mode: 0o755,
          })
        }
        const whole = script.trimEnd().length
        const cuts = [
          ...Array.from({ length: Math.floor(whole / 997) }, (_, at) => at * 997),
          ...Array.from({ length: 60 }, (_, at) => whole - 60 + at),
        ]
        for (const cut of cuts) {
          const { output } = spawnSync(shell, [...flags, "-s", "--", "cpu", "--yes"], {
            input: script.slice(0, cut),
            env: { PATH: bin, HOME: home },
            cwd: home,
            encoding: "utf8",
          })
          assert.strictEqual(output[1], "", `cut at ${cut} of ${whole}`)
          assert.deepStrictEqual(readdirSync(home), ["bin"], `cut at ${cut} of ${whole}`)
        }
      } finally {
        rmSync(home, { recursive: true, force: true })
      }
    },
    60_000,
  )

  it("says its version and its use", async () => {
    assert.match((await told(["--version"])).output, /^\d+\.\d+\.\d+ \([0-9a-f]{64}\)\n$/)
    const { code, output } = await told(["--help"])
    assert.strictEqual(code, 0)
    for (const word of ["gpu", "cpu", "node", "--code", "--yes", "--dry-run", "--uninstall", "--purge"]) {
      assert.include(output, word)
    }
  })
})

describe("install.sh · refusals, each with what to do", () => {
  it("what was asked wrongly: 2", async () => {
    await stops(2, /no role was named; there are gpu, cpu and node/, [])
    await stops(2, /no role "gpus"/, ["gpus"])
    await stops(2, /one role/, ["gpu", "cpu"])
    await stops(2, /no option --force/, ["cpu", "--force"])
    await stops(2, /--purge goes with --uninstall/, ["cpu", "--purge"])
    await stops(2, /is no code/, ["cpu", "--code", "$(touch x)"])
    await stops(2, /characters that cannot be handed on/, ["cpu", "--", "--name", "a b"])
    await stops(2, /characters that cannot be handed on/, ["cpu", "--", "--model", "a'b"])
    await stops(2, /no address of an npm registry/, ["cpu"], {
      npm: "[ $1 = --version ] && echo 11.0.0 || echo ftp://x",
    })
    const raw = script.replace(/AGENT_SHA256='[0-9a-f]+'/, "AGENT_SHA256='%%AGENT_SHA256%%'")
    await stops(2, /belongs to no market/, ["cpu"], {}, { script: raw })
  })

  it("a machine that does not fit: 3", async () => {
    const uname = (system: string, cpu: string) => ({ uname: `[ "$1" = -m ] && echo ${cpu} || echo ${system}` })
    await stops(3, /does not run on FreeBSD/, ["cpu"], uname("FreeBSD", "amd64"))
    await stops(3, /does not run on riscv64 processors/, ["cpu"], uname("Linux", "riscv64"))
    await stops(3, /lacks: curl/, ["cpu"], {}, { hidden: ["curl"] })
    await stops(3, /lacks: tar gzip/, ["cpu"], {}, { hidden: ["tar", "gzip"] })
    await stops(3, /has 1 MB free/, ["cpu"], { df: "echo head; echo fs 100 50 1024 50% /" })
    await stops(
      3,
      /home folder has a name/,
      ["cpu"],
      { id: "echo 1000; HOME=x" },
      {
        script: `HOME='/tmp'; mkdir -p '/tmp/a b'; HOME='/tmp/a b'\n${script}`,
      },
    )
  })

  it("a GPU that the market does not take: 3", async () => {
    await stops(3, /no NVIDIA GPU was found/, ["gpu"])
    await stops(3, /NVIDIA's driver does not work/, ["gpu"], {
      "nvidia-smi": "echo Failed to initialize NVML >&2; exit 9",
    })
    await stops(3, /too little memory: 12288 MiB/, ["gpu"], { "nvidia-smi": NVIDIA("12288") })
    const onlyCpu = await InstallScript.scriptOf(market.url, { deviceClasses: [{ name: "cpu", gpuMemoryGib: 0 }] })
    await stops(3, /no class for machines with a GPU/, ["gpu"], { "nvidia-smi": NVIDIA("24564") }, { script: onlyCpu })
    const onlyGpu = await InstallScript.scriptOf(market.url, { deviceClasses: [{ name: "big", gpuMemoryGib: 80 }] })
    await stops(3, /no class for machines without a GPU/, ["cpu"], {}, { script: onlyGpu })
    await stops(3, /asks for 80 GB/, ["gpu"], { "nvidia-smi": NVIDIA("24564") }, { script: onlyGpu })
  })

  it("a market that is away: 1; nobody to ask: 5; no network nodes: 3", async () => {
    const away = await InstallScript.scriptOf("http://127.0.0.1:9")
    await stops(1, /does not answer at http:\/\/127\.0\.0\.1:9\./, ["cpu"], {}, { script: away })
    await stops(5, /nobody is here to be asked/, ["cpu"])
    await stops(3, /has no network nodes/, ["node"])
  })
})

describe("install.sh · what it would do", () => {
  it("a card of 16 GB and of 24 GB fits, and the engine for it is named with its size", async () => {
    for (const memory of ["15360", "24564"]) {
      const { code, output } = await told(["gpu", "--dry-run"], { "nvidia-smi": NVIDIA(memory) })
      assert.strictEqual(code, 0, output)
      assert.include(output, `GPU NVIDIA GeForce RTX 4090, ${memory} MiB, driver 550.54.14`)
      assert.include(output, "about 320 MB")
      assert.include(output, "!!  No container runtime with the NVIDIA toolkit")
    }
    const served = await told(["gpu", "--dry-run", "--", "--backend", "http://127.0.0.1:8000"], {
      "nvidia-smi": NVIDIA("24564"),
    })
    assert.notInclude(served.output, "about 320 MB")
  })

  it("brings Node along where there is none or an old one, and takes the registry that npm is set up with here, or else at the market", async () => {
    const none = await told(["cpu", "--dry-run"], {}, { hidden: ["node", "npm"] })
    assert.match(none.output, /Node 26\.\d+\.\d+ will be brought along/)
    assert.match(none.output, /https:\/\/npm\.example: Node 26/)
    const old = await told(["cpu", "--dry-run"], { node: `exec '${process.execPath}' -p '""'` })
    assert.match(old.output, /will be brought along/)
    const mirror = await told(["cpu", "--dry-run"], {
      npm: "[ $1 = --version ] && echo 11.0.0 || echo https://npm.example/mirror/",
    })
    assert.match(mirror.output, /from https:\/\/npm\.example\/mirror: what it needs/)
  })

  it("wants TLS of a market that is elsewhere, and only warns in a private network", async () => {
    const at = (url: string) => script.replace(`MARKET='${market.url}'`, `MARKET='${url}'`)
    const commands = { curl: "exit 0" }
    await stops(3, /is without TLS\./, ["cpu", "--dry-run"], commands, { script: at("http://203.0.113.7:8787") })
    const near = await told(["cpu", "--dry-run"], commands, { script: at("http://192.168.1.7:8787") })
    assert.match(near.output, /!! {2}.*without TLS: who is in that network can change what you install/)
    const allowed = `export GUILDHALL_ALLOW_PLAIN_HTTP=true\n${at("http://203.0.113.7:8787")}`
    const { code, output } = await told(["cpu", "--dry-run"], { ...commands, systemctl: "exit 0" }, { script: allowed })
    assert.strictEqual(code, 0, output)
    assert.match(output, /Environment=.* GUILDHALL_ALLOW_PLAIN_HTTP=true\n/)
    const secure = await told(
      ["cpu", "--dry-run"],
      { ...commands, systemctl: "exit 0" },
      { script: at("https://market.example") },
    )
    assert.notMatch(secure.output, /!!|ALLOW_PLAIN/)
  })

  it("names the market's command for a node", async () => {
    const named = await InstallScript.scriptOf(market.url, { node: { command: "chain-node --join 'main net'" } })
    const { code, output } = await told(["node", "--dry-run"], {}, { script: named })
    assert.strictEqual(code, 0, output)
    assert.include(output, "it shows the command of the market's node")
  })

  it("is the definition's own: the market local has classes for both", () => {
    assert.isTrue(local.deviceClasses.some(({ gpuMemoryGib }) => gpuMemoryGib === 16))
  })
})
