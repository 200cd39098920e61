/** A market for tests, which answers as it is told to. */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"

export const make = (answer: (request: Http.IncomingMessage, response: Http.ServerResponse) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const server = Http.createServer(answer)
      server.listen(0, "127.0.0.1", () => {
        // A server that listens on a port has an address of this kind.
        const { port } = server.address() as AddressInfo
        const close = () => {
          server.closeAllConnections()
          server.close()
        }
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, close }))
      })
    }),
    ({ close }) => Effect.sync(close),
  )
