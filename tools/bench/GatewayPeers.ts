/**
 * Other gateways and proxies, measured like ours. What is not on the machine is left out: of npm, what the folder that
 * `BENCH_PEERS` names has installed (`@portkey-ai/gateway`, `fastify` with `@fastify/http-proxy`); of the system, `nginx` and
 * `haproxy`, when `BENCH_PEERS` is set.
 */
import { spawn, spawnSync } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import type { Target } from "./GatewayPhases.ts"
import { pin, start } from "./Machine.ts"

/** A peer that runs. */
interface Peer extends Target {
  readonly pid: number
  readonly stop: () => Promise<void>
}

/** A peer that is on the machine, and how to start it on a core. */
interface PeerHere {
  readonly name: string
  readonly start: (origin: string, core: string | undefined) => Promise<Peer>
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  server.close()
  if (typeof address !== "object" || address === null) throw new Error("There is no free port.")
  return address.port
}

const has = (command: string): boolean => spawnSync(command, ["-v"]).error === undefined

const answers = async (port: number): Promise<void> => {
  for (let tries = 0; tries < 100; tries++) {
    if (
      await fetch(`http://127.0.0.1:${port}/`).then(
        () => true,
        () => false,
      )
    )
      return
    await pause(100)
  }
  throw new Error(`Nothing listens on port ${port}.`)
}

const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill("SIGKILL")
  await once(child, "exit")
}

/** A program in a process of its own that listens on the port once it answers there. */
const program = async (
  name: string,
  command: string,
  args: ReadonlyArray<string>,
  port: number,
  core: string | undefined,
): Promise<Omit<Peer, "headers">> => {
  const child = spawn(command, [...args], { stdio: "ignore" })
  const pid = child.pid ?? 0
  const stop = () => ended(child)
  try {
    await answers(port)
  } catch (error) {
    await stop()
    throw new Error(`${name} did not start.`, { cause: error })
  }
  if (core !== undefined) pin(pid, core)
  return { name, port, apiKey: "none", pid, stop }
}

/** A program with a configuration in a folder of its own. */
const configured = async (
  name: string,
  origin: string,
  core: string | undefined,
  run: (options: {
    readonly upstream: string
    readonly port: number
    readonly file: string
    readonly folder: string
  }) => {
    readonly config: string
    readonly args: ReadonlyArray<string>
  },
): Promise<Peer> => {
  const folder = mkdtempSync(path.join(tmpdir(), `guildhall-bench-${name}-`))
  const port = await freePort()
  const file = path.join(folder, "config")
  const { args, config } = run({ upstream: new URL(origin).host, port, file, folder })
  writeFileSync(file, config)
  const peer = await program(name, name, args, port, core)
  const stop = async (): Promise<void> => {
    await peer.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  return { ...peer, stop }
}

const nginx = (origin: string, core: string | undefined): Promise<Peer> =>
  configured("nginx", origin, core, ({ file, folder, port, upstream }) => ({
    args: ["-p", folder, "-c", file, "-e", "stderr"],
    config: `daemon off; master_process off; worker_processes 1; pid ${folder}/pid; error_log /dev/null;
      events { worker_connections 4096; }
      http {
        access_log off; client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f;
        uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s; keepalive_requests 1000000000;
        upstream provider { server ${upstream}; keepalive 512; keepalive_requests 1000000000; }
        server {
          listen 127.0.0.1:${port};
          location / { proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header connection ""; proxy_buffering off; }
        }
      }`,
  }))

const haproxy = (origin: string, core: string | undefined): Promise<Peer> =>
  configured("haproxy", origin, core, ({ file, port, upstream }) => ({
    args: ["-db", "-f", file],
    config: `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend door
  bind 127.0.0.1:${port}
  default_backend provider
backend provider
  server one ${upstream}
`,
  }))

const fastify =
  (folder: string) =>
  async (origin: string, core: string | undefined): Promise<Peer> => {
    const { child, pid, port } = await start(path.join(import.meta.dirname, "FastifyProxy.ts"), [origin, folder], core)
    return { name: "fastify", port, apiKey: "none", pid, stop: () => ended(child) }
  }

const portkey =
  (script: string) =>
  async (origin: string, core: string | undefined): Promise<Peer> => {
    const port = await freePort()
    const args = [script, `--port=${port}`, "--headless"]
    const peer = await program("portkey", process.execPath, args, port, core)
    const headers = { "x-portkey-provider": "openai", "x-portkey-custom-host": `${origin}/v1` }
    return { ...peer, headers, noStreams: "for its release answers them with 500 (`TypeError: immutable`)" }
  }

/** The peers that are here. */
export const find = (): ReadonlyArray<PeerHere> => {
  const folder = process.env["BENCH_PEERS"]
  if (folder === undefined) return []
  const modules = path.join(path.resolve(folder), "node_modules")
  const script = path.join(modules, "@portkey-ai/gateway/build/start-server.js")
  return [
    ...(has("nginx") ? [{ name: "nginx", start: nginx }] : []),
    ...(has("haproxy") ? [{ name: "haproxy", start: haproxy }] : []),
    ...(existsSync(path.join(modules, "@fastify/http-proxy"))
      ? [{ name: "fastify", start: fastify(path.resolve(folder)) }]
      : []),
    ...(existsSync(script) ? [{ name: "portkey", start: portkey(script) }] : []),
  ]
}
