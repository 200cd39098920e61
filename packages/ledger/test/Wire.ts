/**
 * The line between a store and PostgreSQL, which a test cuts at a named point: before a statement arrives, right after it
 * left, or after it was done but before its answer is heard. The store knows nothing of it.
 */
import { Effect } from "effect"
import { createServer, type Server, type Socket, connect } from "node:net"
import path from "node:path"

/** The statements that a commit consists of. */
export type Step = "begin" | "lock" | "read" | "write" | "commit" | "flush"

/** When a statement is cut off: it never arrives, nobody knows whether it does, or nobody hears that it was done. */
export type Side = "before" | "during" | "after"

export interface Cut {
  /** The how-manieth of the statements, from 0 on. */
  readonly at: number
  readonly side: Side
}

export interface Wire {
  /** The same database, through the line. */
  readonly url: string
  /** Counts from here on, and cuts once; whoever connects afterwards gets no answer until the line is mended. */
  readonly watch: (cut?: Cut) => void
  /** Mends the line; answers the statements that came through since it was watched, or began to. */
  readonly mend: () => ReadonlyArray<Step>
  /** Is called before a statement is let through. */
  onStatement: ((step: Step, at: number) => Promise<unknown>) | undefined
}

const stepOf = (text: string): Step | undefined => {
  if (/pg_logical_emit_message/.test(text)) return "flush"
  if (/ledger_read/.test(text)) return "read"
  if (/ledger_write/.test(text)) return "write"
  if (/FOR UPDATE/i.test(text)) return "lock"
  if (/^\s*BEGIN/i.test(text)) return "begin"
  return /^\s*COMMIT/i.test(text) ? "commit" : undefined
}

/** Takes whole messages off what has come: of the first ones, which have no letter, as many as `untyped` says. */
const messages = (untyped: number) => {
  let [buffer, left] = [Buffer.alloc(0), untyped]
  return (chunk: Buffer): ReadonlyArray<Buffer> => {
    buffer = Buffer.concat([buffer, chunk])
    const whole: Array<Buffer> = []
    for (;;) {
      const head = left > 0 ? 0 : 1
      if (buffer.length < head + 4) return whole
      const size = head + buffer.readUInt32BE(head)
      if (buffer.length < size) return whole
      whole.push(buffer.subarray(0, size))
      buffer = buffer.subarray(size)
      if (left > 0) left -= 1
    }
  }
}

const textAt = (message: Buffer, from: number): readonly [string, number] => {
  const end = message.indexOf(0, from)
  return [message.toString("utf8", from, end), end + 1]
}

interface State {
  seen: Array<Step>
  cut: Cut | undefined
  isCut: boolean
  readonly sockets: Set<Socket>
}

const letter = (message: Buffer): string => String.fromCharCode(message[0] ?? 0)

/** One connection: what the client says is let through statement by statement. */
const carry = (state: State, wire: Wire, client: Socket, server: Socket): void => {
  const [fromClient, fromServer] = [messages(1), messages(0)]
  const prepared = new Map<string, string>()
  let [waiting, text, answers, cutAfter] = [[] as Array<Buffer>, "", 0, -1]
  let work: Promise<unknown> = Promise.resolve()
  const cutAll = (): void => {
    state.isCut = true
    for (const socket of state.sockets) socket.destroy()
  }

  const statement = async (sent: ReadonlyArray<Buffer>, step: Step | undefined, mine: number): Promise<void> => {
    if (state.isCut) return
    if (step === undefined) return void server.write(Buffer.concat(sent))
    const at = state.seen.length
    const side = state.cut?.at === at ? state.cut.side : undefined
    state.seen.push(step)
    await wire.onStatement?.(step, at)
    if (side === "before") return cutAll()
    if (side === "after") cutAfter = mine
    server.write(Buffer.concat(sent))
    if (side === "during") server.end(cutAll)
  }

  let isStarted = false
  let asked = 0
  client.on("data", (chunk: Buffer) => {
    for (const message of fromClient(chunk)) {
      const kind = isStarted ? letter(message) : "startup"
      isStarted = true
      if (kind === "startup" || kind === "p" || kind === "X") {
        server.write(message)
        continue
      }
      waiting.push(message)
      if (kind === "P") {
        const [name, from] = textAt(message, 5)
        prepared.set(name, textAt(message, from)[0])
        text = prepared.get(name) ?? ""
      }
      if (kind === "B") text = prepared.get(textAt(message, textAt(message, 5)[1])[0]) ?? ""
      if (kind === "Q") text = textAt(message, 5)[0]
      if (kind !== "S" && kind !== "Q") continue
      const [sent, step, mine] = [waiting, stepOf(text), asked]
      ;[waiting, text] = [[], ""]
      asked += 1
      work = work.then(() => statement(sent, step, mine))
    }
  })
  // The first time that the server is ready is after the start, and answers no statement.
  server.on("data", (chunk: Buffer) => {
    for (const message of fromServer(chunk)) {
      const isAnswered = letter(message) === "Z" && answers++ === cutAfter + 1 && cutAfter >= 0
      if (isAnswered) return cutAll()
      if (cutAfter < 0) client.write(message)
    }
  })
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    one.setNoDelay(true)
    state.sockets.add(one)
    one.on("error", () => undefined)
    one.on("close", () => {
      state.sockets.delete(one)
      other.destroy()
    })
  }
}

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resolve(typeof address === "object" && address !== null ? address.port : 0)
    }),
  )

/** Lays a line to the database at a URL; taken up with the scope. */
export const make = (url: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const target = new URL(url)
      const directory = target.searchParams.get("host")
      const port = Number(target.port === "" ? "5432" : target.port)
      const state: State = { seen: [], cut: undefined, isCut: false, sockets: new Set() }
      const server = createServer((client) => {
        if (state.isCut) return void client.destroy()
        const socket =
          directory === null ? connect(port, target.hostname) : connect(path.join(directory, `.s.PGSQL.${port}`))
        carry(state, wire, client, socket)
      })
      target.hostname = "127.0.0.1"
      target.port = String(await listen(server))
      target.searchParams.delete("host")
      target.searchParams.set("sslmode", "disable")
      const wire: Wire = {
        url: target.toString(),
        watch: (cut) => {
          state.seen = []
          state.cut = cut
        },
        mend: () => {
          state.isCut = false
          state.cut = undefined
          return state.seen
        },
        onStatement: undefined,
      }
      return { wire, server, state }
    }),
    ({ server, state }) =>
      Effect.promise(async () => {
        for (const socket of state.sockets) socket.destroy()
        await new Promise((resolve) => server.close(resolve))
      }),
  ).pipe(Effect.map(({ wire }) => wire))
