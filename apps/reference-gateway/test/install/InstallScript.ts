/**
 * Runs `install.sh` as a machine would: by one shell or another, with a path that holds what a test put there.
 */
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { once } from "node:events"
import { tmpdir } from "node:os"
import path from "node:path"
import { local } from "@guildhall/markets/local"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import * as Installer from "../../src/install/Installer.ts"

/** What ended: its exit code and what it said, mixed as a terminal shows it. */
export interface Ended {
  readonly code: number | null
  readonly output: string
}

const PLACES = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]

/** Where a program of the system lies, or undefined. */
export const whereIs = (name: string): string | undefined =>
  PLACES.map((place) => path.join(place, name)).find((file) => existsSync(file))

/** The shells of this machine that `install.sh` may meet. */
export const shells: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
  ["dash", []],
  ["bash", ["--posix"]],
  ["busybox", ["ash"]],
].flatMap(([name, args]) => {
  const file = whereIs(String(name))
  return file === undefined ? [] : [[file, args as ReadonlyArray<string>] as const]
})

/** What the script uses of a system, beside what it looks for by itself. */
export const TOOLS = (
  "sh cat id uname tar gzip mktemp df tail tr sed grep sort dirname mkdir mv rm rmdir ln readlink chmod chown cut " +
  "sha256sum sha512sum curl setpriv getent cp ls env sleep"
).split(" ")

/** A machine of a test: a folder of commands, and a home. */
export interface Machine {
  readonly bin: string
  readonly home: string
  readonly put: (name: string, body: string) => void
  readonly hide: (name: string) => void
  readonly [Symbol.dispose]: () => void
}

/** A machine that has the usual tools, and what `commands` adds: the body of a shell script for each. */
export const machine = (commands: Readonly<Record<string, string>> = {}): Machine => {
  const folder = mkdtempSync(path.join(tmpdir(), "guildhall-machine-"))
  const [bin, home] = [path.join(folder, "bin"), path.join(folder, "home")]
  for (const made of [bin, home]) mkdirSync(made)
  for (const name of TOOLS) {
    const file = whereIs(name)
    if (file !== undefined) symlinkSync(realpathSync(file), path.join(bin, name))
  }
  const put = (name: string, body: string): void => {
    rmSync(path.join(bin, name), { force: true })
    writeFileSync(path.join(bin, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 })
  }
  // Tests may run as root; most machines are installed by somebody else.
  put("id", 'case "$*" in -u) echo 1000 ;; -un) echo ada ;; *) exit 1 ;; esac')
  put("node", `exec '${process.execPath}' "$@"`)
  put("npm", `[ $1 = --version ] && echo 11.0.0 || echo ${REGISTRY}`)
  for (const [name, body] of Object.entries(commands)) put(name, body)
  return {
    bin,
    home,
    put,
    hide: (name) => rmSync(path.join(bin, name), { force: true }),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** Runs a script that comes through a pipe, without a terminal. */
export const run = async (
  { bin, home }: Pick<Machine, "bin" | "home">,
  script: string,
  args: ReadonlyArray<string>,
  options: { readonly shell?: (typeof shells)[number]; readonly environment?: Readonly<Record<string, string>> } = {},
): Promise<Ended> => {
  const [shell, flags] = options.shell ?? ["/bin/sh", []]
  // A session of its own has no terminal, so nobody can be asked.
  const child = spawn(shell, [...flags, "-s", "--", ...args], {
    cwd: home,
    env: { PATH: bin, HOME: home, ...options.environment },
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  })
  let output = ""
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
  child.stdin.on("error", () => undefined)
  child.stdin.end(script)
  const [code] = (await once(child, "close")) as [number | null]
  return { code, output }
}

/** A market that is healthy and has these files, by path: for what needs no more of one. */
export const healthyMarket = async (
  files: ReadonlyMap<string, Uint8Array> = new Map(),
): Promise<{ readonly url: string; readonly close: () => void }> => {
  const server = createServer((request, response) => {
    const file = request.url === "/healthz" ? Buffer.from("{}") : files.get(request.url ?? "")
    response.statusCode = file === undefined ? 404 : 200
    response.end(file)
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  // Just bound, so it is an address of the network.
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, close: () => void server.close() }
}

/** The registry that the market's npm is set up with, and the machine's. */
const REGISTRY = "https://npm.example/"

/** What the market hands out, made once. */
export const archive = Installer.pack()

/** The script of a market that is `local` but for some changes. */
export const scriptOf = async (marketUrl: string, changes: Partial<MarketDefinition> = {}): Promise<string> =>
  (await Installer.make({ ...local, ...changes }, await archive, REGISTRY)).script(marketUrl)
