/** A provider on a real socket that answers by a script, until the scope closes. */
import { Effect } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import type { ProviderExchange } from "@guildhall/protocol/ProviderExchange"

/** Listens on a free port, and answers the URL. */
export const listen = (script: (exchange: ProviderExchange) => void) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("error", () => undefined)
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () =>
          script({
            method: request.method ?? "",
            path: request.url ?? "",
            headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
            body: Buffer.concat(chunks),
            start: (status, headers) => response.writeHead(status, headers),
            data: (chunk) => response.write(chunk),
            end: () => response.end(),
            close: () => response.destroy(),
            onDrain: (listener) => response.on("drain", listener),
            onClosed: (listener) => response.on("close", () => response.writableFinished || listener()),
          }),
        )
      }).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => (server.closeAllConnections(), server.close())),
  ).pipe(Effect.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`))
