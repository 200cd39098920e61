/**
 * A provider that costs next to nothing: raw TCP, prepared answers. A chat completion of the model `bench/mock` is answered
 * at once, one of `bench/slow` after 20 ms; with `"stream":true` come 50 chunks, one every 20 ms, then usage and `[DONE]`.
 * Everything else is answered as healthy.
 *
 * `node tools/bench/Upstream.ts`, as a child process that sends its port.
 */
import { createServer } from "node:net"
import type { Socket } from "node:net"

/** Chunks with content in a stream; usage and `[DONE]` make it two events more. */
export const chunkCount = 50

/** Between two chunks of a stream, and until an answer of the slow model. */
export const paceMs = 20

/** The model that answers at once, and the one that takes its time. */
export const models = { instant: "bench/mock", slow: "bench/slow" } as const

const model = models.instant
const usage = { prompt_tokens: 20, completion_tokens: chunkCount, total_tokens: 20 + chunkCount }

const head = (type: string, length: string): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\n${length}\r\nconnection: keep-alive\r\n\r\n`

const whole = (type: string, body: unknown): Buffer => {
  const text = JSON.stringify(body)
  return Buffer.from(head(type, `content-length: ${Buffer.byteLength(text)}`) + text)
}

const content = Array.from({ length: chunkCount }, () => "word").join(" ")
const completion = whole("application/json", {
  id: "chatcmpl-bench",
  object: "chat.completion",
  created: 1_700_000_000,
  model,
  choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
  usage,
})
const data = Object.values(models).map((id) => ({ id, object: "model", owned_by: "bench" }))
const list = whole("application/json", { object: "list", data })

const event = (data: string): Buffer => {
  const text = `data: ${data}\n\n`
  return Buffer.from(`${text.length.toString(16)}\r\n${text}\r\n`)
}
const delta = (choices: ReadonlyArray<unknown>, extra: object = {}): Buffer =>
  event(
    JSON.stringify({
      id: "chatcmpl-bench",
      object: "chat.completion.chunk",
      created: 1_700_000_000,
      model,
      choices,
      ...extra,
    }),
  )

const streamHead = Buffer.from(head("text/event-stream", "transfer-encoding: chunked"))
const first = delta([{ index: 0, delta: { role: "assistant", content: "word" }, finish_reason: null }])
const middle = delta([{ index: 0, delta: { content: " word" }, finish_reason: null }])
const last = delta([{ index: 0, delta: { content: " word" }, finish_reason: "stop" }])
const tail = Buffer.concat([delta([], { usage }), event("[DONE]"), Buffer.from("0\r\n\r\n")])

const stream = (socket: Socket): void => {
  let sent = 1
  socket.write(Buffer.concat([streamHead, first]))
  const timer = setInterval(() => {
    if (socket.destroyed) return clearInterval(timer)
    sent += 1
    if (sent < chunkCount) return void socket.write(middle)
    clearInterval(timer)
    socket.write(Buffer.concat([last, tail]))
  }, paceMs)
}

const serve = (socket: Socket): void => {
  let waiting = ""
  socket.setNoDelay(true)
  socket.on("error", () => socket.destroy())
  socket.on("data", (bytes) => {
    waiting += bytes.toString("latin1")
    const end = waiting.indexOf("\r\n\r\n")
    if (end === -1) return
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(waiting.slice(0, end + 2))?.[1] ?? 0)
    if (waiting.length < end + 4 + length) return
    const request = waiting
    waiting = ""
    if (!request.startsWith("POST ")) socket.write(list)
    else if (/"stream": ?true/.test(request)) stream(socket)
    else if (request.includes(models.slow)) setTimeout(() => socket.write(completion), paceMs)
    else socket.write(completion)
  })
}

if (import.meta.main) {
  const server = createServer((socket) => serve(socket))
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    if (typeof address === "object" && address !== null) process.send?.(address.port)
  })
  process.on("disconnect", () => process.exit(0))
}
