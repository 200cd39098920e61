/**
 * The service's files that `install.sh` writes: read by systemd's own checker, and by a reader of property lists.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import * as InstallScript from "./InstallScript.ts"

const analyze = InstallScript.whereIs("systemd-analyze")
const reason = analyze === undefined ? "there is no systemd-analyze here" : undefined
if (reason !== undefined) console.warn(`The units were not checked by systemd: ${reason}.`)

let market: Awaited<ReturnType<typeof InstallScript.healthyMarket>>
let script: string
let folder: string

beforeAll(async () => {
  market = await InstallScript.healthyMarket()
  folder = mkdtempSync(path.join(tmpdir(), "guildhall-units-"))
  // Here is no systemd that runs; the folder by which one is known is another one for the test.
  script = (await InstallScript.scriptOf(market.url)).replace("/run/systemd/system", folder)
})
afterAll(() => {
  market.close()
  rmSync(folder, { recursive: true, force: true })
})

const ROOT = 'case "$*" in -u) echo 0 ;; *) echo root ;; esac'
const SYSTEMCTL = (version: number) => `[ "$1" = --version ] && echo "systemd ${version} (${version}.1)"; exit 0`
const NVIDIA = "echo '24564, 550.54.14, NVIDIA GeForce RTX 4090'"

/** The service's file as a dry run shows it. */
const fileOf = async (args: ReadonlyArray<string>, commands: Readonly<Record<string, string>>): Promise<string> => {
  using machine = InstallScript.machine({ systemctl: SYSTEMCTL(252), ...commands })
  const { code, output } = await InstallScript.run(machine, script, ["--dry-run", ...args])
  assert.strictEqual(code, 0, output)
  return output
    .split("\n")
    .flatMap((line) => (line.startsWith("  | ") ? [line.slice(4)] : []))
    .join("\n")
}

const units: ReadonlyArray<readonly [string, ReadonlyArray<string>, Readonly<Record<string, string>>]> = [
  ["cpu, as root", ["cpu"], { id: ROOT }],
  ["gpu, as root", ["gpu", "--", "--model", "Qwen/Qwen3-8B", "--quant", "Q4_K_M"], { id: ROOT, "nvidia-smi": NVIDIA }],
  ["cpu, as a user", ["cpu"], {}],
]

const check = (file: string, ...command: ReadonlyArray<string>) =>
  spawnSync(analyze ?? "", [...command, file], { encoding: "utf8", env: { ...process.env, XDG_RUNTIME_DIR: folder } })

describe("install.sh · units of systemd", () => {
  it.skipIf(reason !== undefined).each(units)("%s: systemd finds nothing to say of it", async (_, args, commands) => {
    const unit = await fileOf(args, commands)
    const isUser = commands["id"] === undefined
    const file = path.join(folder, "guildhall-agent.service")
    writeFileSync(file, unit)
    const verified = check(file, "verify", "--man=no", ...(isUser ? ["--user"] : []))
    assert.deepStrictEqual([verified.status, verified.stdout + verified.stderr], [0, ""])
    const { stdout } = check(file, "security", "--offline=true", "--no-pager", ...(isUser ? ["--user"] : []))
    const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1])
    // 10 is a service that may do everything; a user's own systemd cannot forbid most of it.
    assert.isAtMost(exposure, isUser ? 7 : 2, stdout)
  })

  it("says what it runs, as whom, when it comes back, and by which devices", async () => {
    const [cpu, gpu] = [await fileOf(["cpu"], { id: ROOT }), await fileOf(units[1]?.[1] ?? [], units[1]?.[2] ?? {})]
    for (const line of [
      "User=guildhall-agent",
      "StateDirectory=guildhall-agent",
      "NoNewPrivileges=yes",
      "ProtectSystem=strict",
      "PrivateTmp=yes",
      "Restart=always",
      "RestartPreventExitStatus=2",
      "CapabilityBoundingSet=",
    ]) {
      assert.include(cpu.split("\n"), line)
      assert.include(gpu.split("\n"), line)
    }
    assert.include(cpu, "PrivateDevices=yes")
    assert.notInclude(gpu, "PrivateDevices")
    assert.include(gpu, "DeviceAllow=char-nvidia-uvm rw")
    assert.match(
      gpu,
      /^ExecStart=\S+ \/opt\/guildhall-agent\/current\/\S+ --home \/var\/lib\/guildhall-agent --model Qwen\/Qwen3-8B --quant Q4_K_M$/m,
    )
    assert.notInclude(cpu, "RestartSteps")
    assert.include(
      await fileOf(["cpu"], { id: ROOT, systemctl: SYSTEMCTL(257) }),
      "RestartSteps=6\nRestartMaxDelaySec=300",
    )
    // What asks for rights of its own is left out where a user has none to give.
    const user = await fileOf(["cpu"], {})
    assert.notMatch(user, /^(User|ProtectSystem|PrivateTmp|StateDirectory|CapabilityBoundingSet)=/m)
    assert.match(user, /^WantedBy=default\.target$/m)
  })
})

/** The values of a property list, read as XML with nothing left over. */
const readPlist = (text: string): unknown => {
  const [, body = ""] =
    /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<!DOCTYPE plist [^>]+>\n<plist version="1\.0">([^]*)<\/plist>\s*$/.exec(
      text,
    ) ?? []
  const tokens = body
    .split(/(<[^>]+>)/)
    .map((token) => token.trim())
    .filter((token) => token !== "")
  let at = 0
  const take = (): string => tokens[at++] ?? assert.fail("the list ends too early")
  const expect = (token: string): void => assert.strictEqual(take(), token)
  const value = (): unknown => {
    const open = take()
    if (open === "<true/>") return true
    if (open === "<false/>") return false
    if (open === "<string>" || open === "<integer>") {
      const content = take()
      expect(open.replace("<", "</"))
      return open === "<integer>" ? Number(content) : content
    }
    if (open === "<array>") {
      const items: Array<unknown> = []
      while (tokens[at] !== "</array>") items.push(value())
      at++
      return items
    }
    assert.strictEqual(open, "<dict>")
    const members: Record<string, unknown> = {}
    while (tokens[at] !== "</dict>") {
      expect("<key>")
      const key = take()
      expect("</key>")
      members[key] = value()
    }
    at++
    return members
  }
  const read = value()
  assert.strictEqual(at, tokens.length)
  return read
}

describe("install.sh · launchd", () => {
  const MAC = { uname: '[ "$1" = -m ] && echo arm64 || echo Darwin' }

  it("writes a property list that starts the agent, keeps it, and logs", async () => {
    const list = readPlist(await fileOf(["cpu", "--", "--model", "Qwen/Qwen3-8B"], MAC))
    assert.deepInclude(list, {
      Label: "dev.guildhall.agent",
      RunAtLoad: true,
      KeepAlive: { SuccessfulExit: false },
      Umask: 0o077,
    })
    const words = (list as { ProgramArguments: ReadonlyArray<string> }).ProgramArguments
    assert.strictEqual(words[0], process.execPath)
    assert.deepStrictEqual(words.slice(2, 3).concat(words.slice(4)), ["--home", "--model", "Qwen/Qwen3-8B"])
  })

  it("does not run as root there", async () => {
    using machine = InstallScript.machine({ ...MAC, id: ROOT })
    const { code, output } = await InstallScript.run(machine, script, ["cpu"])
    assert.strictEqual(code, 3, output)
    assert.match(output, /this is root\./)
  })
})
