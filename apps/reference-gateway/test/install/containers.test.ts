/**
 * The images and the compose file, without a daemon that could build them: they are read, and what a build would do is done in a
 * copy of the repository: the same files, the same commands, as a user without rights.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawn, spawnSync, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer, type AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import path from "node:path"
import { parse as parseYaml } from "yaml"
import * as MarketDatabase from "../MarketDatabase.ts"
import * as RunningMarket from "../RunningMarket.ts"
import * as Dockerfile from "./Dockerfile.ts"
import * as Mirror from "./Mirror.ts"

const root = path.resolve(import.meta.dirname, "../../../..")
const stages = Dockerfile.parse(readFileSync(path.join(root, "Dockerfile"), "utf8"))
const files = Dockerfile.context(root)
const stage = (name: string): Dockerfile.Stage =>
  stages.find((one) => one.name === name) ?? assert.fail(`There is no stage ${name}.`)

interface Service {
  readonly image?: string
  readonly build?: { readonly context: string; readonly target: string }
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: ReadonlyArray<string>
  readonly volumes?: ReadonlyArray<string>
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: object
  readonly read_only?: boolean
  readonly cap_drop?: ReadonlyArray<string>
  readonly security_opt?: ReadonlyArray<string>
  readonly profiles?: ReadonlyArray<string>
  readonly deploy?: object
}
interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
}
const compose = parseYaml(readFileSync(path.join(root, "compose.yaml"), "utf8"), { merge: true }) as Compose
const services = Object.entries(compose.services)

describe("Dockerfile", () => {
  it("copies what there is, from stages that there are", () => {
    const known = new Set(["${NODE_IMAGE}"])
    for (const one of stages) {
      assert.isTrue(known.has(one.from), `${one.name} is made from ${one.from}`)
      for (const line of Dockerfile.all(one, "COPY")) {
        const [, from, source = ""] = /^(?:--from=(\S+) )?(\S+) \S+$/.exec(line) ?? []
        if (from !== undefined) assert.isTrue(known.has(from), line)
        else assert.isTrue(source === "." || files.some((file) => file.startsWith(source)), line)
      }
      known.add(one.name)
    }
    for (const needed of ["package.json", "package-lock.json", ".npmrc", "apps/reference-gateway/src/main.ts"]) {
      assert.include(files, needed)
    }
    const unwanted = /(^|\/)(node_modules|test|dist|\.git|\.guildhall)\/|(^|\/)\.env/
    assert.deepStrictEqual(
      files.filter((file) => unwanted.test(file)),
      [],
    )
  })

  it.each(["gateway", "agent"])("%s: not as root, with a volume and a look at its health, and no secret", (name) => {
    const image = stage(name)
    assert.deepStrictEqual(Dockerfile.all(image, "USER"), ["node"])
    assert.lengthOf(Dockerfile.all(image, "VOLUME"), 1)
    assert.strictEqual(Dockerfile.words(image, "HEALTHCHECK")[0], "node")
    assert.notMatch(JSON.stringify(image), /password|secret|token|key=/i)
    // What a user without rights runs lies where it may not write.
    const [, ...entry] = Dockerfile.words(image, "ENTRYPOINT")
    const volume = Dockerfile.all(image, "VOLUME")[0] ?? ""
    assert.isTrue(entry.every((word) => !word.startsWith(volume)))
  })
})

describe("compose.yaml", () => {
  it("names stages, volumes and services that there are", () => {
    assert.sameMembers(Object.keys(compose.services), ["postgres", "gateway", "agent", "agent-gpu", "engine"])
    for (const [name, service] of services) {
      if (service.build === undefined) assert.isString(service.image, name)
      else assert.isDefined(stage(service.build.target))
      for (const volume of service.volumes ?? []) assert.property(compose.volumes, volume.split(":")[0] ?? "")
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        const needed = compose.services[other]
        assert.isDefined(needed, `${name} waits for ${other}`)
        const looked = needed?.healthcheck !== undefined || needed?.build !== undefined
        if (condition === "service_healthy") assert.isTrue(looked, `${other} has no look at its health`)
      }
    }
  })

  it("opens the gateway to this machine alone, and lets what we build write into volumes only", () => {
    assert.deepStrictEqual(
      services.flatMap(([, { ports = [] }]) => ports),
      ["127.0.0.1:8787:8787"],
    )
    for (const [name, service] of services) {
      assert.include(service.security_opt ?? [], "no-new-privileges:true", name)
      if (service.build === undefined) continue
      assert.isTrue(service.read_only, name)
      assert.deepStrictEqual(service.cap_drop, ["ALL"], name)
      const [volume = ""] = Dockerfile.all(stage(service.build.target), "VOLUME")
      assert.isTrue(
        service.volumes?.some((one) => one.endsWith(`:${volume}`)),
        name,
      )
    }
    assert.match(compose.services["postgres"]?.environment?.["POSTGRES_PASSWORD"] ?? "", /^\$\{POSTGRES_PASSWORD:\?/)
  })

  it("starts agents only when asked, and gives the GPU to the engine and its agent", () => {
    const asked = Object.fromEntries(services.map(([name, { profiles = [] }]) => [name, profiles]))
    assert.deepStrictEqual(asked, {
      postgres: [],
      gateway: [],
      agent: ["agent"],
      "agent-gpu": ["gpu"],
      engine: ["gpu"],
    })
    for (const name of ["agent-gpu", "engine"]) {
      assert.deepStrictEqual(compose.services[name]?.deploy, {
        resources: { reservations: { devices: [{ driver: "nvidia", count: "all", capabilities: ["gpu"] }] } },
      })
    }
  })
})

const reason = await Mirror.impossible()
if (reason !== undefined) console.warn(`What a build of the images does was not done: ${reason}.`)

/** Who runs the agent, where the test may choose: not root, as in the images. The tests' database lets only its own user in. */
const NOBODY = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}

