/**
 * An npm registry on this machine that has what the real one has, fetched once. A test can see what was asked for, and spoil it.
 */
import { spawnSync } from "node:child_process"
import { once } from "node:events"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

export interface Mirror {
  readonly url: string
  readonly asked: Array<string>
  /** Paths that are answered with something else. */
  readonly spoiled: Set<string>
  readonly close: () => void
}

/** The registry that npm is set up with here. */
const upstream = (): string => spawnSync("npm", ["config", "get", "registry"], { encoding: "utf8" }).stdout.trim()

/** Why there can be no mirror, or undefined where there can. */
export const impossible = async (): Promise<string | undefined> => {
  const registry = upstream()
  const answers = await fetch(`${registry.replace(/\/$/, "")}/effect/4.1.0`, {
    signal: AbortSignal.timeout(10_000),
  }).then(
    ({ ok }) => ok,
    () => false,
  )
  return answers ? undefined : `the npm registry ${registry} does not answer`
}

interface Kept {
  readonly status: number
  readonly type: string
  readonly bytes: Buffer
}

const answer = async (found: Promise<Kept>, response: ServerResponse): Promise<void> => {
  const { bytes, status, type } = await found
  response.writeHead(status, { "content-type": type, "content-length": bytes.byteLength })
  response.end(bytes)
}

export const start = async (): Promise<Mirror> => {
  const registry = upstream().replace(/\/$/, "")
  const [asked, spoiled] = [new Array<string>(), new Set<string>()]
  const kept = new Map<string, Promise<Kept>>()
  const get = async (where: string, accept: string): Promise<Kept> => {
    const answer = await fetch(registry + where, { headers: { accept } })
    return {
      status: answer.status,
      type: answer.headers.get("content-type") ?? "application/octet-stream",
      bytes: Buffer.from(await answer.arrayBuffer()),
    }
  }
  const server = createServer((request, response) => {
    const where = request.url ?? "/"
    asked.push(where)
    if (spoiled.has(where)) return void response.end("spoiled")
    const accept = request.headers.accept ?? "*/*"
    const name = `${accept} ${where}`
    const found = kept.get(name) ?? get(where, accept)
    kept.set(name, found)
    void answer(found, response).catch(() => {
      kept.delete(name)
      response.writeHead(502).end()
    })
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, asked, spoiled, close: () => void server.close() }
}
