/**
 * A collector of OTLP over HTTP with JSON, for tests that look at what a market exports.
 */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { gunzipSync } from "node:zlib"

export interface OtlpCollector {
  readonly url: string
  /** The bodies that came, by signal: `traces`, `metrics`, `logs`. */
  readonly bodies: ReadonlyMap<string, ReadonlyArray<string>>
  /** The values of every member `name` under a signal: of spans, or of metrics. */
  readonly names: (signal: "traces" | "metrics") => ReadonlySet<string>
  readonly close: () => Promise<void>
}

const namesIn = (value: unknown, into: Set<string>): void => {
  if (typeof value !== "object" || value === null) return
  for (const [key, member] of Object.entries(value)) {
    if (key === "name" && typeof member === "string") into.add(member)
    else namesIn(member, into)
  }
}

/** Starts one on a free port of the loopback interface. */
export const start = async (): Promise<OtlpCollector> => {
  const bodies = new Map<string, Array<string>>()
  const server = createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const signal = request.url?.split("/").at(-1) ?? ""
      const bytes = Buffer.concat(chunks)
      const isZipped = request.headers["content-encoding"] === "gzip"
      const kept = bodies.get(signal) ?? []
      kept.push((isZipped ? gunzipSync(bytes) : bytes).toString())
      bodies.set(signal, kept)
      response.writeHead(200, { "content-type": "application/json" })
      response.end("{}")
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    bodies,
    names: (signal) => {
      const names = new Set<string>()
      for (const body of bodies.get(signal) ?? []) namesIn(JSON.parse(body), names)
      return names
    },
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  }
}
