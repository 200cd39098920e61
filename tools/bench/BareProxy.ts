/**
 * The least that a proxy can do in Node: `node:http` in, the body parsed as JSON, `undici` out, bytes handed over with
 * backpressure. What the gateway is measured against.
 *
 * `node tools/bench/BareProxy.ts <origin>`, as a child process that sends its port.
 */
import { createServer } from "node:http"
import type { IncomingMessage, ServerResponse } from "node:http"
import { Pool } from "undici"
import type { Dispatcher } from "undici"

const pass = (pool: Pool, request: IncomingMessage, response: ServerResponse, body: string): void => {
  let controller: Dispatcher.DispatchController | undefined
  response.on("drain", () => controller?.resume())
  response.on("close", () => controller?.abort(new Error("The client went away.")))
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart: (started) => {
      controller = started
    },
    onResponseStart: (_, status, headers) => {
      response.writeHead(status, { "content-type": String(headers["content-type"]) })
    },
    onResponseData: (started, chunk) => {
      if (!response.write(chunk)) started.pause()
    },
    onResponseEnd: () => {
      controller = undefined
      response.end()
    },
    onResponseError: () => {
      controller = undefined
      response.destroy()
    },
  }
  pool.dispatch(
    { method: "POST", path: request.url ?? "/", headers: { "content-type": "application/json" }, body },
    handler,
  )
}

if (import.meta.main) {
  const pool = new Pool(process.argv[2] ?? "", { connections: 512, pipelining: 1 })
  const server = createServer((request, response) => {
    const parts: Array<Buffer> = []
    request.on("data", (part: Buffer) => parts.push(part))
    request.on("end", () => {
      const body = Buffer.concat(parts).toString()
      JSON.parse(body)
      pass(pool, request, response, body)
    })
  })
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    if (typeof address === "object" && address !== null) process.send?.(address.port)
  })
  process.on("disconnect", () => process.exit(0))
}
