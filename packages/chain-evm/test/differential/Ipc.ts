/** A local socket to a node, some sixty times faster than HTTP. What is asked in one turn of the machine is written at once. */
import * as Effect from "effect/Effect"
import { createConnection, type Socket } from "node:net"
import { tmpdir } from "node:os"
import * as path from "node:path"

interface Refusal {
  readonly code: number
  readonly message: string
  readonly data?: unknown
}

export interface Answer {
  readonly id: number
  readonly result?: unknown
  readonly error?: Refusal
}

export type Ask = (method: string, params: ReadonlyArray<unknown>) => Promise<Answer>

/** Where the socket of a chain is: one for each process and start. */
export const socketPath = (): string =>
  path.join(tmpdir(), `anvil-${process.pid}-${globalThis.crypto.randomUUID()}.ipc`)

const asking = (socket: Socket): Ask => {
  const waiting = new Map<number, (answer: Answer) => void>()
  let [id, rest, lines] = [0, "", ""]
  socket.setEncoding("utf8")
  socket.on("data", (chunk: string) => {
    const answers = (rest + chunk).split("\n")
    rest = answers.pop() ?? ""
    for (const line of answers) {
      // What anvil answers has this form.
      const answer = JSON.parse(line) as Answer
      waiting.get(answer.id)?.(answer)
      waiting.delete(answer.id)
    }
  })
  const flush = (): void => {
    socket.write(lines)
    lines = ""
  }
  return (method, params) =>
    new Promise((resolve) => {
      waiting.set(++id, resolve)
      if (lines === "") setImmediate(flush)
      lines += `${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`
    })
}

/** Connects for as long as the scope is open. */
export const connect = (socketPath: string) =>
  Effect.acquireRelease(
    Effect.callback<Socket>((resume) => {
      const socket = createConnection(socketPath)
      socket.once("connect", () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => void socket.destroy()),
  ).pipe(Effect.map(asking))