describe.skipIf(reason !== undefined)("what a build does, in a copy", () => {
  let folder: string
  let database: MarketDatabase.MarketDatabase
  const children: Array<ChildProcess> = []

  /** A stage's commands, with the places that a container has at other places here. */
  const here = (text: string): string =>
    text
      .replaceAll("/var/lib/guildhall-agent", `${folder}/agent-volume`)
      .replaceAll("/opt/guildhall-agent", `${folder}/agent`)
      .replaceAll("/var/lib/guildhall", `${folder}/gateway-volume`)
      .replaceAll(/(?<![\w/])\/guildhall(?=\/)/g, `${folder}/guildhall`)
      .replaceAll("/tmp/agent.tgz", `${folder}/agent.tgz`)
      .replaceAll(/(?<![\w/])\/agent\b/g, `${folder}/agent`)

  const environmentOf = (name: string): Record<string, string> => ({
    PATH: `${path.dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
    HOME: folder,
    ...Object.fromEntries(
      Object.entries(Dockerfile.environment(stage(name))).map(([key, value]) => [key, here(value)]),
    ),
  })

  const build = (name: string): void => {
    for (const command of Dockerfile.all(stage(name), "RUN")) {
      const ended = spawnSync("sh", ["-c", here(command)], {
        cwd: path.join(folder, "guildhall"),
        // What installed this repository is near; only what is not comes from afar.
        env: {
          ...process.env,
          ...environmentOf(name),
          HOME: process.env["HOME"] ?? folder,
          npm_config_prefer_offline: "true",
        },
        encoding: "utf8",
      })
      assert.strictEqual(ended.status, 0, ended.stdout + ended.stderr)
    }
  }

  /** Runs an image's command, with other words after it where some are given. */
  const start = (name: string, environment: Readonly<Record<string, string>>, args?: ReadonlyArray<string>) => {
    const image = stage(name)
    const command = [...Dockerfile.words(image, "ENTRYPOINT"), ...(args ?? Dockerfile.words(image, "CMD"))].map(here)
    const volume = here(Dockerfile.all(image, "VOLUME")[0] ?? "")
    const child = spawn(process.execPath, command.slice(1), {
      cwd: volume,
      env: { ...environmentOf(name), ...environment },
      stdio: ["ignore", "pipe", "pipe"],
      ...(name === "agent" ? NOBODY : {}),
    })
    children.push(child)
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
    return { child, volume, output: () => output }
  }

  /** What the image itself asks of its health, at the port that it has here. */
  const isHealthy = (name: string, port: number): boolean => {
    const [, ...args] = Dockerfile.words(stage(name), "HEALTHCHECK").map((word) =>
      word.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${port}`),
    )
    return spawnSync(process.execPath, args).status === 0
  }

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "guildhall-image-"))
    chmodSync(folder, 0o755)
    Dockerfile.copy(root, files, path.join(folder, "guildhall"))
    for (const volume of ["gateway-volume", "agent-volume"]) mkdirSync(path.join(folder, volume), { mode: 0o700 })
    if (NOBODY.uid !== undefined) chownSync(path.join(folder, "agent-volume"), NOBODY.uid, NOBODY.gid)
    database = await MarketDatabase.make({ renewMs: 5_000 })
  }, 60_000)
  afterAll(async () => {
    for (const child of children.toReversed()) {
      child.kill("SIGTERM")
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
    }
    await database.close()
    rmSync(folder, { recursive: true, force: true })
  }, 180_000)

  it("the gateway and the agent are built, start, the agent without rights, and say that they are well", async () => {
    build("gateway-files")
    build("agent-files")
    assert.isFalse(existsSync(path.join(folder, "guildhall/node_modules/vitest")))
    assert.isFalse(existsSync(path.join(folder, "guildhall/node_modules/node-llama-cpp")))
    const [port, agentPort] = [await freePort(), await freePort()]
    const gateway = start("gateway", { GUILDHALL_PORT: String(port), DATABASE_URL: database.url })
    await RunningMarket.until(
      "the gateway is well",
      () => {
        if (gateway.child.exitCode !== null) throw new Error(gateway.output())
        return isHealthy("gateway", port) ? true : undefined
      },
      60_000,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${gateway.output()}`)
    })
    assert.isFalse(isHealthy("agent", agentPort))

    const market = `http://127.0.0.1:${port}`
    const { operatorKey } = JSON.parse(readFileSync(path.join(gateway.volume, "dev.json"), "utf8")) as {
      operatorKey: string
    }
    const make = async (where: string, body: object): Promise<{ id: string; secret: string }> => {
      const headers = {
        authorization: `Bearer ${operatorKey}`,
        "content-type": "application/json",
        connection: "close",
      }
      const made = await fetch(market + where, { method: "POST", headers, body: JSON.stringify(body) })
      assert.strictEqual(made.status, 201, await made.clone().text())
      return (await made.json()) as { id: string; secret: string }
    }
    const { id: member } = await make("/v1/operator/members", { name: "home" })
    const key = { member, name: "home", role: "provider", dataCollection: "deny" }
    const { secret: providerKey } = await make("/v1/operator/keys", key)
    const args = Dockerfile.words(stage("agent"), "CMD").map((word) => (/^\d+$/.test(word) ? String(agentPort) : word))
    const agent = start("agent", { GUILDHALL_MARKET_URL: market, GUILDHALL_PROVIDER_KEY: providerKey }, args)
    await RunningMarket.until(
      "the agent is well",
      () => {
        if (agent.child.exitCode !== null) throw new Error(agent.output())
        return isHealthy("agent", agentPort) ? true : undefined
      },
      60_000,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${agent.output()}`)
    })
    await RunningMarket.until("the agent serves", () => (agent.output().includes("Serving") ? true : undefined), 60_000)
    // The gateway in an image hands out the installer as well.
    const script = await fetch(`${market}/install.sh`, { headers: { connection: "close" } })
    assert.strictEqual(script.status, 200, await script.clone().text())
  }, 300_000)
})
