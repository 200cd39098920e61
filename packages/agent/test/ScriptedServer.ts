/** A server that speaks OpenAI's API, for tests: it serves the scripted backend over HTTP, without tickets. */
import * as Http from "node:http"
import * as Effect from "effect/Effect"
import { ModelId } from "@guildhall/core/Model"
import * as Memory from "../src/backends/Memory.ts"
import * as Loopback from "./Loopback.ts"

export interface Options {
  readonly models?: ReadonlyArray<string>
  readonly listing?: unknown
}

const endless = function* () {
  for (;;) yield "word "
}

export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const ids = options.models ?? ["scripted-model", "text-embedding-of-something"]
  const models = ids.map((id) => ({ id: ModelId.make(id), contextLength: 2048 }))
  const backend = Memory.make({ models, answer: endless })
  const open = new Set<Http.ServerResponse>()
  const listing = options.listing ?? {
    object: "list",
    data: ids.map((id) => ({ id, object: "model", owned_by: "test", max_model_len: 2048 })),
  }
  const server = Http.createServer((request, response) => {
    if (request.url === "/v1/models") {
      response.writeHead(200, { "content-type": "application/json" })
      return response.end(JSON.stringify(listing))
    }
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      open.add(response)
      const dispatch = backend.dispatch(
        { path: request.url ?? "", body: Buffer.concat(chunks) },
        {
          onStart: (status, headers) => response.writeHead(status, headers),
          onData: (chunk) => response.write(chunk),
          onEnd: () => {
            open.delete(response)
            response.end()
          },
          onError: () => response.destroy(),
        },
      )
      response.on("drain", dispatch.resume)
      response.on("close", () => {
        open.delete(response)
        dispatch.cancel("the client went away")
      })
    })
    return response
  })
  const url = yield* Loopback.listen(server)
  return { url, open, destroyAll: () => open.forEach((response) => response.destroy()) }
})
